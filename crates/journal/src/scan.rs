//! Reading segments.
