//! Runs the suite: plays the sources, asks, and compares what was told and what stands in the journal with
//! what the contract orders.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use adapter_core::kit::{Reply, Seen, Server};
use anyhow::Context as _;
use futures_util::future::join_all;
use mapping::Protocol;
use model::{CaseId, ConsumerId, Problems, ServiceId, Subject};
use rustls::ServerConfig;
use seal::{KeyTable, NodeKey};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::case::{Case, Expect, Step, steps};
use super::material::{Ask, Material};
use super::place::{CONSUMER, LATE, Workplace};
use super::script::{self, Certificate, Script};
use super::told::Told;
use crate::client::Client;
use crate::clock;
use crate::config::Config;
use crate::gateway::{Running, StartError};
use crate::record::Kind;
use crate::tls::{Minimum, ServerTls, ServerTlsFiles};

/// Longest wait for anything that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service in one case.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// The service.
    pub service: ServiceId,
    /// The case.
    #[serde(serialize_with = "case_name")]
    pub case: Case,
    /// How it ended.
    #[serde(flatten)]
    pub ended: Ended,
}

/// How a cell ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Ended {
    /// As ordered.
    Green {
        /// How many questions were asked in it.
        asked: usize,
    },
    /// Otherwise.
    Red {
        /// What was wrong, by part.
        why: Vec<String>,
        /// What to do.
        todo: &'static str,
    },
    /// The case does not apply.
    NotApplicable {
        /// Why.
        reason: String,
    },
}

fn case_name<S: serde::Serializer>(case: &Case, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(case.as_str())
}

/// Gateways at most that run side by side. A played source plays one answer at a time, so a provider's services
/// are spread over them.
const LANES_MAX: usize = 4;

/// A workplace whose gateways and sources are up.
#[derive(Debug)]
pub struct Suite {
    place: Workplace,
    lanes: Vec<Lane>,
}

/// A gateway with a source for each provider of its services.
#[derive(Debug)]
struct Lane {
    gateway: Running,
    players: BTreeMap<String, Player>,
    client: Client,
    services: BTreeSet<ServiceId>,
}

/// A step that was taken: what must stand in the journal of its case.
#[derive(Debug)]
struct Taken {
    case: String,
    label: String,
    expect: Option<Expect>,
    undeclared: Option<u64>,
    reads: usize,
}

/// A cell before its journal was read.
#[derive(Debug)]
struct Open {
    service: ServiceId,
    case: Case,
    reason: Option<String>,
    why: Vec<String>,
    taken: Vec<Taken>,
}

impl Suite {
    /// Starts what these services are asked and played by.
    ///
    /// # Errors
    /// The data's problems, or what could not be started.
    pub async fn start(place: Workplace, services: &BTreeSet<ServiceId>) -> Result<Self, StartError> {
        let mut spread: Vec<BTreeSet<ServiceId>> = Vec::new();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for service in services {
            let count = counts.entry(service.provider()).or_default();
            let lane = *count % LANES_MAX;
            *count += 1;
            if spread.len() <= lane {
                spread.push(BTreeSet::new());
            }
            spread[lane].insert(service.clone());
        }
        let certificates = load_certificates(&place.dir)?;
        let mut lanes = Vec::new();
        for (number, services) in spread.into_iter().enumerate() {
            lanes.push(Lane::start(&place, number, &certificates, services).await?);
        }
        Ok(Self { place, lanes })
    }

    /// Runs these cases of every service that the suite was started for, the services of a provider partly one
    /// after the other, everything else side by side. `play` may put another step in a step's place, for tests
    /// that a cell can fail; `begun` is told each cell before it is run.
    ///
    /// # Errors
    /// When a gateway itself fails.
    pub async fn run(
        self,
        cases: &[Case],
        play: impl Fn(&Material, Case, Step) -> Step,
        begun: impl Fn(&ServiceId, Case),
    ) -> anyhow::Result<Vec<Cell>> {
        let mut opened = Vec::new();
        for late in [false, true] {
            let cases: Vec<Case> = cases.iter().copied().filter(|case| case.is_late() == late).collect();
            if cases.is_empty() {
                continue;
            }
            if late {
                self.place.set_times(LATE)?;
                for lane in &self.lanes {
                    lane.gateway.reload().await.map_err(|error| anyhow::anyhow!("the gateway does not take the data: {error:?}"))?;
                }
            }
            let (materials, cases, play, begun) = (&self.place.materials, &cases, &play, &begun);
            let mut running = Vec::new();
            for lane in &self.lanes {
                for (provider, player) in &lane.players {
                    running.push(lane.of_provider(materials, provider, player, cases, play, begun));
                }
            }
            for cells in join_all(running).await {
                opened.extend(cells?);
            }
        }
        let Self { place, lanes } = self;
        let mut journal = Journal::default();
        for (number, lane) in lanes.into_iter().enumerate() {
            lane.gateway.stop().await?;
            journal.read(&place.lane(number))?;
        }
        let mut cells: Vec<Cell> = opened.into_iter().map(|open| open.close(&journal)).collect();
        cells.sort_by(|one, other| (&one.service, one.case).cmp(&(&other.service, other.case)));
        Ok(cells)
    }
}

