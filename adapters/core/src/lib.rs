//! What every adapter is: wire message, call, error, bounded transport.
