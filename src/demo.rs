//! A whole deployment on loopback, made from nothing: development PKI, mock agencies, gateway. The
//! `demo` command, `try`, the tests and the benchmarks all stand on it, so that what they show is
//! what is shipped.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use include_dir::{Dir, include_dir};
use jiff::ToSpan as _;
use mock_agencies::{
    AgencyCode, AgencyOptions, CREDIT_BUREAU_SECRET, EXAM_CENTRE_KEY, EXAM_CENTRE_NEXT_KEY, FILE_SERVICES, Family, FamilyRole,
    IDENTITY_OFFICIAL_CLAIM, IdentityOptions, IdentityProvider, Instance, Latency, PROPERTY_PASSWORD, Person, Personas,
    REFUGEE_COMMITTEE_PASSWORD, ServerTls, start_identity_provider,
};
use model::document::Document;
use model::{Office, Problems};
use serde_json::{Value as Json, json};

use crate::client::Client;
use crate::clock;
use crate::config::Config;
use crate::gateway::{Running, StartError};
use crate::pki::{Authority, CRL_VALIDITY, LEAF_VALIDITY, Validity};

mod sample;

pub use sample::{PURPOSE, Right, Sample};

static CONTRACTS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/contracts");
static MAPPINGS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/mappings");

/// The agencies that are played: all there are.
pub const AGENCIES: [AgencyCode; AgencyCode::ALL.len()] = AgencyCode::ALL;
/// The consumer that the demo speaks as.
pub const CONSUMER: &str = "targeted-aid";
/// The demo's identity provider of citizens.
const CITIZENS: &str = "https://citizens.test";
/// The consumer that citizens ask through.
pub const PORTAL: &str = "e-sosial";
/// The consumer as which the gateway probes sources by itself.
pub const PROBE: &str = "source-monitor";
/// The auditor of the demo whom commands speak as where nobody else is named.
pub const AUDITOR: &str = "auditor-1";
/// Its data-protection officer.
pub const PROTECTION_OFFICER: &str = "dpo-1";
/// The gateway's own people of the demo, with their offices. None holds two: the table of duties must be seen to bite.
pub const PEOPLE: &[(&str, Office)] = &[
    (AUDITOR, Office::Auditor),
    ("auditor-2", Office::Auditor),
    (PROTECTION_OFFICER, Office::DataProtectionOfficer),
    ("assessor-1", Office::Assessor),
    ("admin-1", Office::CentralAdministrator),
    ("admin-2", Office::CentralAdministrator),
    ("territorial-admin-1", Office::TerritorialAdministrator),
    ("operator-1", Office::Operator),
    ("officer-1", Office::ConsumerOfficer),
];
/// The official as whom the demo asks.
pub const OFFICIAL: &str = "AZ-0001";
/// The demo's officials, each of whom may act in every role.
pub const OFFICIALS: [&str; 3] = [OFFICIAL, "AZ-0002", "AZ-0003"];
/// An official who has an account and holds nothing.
pub const NEWCOMER: &str = "AZ-0010";
/// What the territorial administrator of the demo administers.
const TERRITORY: &str = "baku";
/// The dossier that the demo asks.
pub const DOSSIER: &str = "adsy-means-test";

/// Which ports are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// 8443 and 9090 for the gateway, 9501… for agencies, 9601… for their control endpoints; 9530 and 9630 for the
    /// identity provider of officials; 9540… and 9640… for the second and further bodies of an agency.
    Standard,
    /// `base` for `internal`, `base + 3` for `ops`, `base + 4` and `base + 5` for the identity provider, `base + 10…`
    /// for agencies, `base + 40…` for their control, `base + 70…` and `base + 80…` for second and further bodies.
    Base(u16),
    /// Whatever is free.
    Any,
}

impl Ports {
    fn internal(self) -> u16 {
        self.of(8443, 0)
    }

    fn console(self) -> u16 {
        self.of(8445, 2)
    }

    fn identity(self) -> u16 {
        self.of(9530, 4)
    }

    fn identity_control(self) -> u16 {
        self.of(9630, 5)
    }

    fn ops(self) -> u16 {
        self.of(9090, 3)
    }

    /// Agencies are numbered by their clause: 4.1.4 is 9504.
    fn agency(self, played: Played) -> u16 {
        match played.further() {
            None => self.of(9500 + clause(played.code), 10 + clause(played.code)),
            Some(number) => self.of(9540 + number, 70 + number),
        }
    }

    fn control(self, played: Played) -> u16 {
        match played.further() {
            None => self.of(9600 + clause(played.code), 40 + clause(played.code)),
            Some(number) => self.of(9640 + number, 80 + number),
        }
    }

    fn of(self, standard: u16, offset: u16) -> u16 {
        match self {
            Self::Standard => standard,
            Self::Base(base) => base.saturating_add(offset),
            Self::Any => 0,
        }
    }
}

/// What is played by one listener: an agency, or one of the bodies that it consists of.
#[derive(Debug, Clone, Copy)]
struct Played {
    code: AgencyCode,
    instance: Option<&'static Instance>,
}

