//! Where the suite runs: a gateway made from nothing in a folder of its own, with the data under test, a
//! consumer that is granted everything, and limits that are nobody's concern here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use mapping::Protocol;
use model::contract::{Class, Service, ServiceEffect};
use model::document::Document;
use model::{Problems, ServiceId};
use serde_json::{Value as Json, json};

use super::material::Material;
use crate::config::DataFolders;
use crate::data;
use crate::gateway::StartError;
use crate::pki::{Authority, CRL_VALIDITY, LEAF_VALIDITY, Validity};

/// The consumer, its purpose, its act and its role.
pub const CONSUMER: &str = "adapter-kit";
/// Base name of the journal's logs.
pub const BASE: &str = "adapter-kit.test";
/// The contract's time in cases in which it does not pass. Longer than any answer takes, on a busy machine too.
pub const PROMPT: Duration = Duration::from_secs(40);
/// The contract's time in cases in which it passes: the shortest that a contract may have.
pub const LATE: Duration = Duration::from_secs(1);
/// Largest answer that is accepted, in bytes: small, so that what is too large is soon.
pub const ANSWER_BYTES_MAX: usize = 256 << 10;

/// A folder with everything that the suite needs, before anything is started.
#[derive(Debug)]
pub struct Workplace {
    /// The folder.
    pub dir: PathBuf,
    /// What there is of each service, by the data as they were given.
    pub materials: Vec<Material>,
}

impl Workplace {
    /// Makes the folder from the data in `data` (with `contracts/` and `mappings/`), or from what is built in, for
    /// sources that are played.
    ///
    /// # Errors
    /// The data's problems, or what could not be made.
    pub fn prepare(dir: &Path, data: Option<&Path>, now: Timestamp) -> Result<Self, StartError> {
        let given = match data {
            Some(data) => data.to_path_buf(),
            None => {
                let given = dir.join("given");
                crate::demo::write_embedded(&given)?;
                given
            }
        };
        let given = DataFolders { contracts: given.join("contracts"), mappings: given.join("mappings") };
        let place = Self::with(dir, &given, now)?;
        place.set_times(PROMPT)?;
        Ok(place)
    }

    /// Makes the folder from these data; the contracts' times and rates stay as they are.
    ///
    /// # Errors
    /// The data's problems, or what could not be made.
    pub fn with(dir: &Path, given: &DataFolders, now: Timestamp) -> Result<Self, StartError> {
        let today = model::time::day(now);
        let mut problems = Problems::default();
        let active = data::load(&given.contracts, &given.mappings, today, &mut problems);
        if !problems.is_empty() {
            return Err(StartError::Problems(problems));
        }
        let mut plans: Vec<_> = active.plans.values().collect();
        plans.sort_by_key(|plan| plan.id().as_str());
        let read = plans.iter().map(|plan| Material::read(&given.mappings, plan, today));
        let materials = read.collect::<Result<Vec<_>, _>>().map_err(anyhow::Error::new)?;
        let place = Self { dir: dir.to_path_buf(), materials };
        place.write_data(given)?;
        place.make_pki(now)?;
        Ok(place)
    }

    /// Providers and mappings as they are, the lists with what the consumer needs, and the consumer. Other consumers
    /// and dossiers are left out: nobody asks by them.
    fn write_data(&self, given: &DataFolders) -> anyhow::Result<()> {
        let contracts = self.dir.join("contracts");
        copy_folder(&given.mappings, &self.dir.join("mappings"))?;
        copy_folder(&given.contracts.join("providers"), &contracts.join("providers"))?;
        let name = json!({"az": "Adapterlərin sınağı", "en": "Test of adapters"});
        for (file, entry) in [("purposes.yaml", json!({"name": name})), ("acts.yaml", json!({"name": name, "special": "allowed"}))] {
            let mut list = read(&given.contracts.join(file))?;
            list[CONSUMER] = entry;
            write(&contracts.join(file), &list)?;
        }
        let calendar = given.contracts.join("calendar.yaml");
        if calendar.exists() {
            std::fs::copy(&calendar, contracts.join("calendar.yaml"))?;
        }
        let grants: Vec<Json> = self.materials.iter().map(|material| grant(&material.service)).collect();
        let consumer = json!({
            "consumer": CONSUMER, "name": name, "clause": "634/2.1", "type": "subsystem", "certificate_names": [format!("{CONSUMER}.test")],
            "quota": {"per_second": 50_000, "burst": 50_000},
            "roles": {CONSUMER: {"name": name, "class_max": "S"}},
            "grants": grants,
        });
        write(&contracts.join(format!("consumers/{CONSUMER}.yaml")), &consumer)
    }

    /// Gives every contract this time and no bound of its rate. A running gateway takes it at its next reload.
    ///
    /// # Errors
    /// When a contract cannot be read or written.
    pub fn set_times(&self, timeout: Duration) -> anyhow::Result<()> {
        for material in &self.materials {
            let file = self.dir.join("contracts/providers").join(format!("{}.yaml", material.service.versioned()));
            let mut contract = read(&file)?;
            contract["timeout"] = json!(format!("{}s", timeout.as_secs()));
            contract["quota"] = json!({"per_second": 50_000, "burst": 50_000});
            write(&file, &contract)?;
        }
        Ok(())
    }

