//! `qovsaq access …`: the register of rights, by the console of a gateway.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::console::Console;
use super::table::Table;
use super::{Ended, Usage, complain, refusal, say};

/// Largest document whose hash is taken, in bytes: 64 MiB.
const DOCUMENT_BYTES_MAX: u64 = 64 << 20;

/// Look at and change who may act in which role
#[derive(Debug, Args)]
#[command(after_help = "Every change has two persons, a document or a reason, and an entry in the journal (docs/guide/rights.md).\n\n\
  qovsaq access grant AZ-0010 --consumer targeted-aid --role clerk --document order-17.pdf --reference \"Order 17\" --as officer-1\n\
  qovsaq access list requests --as admin-1\n\
  qovsaq access approve 1 --as admin-1\n\n\
Exit codes: 0 done, 1 refused or unavailable, 2 wrong usage.")]
pub struct Access {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    console: Console,
    /// JSON instead of a table
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show your own rights, the accounts in your scope, requests, or what was taken in an emergency
    List {
        /// What to show
        #[arg(value_enum, default_value_t = What::Mine)]
        what: What,
    },
    /// Open an account for an official; it holds nothing yet
    Open {
        /// His number, such as AZ-0011
        official: String,
        /// Who he is: his number in the personnel register. One person has one account
        #[arg(long)]
        person: String,
        /// The DNS name in his certificate, where he uses the console
        #[arg(long)]
        certificate_name: Option<String>,
        /// His name at the identity provider of officials
        #[arg(long)]
        subject: Option<String>,
        #[command(flatten)]
        document: Document,
    },
    /// Ask for a right for an official; another approves it
    Grant {
        /// His number
        official: String,
        #[command(flatten)]
        power: Power,
        /// From when, RFC 3339; default: the approval
        #[arg(long)]
        begins: Option<String>,
        /// Until when, RFC 3339, not included
        #[arg(long)]
        ends: Option<String>,
        #[command(flatten)]
        document: Document,
    },
    /// Ask for the end of a right; another approves it. In danger use `withdraw`
    Revoke {
        /// The right's number
        right: u64,
        /// From when, RFC 3339; default: the approval
        #[arg(long)]
        effective: Option<String>,
        #[command(flatten)]
        document: Document,
    },
    /// Order a transfer: all of an official's rights end at the moment, and the one asked for here begins then or later
    Transfer {
        /// His number
        official: String,
        /// When the order takes effect, RFC 3339
        #[arg(long)]
        effective: String,
        #[command(flatten)]
        power: Power,
        #[command(flatten)]
        document: Document,
    },
    /// Approve a request
    Approve {
        /// The request's number
        request: u64,
    },
    /// Refuse a request; what a transfer has ended stays ended
    Refuse {
        /// The request's number
        request: u64,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Take your own request back; what a transfer has ended stays ended
    Cancel {
        /// The request's number
        request: u64,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Take on the duties of your own right, without which it is inactive
    Acknowledge {
        /// The right's number
        right: u64,
    },
    /// End a right at once
    Withdraw {
        /// The right's number
        right: u64,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Take down that an official has left: all his rights end at once
    Leave {
        /// His number
        official: String,
        #[command(flatten)]
        document: Document,
    },
    /// Open a leaver's account again; none of his rights come back
    Return {
        /// His number
        official: String,
        #[command(flatten)]
        document: Document,
    },
    /// Give yourself a right of the short list, at once and for at most four hours; another reviews it
    BreakGlass {
        #[command(flatten)]
        power: Power,
        /// Until when, RFC 3339
        #[arg(long)]
        until: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Show the quarterly review, confirm a right in it, or review what was taken in an emergency
    Review {
        /// Confirm this right
        #[arg(long, conflicts_with = "emergency")]
        confirm: Option<u64>,
        /// Take down that this right, which was taken in an emergency, has been looked at; with --reason
        #[arg(long, requires = "reason")]
        emergency: Option<u64>,
        /// What was found
        #[arg(long, requires = "emergency")]
        reason: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Your own rights and their duties
    Mine,
    /// Accounts and rights in your scope
    Accounts,
    /// Requests, overdue ones first
    Requests,
    /// What was taken in an emergency and nobody has looked at
    Emergencies,
}

/// An office with its scope, or a role of a consumer.
#[derive(Debug, Args)]
struct Power {
    /// An office of the gateway, such as auditor
    #[arg(long)]
    office: Option<String>,
    /// The consumer of a role, or of a consumer officer
    #[arg(long)]
    consumer: Option<String>,
    /// A role of the consumer
    #[arg(long)]
    role: Option<String>,
    /// The territory, such as baku/sabail
    #[arg(long)]
    territory: Option<String>,
}

impl Power {
    fn json(&self) -> Json {
        let mut power = serde_json::Map::new();
        let given = [("office", &self.office), ("consumer", &self.consumer), ("role", &self.role), ("territory", &self.territory)];
        for (key, value) in given {
            if let Some(value) = value {
                power.insert(key.to_owned(), json!(value));
            }
        }
        Json::Object(power)
    }
}

/// The written document that it rests on.
#[derive(Debug, Args)]
struct Document {
    /// The document's file: its hash goes into the register, not its content
    #[arg(long)]
    document: PathBuf,
    /// Its number and date; default: the file's name
    #[arg(long)]
    reference: Option<String>,
}

impl Document {
    fn json(&self) -> anyhow::Result<Json> {
        let name = || self.document.file_name().map(|name| name.to_string_lossy().into_owned());
        let reference = self.reference.clone().or_else(name).unwrap_or_default();
        Ok(json!({"reference": reference, "sha256": hash_of(&self.document)?}))
    }
}

fn hash_of(file: &Path) -> anyhow::Result<String> {
    let opened = std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut bytes = Vec::new();
    opened.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {}", file.display()))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > DOCUMENT_BYTES_MAX) {
        return Err(Usage(format!("{} is larger than 64 MiB", file.display())).into());
    }
    Ok(crate::wire::sha256_base64(&bytes))
}

impl Access {
    /// Runs the command.
    ///
    /// # Errors
    /// When no console answers or the arguments make no sense.
    pub async fn run(self) -> anyhow::Result<Ended> {
        let client = self.console.client()?;
        let post = |path: String, body: Json| (path, Some(body));
        let (path, body) = match &self.action {
            Action::List { what } => (
                match what {
                    What::Mine => "/v1/access/me",
                    What::Accounts => "/v1/access/accounts",
                    What::Requests => "/v1/access/requests",
                    What::Emergencies => "/v1/access/break-glass",
                }
                .to_owned(),
                None,
            ),
            Action::Open { official, person, certificate_name, subject, document } => post(
                "/v1/access/accounts".to_owned(),
                json!({
                    "official": official, "person": person, "certificate_name": certificate_name, "subject": subject,
                    "document": document.json()?,
                }),
            ),
            Action::Grant { official, power, begins, ends, document } => post(
                "/v1/access/requests".to_owned(),
                json!({
                    "kind": "grant", "official": official, "power": power.json(), "begins": begins, "ends": ends,
                    "document": document.json()?,
                }),
            ),
            Action::Revoke { right, effective, document } => post(
                "/v1/access/requests".to_owned(),
                json!({"kind": "withdrawal", "right": right, "effective": effective, "document": document.json()?}),
            ),
            Action::Transfer { official, effective, power, document } => {
                let power = power.json();
                let powers = if power == json!({}) { json!([]) } else { json!([power]) };
                post(
                    "/v1/access/requests".to_owned(),
                    json!({
                        "kind": "transfer", "official": official, "effective": effective, "powers": powers,
                        "document": document.json()?,
                    }),
                )
            }
            Action::Approve { request } => post(format!("/v1/access/requests/{request}/approve"), json!({})),
            Action::Refuse { request, reason } => post(format!("/v1/access/requests/{request}/refuse"), json!({"reason": reason})),
            Action::Cancel { request, reason } => post(format!("/v1/access/requests/{request}/cancel"), json!({"reason": reason})),
            Action::Acknowledge { right } => post("/v1/access/acknowledgements".to_owned(), json!({"right": right})),
            Action::Withdraw { right, reason } => post("/v1/access/withdrawals".to_owned(), json!({"right": right, "reason": reason})),
            Action::Leave { official, document } => {
                post("/v1/access/leavers".to_owned(), json!({"official": official, "document": document.json()?}))
            }
            Action::Return { official, document } => {
                post("/v1/access/returns".to_owned(), json!({"official": official, "document": document.json()?}))
            }
            Action::BreakGlass { power, until, reason } => {
                post("/v1/access/break-glass".to_owned(), json!({"power": power.json(), "until": until, "reason": reason}))
            }
            Action::Review { confirm: Some(right), .. } => post(format!("/v1/access/review/{right}/confirm"), json!({})),
            Action::Review { emergency: Some(right), reason, .. } => {
                post(format!("/v1/access/break-glass/{right}/review"), json!({"reason": reason}))
            }
            Action::Review { .. } => ("/v1/access/review".to_owned(), None),
        };
        let answer = match &body {
            Some(body) => client.post(&path, body, &self.console.lang).await?,
            None => client.get(&path, &self.console.lang).await?,
        };
        let told = answer.json()?;
        if answer.status != 200 {
            complain(&refusal(&told));
            return Ok(Ended::Badly);
        }
        if self.json {
            say(&told.to_string())?;
        } else {
            show(&told)?;
        }
        Ok(Ended::Well)
    }
}

fn show(told: &Json) -> anyhow::Result<()> {
    if let Some(changes) = told["changes"].as_array() {
        for change in changes {
            let mut line = text(&change["what"]);
            for (key, name) in [("official", ""), ("request", "request "), ("rights", "right "), ("ends", "ends right "), ("due", "due ")] {
                for value in change[key].as_array().map_or_else(|| vec![&change[key]], |values| values.iter().collect()) {
                    if !value.is_null() {
                        line = format!("{line}, {name}{}", text(value));
                    }
                }
            }
            say(&line)?;
        }
        return Ok(());
    }
    if let Some(requests) = told["requests"].as_array() {
        let mut table = Table::new(&["REQUEST", "KIND", "OFFICIAL", "WHAT", "BY", "DUE", "STATE"]);
        for request in requests {
            let wanted = &request["wanted"];
            let what = match wanted["powers"].as_array() {
                Some(powers) => powers.iter().map(power).collect::<Vec<_>>().join(" + "),
                None if wanted["right"].is_null() => power(&wanted["power"]),
                None => format!("right {}", wanted["right"]),
            };
            let state = if request["overdue"] == true { "OVERDUE".to_owned() } else { text(&request["state"]["is"]) };
            let row = [&request["request"], &wanted["kind"], &request["official"]].map(text);
            table.row([row.to_vec(), vec![what, text(&request["by"]), text(&request["due"]), state]].concat());
        }
        write!(std::io::stdout().lock(), "{table}")?;
        return Ok(());
    }
    let mut table = Table::new(&["RIGHT", "OFFICIAL", "POWER", "STATE", "BEGINS", "ENDS", "LAST USE", "REVIEW"]);
    let accounts = told["accounts"].as_array().into_iter().flatten().flat_map(|account| account["rights"].as_array().into_iter().flatten());
    let listed = ["rights", "notices"].into_iter().flat_map(|key| told[key].as_array().into_iter().flatten());
    for right in listed.chain(accounts) {
        let ends = if right["ends"].is_null() { &right["lapses"] } else { &right["ends"] };
        let review = match (&right["due"], &right["unused"], &right["emergency"]) {
            (_, _, Json::String(emergency)) => format!("emergency: {emergency}"),
            (Json::Bool(true), unused, _) => if *unused == true { "due, unused" } else { "due" }.to_owned(),
            (_, Json::Bool(true), _) => "unused".to_owned(),
            _ => String::new(),
        };
        let row = [&right["right"], &right["official"]].map(text);
        let rest = [&right["state"], &right["begins"], ends, &right["last_use"]].map(text);
        table.row([row.to_vec(), vec![power(&right["power"])], rest.to_vec(), vec![review]].concat());
    }
    write!(std::io::stdout().lock(), "{table}")?;
    for right in told["rights"].as_array().into_iter().flatten().filter(|right| right["state"] == "not-acknowledged") {
        if let Some(duties) = right["duties"].as_str() {
            complain(&format!("right {} waits for you to acknowledge it: {duties}", right["right"]));
        }
    }
    Ok(())
}

fn power(power: &Json) -> String {
    let scope: Vec<String> =
        ["office", "consumer", "role", "territory"].iter().filter_map(|key| power[*key].as_str().map(str::to_owned)).collect();
    scope.join(" ")
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}