impl Played {
    fn all() -> impl Iterator<Item = Self> {
        AGENCIES.into_iter().flat_map(|code| {
            let instancees: Vec<_> = Instance::of(code).map(|instance| Self { code, instance: Some(instance) }).collect();
            if instancees.is_empty() { vec![Self { code, instance: None }] } else { instancees }
        })
    }

    /// How it is called in [`Environment::agencies`].
    fn id(self) -> &'static str {
        self.instance.map_or(self.code.as_str(), |instance| instance.id)
    }

    /// Its number, from 0, among the bodies that are not the first of their agency.
    fn further(self) -> Option<u16> {
        let place = Instance::ALL
            .iter()
            .filter(|instance| instance.id != instance.agency.as_str())
            .position(|instance| instance.id == self.id())?;
        u16::try_from(place).ok()
    }
}

/// The listeners that play an agency.
pub fn playing<'a>(
    agencies: &'a BTreeMap<&'static str, mock_agencies::Running>,
    provider: &'a str,
) -> impl Iterator<Item = &'a mock_agencies::Running> {
    agencies.values().filter(move |running| running.code().as_str() == provider)
}

/// Last number of the agency's clause in Decree 634, 4.1.
fn clause(code: AgencyCode) -> u16 {
    match code {
        AgencyCode::Interior => 1,
        AgencyCode::Justice => 3,
        AgencyCode::Taxes => 4,
        AgencyCode::Health => 7,
        AgencyCode::Digital => 8,
        AgencyCode::Agriculture => 5,
        AgencyCode::Education => 6,
        AgencyCode::RefugeeCommittee => 9,
        AgencyCode::Property => 11,
        AgencyCode::Migration => 12,
        AgencyCode::Border => 13,
        AgencyCode::Mobilisation => 14,
        AgencyCode::CreditBureau => 15,
        AgencyCode::ExamCentre => 16,
        AgencyCode::Azerishiq => 17,
        AgencyCode::Azersu => 18,
        AgencyCode::LocalExecutive => 20,
    }
}

/// How an environment is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where everything is kept. Data found there is used as it is; what is missing is written.
    pub dir: PathBuf,
    /// Which ports are taken.
    pub ports: Ports,
    /// How slow the agencies are.
    pub latency: Latency,
    /// What the generated part of the synthetic persons is made from.
    pub seed: u64,
}

/// A deployment on loopback that is up.
#[derive(Debug)]
pub struct Environment {
    /// Where everything is kept.
    pub dir: PathBuf,
    /// The gateway.
    pub gateway: Running,
    /// The agencies, by code; the second and further bodies of one by code and name, such as `local-executive/sinaq`.
    pub agencies: BTreeMap<&'static str, mock_agencies::Running>,
    /// The identity provider of officials.
    pub identity: IdentityProvider,
    /// Who exists.
    pub personas: Arc<Personas>,
}

/// What stands outside the gateway: folder, agencies, identity provider.
#[derive(Debug)]
pub struct Outside {
    /// Where everything is kept.
    pub dir: PathBuf,
    /// The agencies, by code; the second and further bodies of one by code and name, such as `local-executive/sinaq`.
    pub agencies: BTreeMap<&'static str, mock_agencies::Running>,
    /// The identity provider of officials.
    pub identity: IdentityProvider,
    /// Who exists.
    pub personas: Arc<Personas>,
}

impl Environment {
    /// Makes what is missing in the folder and starts everything.
    ///
    /// # Errors
    /// The data's problems, or what could not be made or started.
    pub async fn start(options: &Options) -> Result<Self, StartError> {
        let outside = Self::start_outside(options).await?;
        write_config(&outside, options.ports).context("cannot write the configuration")?;
        let Outside { dir, agencies, identity, personas } = outside;
        let mut problems = Problems::default();
        let Some(config) = Config::load(&dir.join("qovsaq.yaml"), &mut problems) else {
            return Err(StartError::Problems(problems));
        };
        let gateway = Running::start(config).await?;
        gateway.gateway.feeds().looked_once().await;
        Ok(Self { dir, gateway, agencies, identity, personas })
    }

    /// Makes what is missing in the folder and starts the agencies and the identity provider alone.
    ///
    /// # Errors
    /// What could not be made or started.
    pub async fn start_outside(options: &Options) -> anyhow::Result<Outside> {
        std::fs::create_dir_all(&options.dir).with_context(|| format!("cannot make {}", options.dir.display()))?;
        let dir = options.dir.canonicalize()?;
        write_embedded(&dir)?;
        make_pki(&dir)?;
        make_citizens(&dir)?;
        deliver_files(&dir)?;
        let personas = Personas::populated(options.seed);
        let mut agencies = BTreeMap::new();
        for played in Played::all() {
            let running =
                start_agency(&dir, played, options, &personas).await.with_context(|| format!("cannot start the agency {}", played.id()))?;
            agencies.insert(played.id(), running);
        }
        let identity = start_identity(&dir, options).await.context("cannot start the identity provider of officials")?;
        Ok(Outside { dir, agencies, identity, personas })
    }

    /// Address of the internal API.
    #[must_use]
    pub fn internal(&self) -> String {
        format!("https://{}", self.gateway.internal)
    }

    /// Address of the console.
    #[must_use]
    pub fn console(&self) -> Option<String> {
        self.gateway.console.map(|address| format!("https://{address}"))
    }

