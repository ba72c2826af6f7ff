//! Wire form to canonical form and back, as compiled plans.
