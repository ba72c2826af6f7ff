//! `qovsaq explain`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use model::contract::{Consumer, Grant, SubjectForm};
use model::{CaseId, Consent, ConsumerId, DossierId, Problems, Profile, ProviderId, PurposeId, RoleId, ServiceId, Snapshot};
use policy::{Ask, CaseView, Explanation, Official};

use super::{Ended, Usage, inventory, matrix, plan_view, say, say_problems};
use crate::change::difference::somebody;
use crate::{clock, data};

/// Say why a consumer may or may not be given what: agreement, function and powers, step by step. With a
/// dossier's name alone, draw its plan.
#[derive(Debug, Args)]
#[command(after_help = "  qovsaq explain sovqat interior/person-identity --purpose sovqat-queue\n\
  qovsaq explain targeted-aid taxes/person-income --role clerk\n\
  qovsaq explain adsy-means-test\n\
  qovsaq explain adsy-means-test --mermaid\n\
  qovsaq explain --matrix\n\
  qovsaq explain --passport taxes\n\n\
Exit codes: 0 it may, 1 it may not, 2 wrong usage.")]
pub struct Explain {
    /// Who would ask, or a dossier
    #[arg(value_name = "CONSUMER|DOSSIER", required_unless_present_any = ["matrix", "passport"])]
    consumer: Option<String>,
    /// provider/service; none for a dossier
    service: Option<String>,
    /// Draw a dossier's plan as a Mermaid flowchart
    #[arg(long, conflicts_with = "service")]
    mermaid: bool,
    /// Write who is given which field of which service, as Markdown
    #[arg(long, conflicts_with_all = ["consumer", "service", "mermaid", "purpose", "role", "json"])]
    matrix: bool,
    /// Write the integration passport of a source, as Markdown
    #[arg(long, value_name = "PROVIDER", conflicts_with_all = ["consumer", "service", "mermaid", "matrix", "purpose", "role", "json"])]
    passport: Option<String>,
    /// For which purpose; the first granted one where none is named
    #[arg(long)]
    purpose: Option<String>,
    /// In which role; the first one where none is named
    #[arg(long)]
    role: Option<String>,
    /// Under which profile: test or production
    #[arg(long, default_value = "test")]
    profile: String,
    /// Folder with contracts/ and mappings/
    #[arg(long, default_value = ".")]
    data: PathBuf,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
}

impl Explain {
    /// Runs the command.
    ///
    /// # Errors
    /// When the data have problems or name nothing known.
    pub fn run(self) -> anyhow::Result<Ended> {
        let now = clock::now();
        let mut problems = Problems::default();
        let (contracts, mappings) = (self.data.join("contracts"), self.data.join("mappings"));
        if !contracts.is_dir() || !mappings.is_dir() {
            let why = format!("{} has no contracts/ and mappings/ folders; name the folder that has them with --data", self.data.display());
            return Err(Usage(why).into());
        }
        let active = data::load(&contracts, &mappings, model::time::day(now), &mut problems);
        if !problems.is_empty() {
            say_problems(problems)?;
            return Ok(Ended::Badly);
        }
        let snapshot = &active.snapshot;
        if let Some(name) = &self.passport {
            let Some(provider) = snapshot.providers.values().find(|provider| provider.id.as_str() == name) else {
                let known: Vec<&str> = snapshot.providers.keys().map(ProviderId::as_str).collect();
                return Err(Usage(format!("there is no source `{name}`; accepted: {}", known.join(", "))).into());
            };
            say(&inventory::passport(&active, provider, now))?;
            return Ok(Ended::Well);
        }
        let Some(name) = &self.consumer else {
            say(&matrix::consumer_service_field(snapshot, now))?;
            return Ok(Ended::Well);
        };
        let Some(asked) = &self.service else { return self.draw(name, snapshot) };
        let consumer = ConsumerId::new(name).ok().and_then(|id| snapshot.consumers.get(&id));
        let Some(consumer) = consumer else {
            let known: Vec<&str> = snapshot.consumers.keys().map(ConsumerId::as_str).collect();
            return Err(Usage(format!("there is no consumer `{name}`; accepted: {}", known.join(", "))).into());
        };
        let service = ServiceId::new(asked).map_err(|error| Usage(error.to_string()))?;
        let granted = consumer.grants.iter().find(|grant| grant.service == service);
        let purpose = match (&self.purpose, granted) {
            (Some(purpose), _) => PurposeId::new(purpose).map_err(|error| Usage(error.to_string()))?,
            (None, Some(grant)) => grant.purposes.first().cloned().context("the grant names no purpose")?,
            (None, None) => snapshot.purposes.keys().next().cloned().context("there are no purposes")?,
        };
        let role = match (&self.role, granted) {
            (Some(role), _) => RoleId::new(role).map_err(|error| Usage(error.to_string()))?,
            (None, Some(grant)) => grant.roles.first().cloned().context("the grant names no role")?,
            (None, None) => consumer.roles.keys().next().cloned().context("the consumer has no roles")?,
        };
        let profile = match self.profile.as_str() {
            "test" => Profile::Test,
            "production" => Profile::Production,
            other => return Err(Usage(format!("`{other}` is no profile; accepted: test, production")).into()),
        };
        let explanation = explained(snapshot, consumer, &service, &purpose, &role, profile, now);
        say(&if self.json { serde_json::to_string_pretty(&explanation)? } else { explanation.to_string() })?;
        Ok(if explanation.allowed { Ended::Well } else { Ended::Badly })
    }

