//! `qovsaq try PROVIDER/SERVICE KEY=VALUE…`: one call against a mock, shown step by step. It takes
//! the very way of every question, journal included.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use mock_agencies::{Latency, Person};
use model::{ConsumerId, Service, ServiceId};
use serde_json::{Map, Value as Json, json};
use tokio::time::Instant;

use super::table::Table;
use super::{Ended, Usage, complain, key_value, mask, say, say_problems};
use crate::api::services::WAIT_DEFAULT;
use crate::data::Active;
use crate::demo::{self, Environment, Options, Ports, Right, Sample};
use crate::envelope::{Envelope, Expected};
use crate::exchange::{Exchange, Freshness};
use crate::gateway::{Gateway, StartError};
use crate::kit::live::Live;
use crate::kit::recorder;
use crate::pipeline::{self, Ending};
use crate::problem::Language;
use crate::trace::Steps;

/// Make one call and show every step of it.
#[derive(Debug, Args)]
#[command(after_help = "Starts the mock agencies for the time of the call; only synthetic persons exist there.\n\n\
  qovsaq try interior/person-identity fin=5K7QX2O\n\
  qovsaq try taxes/person-income fin=5K7QX2O month_from=2026-01 month_to=2026-06 --fault fault-in-200\n  \
  qovsaq try azerishiq/subscriber fin=5K7QX2O --config qovsaq.yaml --record recorded\n\n\
Exit codes: 0 the source answered, 1 it did not or was refused, 2 wrong usage.")]
pub struct Try {
    /// provider/service
    service: String,
    /// `fin`, `pin` or `tin`, and any input of the contract; what can be told beforehand of a synthetic family need not be typed
    #[arg(value_name = "KEY=VALUE")]
    inputs: Vec<String>,
    /// A fault the mock shows (see `qovsaq mock --faults`)
    #[arg(long)]
    fault: Option<String>,
    /// Data to use instead of what is built in: a folder with contracts/ and mappings/
    #[arg(long)]
    data: Option<PathBuf>,
    /// Ask the source that this test deployment's configuration leads to, instead of a mock
    #[arg(long, value_name = "FILE", conflicts_with_all = ["fault", "data"])]
    config: Option<PathBuf>,
    /// Keep question and answer here as fixtures about nobody: every value of a person is replaced
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Show the wire bodies unmasked (only synthetic persons exist in a mock)
    #[arg(long)]
    unmasked: bool,
}

/// Status and body of the answer that came.
fn answer_of(ending: &Ending) -> Option<(u16, String)> {
    let Ending::Answered(answered) = ending else { return None };
    answered.landed.as_ref()?.trace.steps()?.answer.clone()
}

impl Try {
    /// Runs the command.
    ///
    /// # Errors
    /// When the service is unknown, an input breaks the contract, or nothing can be started.
    pub async fn run(self) -> anyhow::Result<Ended> {
        let dir = std::env::temp_dir().join(format!("qovsaq-try-{}", crate::record::new_id().simple()));
        let ended = self.run_in(dir.clone()).await;
        std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        ended
    }

    async fn run_in(&self, dir: PathBuf) -> anyhow::Result<Ended> {
        if let Some(config) = &self.config {
            std::fs::create_dir_all(&dir)?;
            return match Live::start(&dir, config).await {
                Ok(live) => {
                    let shown = self.show_live(&live, &dir.join("mappings")).await;
                    live.gateway.stop().await?;
                    shown
                }
                Err(StartError::Problems(problems)) => {
                    say_problems(problems)?;
                    Ok(Ended::Badly)
                }
                Err(StartError::Other(error)) => Err(error),
            };
        }
        if let Some(data) = &self.data {
            for folder in ["contracts", "mappings"] {
                crate::kit::place::copy_folder(&data.join(folder), &dir.join(folder))?;
            }
        }
        std::fs::create_dir_all(&dir)?;
        let environment =
            match Environment::start(&Options { dir, ports: Ports::Any, latency: Latency::None, seed: mock_agencies::SEED }).await {
                Ok(environment) => environment,
                Err(StartError::Problems(problems)) => {
                    say_problems(problems)?;
                    return Ok(Ended::Badly);
                }
                Err(StartError::Other(error)) => return Err(error),
            };
        let shown = self.show(&environment).await;
        environment.stop().await?;
        shown
    }

