//! The deployment's data, loaded as one: contracts, mappings, dossiers. Used the same way by
//! `qovsaq check` and by the gateway's start, so that what was checked is what runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::Date;
use mapping::{Plan, Protocol};
use model::contract::Provider;
use model::document::Document;
use model::{InstanceId, Problems, ProviderId, ServiceId, Snapshot};

use crate::call::{self, Calls};
use crate::change::{Bundle, BundleError, Digest, Listed};
use crate::config::{Config, ProviderConfig};
use crate::rights::Initial;

/// Most files read from a data folder.
const FILES_MAX: usize = 10_000;

/// Contracts and compiled mappings that are active together. Immutable; replaced as a whole.
#[derive(Debug)]
pub struct Active {
    /// The checked contracts.
    pub snapshot: Snapshot,
    /// One compiled mapping per service.
    pub plans: HashMap<ServiceId, Arc<Plan>>,
    /// The door to the providers; closed (no adapter) where only the data are looked at.
    pub calls: Calls,
    /// Identifying values that some contract wants to stem from an answer in the same case.
    pub remembered: BTreeSet<(ServiceId, Box<str>)>,
    /// SHA-256, in hexadecimal, of the text that names every file with its own SHA-256: the `configuration` of every
    /// journal entry. The text is the signed one of the bundle; of data without a bundle (the test profile) it is the
    /// list alone, in the form of `sha256sum`.
    pub hash: String,
    /// Every file of the two folders.
    pub files: Vec<Listed>,
    /// The bundle that the data come from; none for data without one.
    pub bundle: Option<Bundle>,
}

