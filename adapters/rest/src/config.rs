//! What differs between one REST source and the next.

/// How to speak to a REST source. Nothing is open yet: keys, tokens and paging will be settings here.
#[derive(Debug, Clone, Copy, Default)]
pub struct RestConfig {}