impl Lane {
    async fn start(
        place: &Workplace,
        number: usize,
        certificates: &Certificates,
        services: BTreeSet<ServiceId>,
    ) -> Result<Self, StartError> {
        let mut players = BTreeMap::new();
        let mut sources = Vec::new();
        for (provider, way) in place.providers(&services) {
            let player = Player::start(certificates.clone()).await.context("cannot play a source")?;
            sources.push((provider, player.server.url(), way));
            players.insert(provider.to_owned(), player);
        }
        let file = place.write_config(number, &sources)?;
        let mut problems = Problems::default();
        let Some(config) = Config::load(&file, &mut problems) else { return Err(StartError::Problems(problems)) };
        let gateway = Running::start(config).await?;
        let identity = (place.dir.join(format!("pki/{CONSUMER}.pem")), place.dir.join(format!("pki/{CONSUMER}.key")));
        let client = Client::new(&format!("https://{}", gateway.internal), &place.dir.join("pki/ca.pem"), Some(identity))?;
        Ok(Self { gateway, players, client, services })
    }

    async fn of_provider(
        &self,
        materials: &[Material],
        provider: &str,
        player: &Player,
        cases: &[Case],
        play: &impl Fn(&Material, Case, Step) -> Step,
        begun: &impl Fn(&ServiceId, Case),
    ) -> anyhow::Result<Vec<Open>> {
        let mut cells = Vec::new();
        let own = |material: &&Material| material.service.id.provider() == provider && self.services.contains(&material.service.id);
        for material in materials.iter().filter(own) {
            for case in cases {
                begun(&material.service.id, *case);
                let mut open = Open { service: material.service.id.clone(), case: *case, reason: None, why: Vec::new(), taken: Vec::new() };
                match steps(*case, material) {
                    Err(reason) => open.reason = Some(reason),
                    Ok(steps) => {
                        for step in steps.into_iter().map(|step| play(material, *case, step)) {
                            self.take(material, player, step, &mut open).await?;
                        }
                    }
                }
                cells.push(open);
            }
        }
        Ok(cells)
    }

    /// Takes one step: plays its answer, asks its question in a case of its own, compares.
    async fn take(&self, material: &Material, player: &Player, step: Step, open: &mut Open) -> anyhow::Result<()> {
        let case = format!("kit-{}", crate::record::new_id().simple());
        self.open_case(&case, &step.ask, material).await?;
        player.play(material.plan.protocol(), step.script.clone(), step.certificate);
        let (before, flooded) = (player.read(), player.server.flooded.load(Ordering::SeqCst));
        let path = format!("/v1/services/{}", material.service.id);
        let body = envelope(material, &case, &step.ask);
        let mut why = Vec::new();
        match &step.expect {
            Some(expect) => {
                let answer = self.client.post_waiting(&path, &body, "en", PATIENCE.as_secs()).await?;
                let retry_after = answer.headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
                let json = answer.json()?;
                let difference = expect.difference(Told::of(answer.status, &json, retry_after), &json["data"]);
                // Only synthetic persons are asked about here, and the first words of a problem name none.
                why.extend(
                    difference.map(|difference| {
                        format!("{difference} ({} {})", answer.status, json["title"].as_str().unwrap_or("with an answer"))
                    }),
                );
                if answer.status != 200 && names(&json, &step.ask) {
                    why.push("the problem document names the person".to_owned());
                }
            }
            None => why.extend(self.go_away(player, &path, &body, before).await?),
        }
        player.release();
        let reads = player.read() - before;
        if !step.reads.contains(&reads) {
            why.push(format!("the source was asked {reads} times instead of {}", range(&step)));
        }
        if matches!(step.script, Script::Flood(_)) && player.server.flooded.load(Ordering::SeqCst) - flooded >= script::FLOOD_BYTES {
            why.push("all of an answer without end was taken".to_owned());
        }
        if player.repeats_differ(before) {
            why.push("a repetition is not the question that it repeats".to_owned());
        }
        if step.expect.is_none() {
            // Whoever asks next is answered, by the flight that goes on or anew.
            player.play(material.plan.protocol(), script_of(&step), Certificate::Own);
            let answer = self.client.post_waiting(&path, &body, "en", PATIENCE.as_secs()).await?;
            if answer.status != 200 {
                why.push(format!("the next caller was told {}", answer.status));
            }
        }
        player.rest();
        open.why.extend(why.into_iter().map(|why| format!("{}: {why}", step.label)));
        open.taken.push(Taken { case, label: step.label, expect: step.expect, undeclared: step.undeclared, reads });
        Ok(())
    }