    /// A client of the console with the auditor's certificate.
    ///
    /// # Errors
    /// When there is no console, or the certificate's files cannot be read.
    pub fn auditor(&self) -> anyhow::Result<Client> {
        self.person(AUDITOR)
    }

    /// A client of the console with the certificate of one of [`PEOPLE`].
    ///
    /// # Errors
    /// When there is no console, or the certificate's files cannot be read.
    pub fn person(&self, name: &str) -> anyhow::Result<Client> {
        Client::new(&self.console().context("there is no console")?, &ca_file(&self.dir), Some(person_files(&self.dir, name)))
    }

    /// A client with the certificate of a consumer.
    ///
    /// # Errors
    /// When its files cannot be read.
    pub fn client(&self, consumer: &str) -> anyhow::Result<Client> {
        Client::new(&self.internal(), &ca_file(&self.dir), Some(consumer_files(&self.dir, consumer)))
    }

    /// Stops everything in order.
    ///
    /// # Errors
    /// When the journal cannot take its last entries.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.gateway.stop().await?;
        for (_, agency) in self.agencies {
            agency.shutdown().await;
        }
        self.identity.shutdown().await;
        Ok(())
    }

    /// Opens a case for a family and asks nothing yet. The name is unique to this run.
    ///
    /// # Errors
    /// When the gateway does not answer 201.
    pub async fn open_case(&self, client: &Client, family: &Family) -> anyhow::Result<String> {
        self.open_case_of(client, &family.members).await
    }

    /// Opens a case for these persons.
    ///
    /// # Errors
    /// When the gateway does not answer 201.
    pub async fn open_case_of(&self, client: &Client, members: &[Person]) -> anyhow::Result<String> {
        let persons: Vec<Json> =
            members.iter().map(|member| json!({"subject": {"fin": &*member.fin}, "role": role(member.role)})).collect();
        open(client, &json!({"case": new_case(), "purpose": PURPOSE, "persons": persons})).await
    }

    /// Writes `demo.json`: where everything is, and one complete, granted body per service and
    /// dossier, for a family that has not been asked about before, its case already open.
    ///
    /// # Errors
    /// When the gateway refuses a step or the file cannot be written.
    pub async fn write_demo_json(&self) -> anyhow::Result<()> {
        let requests = self.requests().await?;
        let dir = |path: &str| self.dir.join(path).display().to_string();
        let files = |(cert, key): (PathBuf, PathBuf)| json!({"cert": cert.display().to_string(), "key": key.display().to_string()});
        let consumers: BTreeMap<_, _> =
            consumers().into_iter().map(|consumer| (consumer.clone(), files(consumer_files(&self.dir, &consumer)))).collect();
        let agencies: BTreeMap<_, _> = self
            .agencies
            .iter()
            .map(|(code, running)| {
                let mut entry = files(agency_files(&self.dir, running.code().as_str()));
                entry["url"] = json!(format!("https://{}", running.address));
                entry["control"] = json!(format!("http://{}", running.control_address));
                (*code, entry)
            })
            .collect();
        let demo = json!({
            "internal": self.internal(),
            "console": self.console(),
            "ops": format!("http://{}", self.gateway.ops),
            "ca": ca_file(&self.dir).display().to_string(),
            "journal": dir("journal"),
            "config": dir("qovsaq.yaml"),
            "pid": std::process::id(),
            "consumers": consumers,
            "people": PEOPLE.iter().map(|(name, _)| (*name, files(person_files(&self.dir, name)))).collect::<BTreeMap<_, _>>(),
            "agencies": agencies,
            "officials": {
                "issuer": self.identity.issuer(),
                "token_endpoint": format!("{}/token", self.identity.issuer()),
                "control": format!("http://{}", self.identity.control_address),
                "ca": dir("agencies/ca.pem"),
            },
            "requests": &requests,
        });
        // The bodies once more as files, for `curl -d @…`.
        for (name, request) in requests.as_object().into_iter().flatten() {
            write(&self.request_file(name), request["body"].to_string().as_bytes())?;
        }
        // Last and in one step: who sees demo.json finds everything ready.
        let file = self.dir.join("demo.json");
        let beside = self.dir.join("demo.json.new");
        write(&beside, &serde_json::to_vec_pretty(&demo)?)?;
        Ok(std::fs::rename(&beside, &file)?)
    }

    /// The file with the ready-made body of a service or dossier.
    #[must_use]
    pub fn request_file(&self, name: &str) -> PathBuf {
        self.dir.join("requests").join(format!("{}.json", name.replace('/', "_")))
    }

    async fn requests(&self) -> anyhow::Result<Json> {
        let family = self.personas.requests_family();
        let active = Arc::clone(&self.gateway.gateway.active());
        let snapshot = &active.snapshot;
        // One case for each right, with everybody whom its services are asked about.
        let mut about: BTreeMap<(String, String), Vec<Json>> = BTreeMap::new();
        for service in snapshot.services.values() {
            let Some(right) = Right::to_ask(snapshot, service) else { continue };
            let subject = Sample::of(snapshot, service, &self.personas, family).subject;
            about.entry((right.consumer, right.purpose)).or_default().push(subject);
        }
        let mut cases: BTreeMap<(String, String), (Client, String)> = BTreeMap::new();
        let mut requests = serde_json::Map::new();
        for service in snapshot.services.values() {
            let Some(right) = Right::to_ask(snapshot, service) else { continue };
            let mut sample = Sample::of(snapshot, service, &self.personas, family);
            let key = (right.consumer.clone(), right.purpose.clone());
            if !cases.contains_key(&key) {
                let client = self.client(&right.consumer)?;
                let about = about.get(&key).map(Vec::as_slice).unwrap_or_default();
                let case = open(&client, &right.case(family, about, &new_case())).await?;
                cases.insert(key.clone(), (client, case));
            }
            let Some((client, case)) = cases.get(&key) else { continue };
            for wanted in service.inputs.iter().filter(|input| input.required) {
                // An identifying value may be asked with only where an answer in the same case gave it.
                let Some((origin, field)) = &wanted.comes_from else { continue };
                let Some(source) = snapshot.services.get(origin) else { continue };
                let first = Sample::of(snapshot, source, &self.personas, family);
                let answer = client.post(&format!("/v1/services/{origin}"), &right.envelope(&first, case), "en").await?;
                let value = answer.json()?["data"][&**field].clone();
                anyhow::ensure!(value.is_string(), "{origin} about the prepared family was answered {}", answer.status);
                sample.input[&*wanted.name] = value;
                // Whoever sends the ready-made bodies finds nothing asked before.
                self.gateway.gateway.clear_cache(Some(origin.provider())).await?;
            }
            let body = right.envelope(&sample, case);
            requests.insert(service.id.to_string(), json!({"consumer": right.consumer, "body": body}));
        }
        let (_, case) = cases.get(&(CONSUMER.to_owned(), PURPOSE.to_owned())).context("the demo's consumer may ask nothing")?;
        let mut dossier = body(family, case, &dossier_inputs(&self.personas, family));
        dossier["subject"].take();
        requests.insert(DOSSIER.to_owned(), json!({"consumer": CONSUMER, "body": dossier}));
        Ok(Json::Object(requests))
    }
}

