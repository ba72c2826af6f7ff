//! Tests over whole logs.

mod basic;
