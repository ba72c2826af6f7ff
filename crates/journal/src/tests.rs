//! Tests over whole logs.

mod basic;
mod crash;
mod fake;
