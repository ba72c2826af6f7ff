//! X-Road message protocol 4.0 (SOAP), client side.
