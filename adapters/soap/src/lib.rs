//! SOAP 1.1 and 1.2 over HTTPS, document/literal wrapped, with WS-Addressing headers and a WS-Security
//! user name where wanted.

pub mod client;
pub mod codec;
pub mod config;
pub mod error;
pub mod security;

pub use client::Soap;
pub use config::{Addressing, Basic, PasswordKind, SoapConfig, SoapVersion, UsernameToken};
pub use error::{ConfigError, PrologueError};

#[cfg(test)]
mod tests;