    /// Asks and goes away once the source has read the question. Gives what was wrong.
    async fn go_away(&self, player: &Player, path: &str, body: &Json, before: usize) -> anyhow::Result<Option<String>> {
        let asking = self.client.post_waiting(path, body, "en", PATIENCE.as_secs());
        let mut count = player.server.count();
        let read = async { count.wait_for(|read| *read > before).await.map(drop) };
        Ok(tokio::select! {
            answer = asking => Some(format!("the source answered at once ({}), so that nobody could go away", answer?.status)),
            read = tokio::time::timeout(PATIENCE, read) => {
                read.context("the source was not asked")??;
                None
            }
        })
    }

    async fn open_case(&self, case: &str, ask: &Ask, material: &Material) -> anyhow::Result<()> {
        let nobody = Subject::Fin("5K7QX2O".to_owned());
        let subject = ask.subject.as_ref().unwrap_or(&nobody);
        let body = json!({"case": case, "purpose": CONSUMER, "persons": [{"subject": subject, "role": "applicant"}]});
        let opened = self.client.post("/v1/cases", &body, "en").await?;
        anyhow::ensure!(opened.status == 201, "opening a case was answered {}: {}", opened.status, opened.body);
        // What must stem from an answer of the same case has been answered there.
        for input in &material.service.inputs {
            let (Some((service, field)), Some(value)) = (&input.comes_from, ask.input.get(&*input.name).and_then(Json::as_str)) else {
                continue;
            };
            let (consumer, case) = (ConsumerId::new(CONSUMER)?, CaseId::new(case)?);
            let (store, name, value) = (Arc::clone(&self.gateway.gateway.store), format!("{service}.{field}"), value.to_owned());
            tokio::task::spawn_blocking(move || store.remember_answer(&consumer, &case, &name, &value)).await??;
        }
        Ok(())
    }
}

/// The question once more with an answer at once.
fn script_of(step: &Step) -> Script {
    match &step.script {
        Script::Hold(_, answer) => Script::Answer(answer.clone()),
        other => other.clone(),
    }
}

fn range(step: &Step) -> String {
    let (least, most) = (step.reads.start(), step.reads.end());
    if least == most { most.to_string() } else { format!("{least} to {most}") }
}

fn envelope(material: &Material, case: &str, ask: &Ask) -> Json {
    let mut body = json!({
        "subject": ask.subject, "input": ask.input, "purpose": CONSUMER, "case": case, "official": "AZ-0001", "role": CONSUMER,
    });
    if let Some(subject) = ask.subject.as_ref().filter(|_| material.service.consent) {
        let day = jiff::SignedDuration::from_hours(24);
        let tomorrow = clock::now().checked_add(day).unwrap_or(jiff::Timestamp::MAX);
        body["consent"] = json!([{
            "provider": material.service.id.provider(), "subject": subject, "reference": format!("TEST-RZ-{case}"),
            "sha256": crate::wire::sha256_base64(case.as_bytes()),
            "signed_at": model::time::rfc3339(ask.since), "expires_at": model::time::rfc3339(tomorrow),
        }]);
    }
    body
}

/// Whether a problem document names whom was asked about.
fn names(problem: &Json, ask: &Ask) -> bool {
    let text = problem.to_string();
    match &ask.subject {
        Some(Subject::Fin(name) | Subject::Pin(name) | Subject::Tin(name)) => text.contains(name.as_str()),
        Some(Subject::Document(document)) => text.contains(&document.document.number),
        None => false,
    }
}

