//! Test support: a source that answers byte by byte as it is told. The adapters' own tests and the
//! contract test suite stand on it; nothing that serves is built with it.

pub mod laws;
pub mod server;

pub use laws::{Broken, Law, Trial};
pub use server::{Reply, Seen, Server};
