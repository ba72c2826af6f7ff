//! From the raw YAML shape to a checked plan; every problem of a file at once.

use std::sync::Arc;

use model::document::Document;
use model::id::split_versioned;
use model::{Problems, Service, ServiceId, Version};

use crate::plan::Plan;

/// The service version a mapping file says it maps, before anything else of it is checked.
#[must_use]
pub fn target(document: &Document) -> Option<(ServiceId, Version)> {
    let (name, version) = split_versioned(document.value.get("mapping")?.as_str()?).ok()?;
    Some((ServiceId::new(name).ok()?, version))
}

/// Compiles a mapping against its contract. Every problem is added to `problems`; `None` when there
/// was one. Does no I/O: the examples are read by [`crate::check_examples`].
pub fn compile(document: &Document, service: &Arc<Service>, problems: &mut Problems) -> Option<Plan> {
    let _ = (document, service, problems);
    None
}