    /// The plan of a dossier.
    fn draw(&self, name: &str, snapshot: &Snapshot) -> anyhow::Result<Ended> {
        let dossier = snapshot.dossiers.values().find(|dossier| dossier.id.as_str() == name);
        let Some(dossier) = dossier else {
            let known: Vec<&str> = snapshot.dossiers.keys().map(DossierId::as_str).collect();
            let why = format!("there is no dossier `{name}`; accepted: {}; for a consumer add provider/service", known.join(", "));
            return Err(Usage(why).into());
        };
        say(&if self.mermaid { plan_view::mermaid(dossier) } else { plan_view::text(dossier) })?;
        Ok(Ended::Well)
    }
}

/// What a consumer may be given of a service for a purpose in a role. Case, person, consent and the codes asked for
/// are taken as given: this is about rights, not about one person.
///
/// # Panics
/// Never: the name of the case is a valid one.
#[must_use]
pub fn explained(
    snapshot: &Snapshot,
    consumer: &Consumer,
    service: &ServiceId,
    purpose: &PurposeId,
    role: &RoleId,
    profile: Profile,
    now: Timestamp,
) -> Explanation {
    let grants = || consumer.grants.iter().filter(|grant| grant.service == *service);
    let fits = |grant: &&Grant| grant.purposes.contains(purpose) && grant.roles.contains(role);
    let forms = match grants().find(fits).or_else(|| grants().next()) {
        Some(grant) => grant.subject.as_slice(),
        None => snapshot.services.get(service).map_or(&[SubjectForm::Fin][..], |service| &service.subject),
    };
    let subject = forms.first().map(|form| somebody(*form, profile));
    let consents = ProviderId::new(service.provider()).ok().zip(subject.clone()).map(|(provider, subject)| Consent {
        provider,
        subject,
        reference: "explain".to_owned(),
        sha256: String::new(),
        signed_at: now,
        expires_at: now.checked_add(jiff::SignedDuration::from_hours(1)).unwrap_or(now),
    });
    let rows = grants().filter(fits).flat_map(|grant| grant.rows.iter());
    let ask = Ask {
        service: service.clone(),
        subject,
        purpose: purpose.clone(),
        case: CaseId::new("explain").expect("a valid name of a case"),
        official: Official::Person("AZ-0001".to_owned()),
        role: role.clone(),
        assertion: None,
        on_behalf_of: None,
        consents: consents.into_iter().collect(),
        codes: rows.filter_map(|rule| Some((rule.input.clone()?, rule.allow.clone()))).collect(),
        fields: None,
    };
    let case = CaseView::sound(purpose.clone());
    policy::explain(&ask, consumer, snapshot, Some(&case), policy::Powers::UNKNOWN, profile, now)
}
