//! Reads `contracts/` and checks it: raw files in, a [`Snapshot`] and every problem out.
//!
//! Files are read in a fixed order and checked in the order of their references (acts and purposes,
//! providers, services, consumers, dossiers), so that the same folder always gives the same
//! problems. What is broken is left out of the snapshot; a reference to something that is there but
//! broken is not reported as unknown, since its own problem already is.

mod comparison;
mod consumer;
mod dossier;
mod file;
mod instances;
mod probes;
mod provider;
mod service;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::calendar::Calendar;
use crate::contract::{Act, Provider, Purpose, Suppressed};
use crate::document::{Document, escape};
use crate::id::{ActId, ProviderId, PurposeId, ServiceId};
use crate::problem::Problems;
use crate::raw::{
    self, ActsFile, CalendarFile, ComparisonFile, ConsumerFile, DossierFile, ProbesFile, ProviderFile, PurposesFile, ServiceFile,
};
use crate::rule;
use crate::snapshot::Snapshot;

use self::file::File;

/// Shortest time for which a person is not told of a use.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Longest: ten years.
const SUPPRESSED_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Pages for people that may stand among the data.
const PAGES: [&str; 2] = ["README.md", "coverage.md"];
/// Most files read under one folder of contracts.
pub const FILES_MAX: usize = 2_000;

/// Reads and checks a folder of contracts. `today` (Asia/Baku) decides which agreements and acts are
/// in force. Never fails: what is wrong is in `problems`, what is left is in the snapshot.
pub fn load(contracts_dir: &Path, today: Date, problems: &mut Problems) -> Snapshot {
    let folder = Folder::read(contracts_dir, problems);
    let mut loader = Loader { today, problems, snapshot: Snapshot::default(), names: Names::default() };
    loader.acts(&contracts_dir.join("acts.yaml"));
    loader.purposes(&contracts_dir.join("purposes.yaml"));
    loader.calendar(&contracts_dir.join("calendar.yaml"));
    loader.providers(&folder.providers);
    loader.services(&folder.services);
    loader.consumers(&folder.consumers);
    loader.dossiers(&folder.dossiers);
    loader.probes(&contracts_dir.join("probes.yaml"));
    loader.comparisons(&folder.comparisons);
    loader.snapshot
}

/// The JSON Schemas of the data files, by the names they have in `contracts/schema/`.
#[must_use]
pub fn schemas() -> Vec<(&'static str, serde_json::Value)> {
    fn of<T: JsonSchema>() -> serde_json::Value {
        schemars::schema_for!(T).to_value()
    }
    vec![
        ("acts.schema.json", of::<ActsFile>()),
        ("calendar.schema.json", of::<CalendarFile>()),
        ("comparison.schema.json", of::<ComparisonFile>()),
        ("consumer.schema.json", of::<ConsumerFile>()),
        ("dossier.schema.json", of::<DossierFile>()),
        ("probes.schema.json", of::<ProbesFile>()),
        ("provider.schema.json", of::<ProviderFile>()),
        ("purposes.schema.json", of::<PurposesFile>()),
        ("service.schema.json", of::<ServiceFile>()),
    ]
}

/// The files to read, each list in the order of their names.
#[derive(Debug, Default)]
struct Folder {
    providers: Vec<PathBuf>,
    services: Vec<PathBuf>,
    consumers: Vec<PathBuf>,
    dossiers: Vec<PathBuf>,
    comparisons: Vec<PathBuf>,
}

impl Folder {
    fn read(root: &Path, problems: &mut Problems) -> Self {
        let mut found = Self::default();
        let mut lister = Lister { left: FILES_MAX, problems };
        if !root.is_dir() {
            lister.problems.push_file(root, rule::UNREADABLE_FILE, "there is no such folder", "a folder of contracts");
            return found;
        }
        for entry in lister.list(root) {
            match (&*entry.name, entry.is_dir) {
                ("acts.yaml" | "calendar.yaml" | "probes.yaml" | "purposes.yaml", false) | ("schema", true) => {}
                ("providers", true) => found.providers(&entry.path, &mut lister),
                ("consumers", true) => found.consumers = lister.yaml_files(&entry.path),
                ("comparisons", true) => found.comparisons = lister.yaml_files(&entry.path),
                ("dossiers", true) => found.dossiers = lister.yaml_files(&entry.path),
                _ => lister.unexpected(
                    &entry.path,
                    "acts.yaml, calendar.yaml, probes.yaml, purposes.yaml, providers/, consumers/, dossiers/, comparisons/, schema/",
                ),
            }
        }
        found
    }

