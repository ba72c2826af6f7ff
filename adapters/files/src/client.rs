//! A look-up as a call: the rows of a snapshot as a JSON body that a mapping reads.

use std::sync::Arc;
use std::time::SystemTime;

use adapter_core::{Call, CallError, CallErrorKind, CallFuture, Context, Origin, Question, Request, SecretText, Sent, WireAnswer};

/// Rows that have the texts asked for.
#[derive(Clone)]
pub struct Found {
    /// The moment that they are of.
    pub as_of: SystemTime,
    /// Names of the columns.
    pub columns: Arc<[Box<str>]>,
    /// Places of the columns that rows are looked up by, in one way or another.
    pub keyed: Arc<[usize]>,
    /// Cells of each row, in the columns' order; bytes as they came.
    pub rows: Vec<Vec<Vec<u8>>>,
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Found").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

/// Why there are no rows to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LookUpFailed {
    /// No file has been loaded yet.
    #[error("no file has been loaded yet")]
    NotLoaded,
    /// The snapshot cannot be read.
    #[error("the snapshot cannot be read")]
    Broken,
    /// It is not found by these columns.
    #[error("the snapshot is not found by these columns")]
    OtherKeys,
    /// More rows have these texts than one answer may have.
    #[error("more rows than an answer may have")]
    TooMany,
}

/// What is looked up in. Blocking; a look-up takes well under a millisecond.
pub trait LookUp: Send + Sync + std::fmt::Debug {
    /// The rows that have these texts.
    ///
    /// # Errors
    /// Why there are none to look at; no row is no error.
    fn look_up(&self, keys: &[(Box<str>, SecretText)]) -> Result<Found, LookUpFailed>;
}

/// Looks up rows of what a source has delivered.
#[derive(Debug)]
pub struct Files {
    snapshot: Arc<dyn LookUp>,
}

impl Files {
    /// Looks up in this.
    #[must_use]
    pub fn new(snapshot: Arc<dyn LookUp>) -> Self {
        Self { snapshot }
    }

    async fn look_up(&self, question: &Question) -> Result<WireAnswer, CallError> {
        let Question::LookUp { keys } = question else {
            return Err(CallError::question("a snapshot was asked something else"));
        };
        let (snapshot, keys) = (Arc::clone(&self.snapshot), keys.clone());
        let found = tokio::task::spawn_blocking(move || snapshot.look_up(&keys)).await;
        let failed = |kind| CallError::new(kind, Sent::No);
        match found {
            Ok(Ok(found)) => {
                let body = body(&found);
                Ok(WireAnswer {
                    status: 200,
                    body: body.into(),
                    retry_after: None,
                    route_id: None,
                    key_switched: false,
                    as_of: Some(found.as_of),
                })
            }
            Ok(Err(LookUpFailed::NotLoaded)) => Err(failed(CallErrorKind::NoSnapshot)),
            Ok(Err(LookUpFailed::TooMany)) => Err(failed(CallErrorKind::TooLarge)),
            Ok(Err(LookUpFailed::OtherKeys)) => Err(CallError::question("the snapshot is not found by these columns")),
            Ok(Err(LookUpFailed::Broken)) | Err(_) => Err(failed(CallErrorKind::NoSnapshot).with_origin(Origin::Gateway)),
        }
    }
}

/// `{"same":{"FIN":"…"},"rows":[{"FIN":"…",…},…]}`: what all rows have in common of the columns they are looked up by,
/// then the rows. A cell that is not UTF-8 makes the body no JSON, which its reader says.
fn body(found: &Found) -> Vec<u8> {
    let mut body = Vec::with_capacity(64 + found.rows.len() * 256);
    body.push(b'{');
    if let Some((first, others)) = found.rows.split_first() {
        let common = found.keyed.iter().filter_map(|place| {
            let cell = first.get(*place)?;
            others.iter().all(|row| row.get(*place) == Some(cell)).then_some((&**found.columns.get(*place)?, &cell[..]))
        });
        body.extend_from_slice(b"\"same\":");
        object(common, &mut body);
        body.push(b',');
    }
    body.extend_from_slice(b"\"rows\":[");
    for (place, row) in found.rows.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        object(found.columns.iter().zip(row).map(|(column, cell)| (&**column, &cell[..])), &mut body);
    }
    body.extend_from_slice(b"]}");
    body
}

fn object<'a>(members: impl Iterator<Item = (&'a str, &'a [u8])>, body: &mut Vec<u8>) {
    body.push(b'{');
    for (place, (name, cell)) in members.enumerate() {
        if place > 0 {
            body.push(b',');
        }
        text(name.as_bytes(), body);
        body.push(b':');
        text(cell, body);
    }
    body.push(b'}');
}

/// A JSON string; control characters were refused when the file was read.
fn text(bytes: &[u8], body: &mut Vec<u8>) {
    body.push(b'"');
    for byte in bytes {
        if matches!(byte, b'"' | b'\\') {
            body.push(b'\\');
        }
        body.push(*byte);
    }
    body.push(b'"');
}

impl Call for Files {
    fn write(&self, question: &Question, _context: &Context<'_>) -> Result<Request, CallError> {
        match question {
            Question::LookUp { .. } => Err(CallError::question("a look-up is no request")),
            Question::Soap { .. } | Question::Rest { .. } => Err(CallError::question("a snapshot was asked something else")),
        }
    }

    fn call<'a>(&'a self, question: &'a Question, _context: &'a Context<'a>) -> CallFuture<'a> {
        Box::pin(self.look_up(question))
    }
}
