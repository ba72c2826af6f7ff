//! `qovsaq ask DOSSIER|PROVIDER/SERVICE`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Map, Value as Json, json};

use super::{Ended, complain, dossier_view, key_value, live, say};
use crate::client::Client;
use crate::demo::{CONSUMER, consumer_files, officials_assertion};

/// Ask a service or a dossier as a consumer, over mutual TLS.
#[derive(Debug, Args)]
#[command(after_help = "Without KEY=VALUE the ready-made body of DIR/demo.json is sent. Keys: fin, pin, tin, purpose, case,\n\
official, role, responsible; any other key is an input of the contract, such as month_from=2025-03.\n\
KEY:=JSON gives what is not a text: act_kinds:='[\"birth\"]'.\n\n\
  qovsaq ask adsy-means-test\n\
  qovsaq ask interior/person-identity case=c-1 fin=5K7QX2O\n\
  qovsaq ask interior/person-identity --official AZ-0001 --level low\n\n\
Exit codes: 0 answered, 1 refused or unavailable, 2 wrong usage.")]
pub struct Ask {
    /// A dossier, or provider/service
    target: String,
    /// What to ask with
    #[arg(value_name = "KEY=VALUE")]
    inputs: Vec<String>,
    /// Folder of a running demo (its demo.json says where and with which certificate)
    #[arg(long, default_value = "qovsaq-demo")]
    dir: PathBuf,
    /// Who asks; of a ready-made body the consumer that it is made for
    #[arg(long)]
    consumer: Option<String>,
    /// Fetch an assertion about this official from the demo's identity provider and send it
    #[arg(long, value_name = "NUMBER")]
    official: Option<String>,
    /// With --official: how surely he is known: low, substantial or high
    #[arg(long, default_value = "high", requires = "official")]
    level: String,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    /// Language of messages: az or en
    #[arg(long, default_value = "en")]
    lang: String,
    /// How long to wait, in seconds, at most 60
    #[arg(long)]
    wait: Option<u64>,
}

impl Ask {
    /// Runs the command.
    ///
    /// # Errors
    /// When no gateway answers or the arguments make no sense.
    pub async fn run(self) -> anyhow::Result<Ended> {
        let file = self.dir.join("demo.json");
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}; start `qovsaq demo` first", file.display()))?;
        let demo: Json = serde_json::from_str(&text)?;
        let ready = &demo["requests"][&self.target]["body"];
        let mut body = body(ready, &self.inputs)?;
        let consumer = self.consumer.as_deref().or(demo["requests"][&self.target]["consumer"].as_str()).unwrap_or(CONSUMER);
        if let Some(official) = &self.official {
            let issuer = demo["officials"]["issuer"].as_str().context("demo.json names no identity provider of officials")?;
            body["official"] = json!(official);
            body["assertion"] = json!(officials_assertion(&self.dir, issuer, consumer, official, &self.level).await?);
        }
        let is_service = self.target.contains('/');
        let path = if is_service { format!("/v1/services/{}", self.target) } else { format!("/v1/dossiers/{}", self.target) };

        let base = demo["internal"].as_str().context("demo.json names no internal address")?;
        let client = Client::new(base, &self.dir.join("ca.pem"), Some(consumer_files(&self.dir, consumer)))?;
        if !is_service && !self.json {
            let dossier = live::ask(&client, &self.target, &body, &self.lang, self.wait.unwrap_or(60), |_| None).await?;
            say(&dossier_view::table(&dossier, |_| None)?)?;
            complain(&format!("dossier: /v1/dossiers/{}/{}", self.target, dossier["dossier_id"].as_str().unwrap_or_default()));
            return Ok(Ended::Well);
        }
        let answer = match self.wait {
            Some(seconds) => client.post_waiting(&path, &body, &self.lang, seconds).await?,
            None => client.post(&path, &body, &self.lang).await?,
        };
        let json = answer.json()?;
        if self.json {
            say(&serde_json::to_string_pretty(&json)?)?;
        } else if answer.status >= 400 {
            say(&problem(&json))?;
        } else if is_service {
            say(&answer_text(&json))?;
        } else {
            say(&dossier_view::table(&json, |_| None)?)?;
        }
        if let Some(location) = answer.headers.get("location").and_then(|value| value.to_str().ok()) {
            complain(&format!("dossier: {location}"));
        }
        Ok(if answer.status < 400 { Ended::Well } else { Ended::Badly })
    }
}

