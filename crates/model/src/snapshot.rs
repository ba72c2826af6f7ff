//! Everything the data folders say, checked and immutable. A reload builds a new snapshot beside
//! the old one and swaps one pointer; an exchange keeps the snapshot it began with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::calendar::Calendar;
use crate::comparison::Comparison;
use crate::contract::{Act, Consumer, Dossier, Probes, Provider, Purpose, Service};
use crate::id::{ActId, ComparisonId, ConsumerId, DossierId, ProviderId, PurposeId, ServiceId};

/// The checked contracts of one deployment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Providers by code.
    pub providers: BTreeMap<ProviderId, Provider>,
    /// Services by `provider/service`; one version of each is active.
    pub services: BTreeMap<ServiceId, Arc<Service>>,
    /// Services whose contracts are there but broken, or doubled: not usable, and not unknown either.
    pub broken: BTreeSet<ServiceId>,
    /// Consumers by code.
    pub consumers: BTreeMap<ConsumerId, Consumer>,
    /// Purposes by code.
    pub purposes: BTreeMap<PurposeId, Purpose>,
    /// Legal acts by code.
    pub acts: BTreeMap<ActId, Act>,
    /// Dossiers by name.
    pub dossiers: BTreeMap<DossierId, Arc<Dossier>>,
    /// Comparisons of what two sources say.
    pub comparisons: BTreeMap<ComparisonId, Arc<Comparison>>,
    /// Working days.
    pub calendar: Calendar,
    /// How it is looked whether sources answer as they should; none where the data say nothing.
    pub probes: Option<Probes>,
}

impl Snapshot {
    /// The consumer one of whose certificate names is `name`.
    #[must_use]
    pub fn consumer_by_certificate_name(&self, name: &str) -> Option<&Consumer> {
        self.consumers.values().find(|consumer| consumer.certificate_names.iter().any(|own| &**own == name))
    }
}