/// A case's name that is unique to this run.
#[must_use]
pub fn new_case() -> String {
    format!("c-{}", crate::record::new_id().simple())
}

/// Opens a case, and gives its name.
///
/// # Errors
/// When the gateway does not answer 201.
pub async fn open(client: &Client, body: &Json) -> anyhow::Result<String> {
    let answer = client.post("/v1/cases", body, "en").await?;
    anyhow::ensure!(answer.status == 201, "opening a case was answered {}: {}", answer.status, answer.body);
    Ok(body["case"].as_str().unwrap_or_default().to_owned())
}

/// An envelope about a family's applicant, with the consents of its adults.
#[must_use]
pub fn body(family: &Family, case: &str, input: &Json) -> Json {
    json!({
        "subject": {"fin": &*family.applicant().fin}, "input": input, "purpose": PURPOSE, "case": case,
        "official": OFFICIAL, "role": "case-officer", "assertion": null, "on_behalf_of": null, "consent": consents(family),
    })
}

/// What the reference dossier takes besides the persons, as far as the family has it.
#[must_use]
pub fn dossier_inputs(personas: &Personas, family: &Family) -> Json {
    let mut inputs = json!({"territory_code": territory_of(family)});
    if let Some(application) = family.applications.first() {
        inputs["application_no"] = json!(&*application.number);
    }
    if let Some(msisdn) = personas.digital().number_of(&family.applicant().fin) {
        inputs["msisdn"] = json!(msisdn);
    }
    inputs
}

/// The territory in which a family applies: where its applicant is registered, and for one who is nowhere the first.
#[must_use]
pub fn territory_of(family: &Family) -> &str {
    family.applicant().residence.as_ref().map_or("99000001", |residence| &residence.territory_code)
}

/// Whom a service is asked about where a family is: its applicant, or the child that is in somebody's care.
#[must_use]
pub fn subject_of<'a>(service: &str, personas: &'a Personas, family: &'a Family) -> &'a str {
    let in_care = |person: &&Person| personas.local_executive().guardianships.iter().any(|own| own.child == person.fin);
    match service {
        "local-executive/guardianship" => &family.members.iter().find(in_care).unwrap_or_else(|| family.applicant()).fin,
        "health/birth-fact" => personas.health().mother().unwrap_or_default(),
        "migration/permit" => personas.migration().resident().unwrap_or_default(),
        _ => &family.applicant().fin,
    }
}

/// Consents of a family's adults to the credit bureau, as a consumer would hold them.
#[must_use]
pub fn consents(family: &Family) -> Json {
    // The same all day long: what was used once under a reference is what it says.
    let midnight = model::time::day(clock::now()).to_zoned(model::time::baku().clone()).map(|midnight| midnight.timestamp());
    let (now, day) = (midnight.unwrap_or_else(|_| clock::now()), jiff::SignedDuration::from_hours(24));
    let grown_up = model::time::day(now).saturating_sub(18.years());
    let at = |when: Result<jiff::Timestamp, jiff::Error>| model::time::rfc3339(when.unwrap_or(now));
    let adults = family.members.iter().filter(|member| member.birth_date <= grown_up);
    let consents = adults.enumerate().map(|(number, adult)| {
        let document = format!("synthetic consent {number} of the family {}", family.name);
        json!({
            "provider": "credit-bureau", "subject": {"fin": &*adult.fin}, "reference": format!("TEST-RZ-{}-{number}", family.name),
            "sha256": crate::wire::sha256_base64(document.as_bytes()),
            "signed_at": at(now.checked_sub(day)), "expires_at": at(now.checked_add(day * 30)),
        })
    });
    consents.collect()
}

