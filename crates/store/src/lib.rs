//! What must outlive a restart besides the journal: cases.
