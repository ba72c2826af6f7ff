//! Tests over whole logs.
