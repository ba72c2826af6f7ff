//! Epoch keys, sealed entries and subject tokens.
