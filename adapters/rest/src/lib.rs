//! REST with JSON over HTTPS, with access tokens or keys, answers that come later and answers in pages where a source has
//! them.

pub mod client;
pub mod codec;
pub mod config;
pub mod error;
mod key;
mod paging;
mod token;

pub use client::Rest;
pub use config::{ApiKey, OAuth2, Paging, Poll, RestConfig};
pub use error::ConfigError;

#[cfg(test)]
mod tests;