/// The case role of a persona.
#[must_use]
pub fn role(role: FamilyRole) -> &'static str {
    match role {
        FamilyRole::Applicant => "applicant",
        FamilyRole::Spouse => "spouse",
        FamilyRole::Child => "child",
        FamilyRole::Adult => "adult",
        FamilyRole::Other => "other",
    }
}

/// The consumers that get a certificate: all that the embedded data name, but for the gateway's own probe.
#[must_use]
pub fn consumers() -> Vec<String> {
    named_consumers().filter(|name| name != PROBE).collect()
}

fn named_consumers() -> impl Iterator<Item = String> {
    let files = CONTRACTS.get_dir("consumers").into_iter().flat_map(Dir::files);
    files.filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()))
}

/// A month so many months before the current one in Baku.
#[must_use]
pub fn month_ago(months: i64) -> String {
    model::time::day(clock::now()).first_of_month().saturating_sub(months.months()).strftime("%Y-%m").to_string()
}

/// The certificate that signs the gateway's and its consumers' certificates.
#[must_use]
pub fn ca_file(dir: &Path) -> PathBuf {
    dir.join("ca.pem")
}

/// Certificate and key of a consumer.
#[must_use]
pub fn consumer_files(dir: &Path, consumer: &str) -> (PathBuf, PathBuf) {
    let base = dir.join("consumers");
    (base.join(format!("{consumer}.pem")), base.join(format!("{consumer}.key")))
}

/// Certificate and key of one of [`PEOPLE`].
#[must_use]
pub fn person_files(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
    let base = dir.join("people");
    (base.join(format!("{name}.pem")), base.join(format!("{name}.key")))
}

fn agency_files(dir: &Path, agency: &str) -> (PathBuf, PathBuf) {
    let base = dir.join("agencies");
    (base.join(format!("{agency}-client.pem")), base.join(format!("{agency}-client.key")))
}

async fn start_agency(dir: &Path, played: Played, options: &Options, personas: &Arc<Personas>) -> anyhow::Result<mock_agencies::Running> {
    let read = |path: PathBuf| std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()));
    let agencies = dir.join("agencies");
    let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let Played { code, instance } = played;
    let options = AgencyOptions {
        code,
        instance,
        address: local(options.ports.agency(played)),
        control: local(options.ports.control(played)),
        tls: ServerTls {
            certificate_pem: read(agencies.join(format!("{}.pem", code.as_str())))?,
            key_pem: read(agencies.join(format!("{}.key", code.as_str())))?,
            client_ca_pem: read(agencies.join("ca.pem"))?,
        },
        latency: options.latency,
        personas: Arc::clone(personas),
    };
    Ok(mock_agencies::start(options).await?)
}

/// Delivers the files of today: what the sources do that are not asked.
fn deliver_files(dir: &Path) -> anyhow::Result<()> {
    let today = model::time::day(clock::now());
    for delivery in FILE_SERVICES.iter().filter_map(|service| Some((service, mock_agencies::delivery(service, today, None, None)?))) {
        let (service, file) = delivery;
        file.write(&landing(dir, service)).with_context(|| format!("cannot deliver a file of {service}"))?;
    }
    Ok(())
}

/// The folder that the files of a service arrive in.
#[must_use]
pub fn landing(dir: &Path, service: &str) -> PathBuf {
    dir.join("landing").join(service)
}

/// The identity provider of officials, to which every consumer is a registered client.
async fn start_identity(dir: &Path, options: &Options) -> anyhow::Result<IdentityProvider> {
    let read = |path: PathBuf| std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()));
    let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let clients = consumers().into_iter().map(|consumer| Ok((consumer.clone(), read(consumer_files(dir, &consumer).0)?)));
    let options = IdentityOptions {
        address: local(options.ports.identity()),
        control: local(options.ports.identity_control()),
        tls: ServerTls {
            certificate_pem: read(dir.join("officials/provider.pem"))?,
            key_pem: read(dir.join("officials/provider.key"))?,
            client_ca_pem: read(ca_file(dir))?,
        },
        clients: clients.collect::<anyhow::Result<_>>()?,
    };
    Ok(start_identity_provider(options).await?)
}

/// An assertion of the demo's identity provider that an official is logged in at a consumer, at a level (`low`,
/// `substantial`, `high`): what the consumer itself would fetch with its certificate.
///
/// # Errors
/// When the provider does not answer, or refuses.
pub async fn officials_assertion(dir: &Path, issuer: &str, consumer: &str, official: &str, level: &str) -> anyhow::Result<String> {
    let client = Client::new(issuer, &dir.join("agencies/ca.pem"), Some(consumer_files(dir, consumer)))?;
    let form = format!("grant_type=client_credentials&client_id={consumer}&official={official}&acr_values={level}");
    let answer = client.post_raw("/token", "application/x-www-form-urlencoded", form.into_bytes()).await?;
    anyhow::ensure!(answer.status == 200, "the identity provider answered {}: {}", answer.status, answer.body);
    Ok(answer.json()?["id_token"].as_str().context("the identity provider gave no assertion")?.to_owned())
}

