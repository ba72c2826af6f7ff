//! REST over HTTPS.