/// Reads, checks and compiles everything under the two folders. What is broken is left out and
/// reported; the caller decides whether any problem stops it.
pub fn load(contracts: &Path, mappings: &Path, today: Date, problems: &mut Problems) -> Active {
    let snapshot = model::load::load(contracts, today, problems);
    let mut plans = HashMap::new();
    let files = files_under(mappings, problems);
    for file in files.iter().filter(|file| is_mapping(file)) {
        let document = match Document::read(file) {
            Ok(document) => document,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        if let Some(plan) = compile(&document, &snapshot, problems) {
            plans.insert(plan.service().id.clone(), Arc::new(plan));
        }
    }
    for service in snapshot.services.values().filter(|service| !plans.contains_key(&service.id)) {
        let file = mappings.join(format!("{}.yaml", service.versioned()));
        if !file.exists() {
            problems.push_file(
                &file,
                "service-without-mapping",
                format!("the contract {} has no mapping", service.versioned()),
                "a mapping file of this name",
            );
        }
    }
    let remembered = snapshot.services.values().flat_map(|service| &service.inputs).filter_map(|input| input.comes_from.clone()).collect();
    let files = listed(contracts, mappings, problems);
    let hash = Digest::of(list_of(&files).as_bytes()).to_string();
    Active { snapshot, plans, calls: Calls::default(), remembered, hash, files, bundle: None }
}

/// Reads, checks and compiles the data of a bundle whose files and signatures have been checked; they are checked once
/// more behind the reading, so that what was read is what was signed.
///
/// # Errors
/// When a file has changed meanwhile.
pub fn load_bundle(bundle: &Bundle, today: Date, problems: &mut Problems) -> Result<Active, BundleError> {
    let active = load(&bundle.dir.join("contracts"), &bundle.dir.join("mappings"), today, problems);
    bundle.check_files()?;
    Ok(Active { hash: bundle.hash.to_string(), bundle: Some(bundle.clone()), ..active })
}

/// Whether the configuration leads to every provider of the data, and to no other.
pub fn check_ways(config: &Config, active: &Active, problems: &mut Problems) {
    let services = || active.snapshot.services.values();
    // A source that delivers files, and nothing else, is asked nothing.
    let delivers_alone = |provider: &ProviderId| {
        let mut own = services().filter(|service| service.id.provider() == provider.as_str()).peekable();
        own.peek().is_some() && own.all(|service| service.snapshot.is_some())
    };
    for provider in active.snapshot.providers.keys().filter(|id| !config.providers.contains_key(*id) && !delivers_alone(id)) {
        let message = format!("no way to the provider {provider} is configured: all its services are UNAVAILABLE");
        problems.push_file(&config.file, "no-way-to-provider", message, format!("providers: {provider}: …"));
    }
    for provider in active.snapshot.providers.values() {
        if let Some(configured) = config.providers.get(&provider.id) {
            check_instances(config, provider, configured, problems);
        }
    }
    for service in active.snapshot.services.values() {
        let configured = active.snapshot.providers.values().find(|provider| provider.id.as_str() == service.id.provider());
        let configured = configured.and_then(|provider| config.providers.get(&provider.id)).zip(active.plans.get(&service.id));
        let Some((instances, plan)) = configured else { continue };
        if !instances.values().all(|provider| call::can_be_repeated(service, provider, plan)) {
            let message = format!("the service {}: {}", service.id, call::WRITE_WITHOUT_KEY);
            problems.push_file(&config.file, "write-without-key", message, call::WRITE_WITH_KEY);
        }
    }
    let feeds = || config.files.iter().flat_map(|files| files.feeds.keys());
    for service in services().filter(|service| service.snapshot.is_some() && !feeds().any(|feed| *feed == service.id)) {
        let message = format!("where the files of {} arrive is not configured: it is UNAVAILABLE", service.id);
        problems.push_file(&config.file, "no-way-to-provider", message, format!("files: {{feeds: {{{}: …}}}}", service.id));
    }
    for (service, feed) in config.files.iter().flat_map(|files| &files.feeds) {
        let plan = active.plans.get(service).map(|plan| plan.protocol());
        if let Some(Protocol::Files(form)) = plan
            && form.signature.is_some() != feed.signers.is_some()
        {
            let (message, accepted) = match form.signature {
                Some(_) => {
                    (format!("whose signature makes a file of {service} the source's is not configured: none is loaded"), "signed_by: FILE")
                }
                None => (format!("the files of {service} are not signed"), "without `signed_by`"),
            };
            problems.push_file(&config.file, "wrong-signed-by", message, format!("files: {{feeds: {{{service}: {{{accepted}}}}}}}"));
        }
    }
    for feed in feeds().filter(|feed| services().all(|service| service.id != **feed || service.snapshot.is_none())) {
        let known: Vec<&str> = services().filter(|service| service.snapshot.is_some()).map(|service| service.id.as_str()).collect();
        let message = format!("the data know no service {feed} that delivers files");
        problems.push_file(&config.file, "feed-without-contract", message, known.join(", "));
    }
    for provider in config.providers.keys().filter(|id| !active.snapshot.providers.contains_key(*id)) {
        let known: Vec<&str> = active.snapshot.providers.keys().map(ProviderId::as_str).collect();
        let message = format!("the data know no provider {provider}");
        problems.push_file(&config.file, "provider-without-contract", message, known.join(", "));
    }
}

/// Whether the configured instances of a source are those that its contract speaks of: every connected key at one of them,
/// and no other.
fn check_instances(config: &Config, provider: &Provider, configured: &BTreeMap<InstanceId, ProviderConfig>, problems: &mut Problems) {
    let served: BTreeMap<&str, &InstanceId> =
        configured.iter().flat_map(|(id, own)| own.serves.iter().map(move |key| (&**key, id))).collect();
    let mut say = |rule, message: String, accepted: String| problems.push_file(&config.file, rule, message, accepted);
    let id = &provider.id;
    match &provider.instances {
        None if served.is_empty() => {}
        None => say("unknown-instances", format!("to the contracts the provider {id} is one body"), format!("providers: {id}: {{url: …}}")),
        Some(_) if served.is_empty() => {
            let accepted = format!("providers: {id}: {{instances: {{NAME: {{serves: […], url: …}}}}}}");
            say("missing-instances", format!("the provider {id} consists of several bodies, and the way to none is configured"), accepted);
        }
        Some(instances) => {
            for (key, instance) in served.iter().filter(|(key, _)| !instances.connected.contains(**key)) {
                let message = match instances.not_connected.contains(*key) {
                    true => format!("the instance {instance} of {id} serves `{key}`, which the contract says is not connected"),
                    false => format!("the instance {instance} of {id} serves `{key}`, which the contract does not know"),
                };
                let connected: Vec<&str> = instances.connected.iter().map(|key| &**key).collect();
                say("unknown-instance-key", message, connected.join(", "));
            }
            for key in instances.connected.iter().filter(|key| !served.contains_key(&***key)) {
                let message = format!("no instance of {id} serves `{key}`: questions with it are UNAVAILABLE");
                say("no-way-to-key", message, format!("`{key}` in `serves` of an instance, or among `not_connected` in provider.yaml"));
            }
        }
    }
}

/// Whether the initial register of rights would be taken over with these data.
pub fn check_access(config: &Config, active: &Active, problems: &mut Problems) {
    let Some(file) = &config.access else { return };
    match Initial::read(file) {
        Ok(initial) => initial.check(&active.snapshot, problems),
        Err(problem) => problems.push(problem),
    }
}

fn is_mapping(file: &Path) -> bool {
    let in_examples = file.components().any(|part| part.as_os_str() == "examples");
    !in_examples && file.extension().is_some_and(|extension| extension == "yaml")
}

/// Compiles one mapping against the contract it names, and reads its examples with it: a mapping that
/// does not read what its author wrote down by hand is not served.
fn compile(document: &Document, snapshot: &Snapshot, problems: &mut Problems) -> Option<Plan> {
    let target = mapping::target(document);
    let service = target.as_ref().and_then(|(id, version)| snapshot.services.get(id).filter(|service| service.version == *version));
    let Some(service) = service else {
        // A contract that is there but broken has had its own messages.
        if !target.is_some_and(|(id, _)| snapshot.broken.contains(&id)) {
            let known: Vec<_> = snapshot.services.values().map(|service| service.versioned()).collect();
            problems.push(document.problem(
                "/mapping",
                "mapping-without-contract",
                "no contract of this name and version",
                known.join(", "),
            ));
        }
        return None;
    };
    let expected = Path::new(service.id.provider()).join(format!("{}@{}.yaml", service.id.service(), service.version));
    if !document.path.ends_with(&expected) {
        let message = "the file's name does not agree with the mapping's";
        problems.push(document.problem("/mapping", "wrong-file-name", message, expected.display().to_string()));
    }
    let plan = mapping::compile(document, service, problems)?;
    mapping::check_examples(document, &plan, problems);
    Some(plan)
}

fn files_under(folder: &Path, problems: &mut Problems) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                problems.push_file(&folder, "unreadable-folder", error.to_string(), "a readable folder");
                continue;
            }
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
            if files.len() > FILES_MAX {
                problems.push_file(&folder, "too-many-files", "too many data files", format!("at most {FILES_MAX}"));
                return files;
            }
        }
    }
    files.sort();
    files
}

/// Every file of the two folders with its hash, by rising path. What cannot be read has had, or gets, its problem.
fn listed(contracts: &Path, mappings: &Path, problems: &mut Problems) -> Vec<Listed> {
    let mut listed = Vec::new();
    for (label, folder) in [("contracts", contracts), ("mappings", mappings)] {
        for file in files_under(folder, problems) {
            let below = file.strip_prefix(folder).unwrap_or(&file);
            match std::fs::read(&file) {
                Ok(bytes) => listed.push(Listed { path: format!("{label}/{}", below.display()), sha256: Digest::of(&bytes) }),
                Err(error) => problems.push_file(&file, model::rule::UNREADABLE_FILE, error.to_string(), "a readable file"),
            }
        }
    }
    listed.sort();
    listed
}

/// The list of files as `sha256sum` writes it.
fn list_of(files: &[Listed]) -> String {
    files.iter().fold(String::new(), |mut text, Listed { path, sha256 }| {
        // Writing to a String cannot fail.
        writeln!(text, "{sha256}  {path}").unwrap_or_default();
        text
    })
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}