/// Two authorities: one for the gateway and those who come to it, one for the agencies and our
/// certificates towards them.
fn make_pki(dir: &Path) -> anyhow::Result<()> {
    let now = clock::now();
    let validity = || Validity::starting(now, LEAF_VALIDITY);
    let meis = dir.join("pki/meis");
    if !meis.exists() {
        let mut authority = Authority::init(&meis, "Qovsaq demo MEIS CA", CRL_VALIDITY, now)?;
        copy_issued(&authority.issue_server("gateway", &["localhost", "127.0.0.1"], validity(), now)?, &dir.join("gateway"), "internal")?;
        for consumer in consumers() {
            let issued = authority.issue_client(&consumer, &[&format!("{consumer}.meis.test")], validity(), now)?;
            copy_issued(&issued, &dir.join("consumers"), &consumer)?;
        }
        std::fs::copy(authority.certificate(), ca_file(dir))?;
    } else {
        // A demo folder may be older than its revocation list.
        Authority::open(&meis)?.renew_crl(CRL_VALIDITY, now)?;
    }
    // A demo folder may be older than some of its people and agencies, too.
    for (name, _) in PEOPLE.iter().filter(|(name, _)| !person_files(dir, name).0.exists()) {
        let issued = Authority::open(&meis)?.issue_client(name, &[&format!("{name}.meis.test")], validity(), now)?;
        copy_issued(&issued, &dir.join("people"), name)?;
    }
    let outside = dir.join("pki/agencies");
    let agencies = dir.join("agencies");
    if !outside.exists() {
        let authority = Authority::init(&outside, "Qovsaq demo agencies CA", CRL_VALIDITY, now)?;
        std::fs::create_dir_all(&agencies)?;
        std::fs::copy(authority.certificate(), agencies.join("ca.pem"))?;
    }
    for code in AGENCIES.into_iter().filter(|code| !agencies.join(format!("{}.pem", code.as_str())).exists()) {
        let name = format!("{}-client", code.as_str());
        let names = [&*format!("{}.agency.test", code.as_str())];
        copy_issued(&Authority::open(&meis)?.issue_client(&name, &names, validity(), now)?, &agencies, &name)?;
        let mut authority = Authority::open(&outside)?;
        copy_issued(&authority.issue_server(code.as_str(), &["localhost", "127.0.0.1"], validity(), now)?, &agencies, code.as_str())?;
        let towards = format!("meis-towards-{}", code.as_str());
        copy_issued(&authority.issue_client(&towards, &["meis.test"], validity(), now)?, &agencies, &towards)?;
    }
    if !dir.join("officials/provider.pem").exists() {
        let issued = Authority::open(&outside)?.issue_server("identity-provider", &["localhost", "127.0.0.1"], validity(), now)?;
        copy_issued(&issued, &dir.join("officials"), "provider")?;
    }
    Ok(())
}

/// The identity provider of citizens: its key, and the key set that the gateway knows it by.
fn make_citizens(dir: &Path) -> anyhow::Result<()> {
    let folder = dir.join("citizens");
    if folder.join("keys.json").exists() {
        return Ok(());
    }
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).context("cannot make a key")?;
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).context("cannot read a key")?;
    let x = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "demo-1", "x": x}]});
    write_secret(&folder.join("provider.key"), pkcs8.as_ref())?;
    write(&folder.join("keys.json"), keys.to_string().as_bytes())
}

/// An assertion of the demo's identity provider that a citizen asks through a consumer, good for ten minutes.
///
/// # Errors
/// When the folder holds no identity provider.
pub fn assertion(dir: &Path, fin: &str, consumer: &str) -> anyhow::Result<String> {
    assertion_for(dir, fin, consumer, None)
}

/// The same for somebody who represents another person: as what (`guardian`, `parent`, `proxy`), and that one's FIN.
///
/// # Errors
/// When the folder holds no identity provider.
pub fn assertion_for(dir: &Path, fin: &str, consumer: &str, represents: Option<(&str, &str)>) -> anyhow::Result<String> {
    let file = dir.join("citizens/provider.key");
    let key = std::fs::read(&file).with_context(|| format!("cannot read {}; start `qovsaq demo` first", file.display()))?;
    let (now, id) = (clock::now().as_second(), crate::record::new_id());
    let mut claims = json!({
        "iss": CITIZENS, "aud": "qovsaq", "azp": consumer, "scope": "subject-accesses", "jti": id, "iat": now, "exp": now + 600,
        "fin": fin,
    });
    if let Some((kind, fin)) = represents {
        claims["represents"] = json!({"kind": kind, "fin": fin});
    }
    let header = jsonwebtoken::Header { kid: Some("demo-1".to_owned()), ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA) };
    Ok(jsonwebtoken::encode(&header, &claims, &jsonwebtoken::EncodingKey::from_ed_der(&key))?)
}

