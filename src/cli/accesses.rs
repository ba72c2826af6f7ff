//! `qovsaq accesses FIN`

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value as Json, json};

use super::table::Table;
use super::{Ended, complain, say};
use crate::client::Client;
use crate::demo::{PORTAL, assertion, ca_file, consumer_files};

/// List who used a person's data, as the person himself asks it through the portal of a demo.
#[derive(Debug, Args)]
#[command(
    after_help = "The demo's identity provider signs that this person asks. What a purpose or a decision suppresses is not listed;\n\
an auditor sees that, and why: qovsaq journal search --reason … kind=access-list-told\n\n\
Exit codes: 0 listed, 1 refused or unavailable, 2 wrong usage."
)]
pub struct Accesses {
    /// The person's FIN
    fin: String,
    /// Folder of a running demo
    #[arg(long, default_value = "qovsaq-demo")]
    dir: PathBuf,
    /// JSON lines instead of a table
    #[arg(long)]
    json: bool,
    /// Language: az or en
    #[arg(long, default_value = "az")]
    lang: String,
}

impl Accesses {
    /// Runs the command.
    ///
    /// # Errors
    /// When no gateway answers, or the folder is no demo's.
    pub async fn run(self) -> anyhow::Result<Ended> {
        let file = self.dir.join("demo.json");
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}; start `qovsaq demo` first", file.display()))?;
        let demo: Json = serde_json::from_str(&text)?;
        let internal = demo["internal"].as_str().context("demo.json names no internal address")?;
        let client = Client::new(internal, &ca_file(&self.dir), Some(consumer_files(&self.dir, PORTAL)))?;
        let assertion = assertion(&self.dir, &self.fin, PORTAL)?;
        let mut body = json!({"subject": {"fin": self.fin}, "assertion": assertion, "limit": 1000});
        let mut table = Table::new(&["AT", "USE"]);
        let mut count = 0;
        loop {
            let answer = client.post("/v1/subject-accesses", &body, &self.lang).await?;
            let page = answer.json()?;
            if answer.status != 200 {
                complain(&super::refusal(&page));
                return Ok(Ended::Badly);
            }
            for access in page["accesses"].as_array().into_iter().flatten() {
                count += 1;
                if self.json {
                    say(&access.to_string())?;
                } else {
                    let text = |key: &str| access[key].as_str().unwrap_or_default().to_owned();
                    table.row(vec![text("at"), text("text")]);
                }
            }
            body["cursor"] = page["next"].clone();
            if page["next"].is_null() {
                break;
            }
        }
        if !self.json && count > 0 {
            write!(std::io::stdout().lock(), "{table}")?;
        }
        complain(&format!("{count} use{}", if count == 1 { "" } else { "s" }));
        Ok(Ended::Well)
    }
}
