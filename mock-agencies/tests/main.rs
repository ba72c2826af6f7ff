//! The mock agencies as a caller meets them: over mutual TLS, with faults, counts and refusals.

mod azerishiq;
mod control;
mod interior;
mod line;
mod taxes;
mod world;