fn copy_issued(issued: &crate::pki::Issued, folder: &Path, name: &str) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::copy(&issued.certificate, folder.join(format!("{name}.pem")))?;
    std::fs::copy(&issued.key, folder.join(format!("{name}.key")))?;
    Ok(())
}

/// Writes the contracts and mappings that are built in, as far as they are not there yet.
///
/// # Errors
/// When a file cannot be written.
pub fn write_embedded(dir: &Path) -> anyhow::Result<()> {
    write_data(&CONTRACTS, &dir.join("contracts"))?;
    write_data(&MAPPINGS, &dir.join("mappings"))
}

/// Writes the embedded files that are not there yet; a file somebody has changed stays as it is.
fn write_data(data: &Dir<'_>, folder: &Path) -> anyhow::Result<()> {
    for file in data.files() {
        let path = folder.join(file.path());
        if !path.exists() {
            write(&path, file.contents())?;
        }
    }
    data.dirs().try_for_each(|inner| write_data(inner, folder))
}

fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

fn write_secret(path: &Path, secret: &[u8]) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    write(path, secret)?;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?)
}

/// Writes the register of rights that the demo begins with: its people with their offices, and its officials, who hold every
/// role of every consumer, so that whatever is tried finds somebody who may, but for one who holds nothing yet.
///
/// # Errors
/// When a consumer's file cannot be read, or the file cannot be written.
pub fn write_register(dir: &Path) -> anyhow::Result<()> {
    use std::fmt::Write as _;
    let mut text = "# yaml-language-server: $schema=contracts/schema/access.schema.json\n\
                    # Who may act in which role when the register of rights begins. Read once.\n\
                    accounts:\n"
        .to_owned();
    for (place, (name, office)) in PEOPLE.iter().enumerate() {
        let scope = match office {
            Office::TerritorialAdministrator => format!(", territory: {TERRITORY}"),
            Office::ConsumerOfficer => format!(", consumer: {CONSUMER}"),
            Office::CentralAdministrator | Office::Auditor | Office::Assessor | Office::DataProtectionOfficer | Office::Operator => {
                String::new()
            }
        };
        writeln!(
            text,
            "  {name}: {{person: TEST-P-{place}, certificate_name: {name}.meis.test, acknowledged: true, rights: [{{office: {office}{scope}}}]}}"
        )?;
    }
    let mut every_role = String::new();
    for consumer in named_consumers() {
        let file = dir.join(format!("contracts/consumers/{consumer}.yaml"));
        let document = Document::read(&file).map_err(|problem| anyhow::anyhow!("{problem}"))?;
        for role in document.value["roles"].as_object().into_iter().flat_map(serde_json::Map::keys) {
            writeln!(every_role, "      - {{consumer: {consumer}, role: {role}}}")?;
        }
    }
    for official in OFFICIALS {
        writeln!(text, "  {official}:\n    person: TEST-{official}\n    acknowledged: true\n    rights:\n{every_role}")?;
    }
    writeln!(text, "  {NEWCOMER}: {{person: TEST-{NEWCOMER}, rights: []}}")?;
    write(&dir.join("access.yaml"), text.as_bytes())
}

/// How an agency is reached: where it listens, or where each of its bodies does.
fn way_to(agencies: &BTreeMap<&'static str, mock_agencies::Running>, code: &str) -> String {
    let address = |id: &str| agencies.get(id).map(|running| format!("https://{}", running.address)).unwrap_or_default();
    let bodies: Vec<String> = Instance::ALL
        .iter()
        .filter(|body| body.agency.as_str() == code)
        .map(|body| format!("\x20     {}: {{serves: {:?}, url: {:?}}}\n", body.name, body.keys, address(body.id)))
        .collect();
    match bodies.is_empty() {
        true => format!("\x20   url: {}\n", address(code)),
        false => format!("\x20   instances:\n{}", bodies.concat()),
    }
}

/// The answers of a security server must carry the hash of the request.
const REQUEST_HASH: &str = "\x20     request_hash: required\n";

/// The X-Road identifiers of a provider: its member code and subsystem.
fn xroad(code: &str, subsystem: &str, more: &str) -> String {
    format!(
        "\x20   xroad:\n\
         \x20     instance: AZ-TEST\n\
         \x20     client: {{class: GOV, code: \"10000001\", subsystem: meis}}\n\
         \x20     provider: {{class: GOV, code: \"{code}\", subsystem: {subsystem}}}\n{more}"
    )
}

