//! Laws of the decision over generated worlds, and the decisions of the repository's own contracts.

mod laws;
mod mutants;
mod questions;
mod reference;
mod scopes;
mod world;
