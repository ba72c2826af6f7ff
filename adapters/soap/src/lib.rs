//! SOAP 1.1 and 1.2 over HTTPS, document/literal wrapped, with WS-Addressing headers where wanted.

pub mod client;
pub mod codec;
pub mod config;
pub mod error;

pub use client::Soap;
pub use config::{Addressing, SoapConfig, SoapVersion};
pub use error::{ConfigError, PrologueError};

#[cfg(test)]
mod tests;