impl Open {
    /// Looks up what stands in the journal of each step.
    fn close(mut self, journal: &Journal) -> Cell {
        for taken in &self.taken {
            let differences = journal.differences(taken).into_iter().map(|why| format!("{}: {why}", taken.label));
            self.why.extend(differences);
        }
        let ended = match self.reason {
            Some(reason) => Ended::NotApplicable { reason },
            None if self.why.is_empty() => Ended::Green { asked: self.taken.len() },
            None => Ended::Red { why: self.why, todo: self.case.todo() },
        };
        Cell { service: self.service, case: self.case, ended }
    }
}

/// The exchanges of a journal, by case.
#[derive(Debug, Default)]
struct Journal {
    by_case: BTreeMap<String, Vec<Exchange>>,
}

/// An intent with what closed it.
#[derive(Debug)]
struct Exchange {
    index: u64,
    closed_by: Vec<(u8, Json)>,
}

impl Journal {
    /// Reads in what a gateway wrote below this folder.
    fn read(&mut self, dir: &Path) -> anyhow::Result<()> {
        let keys = KeyTable::open(&dir.join("keys/epochs"), NodeKey::load_or_create(&dir.join("keys/node.key"))?)?;
        let mut epochs = BTreeMap::new();
        let mut case_of = BTreeMap::new();
        for log in journal::read::logs(&dir.join("journal"))? {
            for entry in journal::read::entries(&log, 0)? {
                let entry = entry?;
                if ![Kind::Intent, Kind::Answered, Kind::Failed, Kind::Abandoned].iter().any(|kind| kind.number() == entry.kind) {
                    continue;
                }
                let view = seal::entry::parse(&entry.body).context("an entry's body cannot be read")?;
                if let std::collections::btree_map::Entry::Vacant(place) = epochs.entry(view.epoch) {
                    place.insert(keys.epoch(view.epoch)?.context("an epoch's keys are missing")?);
                }
                let epoch = epochs.get(&view.epoch).context("an epoch's keys are missing")?;
                let (role, link, payload) = (entry.role.code(), entry.role.link(), Some(entry.payload.as_slice()));
                let opened = seal::entry::open_entry(epoch, entry.origin.as_str(), entry.kind, role, link, &entry.body, payload)
                    .context("an entry does not open")?;
                let metadata: Json = serde_json::from_slice(&opened.metadata)?;
                let log = log.clone();
                match entry.role {
                    journal::Role::Closes(intent) => {
                        let exchanges = case_of.get(&(log, intent)).and_then(|case: &String| self.by_case.get_mut(case));
                        let exchange = exchanges.and_then(|all| all.iter_mut().find(|exchange| exchange.index == intent));
                        exchange.context("an entry closes no intent")?.closed_by.push((entry.kind, metadata));
                    }
                    _ => {
                        let case = metadata["case"].as_str().unwrap_or_default().to_owned();
                        case_of.insert((log, entry.index), case.clone());
                        self.by_case.entry(case).or_default().push(Exchange { index: entry.index, closed_by: Vec::new() });
                    }
                }
            }
        }
        Ok(())
    }

    /// Where the entries of a step are not those that were ordered.
    fn differences(&self, taken: &Taken) -> Vec<String> {
        let mut why = Vec::new();
        let exchanges = self.by_case.get(&taken.case).map_or(&[][..], Vec::as_slice);
        // Who asks after one that went away may begin a flight of his own.
        let expected = if taken.expect.is_none() { 1..=2 } else { 1..=1 };
        if !expected.contains(&exchanges.len()) {
            why.push(format!("the journal has {} intents", exchanges.len()));
        }
        for exchange in exchanges {
            let [(kind, metadata)] = exchange.closed_by.as_slice() else {
                why.push(format!("the journal closes the intent {} times", exchange.closed_by.len()));
                continue;
            };
            let outcome = metadata["outcome"].as_str().unwrap_or_default();
            let is = |wanted: Kind| *kind == wanted.number();
            let right = match &taken.expect {
                None | Some(Expect::Record(_) | Expect::Told(Told::Found)) => is(Kind::Answered) && outcome == "FOUND",
                Some(Expect::Told(Told::NotFound { .. })) => is(Kind::Answered) && outcome == "NOT_FOUND",
                Some(Expect::Told(Told::NotHeld)) => is(Kind::Answered) && outcome == "NOT_HELD_ELECTRONICALLY",
                Some(Expect::Told(Told::Broken)) => is(Kind::Failed) || is(Kind::Answered) && outcome == "INVALID_DATA",
                Some(Expect::Told(Told::Late)) => is(Kind::Failed) && metadata["reason"] == "deadline",
                Some(
                    Expect::Told(Told::Unavailable { .. } | Told::Refused { .. })
                    | Expect::Unavailable
                    | Expect::Refused
                    | Expect::NoStatement,
                ) => is(Kind::Failed) || is(Kind::Answered) && !matches!(outcome, "FOUND" | "NOT_FOUND" | "NOT_HELD_ELECTRONICALLY"),
            };
            if !right {
                why.push(format!("the journal closes the intent by {} {outcome}", Kind::name_of(*kind)));
            }
            if taken.reads == 0 && metadata["may_have_been_sent"] != false {
                why.push("the journal does not say that nothing was sent".to_owned());
            }
            if taken.undeclared.is_some_and(|count| metadata["undeclared"] != count) {
                why.push(format!(
                    "the journal counts {} undeclared parts instead of {}",
                    metadata["undeclared"],
                    taken.undeclared.unwrap_or_default()
                ));
            }
        }
        why
    }
}