    async fn show(&self, environment: &Environment) -> anyhow::Result<Ended> {
        let gateway = &environment.gateway.gateway;
        let active = Arc::clone(&gateway.active());
        let service = ServiceId::new(&self.service).ok().and_then(|id| active.snapshot.services.get(&id).cloned());
        let Some(service) = service else {
            let known: Vec<&str> = active.snapshot.services.keys().map(ServiceId::as_str).collect();
            return Err(Usage(format!("there is no service `{}`; accepted: {}", self.service, known.join(", "))).into());
        };
        if !environment.agencies.contains_key(service.id.provider()) {
            let why = format!(
                "no mock agency plays `{}`; play it with `qovsaq mock --answers` and ask it with `qovsaq ask`",
                service.id.provider()
            );
            return Err(Usage(why).into());
        }
        let right = Right::to_ask(&active.snapshot, &service)
            .ok_or_else(|| Usage(format!("no consumer may ask `{}`: it has no grant", service.id)))?;
        let client = environment.client(&right.consumer)?;
        let (subject, mut input) = self.split(&service)?;
        let personas = &environment.personas;
        let of = |member: &Person| json!({"fin": &*member.fin}) == subject;
        let known = personas.families().iter().find(|family| family.members.iter().any(of));
        // What can be told beforehand of a family need not be typed.
        let family = known.or(subject.is_null().then(|| personas.reference_family()));
        let usual = family.map(|family| Sample::of(&active.snapshot, &service, personas, family));
        if let Some(Json::Object(usual)) = usual.map(|sample| sample.input) {
            for (name, value) in usual.into_iter().filter(|(_, value)| !value.is_null()) {
                input.entry(name).or_insert(value);
            }
        }
        let sample = |input: &Map<String, Json>| Sample {
            family: family.unwrap_or_else(|| personas.reference_family()),
            subject: subject.clone(),
            input: Json::Object(input.clone()),
        };
        let sample_of_case = sample(&input);
        let case = right.case(sample_of_case.family, std::slice::from_ref(&sample_of_case.subject), &demo::new_case());
        let case = demo::open(&client, &case).await.context("the case was refused")?;
        let envelope = |input: &Map<String, Json>| right.envelope(&sample(input), &case);
        for wanted in service.inputs.iter().filter(|wanted| wanted.required) {
            let Some((source, field)) = &wanted.comes_from else { continue };
            // What must stem from an answer in the same case is asked for first, as a consumer would.
            let mut first = Map::new();
            if let Some(contract) = active.snapshot.services.get(source) {
                if let Some(Json::Object(usual)) = family.map(|family| Sample::of(&active.snapshot, contract, personas, family).input) {
                    first.extend(usual.into_iter().filter(|(_, value)| !value.is_null()));
                }
                let typed = contract.inputs.iter().filter_map(|own| Some((own.name.to_string(), input.get(&*own.name)?.clone())));
                first.extend(typed);
            }
            let answer = client.post(&format!("/v1/services/{source}"), &envelope(&first), "en").await?.json()?;
            input.entry(wanted.name.to_string()).or_insert_with(|| answer["data"][&**field].clone());
        }
        if let Some(fault) = &self.fault {
            for agency in demo::playing(&environment.agencies, service.id.provider()) {
                agency.set_fault(service.id.service(), fault, None).map_err(|error| Usage(error.to_string()))?;
            }
        }
        let mappings = environment.dir.join("mappings");
        self.ask(gateway, &active, &service, &right.consumer, &envelope(&input), &mappings).await
    }

    /// The same of the source that a deployment leads to.
    async fn show_live(&self, live: &Live, mappings: &Path) -> anyhow::Result<Ended> {
        let active = live.active();
        let Some(service) = live.service(&self.service) else {
            let known: Vec<&str> = active.snapshot.services.keys().map(ServiceId::as_str).collect();
            return Err(Usage(format!("there is no service `{}`; accepted: {}", self.service, known.join(", "))).into());
        };
        let (subject, input) = self.split(&service)?;
        let body = live.envelope(&service, &subject, input).await?;
        self.ask(&live.gateway.gateway, &active, &service, crate::kit::place::CONSUMER, &body, mappings).await
    }

