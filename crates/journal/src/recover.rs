//! Opening a log and putting right what a crash left.

use std::sync::Arc;

use crate::committer::Writer;
use crate::disk::Disk;
use crate::journal::{OpenError, Options, Recovered};
use crate::note::SigningKey;

pub(crate) fn open(_disk: Arc<dyn Disk>, _options: &Options, _key: SigningKey) -> Result<(Writer, Recovered), OpenError> {
    unimplemented!("recovery follows")
}
