//! REST with JSON over HTTPS, with access tokens and answers that come later where a source has them.

pub mod client;
pub mod codec;
pub mod config;
pub mod error;
mod token;

pub use client::Rest;
pub use config::{OAuth2, Poll, RestConfig};
pub use error::ConfigError;

#[cfg(test)]
mod tests;