/// The configurations of a source with each of its certificates.
type Certificates = BTreeMap<Certificate, Arc<ServerConfig>>;

fn load_certificates(dir: &Path) -> anyhow::Result<Certificates> {
    let files = [
        (Certificate::Own, "pki/source"),
        (Certificate::Foreign, "foreign/source"),
        (Certificate::WrongName, "pki/wrong-name"),
        (Certificate::Expired, "pki/expired"),
    ];
    let load = |name: &str| -> anyhow::Result<Arc<ServerConfig>> {
        let tls = ServerTls::load(&ServerTlsFiles {
            certificate: dir.join(format!("{name}.pem")),
            key: dir.join(format!("{name}.key")),
            client_ca: dir.join("pki/ca.pem"),
            crl: None,
            crl_grace: Duration::ZERO,
            minimum: Minimum::Tls13,
            anonymous: false,
        })?;
        let mut config = ServerConfig::clone(&tls.config(clock::now()));
        // What is played byte by byte is HTTP/1.1.
        config.alpn_protocols.clear();
        Ok(Arc::new(config))
    };
    files.into_iter().map(|(certificate, name)| Ok((certificate, load(name)?))).collect()
}

/// A played source.
#[derive(Debug)]
struct Player {
    server: Server,
    certificates: Certificates,
    playing: Arc<Mutex<Playing>>,
}

/// What it plays now.
#[derive(Debug)]
struct Playing {
    protocol: Protocol,
    script: Script,
    certificate: Certificate,
    /// Questions since the script began.
    questions: usize,
}

impl Player {
    async fn start(certificates: Certificates) -> anyhow::Result<Self> {
        let own = certificates.get(&Certificate::Own).context("the source has no certificate")?;
        let playing = Arc::new(Mutex::new(Playing {
            protocol: Protocol::RestJson { paging: None },
            script: Script::Hang,
            certificate: Certificate::Own,
            questions: 0,
        }));
        let state = Arc::clone(&playing);
        let server = Server::start(Arc::clone(own), move |_, seen| answer(&state, seen)).await?;
        Ok(Self { server, certificates, playing })
    }

    fn play(&self, protocol: &Protocol, script: Script, certificate: Certificate) {
        let mut playing = lock(&self.playing);
        if playing.certificate != certificate
            && let Some(tls) = self.certificates.get(&certificate)
        {
            self.server.present(Arc::clone(tls));
        }
        *playing = Playing { protocol: protocol.clone(), script, certificate, questions: 0 };
    }

    /// Lets go of an answer that is held back.
    fn release(&self) {
        if let Script::Hold(release, _) = &lock(&self.playing).script {
            release.notify_one();
        }
    }

    /// What comes now is nobody's question.
    fn rest(&self) {
        let mut playing = lock(&self.playing);
        playing.script = Script::Hang;
    }

    /// How many questions it has read.
    fn read(&self) -> usize {
        *self.server.count().borrow()
    }

    /// Whether a question since then differs from the first of them: the gateway repeats what it has asked.
    fn repeats_differ(&self, before: usize) -> bool {
        let seen = self.server.seen();
        let since = seen.get(before..).unwrap_or_default();
        since.windows(2).any(|pair| matches!(pair, [one, next] if one.head != next.head || one.body != next.body))
    }
}

fn answer(playing: &Mutex<Playing>, seen: &Seen) -> Reply {
    let mut playing = lock(playing);
    playing.questions += 1;
    script::reply(&playing.protocol, &playing.script, seen, playing.questions == 1)
}

fn lock(playing: &Mutex<Playing>) -> MutexGuard<'_, Playing> {
    // Each change is one assignment, so a panic elsewhere leaves nothing half done.
    playing.lock().unwrap_or_else(PoisonError::into_inner)
}
