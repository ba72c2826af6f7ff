//! `qovsaq quarantine list|show|replay|solve`

use clap::{Args, Subcommand};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::console::Console;
use super::table::Table;
use super::{Ended, complain, refusal, say};

/// Look at and solve what sources sent against their contracts
#[derive(Debug, Args)]
pub struct Quarantine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what is kept apart, newest first: rules and paths, no values
    #[command(
        after_help = "qovsaq quarantine list --as operator-1 --state overdue\n\nExit codes: 0 listed, 1 refused or unavailable, 2 wrong usage."
    )]
    List {
        /// Only items of this provider
        #[arg(long)]
        provider: Option<String>,
        /// Only items in this state: open, overdue, solved or expired
        #[arg(long)]
        state: Option<String>,
        /// JSON lines instead of a table
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        console: Console,
    },
    /// Show one item; with --content what the source sent (data protection officer, journalled)
    #[command(after_help = "qovsaq quarantine show 019…  --as operator-1\n\
qovsaq quarantine show 019…  --as dpo-1 --content --reason \"the ministry asks what it sent\"\n\n\
Exit codes: 0 shown, 1 refused or unavailable, 2 wrong usage.")]
    Show {
        /// The item's id
        item: Uuid,
        /// What the source sent, instead of the item
        #[arg(long, requires = "reason")]
        content: bool,
        /// Why, in 10 to 500 characters
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        console: Console,
    },
    /// Read items again by today's contracts and mappings; what breaks nothing any more is solved
    #[command(after_help = "qovsaq quarantine replay --as operator-1 --service interior/residence --reason \"mapping of 22 November\"\n\n\
Without ids, provider or service: everything that waits, at most 500 at once.\n\n\
Exit codes: 0 everything is solved, 1 something still breaks its contract, refused or unavailable, 2 wrong usage.")]
    Replay {
        /// Ids of items
        items: Vec<Uuid>,
        /// Items of this provider
        #[arg(long)]
        provider: Option<String>,
        /// Items of this service
        #[arg(long)]
        service: Option<String>,
        /// Why, in 10 to 500 characters
        #[arg(long)]
        reason: String,
        /// JSON lines instead of a table
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        console: Console,
    },
    /// Say that the owner of an item has solved it
    #[command(after_help = "qovsaq quarantine solve 019…  --as operator-1 --reason \"the ministry has corrected the date, letter 12\"\n\n\
Exit codes: 0 taken down, 1 refused or unavailable, 2 wrong usage.")]
    Solve {
        /// The item's id
        item: Uuid,
        /// How, in 10 to 500 characters
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        console: Console,
    },
}

impl Quarantine {
    /// Runs the command.
    ///
    /// # Errors
    /// When no console answers.
    pub async fn run(self) -> anyhow::Result<Ended> {
        match self.command {
            Command::List { provider, state, json, console } => list(&console, provider, state, json).await,
            Command::Show { item, content: true, reason, console } => content(&console, item, reason.as_deref().unwrap_or_default()).await,
            Command::Show { item, content: false, console, .. } => show(&console, item).await,
            Command::Replay { items, provider, service, reason, json, console } => {
                let mut body = Map::from_iter([("reason".to_owned(), json!(reason))]);
                if !items.is_empty() {
                    body.insert("items".to_owned(), json!(items));
                }
                body.extend(provider.map(|provider| ("provider".to_owned(), json!(provider))));
                body.extend(service.map(|service| ("service".to_owned(), json!(service))));
                replay(&console, &Json::Object(body), json).await
            }
            Command::Solve { item, reason, console } => solve(&console, item, &reason).await,
        }
    }
}

async fn list(console: &Console, provider: Option<String>, state: Option<String>, as_json: bool) -> anyhow::Result<Ended> {
    let path = super::with_query("/v1/quarantine", &[("provider", provider), ("state", state)])?;
    let answer = console.client()?.get(&path, &console.lang).await?;
    let body = answer.json()?;
    if answer.status != 200 {
        complain(&refusal(&body));
        return Ok(Ended::Badly);
    }
    let items = body["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut table = Table::new(&["ITEM", "STATE", "SERVICE", "RULE", "PATH", "RECEIVED", "UNTIL", "OWNER"]);
    for item in items {
        if as_json {
            say(&item.to_string())?;
            continue;
        }
        let text = |key: &str| item[key].as_str().unwrap_or("-").to_owned();
        let owner = item["owner"][console.lang.as_str()].as_str().unwrap_or("-").to_owned();
        let mut row = ["item", "state", "service", "rule", "path", "received_at", "deadline"].map(text).to_vec();
        row.push(owner);
        table.row(row);
    }
    if !as_json && !items.is_empty() {
        say(&table.to_string())?;
    }
    let waiting = items.iter().filter(|item| matches!(item["state"].as_str(), Some("open" | "overdue"))).count();
    let overdue = items.iter().filter(|item| item["state"] == "overdue").count();
    complain(&format!("{} in all, {waiting} to solve, {overdue} of them overdue", items.len()));
    Ok(Ended::Well)
}

async fn show(console: &Console, item: Uuid) -> anyhow::Result<Ended> {
    let answer = console.client()?.get(&format!("/v1/quarantine/{item}"), &console.lang).await?;
    let body = answer.json()?;
    if answer.status != 200 {
        complain(&refusal(&body));
        return Ok(Ended::Badly);
    }
    say(&serde_json::to_string_pretty(&body["item"])?)?;
    Ok(Ended::Well)
}

async fn content(console: &Console, item: Uuid, reason: &str) -> anyhow::Result<Ended> {
    let answer = console.client()?.post(&format!("/v1/quarantine/{item}/opening"), &json!({"reason": reason}), &console.lang).await?;
    let body = answer.json()?;
    if answer.status != 200 {
        complain(&refusal(&body));
        return Ok(Ended::Badly);
    }
    say(&serde_json::to_string_pretty(&json!({"status": body["status"], "text": body["text"], "base64": body["base64"]}))?)?;
    Ok(Ended::Well)
}

async fn replay(console: &Console, body: &Json, as_json: bool) -> anyhow::Result<Ended> {
    let answer = console.client()?.post("/v1/quarantine/replays", body, &console.lang).await?;
    let body = answer.json()?;
    if answer.status != 200 {
        complain(&refusal(&body));
        return Ok(Ended::Badly);
    }
    let items = body["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut table = Table::new(&["ITEM", "COMES TO", "RULE", "PATH"]);
    for item in items {
        if as_json {
            say(&item.to_string())?;
            continue;
        }
        table.row(["item", "outcome", "rule", "path"].map(|key| item[key].as_str().unwrap_or("-").to_owned()).to_vec());
    }
    if !as_json && !items.is_empty() {
        say(&table.to_string())?;
    }
    complain(&format!("{} solved, {} left", body["solved"], body["left"]));
    Ok(if body["left"] == 0 { Ended::Well } else { Ended::Badly })
}

async fn solve(console: &Console, item: Uuid, reason: &str) -> anyhow::Result<Ended> {
    let answer = console.client()?.post(&format!("/v1/quarantine/{item}/solution"), &json!({"reason": reason}), &console.lang).await?;
    let body = answer.json()?;
    if answer.status != 200 {
        complain(&refusal(&body));
        return Ok(Ended::Badly);
    }
    say(&format!("{item} solved"))?;
    Ok(Ended::Well)
}
