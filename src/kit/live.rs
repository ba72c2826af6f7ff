//! One question to a source as a deployment reaches it: its address, certificates and secrets, with a gateway and
//! a journal of its own, which are gone afterwards. Of the test profile alone: nobody real is asked about.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use model::{Problems, Profile, Service, ServiceId};
use serde_json::{Map, Value as Json, json};

use super::place::{CONSUMER, Workplace};
use crate::client::Client;
use crate::clock;
use crate::config::Config;
use crate::data::Active;
use crate::gateway::{Running, StartError};

/// A gateway that asks a deployment's sources.
#[derive(Debug)]
pub struct Live {
    /// The gateway.
    pub gateway: Running,
    client: Client,
}

impl Live {
    /// Starts it in a folder of its own, by a deployment's configuration.
    ///
    /// # Errors
    /// The problems of configuration or data, a production profile, or what could not be started.
    pub async fn start(dir: &Path, config: &Path) -> Result<Self, StartError> {
        let mut problems = Problems::default();
        let Some(deployment) = Config::load(config, &mut problems) else { return Err(StartError::Problems(problems)) };
        if deployment.profile == Profile::Production {
            return Err(
                anyhow::anyhow!("{} is of the production profile; only a test deployment's sources are tried", config.display()).into()
            );
        }
        let data = deployment.data.clone().context("the configuration names no folders of data (`data`)")?;
        let place = Workplace::with(dir, &data, clock::now())?;
        let file = place.write_config(0, &[])?;
        let Some(own) = Config::load(&file, &mut problems) else { return Err(StartError::Problems(problems)) };
        let gateway = Running::start(Config { providers: deployment.providers, ..own }).await?;
        let identity = (place.dir.join(format!("pki/{CONSUMER}.pem")), place.dir.join(format!("pki/{CONSUMER}.key")));
        let client = Client::new(&format!("https://{}", gateway.internal), &place.dir.join("pki/ca.pem"), Some(identity))?;
        Ok(Self { gateway, client })
    }

    /// Its data.
    #[must_use]
    pub fn active(&self) -> Arc<Active> {
        Arc::clone(&self.gateway.gateway.active())
    }

    /// Opens a case about a subject and gives the envelope of a question in it. What must stem from an answer of
    /// the same case is asked for first.
    ///
    /// # Errors
    /// When the service asks under a consent, or the case is refused.
    pub async fn envelope(&self, service: &Service, subject: &Json, mut input: Map<String, Json>) -> anyhow::Result<Json> {
        anyhow::ensure!(!service.consent, "{} asks under a person's own consent; ask it with `qovsaq ask`", service.id);
        let case = format!("try-{}", crate::record::new_id().simple());
        let person = if subject.is_null() { json!({"fin": "5K7QX2O"}) } else { subject.clone() };
        let body = json!({"case": case, "purpose": CONSUMER, "persons": [{"subject": person, "role": "applicant"}]});
        let opened = self.client.post("/v1/cases", &body, "en").await?;
        anyhow::ensure!(opened.status == 201, "the case was refused: {}", opened.body);
        let envelope = |input: &Map<String, Json>| {
            json!({
                "subject": subject, "input": input, "purpose": CONSUMER, "case": case, "official": "AZ-0001", "role": CONSUMER,
            })
        };
        for wanted in service.inputs.iter().filter(|wanted| wanted.required) {
            let Some((source, field)) = &wanted.comes_from else { continue };
            let answer = self.client.post(&format!("/v1/services/{source}"), &envelope(&Map::new()), "en").await?.json()?;
            input.entry(wanted.name.to_string()).or_insert_with(|| answer["data"][&**field].clone());
        }
        Ok(envelope(&input))
    }

    /// A service of its data.
    #[must_use]
    pub fn service(&self, id: &str) -> Option<Arc<Service>> {
        self.active().snapshot.services.get(&ServiceId::new(id).ok()?).cloned()
    }
}
