//! Laws of the decision.
