//! X-Road, client side: we are an information system that asks through a security server of the
//! exchange system (EHİS), in SOAP ([`XroadSoap`]) or REST ([`XroadRest`]).
//!
//! Source: "X-Road: Message Protocol v4.0" (PR-MESS 4.0.25), "X-Road: Message Protocol for REST"
//! (PR-REST 1.0.4), and the behaviour of versions 7.7 and 7.8 where it differs.

pub mod client;
pub mod codec;
pub mod config;
pub mod error;
pub mod fault;
pub mod identifier;
pub mod rest;

pub use client::{XroadRest, XroadSoap};
pub use config::{Dialect, Echo, Member, RequestHash, ServicePlace, XroadConfig};
pub use error::ConfigError;
pub use rest::{RequestDigest, RestCodec};

#[cfg(test)]
mod tests;
