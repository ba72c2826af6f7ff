//! Laws of the decision over generated worlds, and the decisions of the repository's own contracts.

mod laws;
mod reference;
mod world;
