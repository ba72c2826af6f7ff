//! Qovşaq: the interoperability gateway as a library; `main.rs` is a thin shell over it.

pub mod listener;
pub mod pki;
pub mod tls;
