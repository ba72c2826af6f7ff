//! The journal from outside, by its public interface alone.

mod convicted;
mod corpus;
#[expect(unreachable_pub, reason = "public to the fuzz targets")]
#[path = "../fuzz/src/lib.rs"]
mod laws;
