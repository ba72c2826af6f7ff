//! Mappings as an integration engineer meets them: the shipped files, broken files, hostile answers.

mod broken;
mod confirmed;
mod grammar;
mod hostile;
mod question;
mod read_back;
mod shipped;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use mapping::{Asked, Inputs, Limits, Plan, ReadError, Reading, WireAnswer};
use model::document::Document;
use model::{Problems, Profile, Service, ServiceId, Subject, Value};

/// The shipped services, as their mappings name them.
fn shipped() -> &'static [String] {
    static IDS: OnceLock<Vec<String>> = OnceLock::new();
    IDS.get_or_init(|| {
        let names = |folder: &Path| {
            let entries = std::fs::read_dir(folder).expect("a folder");
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name")).collect::<Vec<_>>()
        };
        let mappings = root().join("mappings");
        let providers = names(&mappings).into_iter().filter(|name| !name.contains('.'));
        let mut ids: Vec<String> = providers
            .flat_map(|provider| {
                let files = names(&mappings.join(&provider)).into_iter();
                files.filter_map(move |file| Some(format!("{provider}/{}", file.strip_suffix("@1.0.0.yaml")?))).collect::<Vec<_>>()
            })
            .collect();
        ids.sort_unstable();
        assert!(ids.len() >= 4, "{ids:?}");
        ids
    })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A shipped contract.
fn service(id: &str) -> Arc<Service> {
    static SNAPSHOT: OnceLock<model::Snapshot> = OnceLock::new();
    let today = jiff::civil::date(2026, 3, 11);
    let snapshot = SNAPSHOT.get_or_init(|| model::load::load(&root().join("contracts"), today, &mut Problems::default()));
    let id = ServiceId::new(id).expect("a service");
    Arc::clone(snapshot.services.get(&id).expect("a shipped contract"))
}

fn file(id: &str) -> PathBuf {
    root().join("mappings").join(format!("{id}@1.0.0.yaml"))
}

fn lines(problems: Problems) -> Vec<String> {
    problems
        .into_sorted()
        .into_iter()
        .map(|mut problem| {
            problem.file = problem.file.file_name().map(PathBuf::from).unwrap_or_default();
            problem.to_string()
        })
        .collect()
}

/// A shipped mapping, compiled.
fn plan(id: &str) -> Plan {
    let mut problems = Problems::default();
    let document = Document::read(&file(id)).expect("the file");
    let plan = mapping::compile(&document, &service(id), &mut problems);
    assert_eq!(lines(problems), Vec::<String>::new());
    plan.expect("a plan without problems")
}

fn example(id: &str, name: &str) -> Vec<u8> {
    let (provider, service) = id.split_once('/').expect("a service");
    let path = root().join("mappings").join(provider).join("examples").join(service).join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read(plan: &Plan, status: u16, body: &[u8]) -> Result<Reading, ReadError> {
    plan.read(WireAnswer { status, body }, Profile::Test, &Limits::default())
}

/// A question that needs no consent.
fn asked<'a>(subject: Option<&'a Subject>, inputs: &'a Inputs) -> Asked<'a> {
    Asked { subject, inputs, consent: None }
}

fn inputs(values: &[(&str, &str)]) -> Inputs {
    values.iter().map(|(name, text)| ((*name).into(), Value::Text((*text).into()))).collect()
}
