//! What goes into the log: an entry's own header, its role, and bytes the log does not read.

use bytes::Bytes;

use crate::hash::{Hash, leaf_hash};

/// Bytes of the log's header before each body.
pub const LEAF_HEADER_BYTES: usize = 12;
/// Longest body, in bytes: a leaf stays below 64 KiB, the limit of standard entry bundles (C2SP tlog-tiles).
pub const BODY_BYTES_MAX: usize = 65_535 - LEAF_HEADER_BYTES;
const LEAF_VERSION: u8 = 1;

/// An entry to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// A number whose meaning the gateway knows and the log does not.
    pub kind: u8,
    /// Whether it opens or closes an exchange.
    pub role: Role,
    /// The hashed part, at most [`BODY_BYTES_MAX`] bytes.
    pub body: Vec<u8>,
    /// What travels in the same frame outside the hashed leaf; the body must commit to it.
    pub payload: Vec<u8>,
}

impl Entry {
    /// The leaf's first bytes: version (1) ‖ kind ‖ role ‖ 0 ‖ link, little-endian (8).
    #[must_use]
    pub fn leaf_header(&self) -> [u8; LEAF_HEADER_BYTES] {
        leaf_header(self.kind, self.role)
    }

    /// The leaf's hash (RFC 6962 section 2.1).
    #[must_use]
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash(&self.leaf_header(), &self.body)
    }
}

/// An entry's part in an exchange. The log knows only this much, so that recovery can name what is still open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Stands alone.
    Single,
    /// Opens an exchange: stays open until an entry closes it.
    Opens,
    /// Closes the exchange opened at this index; each is closed once.
    Closes(u64),
}

impl Role {
    /// The role's byte in the leaf: 0, 1, 2.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Single => 0,
            Self::Opens => 1,
            Self::Closes(_) => 2,
        }
    }

    /// The index that is closed; 0 without one.
    #[must_use]
    pub fn link(self) -> u64 {
        match self {
            Self::Closes(index) => index,
            Self::Single | Self::Opens => 0,
        }
    }
}

/// How soon an entry must be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Somebody waits: the next commit begins as soon as the disk is free and the hold after a commit of many is over.
    Now,
    /// Somebody waits, and whoever appends calls [`Journal::commit`](crate::Journal::commit) as soon as no more
    /// is about to come, so that one flush serves many. At the latest after the lazy delay.
    Gathered,
    /// May ride on the next urgent entry's commit, at the latest after the lazy delay.
    Lazy,
}

/// An exchange that no entry has closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenEntry {
    /// Index of the entry that opened it.
    pub index: u64,
    /// That entry's kind.
    pub kind: u8,
    /// That entry's body.
    pub body: Bytes,
}

pub(crate) fn leaf_header(kind: u8, role: Role) -> [u8; LEAF_HEADER_BYTES] {
    let mut header = [LEAF_VERSION, kind, role.code(), 0, 0, 0, 0, 0, 0, 0, 0, 0];
    header[4..].copy_from_slice(&role.link().to_le_bytes());
    header
}

/// A leaf taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeafView<'a> {
    pub(crate) kind: u8,
    pub(crate) role: Role,
    pub(crate) body: &'a [u8],
}

impl<'a> LeafView<'a> {
    /// Takes a leaf apart; nothing when its header is not one this version writes.
    pub(crate) fn parse(leaf: &'a [u8]) -> Option<Self> {
        let (header, body) = leaf.split_first_chunk::<LEAF_HEADER_BYTES>()?;
        let link = u64::from_le_bytes(*header.last_chunk()?);
        let role = match (header[2], link) {
            (0, 0) => Role::Single,
            (1, 0) => Role::Opens,
            (2, index) => Role::Closes(index),
            _ => return None,
        };
        (header[0] == LEAF_VERSION && header[3] == 0 && body.len() <= BODY_BYTES_MAX).then_some(Self { kind: header[1], role, body })
    }
}
