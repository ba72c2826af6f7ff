//! X-Road message protocol 4.0 (SOAP), client side: we are an information system that asks through
//! a security server of the exchange system (EHİS).
//!
//! Source: "X-Road: Message Protocol v4.0" (PR-MESS 4.0.25) and the behaviour of versions 7.7 and
//! 7.8 where it differs.

pub mod client;
pub mod codec;
pub mod config;
pub mod error;
pub mod fault;

pub use client::XroadSoap;
pub use config::{Dialect, Member, RequestHash, XroadConfig};
pub use error::ConfigError;

#[cfg(test)]
mod tests;
