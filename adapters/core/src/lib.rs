//! What every adapter is: a question in wire form, the [`Call`] that asks it, the error it may end
//! in, and the bounded transport all adapters share.
//!
//! An adapter knows a protocol and nothing else: no contract, no mapping, no policy, no journal.
//! What it is handed has already been authorised and journalled; what it hands back has not been
//! believed yet.

pub mod call;
mod connect;
pub mod error;
pub mod header;
#[cfg(any(test, feature = "kit"))]
pub mod kit;
pub mod secret;
pub mod sync;
pub mod tls;
pub mod transport;

pub use call::{Call, CallFuture, Context, Question, Received, Request, WireAnswer};
pub use error::{CallError, CallErrorKind, Cause, HttpFault, Origin, RouteCode, Sent};
pub use secret::SecretText;
pub use sync::{SyncState, Synchronised};
pub use tls::{Identity, TlsVersions};
pub use transport::{Expected, HttpVersions, Transport, TransportError, TransportOptions};

// The certificates that all adapters' tests share name this crate as the others do.
#[cfg(test)]
extern crate self as adapter_core;

#[cfg(test)]
mod tests;
