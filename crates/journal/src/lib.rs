//! The tamper-evident log: opaque entries, frames, tree, recovery, receipts.