    fn providers(&mut self, folder: &Path, lister: &mut Lister<'_>) {
        for provider in lister.list(folder) {
            if !provider.is_dir {
                lister.unexpected(&provider.path, "a folder per provider");
                continue;
            }
            let files = lister.yaml_files(&provider.path);
            let (own, services): (Vec<_>, Vec<_>) = files.into_iter().partition(|path| path.ends_with("provider.yaml"));
            if own.is_empty() {
                let message = "the folder has no provider.yaml";
                lister.problems.push_file(&provider.path, rule::UNKNOWN_PROVIDER, message, "a provider.yaml beside the services");
            }
            self.providers.extend(own);
            self.services.extend(services);
        }
    }
}

struct Lister<'a> {
    left: usize,
    problems: &'a mut Problems,
}

struct Entry {
    name: String,
    path: PathBuf,
    is_dir: bool,
}

impl Lister<'_> {
    /// Entries by name. Hidden files, editors' copies and read-me files are passed over.
    fn list(&mut self, folder: &Path) -> Vec<Entry> {
        let read = match std::fs::read_dir(folder) {
            Ok(read) => read,
            Err(error) => {
                self.problems.push_file(folder, rule::UNREADABLE_FILE, error.to_string(), "a readable folder");
                return Vec::new();
            }
        };
        let mut entries = Vec::new();
        for entry in read.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || name.ends_with('~') || PAGES.contains(&&*name) {
                continue;
            }
            if self.left == 0 {
                self.problems.push_file(folder, rule::TOO_MANY_FILES, "too many files", format!("at most {FILES_MAX} in all"));
                break;
            }
            self.left -= 1;
            let path = entry.path();
            let is_dir = path.is_dir();
            entries.push(Entry { name, path, is_dir });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries
    }

    fn yaml_files(&mut self, folder: &Path) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for entry in self.list(folder) {
            // Only regular files: reading a pipe would never end.
            if entry.name.ends_with(".yaml") && entry.path.is_file() {
                files.push(entry.path);
            } else {
                self.unexpected(&entry.path, "files that end in .yaml");
            }
        }
        files
    }

    fn unexpected(&mut self, path: &Path, accepted: &str) {
        self.problems.push_file(path, rule::UNEXPECTED_FILE, "this has no meaning here", accepted);
    }
}

/// The codes that files declare, whether or not what they say is sound.
#[derive(Debug, Default)]
struct Names {
    acts: Declared,
    purposes: Declared,
    services: Declared,
    /// Whether some consumer or grant was left out, so that a missing grant proves nothing.
    consumers_broken: bool,
}

#[derive(Debug, Default)]
struct Declared {
    names: BTreeSet<String>,
    /// Set when a file that declares names could not be read.
    incomplete: bool,
}

impl Declared {
    fn is_unknown(&self, name: &str) -> bool {
        !self.incomplete && !self.names.contains(name)
    }

    /// What a message lists as accepted.
    fn accepted(&self) -> String {
        file::words(self.names.iter().map(String::as_str))
    }
}

struct Loader<'a> {
    today: Date,
    problems: &'a mut Problems,
    snapshot: Snapshot,
    names: Names,
}