    /// Asks and shows; records where that is wanted.
    async fn ask(
        &self,
        gateway: &Arc<Gateway>,
        active: &Arc<Active>,
        service: &Arc<Service>,
        consumer: &str,
        body: &Json,
        mappings: &Path,
    ) -> anyhow::Result<Ended> {
        let envelope = match Envelope::read(body, Expected::by(service, gateway.profile())) {
            Ok(envelope) => envelope,
            Err(errors) => {
                for error in errors {
                    say(&format!("{} {}", error.pointer, error.rule.text(Language::En)))?;
                }
                return Ok(Ended::Badly);
            }
        };
        say(&format!("1. asked            {} as {consumer} with {}", service.versioned(), serde_json::to_string(&body["input"])?))?;
        let exchange = Arc::new(Exchange {
            request_id: crate::record::new_id(),
            dossier_id: None,
            active: Arc::clone(active),
            consumer: ConsumerId::new(consumer)?,
            service: Arc::clone(service),
            envelope,
            presence: crate::exchange::Presence::NOT_SENT,
            freshness: Freshness { no_cache: true, ..Freshness::default() },
            traced: true,
        });
        let deadline = Instant::now() + WAIT_DEFAULT;
        let ending = pipeline::run(gateway, &exchange, deadline).await?;
        let typed = [&body["subject"], &body["input"]].into_iter().filter_map(Json::as_object).flat_map(Map::values);
        let values: Vec<&str> = typed.filter_map(Json::as_str).collect();
        let answer = answer_of(&ending);
        let ended = self.print(&service.id, active, ending, &values)?;
        if let Some(folder) = &self.record {
            let (plan, answer) = active.plans.get(&service.id).zip(answer).context("there was no answer to record")?;
            let envelope = &exchange.envelope;
            let asked = (envelope.subject.as_ref(), envelope.inputs.as_slice());
            let recorded = recorder::record(folder, mappings, plan, asked, (answer.0, &answer.1))?;
            for file in &recorded.files {
                complain(&format!("recorded: {}", file.display()));
            }
            say(&format!("example: {}", recorded.example))?;
            complain("compare the answer with the source's documentation, and write by hand what it must become");
        }
        Ok(ended)
    }

    /// Whom it is about, null where the service asks about nobody, and what else was typed.
    fn split(&self, service: &Service) -> anyhow::Result<(Json, Map<String, Json>)> {
        let mut subject = Json::Null;
        let mut input = Map::new();
        for text in &self.inputs {
            let (key, value) = key_value(text)?;
            if matches!(key, "fin" | "pin" | "tin") {
                subject = json!({key: value});
            } else {
                input.insert(key.to_owned(), value);
            }
        }
        if subject.is_null() && !service.subject.is_empty() {
            let forms: Vec<String> = service.subject.iter().map(|form| format!("{}=…", form.as_str())).collect();
            return Err(Usage(format!("whom is it about? add {}", forms.join(" or "))).into());
        }
        Ok((subject, input))
    }

    fn print(&self, service: &ServiceId, active: &Active, ending: Ending, values: &[&str]) -> anyhow::Result<Ended> {
        let landed = match &ending {
            Ending::Answered(answered) => answered.landed.clone(),
            Ending::Denied(..) | Ending::Withdrawn(..) => None,
        };
        let blank = Steps::default();
        let steps = landed.as_ref().map_or(&blank, |landed| landed.trace.steps().unwrap_or(&blank));
        if let Some(question) = &steps.question {
            let shown = if self.unmasked { question.clone() } else { mask::question(question, values) };
            say(&format!("2. wire request     {shown}"))?;
        }
        if let Some((status, body)) = &steps.answer {
            let shown = if self.unmasked { body.clone() } else { mask::body(body) };
            say(&format!("3. wire answer      HTTP {status} {shown}"))?;
        }
        if let Some(failure) = &steps.failure {
            say(&format!("3. no answer        {failure}"))?;
        }
        if let Some(reading) = &steps.reading {
            say(&format!("4. outcome rule     {reading}"))?;
        }
        if !steps.undeclared.is_empty() {
            say(&format!("   undeclared       {} (dropped and counted)", steps.undeclared.join(", ")))?;
        }
        match ending {
            Ending::Answered(answered) => {
                if let (Some(facts), Some(plan)) = (&answered.obtained.facts, active.plans.get(service)) {
                    let mut table = Table::new(&["Wire", "Canonical", "Type"]);
                    for field in plan.fields() {
                        table.row(vec![field.wire.to_string(), field.canonical.to_string(), field.kind.to_string()]);
                    }
                    say(&format!("5. mapping\n{table}"))?;
                    let shown = policy::filter(&answered.authorised, facts);
                    say(&format!("6. canonical        {}", serde_json::to_string_pretty(&shown)?))?;
                }
                if let Some(verdict) = &answered.obtained.answer {
                    say(&format!("6. answer           {}: {}", verdict.predicate.question.en, if verdict.holds { "yes" } else { "no" }))?;
                }
                let entry = answered.obtained.entry.map(|entry| format!(", proved by entry #{}", entry.index)).unwrap_or_default();
                say(&format!("outcome: {}{entry}", answered.obtained.outcome))?;
                Ok(if answered.obtained.trouble.is_none() { Ended::Well } else { Ended::Badly })
            }
            Ending::Denied(denial, _) | Ending::Withdrawn(denial, _) => {
                say(&format!("denied: {denial}; nothing was asked"))?;
                Ok(Ended::Badly)
            }
        }
    }
}
