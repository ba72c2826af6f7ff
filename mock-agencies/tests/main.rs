//! The mock agencies as a caller meets them: over mutual TLS, with faults, counts and refusals.

mod agriculture;
mod azerishiq;
mod azersu;
mod border;
mod control;
mod credit_bureau;
mod digital;
mod education;
mod exam_centre;
mod health;
mod interior;
mod justice;
mod line;
mod migration;
mod mobilisation;
mod property;
mod refugee_committee;
mod taxes;
mod world;