impl Loader<'_> {
    fn decode<T: DeserializeOwned + JsonSchema>(&mut self, path: &Path) -> Option<(Document, T)> {
        match Document::read(path) {
            Ok(document) => document.decode(self.problems).map(|raw| (document, raw)),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    fn acts(&mut self, path: &Path) {
        let Some((document, ActsFile(entries))) = self.decode::<ActsFile>(path) else {
            self.names.acts.incomplete = true;
            return;
        };
        let mut file = File::new(&document, self.problems);
        for (code, raw) in entries.0 {
            self.names.acts.names.insert(code.clone());
            let at = format!("/{}", escape(&code));
            let before = file.faults();
            let id = file.id_key(&at, &code, ActId::new);
            file.bilingual(&format!("{at}/name"), &raw.name);
            let in_force_from = raw.in_force_from.and_then(|text| file.date(&format!("{at}/in_force_from"), &text));
            let in_force_until = raw.in_force_until.and_then(|text| file.date(&format!("{at}/in_force_until"), &text));
            if let (Some(from), Some(until)) = (in_force_from, in_force_until)
                && until < from
            {
                file.refuse(&format!("{at}/in_force_until"), rule::WRONG_DATE, "lies before the first day", format!("{from} or later"));
            }
            if let (Some(id), true) = (id, file.faults() == before) {
                self.snapshot
                    .acts
                    .insert(id.clone(), Act { id, name: raw.name, in_force_from, in_force_until, special: raw.special.is_some() });
            }
        }
    }

    fn purposes(&mut self, path: &Path) {
        let Some((document, PurposesFile(entries))) = self.decode::<PurposesFile>(path) else {
            self.names.purposes.incomplete = true;
            return;
        };
        let mut file = File::new(&document, self.problems);
        for (code, raw) in entries.0 {
            self.names.purposes.names.insert(code.clone());
            let at = format!("/{}", escape(&code));
            let before = file.faults();
            let id = file.id_key(&at, &code, PurposeId::new);
            file.bilingual(&format!("{at}/name"), &raw.name);
            let suppressed = raw.suppressed.map(|raw| Suppressed {
                ground: raw.ground,
                span: raw.span.map(|span| file.duration(&format!("{at}/suppressed/for"), &span, DAY, SUPPRESSED_MAX)),
            });
            if let (Some(id), true) = (id, file.faults() == before) {
                self.snapshot.purposes.insert(id.clone(), Purpose { id, name: raw.name, suppressed, special: raw.special.is_none() });
            }
        }
    }

    /// Left out, no year is known, and what needs working days is refused.
    fn calendar(&mut self, path: &Path) {
        if !path.exists() {
            return;
        }
        let Some((document, CalendarFile(entries))) = self.decode::<CalendarFile>(path) else { return };
        let mut file = File::new(&document, self.problems);
        let mut years = BTreeMap::new();
        for (key, days) in entries.0 {
            let at = format!("/{}", escape(&key));
            let Some(year) = (key.len() == 4).then(|| key.parse::<i16>().ok()).flatten() else {
                file.refuse_key(&at, rule::WRONG_DATE, "not a year", "yyyy");
                continue;
            };
            let mut days_off = BTreeSet::new();
            for (place, day) in days.iter().enumerate() {
                let at = format!("{at}/{place}");
                file.bilingual(&format!("{at}/name"), &day.name);
                let Some(on) = file.date(&format!("{at}/on"), &day.on) else { continue };
                if on.year() != year {
                    file.refuse(&format!("{at}/on"), rule::WRONG_DATE, "lies in another year", format!("a day of {year}"));
                } else if !days_off.insert(on) {
                    file.refuse(&format!("{at}/on"), rule::REPEATED_WORD, "stands twice", "each day once");
                }
            }
            years.insert(year, days_off);
        }
        if file.faults() == 0 {
            self.snapshot.calendar = Calendar::new(years);
        }
    }

    fn providers(&mut self, paths: &[PathBuf]) {
        for path in paths {
            let Some((document, raw)) = self.decode::<ProviderFile>(path) else { continue };
            let mut file = File::new(&document, self.problems);
            let id = file.id("/provider", &raw.provider, ProviderId::new);
            if file::folder_name(path) != raw.provider {
                file.refuse("/provider", rule::FILE_NAME, "the folder has another name", file::folder_name(path));
            }
            file.bilingual("/name", &raw.name);
            let clause = file.text("/clause", &raw.clause);
            let windows = provider::windows(&mut file, raw.windows);
            let instances = raw.instances.as_ref().map(|raw| Arc::new(instances::check(&mut file, raw)));
            if let Some(quality) = &raw.quality {
                file.bilingual("/quality/owner", &quality.owner);
                if !(1..=60).contains(&quality.working_days) {
                    file.refuse("/quality/working_days", rule::OUT_OF_BOUNDS, "out of bounds", "1 to 60 working days");
                }
            }
            if let (Some(id), 0) = (id, file.faults()) {
                let (owner, working_days) = raw
                    .quality
                    .map_or_else(|| (raw.name.clone(), crate::contract::QUALITY_DAYS), |quality| (quality.owner, quality.working_days));
                let provider = Provider { id: id.clone(), name: raw.name, clause, windows, instances, owner, working_days };
                self.snapshot.providers.insert(id, provider);
            }
        }
    }

    fn services(&mut self, paths: &[PathBuf]) {
        let mut checked = Vec::new();
        let mut files: BTreeMap<ServiceId, usize> = BTreeMap::new();
        for path in paths {
            // The place in the folder declares the service, so that a file which cannot be decoded
            // does not make every grant for it unknown.
            let declared = service::declared(path);
            if let Some(id) = &declared {
                self.names.services.names.insert(id.to_string());
                *files.entry(id.clone()).or_default() += 1;
            }
            let Some((document, raw)) = self.decode::<ServiceFile>(path) else { continue };
            if declared.as_ref().is_some_and(|id| files[id] > 1) {
                let mut file = File::new(&document, self.problems);
                file.refuse("/service", rule::DUPLICATE_SERVICE, "another version of this service is active", "one version in the folder");
            }
            let provider = self.snapshot.providers.iter().find(|(id, _)| id.as_str() == file::folder_name(path));
            let instances = provider.and_then(|(_, provider)| provider.instances.as_ref());
            if let Some(service) = service::check(&document, raw, instances, self.today, &self.names, self.problems) {
                checked.push((document, service));
            }
        }
        checked.retain(|(_, service)| files.get(&service.id) == Some(&1));
        // Only now are all services known that an input may come from.
        let sound: Vec<bool> = checked
            .iter()
            .map(|(document, service)| service::check_origins(document, service, &checked, &self.names, self.problems))
            .collect();
        for ((_, service), sound) in checked.into_iter().zip(sound) {
            if sound {
                self.snapshot.services.insert(service.id.clone(), Arc::new(service));
            }
        }
        self.snapshot.broken = files.into_keys().filter(|id| !self.snapshot.services.contains_key(id)).collect();
    }

    fn consumers(&mut self, paths: &[PathBuf]) {
        let mut claims: BTreeMap<Box<str>, usize> = BTreeMap::new();
        for path in paths {
            let Some((document, raw)) = self.decode::<ConsumerFile>(path) else {
                self.names.consumers_broken = true;
                continue;
            };
            let mut file = File::new(&document, self.problems);
            let first = |(place, name): &(usize, &String)| !raw.certificate_names.iter().take(*place).any(|earlier| earlier == *name);
            for (place, name) in raw.certificate_names.iter().enumerate().filter(first) {
                let claimed = claims.entry(name.as_str().into()).or_default();
                *claimed += 1;
                if *claimed > 1 {
                    let at = format!("/certificate_names/{place}");
                    file.refuse(
                        &at,
                        rule::DUPLICATE_CERTIFICATE_NAME,
                        format!("`{name}` is claimed already"),
                        "a name of this consumer alone",
                    );
                }
            }
            let before = self.problems.as_slice().len();
            let consumer = consumer::check(&document, raw, self.today, &self.snapshot, &self.names, self.problems);
            self.names.consumers_broken |= consumer.is_none() || self.problems.as_slice().len() > before;
            if let Some(consumer) = consumer {
                self.snapshot.consumers.insert(consumer.id.clone(), consumer);
            }
        }
        // A name that two consumers claim names neither.
        for consumer in self.snapshot.consumers.values_mut() {
            consumer.certificate_names.retain(|name| claims.get(name) == Some(&1));
        }
    }

    /// Left out, nobody looks.
    fn probes(&mut self, path: &Path) {
        if !path.exists() {
            return;
        }
        let Some((document, raw)) = self.decode::<ProbesFile>(path) else { return };
        self.snapshot.probes = probes::check(&document, raw, &self.snapshot, &self.names, self.problems);
    }

    fn dossiers(&mut self, paths: &[PathBuf]) {
        let mut seen = BTreeSet::new();
        for path in paths {
            let Some((document, raw)) = self.decode::<DossierFile>(path) else { continue };
            let Some(dossier) = dossier::check(&document, raw, &self.snapshot, &self.names, self.problems) else { continue };
            if !seen.insert(dossier.id.clone()) {
                let message = "another version of this dossier is active";
                File::new(&document, self.problems).refuse("/dossier", rule::DUPLICATE_DOSSIER, message, "one version in the folder");
                self.snapshot.dossiers.remove(&dossier.id);
                continue;
            }
            self.snapshot.dossiers.insert(dossier.id.clone(), Arc::new(dossier));
        }
    }

    fn comparisons(&mut self, paths: &[PathBuf]) {
        for path in paths {
            let Some((document, raw)) = self.decode::<ComparisonFile>(path) else { continue };
            if let Some(checked) = comparison::check(&document, &raw, &self.snapshot, &self.names, self.problems) {
                self.snapshot.comparisons.insert(checked.id.clone(), Arc::new(checked));
            }
        }
    }
}
