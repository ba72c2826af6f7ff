//! Checks the bodies that a source consists of, and the input of its services that chooses one.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::file::{self, File, KEY_RULE, is_key};
use crate::contract::{Input, Type};
use crate::document::escape;
use crate::instances::{Instances, KEYS_MAX};
use crate::raw;
use crate::rule;

/// What `provider.yaml` says of them.
pub(super) fn check(file: &mut File<'_>, raw: &raw::Instances) -> Instances {
    if !is_key(&raw.by) {
        file.refuse("/instances/by", rule::WRONG_NAME, "not the name of an input", KEY_RULE);
    }
    if raw.connected.len() + raw.not_connected.len() > KEYS_MAX {
        file.refuse_key("/instances", rule::TOO_MANY, "too many keys", format!("at most {KEYS_MAX} in both lists"));
    }
    let mut seen = BTreeSet::new();
    for (list, keys) in [("connected", &raw.connected), ("not_connected", &raw.not_connected)] {
        for (place, key) in keys.iter().enumerate() {
            let at = format!("/instances/{list}/{place}");
            if !raw.form.accepts(key) {
                file.refuse(&at, rule::WRONG_INSTANCE_KEY, format!("`{key}` does not have the form of a key"), raw.form.accepted());
            } else if !seen.insert(key) {
                file.refuse(&at, rule::REPEATED_WORD, format!("`{key}` stands twice"), "each key once, in one of the two lists");
            }
        }
    }
    if let Some(key) = raw.otherwise.as_ref().filter(|key| !raw.connected.contains(key)) {
        let accepted = file::words(raw.connected.iter().map(String::as_str));
        file.refuse("/instances/otherwise", rule::WRONG_INSTANCE_KEY, format!("`{key}` is not connected"), accepted);
    }
    let set = |keys: &[String]| file::boxed(keys).into_iter().collect();
    Instances {
        by: raw.by.as_str().into(),
        connected: set(&raw.connected),
        not_connected: set(&raw.not_connected),
        otherwise: raw.otherwise.as_deref().map(Box::from),
    }
}

/// Marks the input of a service that chooses the body; a problem where it has none that can.
pub(super) fn mark(file: &mut File<'_>, instances: &Arc<Instances>, inputs: &mut [Input]) {
    let Some(input) = inputs.iter_mut().find(|input| input.name == instances.by) else {
        let message = format!("`{}` says which body is asked, and the service has no such input", instances.by);
        let accepted = format!("input: {{{}: {{type: text, need: required}}}}", instances.by);
        file.refuse_key("/input", rule::WRONG_ROUTING_INPUT, message, accepted);
        return;
    };
    let at = format!("/input/{}", escape(&input.name));
    if input.kind != Type::Text || input.list_max.is_some() {
        file.refuse(&at, rule::WRONG_ROUTING_INPUT, "what says which body is asked is one text", "type: text, without list_max");
    } else if !input.required && instances.otherwise.is_none() {
        file.refuse(
            &at,
            rule::WRONG_ROUTING_INPUT,
            "a question without it could go nowhere",
            "need: required, or `otherwise` in provider.yaml",
        );
    }
    input.instances = Some(Arc::clone(instances));
}
