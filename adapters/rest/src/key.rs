//! The keys that name us to a source: the one in use, and the one that may follow it.

use std::sync::atomic::{AtomicUsize, Ordering};

use adapter_core::Request;
use http::{HeaderName, HeaderValue};

use crate::config::ApiKey;

/// The keys, and which of them the source takes. Two callers that find out at once find out the same.
#[derive(Debug)]
pub(crate) struct Keys {
    header: HeaderName,
    /// One or two; their `Debug` shows nothing.
    values: Vec<HeaderValue>,
    current: AtomicUsize,
}

impl Keys {
    /// The configuration has been checked: what no header can hold is left out.
    pub(crate) fn new(config: &ApiKey) -> Self {
        let value = |key: &adapter_core::SecretText| {
            let mut value = HeaderValue::from_str(key.expose()).ok()?;
            value.set_sensitive(true);
            Some(value)
        };
        let values = std::iter::once(&config.key).chain(&config.next).filter_map(value).collect();
        Self { header: config.header.clone(), values, current: AtomicUsize::new(0) }
    }

    /// Place of the key in use.
    pub(crate) fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    /// Place of the key that is not this one, where there are two.
    pub(crate) fn other(&self, place: usize) -> Option<usize> {
        (self.values.len() > 1).then_some(1 - place.min(1))
    }

    /// Uses this key in place of that one from now on. Tells whether it was this call that changed it.
    pub(crate) fn switch(&self, from: usize, to: usize) -> bool {
        self.current.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The request with a key.
    pub(crate) fn bearing(&self, mut request: Request, place: usize) -> Request {
        if let Some(value) = self.values.get(place) {
            request.headers.insert(self.header.clone(), value.clone());
        }
        request
    }
}
