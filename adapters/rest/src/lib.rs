//! REST with JSON over HTTPS.

pub mod client;
pub mod codec;
pub mod config;

pub use client::Rest;
pub use config::RestConfig;

#[cfg(test)]
mod tests;
