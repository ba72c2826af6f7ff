//! Tests over whole logs.

mod basic;
mod bytes;
mod crash;
mod fake;
mod fence;
mod levels;
mod proofs;
mod queue;
mod tamper;
mod tree;
