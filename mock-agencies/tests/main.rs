//! The mock agencies as a caller meets them: over mutual TLS, with faults, counts and refusals.

mod azerishiq;
mod azersu;
mod border;
mod control;
mod credit_bureau;
mod digital;
mod interior;
mod justice;
mod line;
mod property;
mod taxes;
mod world;
