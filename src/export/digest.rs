//! A writer that counts and hashes what goes through it.

use std::io::{self, Write};

use aws_lc_rs::digest::{Context, SHA256};
use journal::Hash;

/// Counts and hashes on the way to another writer.
pub(super) struct Digesting<W> {
    out: W,
    context: Context,
    bytes: u64,
}

impl<W: Write> Digesting<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, context: Context::new(&SHA256), bytes: 0 }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// SHA-256 of everything so far.
    pub(super) fn sha256(&self) -> Hash {
        Hash(self.context.clone().finish().as_ref().try_into().expect("SHA-256 gives 32 bytes"))
    }
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.context.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