/// The ready-made body with what the arguments change.
fn body(ready: &Json, inputs: &[String]) -> anyhow::Result<Json> {
    let mut body = match ready {
        Json::Object(ready) => ready.clone(),
        _ => Map::new(),
    };
    for (key, default) in [("purpose", "adsy-means-test"), ("official", "AZ-0001"), ("role", "case-officer")] {
        body.entry(key).or_insert_with(|| json!(default));
    }
    for input in inputs {
        let (key, value) = key_value(input)?;
        match key {
            "fin" | "pin" | "tin" => {
                body.insert("subject".to_owned(), json!({key: value}));
            }
            "purpose" | "case" | "official" | "role" | "responsible" => {
                body.insert(key.to_owned(), value);
            }
            _ => {
                let input = body.entry("input").or_insert_with(|| json!({}));
                input[key] = value;
            }
        }
    }
    Ok(Json::Object(body))
}

fn problem(json: &Json) -> String {
    let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
    let mut lines = vec![format!("{} {}: {}", json["status"], text("title"), text("detail"))];
    if let Some(outcome) = json["outcome"].as_str() {
        lines.push(format!("outcome: {outcome} (origin: {})", text("origin")));
    }
    for error in json["errors"].as_array().into_iter().flatten() {
        lines.push(format!("  {} {}", error["pointer"].as_str().unwrap_or_default(), error["detail"].as_str().unwrap_or_default()));
    }
    lines.push(format!("request: {}", text("request_id")));
    lines.extend(receipt(json));
    lines.join("\n")
}

fn answer_text(json: &Json) -> String {
    let outcome = json["outcome"].as_str().unwrap_or_default();
    let mut lines = vec![match json["absence"].as_str() {
        Some(absence) => format!("{outcome} (absence is {absence})"),
        None => outcome.to_owned(),
    }];
    if let Some(data) = json["data"].as_object() {
        let width = data.keys().map(String::len).max().unwrap_or(0);
        for (name, value) in data {
            match value {
                Json::Array(items) => {
                    lines.push(format!("  {name}:"));
                    lines.extend(items.iter().map(|item| format!("    {item}")));
                }
                Json::String(text) => lines.push(format!("  {name:<width$}  {text}")),
                other => lines.push(format!("  {name:<width$}  {other}")),
            }
        }
    }
    for item in json["withheld"].as_array().into_iter().flatten() {
        let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
        lines.push(format!("  withheld: {} ({})", text("field"), text("reason")));
    }
    let source = &json["source"];
    let text = |key: &str| source[key].as_str().unwrap_or_default().to_owned();
    lines.push(format!(
        "source: {}/{}@{}{} via {}, route {}, obtained {} (age {} s), act {}",
        text("provider"),
        text("service"),
        text("version"),
        // Of several bodies the one that was asked.
        if source["instance"] == source["provider"] { String::new() } else { format!(" at {}", text("instance")) },
        text("via"),
        text("route"),
        text("obtained_at"),
        source["age_seconds"],
        text("legal_act")
    ));
    lines.extend(receipt(json));
    lines.join("\n")
}

fn receipt(json: &Json) -> Option<String> {
    let receipt = &json["receipt"];
    Some(format!("receipt: {} #{} {}", receipt["origin"].as_str()?, receipt["index"], receipt["leaf_hash"].as_str()?))
}