/// Writes `qovsaq.yaml` for agencies and an identity provider that are up, and the register of rights to begin with.
///
/// # Errors
/// When the file cannot be written.
pub fn write_config(outside: &Outside, ports: Ports) -> anyhow::Result<()> {
    use std::fmt::Write as _;
    let Outside { dir, agencies, identity, .. } = outside;
    write_register(dir)?;
    let mut text = format!(
        "# Written by `qovsaq demo`; serve it with `qovsaq serve --config qovsaq.yaml`.\n\
         profile: test\n\
         origin: meis-demo.test\n\
         data: {{contracts: contracts, mappings: mappings}}\n\
         listeners:\n\
         \x20 internal:\n\
         \x20   address: 127.0.0.1:{}\n\
         \x20   certificate: gateway/internal.pem\n\
         \x20   key: gateway/internal.key\n\
         \x20   client_ca: ca.pem\n\
         \x20   crl: pki/meis/crl.pem\n\
         \x20   crl_grace: 24h\n\
         \x20 console:\n\
         \x20   address: 127.0.0.1:{}\n\
         \x20   certificate: gateway/internal.pem\n\
         \x20   key: gateway/internal.key\n\
         \x20   client_ca: ca.pem\n\
         \x20   crl: pki/meis/crl.pem\n\
         \x20   crl_grace: 24h\n\
         \x20 ops: {{address: 127.0.0.1:{}}}\n\
         citizens: {{issuer: {CITIZENS}, keys: citizens/keys.json}}\n\
         officials:\n\
         \x20 issuer: {}\n\
         \x20 ca: agencies/ca.pem\n\
         \x20 official_claim: {IDENTITY_OFFICIAL_CLAIM}\n\
         \x20 levels:\n\
         \x20   http://eidas.europa.eu/LoA/low: low\n\
         \x20   http://eidas.europa.eu/LoA/substantial: substantial\n\
         \x20   http://eidas.europa.eu/LoA/high: high\n\
         access: {{initial: access.yaml}}\n\
         journal: {{dir: journal}}\n\
         keys: {{node: keys/node.key, signing: keys/signing, table: keys/epochs}}\n\
         store: {{path: store/cases.sqlite}}\n\
         providers:\n",
        ports.internal(),
        ports.console(),
        ports.ops(),
        identity.issuer(),
    );
    for code in AGENCIES.map(AgencyCode::as_str) {
        let ways = way_to(agencies, code);
        write!(
            text,
            "\x20 {code}:\n\
             {ways}\
             \x20   server_ca: agencies/ca.pem\n\
             \x20   certificate: agencies/meis-towards-{code}.pem\n\
             \x20   key: agencies/meis-towards-{code}.key\n",
        )?;
        text.push_str(&match code {
            "interior" => xroad("10000002", "daxili-isler", ""),
            "justice" => xroad("10000004", "adliyye", REQUEST_HASH),
            "health" => xroad("10000007", "sehiyye", REQUEST_HASH),
            "digital" => xroad("10000008", "reqemsal", REQUEST_HASH),
            "migration" => xroad("10000012", "miqrasiya", REQUEST_HASH),
            "border" => xroad("10000013", "serhed", ""),
            _ => String::new(),
        });
        text.push_str(match code {
            "taxes" => "\x20   paths: {person-income: /gelir, taxpayer-status: /odeyici}\n\x20   ws_addressing: true\n",
            "property" => {
                "\x20   path: /emdk/xidmet\n\
                 \x20   ws_security: {username: meis, password_file: secrets/property.password}\n"
            }
            "credit-bureau" => {
                "\x20   oauth2: {token_path: /oauth2/token, client_id: meis, client_secret_file: secrets/credit-bureau.secret}\n\
                 \x20   poll_every: 250ms\n\
                 \x20   idempotency_key: true\n"
            }
            "migration" => "\x20   idempotency_key: true\n",
            "azersu" => "\x20   path: /AbonentXidmeti.asmx\n",
            "refugee-committee" => {
                "\x20   path: /QMKReyestr/Reyestr.asmx\n\
                 \x20   basic_auth: {username: meis, password_file: secrets/refugee-committee.password}\n"
            }
            "mobilisation" => "\x20   path: /herbi-ucot\n",
            "exam-centre" => {
                "\x20   api_key:\n\
                 \x20     header: X-Api-Key\n\
                 \x20     key_file: secrets/exam-centre.key\n\
                 \x20     next_key_file: secrets/exam-centre.next.key\n"
            }
            _ => "",
        });
    }
    text.push_str("files:\n\x20 dir: store/feeds\n\x20 keys: keys/feeds\n\x20 poll_every: 30s\n\x20 feeds:\n");
    for service in FILE_SERVICES {
        let signed_by = match mock_agencies::certificate(service) {
            Some(certificate) => {
                // What a source would hand over, and read its fingerprint from at the telephone.
                let file = format!("secrets/{}.asc", service.replace('/', "."));
                write_secret(&dir.join(&file), certificate.as_bytes())?;
                format!(", signed_by: {file}")
            }
            None => String::new(),
        };
        writeln!(text, "\x20   {service}: {{landing: landing/{service}{signed_by}}}")?;
    }
    // What a provider would hand over in an envelope.
    write_secret(&dir.join("secrets/property.password"), PROPERTY_PASSWORD.as_bytes())?;
    write_secret(&dir.join("secrets/credit-bureau.secret"), CREDIT_BUREAU_SECRET.as_bytes())?;
    write_secret(&dir.join("secrets/refugee-committee.password"), REFUGEE_COMMITTEE_PASSWORD.as_bytes())?;
    write_secret(&dir.join("secrets/exam-centre.key"), EXAM_CENTRE_KEY.as_bytes())?;
    write_secret(&dir.join("secrets/exam-centre.next.key"), EXAM_CENTRE_NEXT_KEY.as_bytes())?;
    write(&dir.join("qovsaq.yaml"), text.as_bytes())
}