    fn make_pki(&self, now: Timestamp) -> anyhow::Result<()> {
        let validity = || Validity::starting(now, LEAF_VALIDITY);
        let local = ["localhost", "127.0.0.1"];
        let mut own = Authority::init(&self.dir.join("pki"), "Qovsaq kit CA", CRL_VALIDITY, now)?;
        own.issue_server("gateway", &local, validity(), now)?;
        own.issue_server("source", &local, validity(), now)?;
        own.issue_server("wrong-name", &["somebody-else.test"], validity(), now)?;
        own.issue_server("expired", &local, Validity::expired(now), now)?;
        own.issue_client(CONSUMER, &[&format!("{CONSUMER}.test")], validity(), now)?;
        own.issue_client("towards-source", &["gateway.test"], validity(), now)?;
        let mut foreign = Authority::init(&self.dir.join("foreign"), "Another CA", CRL_VALIDITY, now)?;
        foreign.issue_server("source", &local, validity(), now)?;
        Ok(())
    }

    /// The providers that are asked, with what of their way the configuration must say.
    pub(super) fn providers(&self, services: &BTreeSet<ServiceId>) -> BTreeMap<&str, Way> {
        let mut providers: BTreeMap<&str, Way> = BTreeMap::new();
        for material in &self.materials {
            let way = providers.entry(material.service.id.provider()).or_default();
            way.xroad |= matches!(material.plan.protocol(), Protocol::XroadSoap { .. } | Protocol::XroadRest { .. });
            way.keyed |= material.service.effect == ServiceEffect::Write;
            way.serves = material.service.instances().map(|instances| instances.connected.iter().cloned().collect()).unwrap_or_default();
        }
        providers.retain(|provider, _| services.iter().any(|service| service.provider() == *provider));
        providers
    }

    /// Where a gateway keeps what it writes; gateways are numbered from 0.
    #[must_use]
    pub fn lane(&self, number: usize) -> PathBuf {
        self.dir.join(format!("gateway-{number}"))
    }

    /// Writes the configuration of a gateway: `sources` are providers with their addresses and what else leads to them.
    pub(super) fn write_config(&self, number: usize, sources: &[(&str, String, Way)]) -> anyhow::Result<PathBuf> {
        let of = |name: &str| self.dir.join(name);
        let providers: serde_json::Map<_, _> = sources
            .iter()
            .map(|(provider, url, leads)| {
                let mut way = json!({
                    "server_ca": of("pki/ca.pem"), "certificate": of("pki/towards-source.pem"), "key": of("pki/towards-source.key"),
                    "answer_bytes_max": ANSWER_BYTES_MAX, "limits": {"breaker": {"calls_min": 1_000_000}},
                });
                if leads.serves.is_empty() {
                    way["url"] = json!(url);
                } else {
                    // One played source stands for all bodies that are connected.
                    way["instances"] = json!({"played": {"url": url, "serves": leads.serves}});
                }
                if leads.keyed {
                    way["idempotency_key"] = json!(true);
                }
                if leads.xroad {
                    way["xroad"] = json!({
                        "instance": "AZ-TEST", "request_hash": "if-present",
                        "client": {"class": "GOV", "code": "10000001", "subsystem": "meis"},
                        "provider": {"class": "GOV", "code": "10000002", "subsystem": "source"},
                    });
                }
                ((*provider).to_owned(), way)
            })
            .collect();
        let config = json!({
            "profile": "test", "origin": BASE, "data": {"contracts": of("contracts"), "mappings": of("mappings")},
            "listeners": {
                "internal": {
                    "address": "127.0.0.1:0", "certificate": of("pki/gateway.pem"), "key": of("pki/gateway.key"), "client_ca": of("pki/ca.pem"),
                    "crl": of("pki/crl.pem"), "crl_grace": "24h",
                },
                "ops": {"address": "127.0.0.1:0"},
            },
            "journal": {"dir": "journal", "segment_bytes": 4 << 20},
            "keys": {"node": "keys/node.key", "signing": "keys/signing", "table": "keys/epochs"},
            "store": {"path": "store/cases.sqlite"},
            // Every question goes to the source.
            "cache": {"bytes_max": 0},
            "providers": providers,
        });
        let file = self.lane(number).join("qovsaq.yaml");
        write(&file, &config)?;
        Ok(file)
    }
}

/// What leads to a provider, beside its address.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// Whether it is reached over X-Road.
    xroad: bool,
    /// Whether it must be able to tell a repetition by its key, since something is written there.
    keyed: bool,
    /// The keys of its connected bodies, where it consists of several.
    serves: Vec<Box<str>>,
}

/// A grant of everything that a service answers.
fn grant(service: &Service) -> Json {
    let mut grant = json!({
        "service": service.id, "fields": "all", "purposes": [CONSUMER], "acts": [CONSUMER], "roles": [CONSUMER],
    });
    if service.leaves.iter().any(|leaf| leaf.agreed && leaf.class == Class::S) {
        grant["special"] = json!([CONSUMER]);
    }
    grant
}

fn read(file: &Path) -> anyhow::Result<Json> {
    Ok(Document::read(file).map_err(|problem| anyhow::anyhow!("{problem}"))?.value)
}

/// JSON is YAML.
fn write(file: &Path, value: &Json) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(file, serde_json::to_vec_pretty(value)?).with_context(|| format!("cannot write {}", file.display()))
}

/// Copies a folder with all below it.
///
/// # Errors
/// When a file cannot be read or written.
pub fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
