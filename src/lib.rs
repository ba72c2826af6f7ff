//! Qovşaq: the interoperability gateway as a library; `main.rs` is a thin shell over it.
