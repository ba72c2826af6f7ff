//! The `qovsaq` program.
fn main() {}
