//! The load of `scripts/bench`: a closed loop of requests over mutual TLS that reads every body.
//!
//! Ready-made generators count status codes; here an answer that is wrong, or a receipt that comes
//! twice, ends the run, so that no figure is ever taken from a server that answers rubbish quickly.
//!
//! ```text
//! bench-load closed TARGET --connections N --requests N --pid PID…   one CSV row: a closed loop
//! bench-load start TARGET --runs N -- COMMAND…                        one CSV row a run: start to first answer
//! ```
//!
//! `TARGET` is a JSON file, see [`Target`].

use std::collections::HashSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use clap::{Parser, Subcommand};
use qovsaq::tls::{ClientTlsFiles, client_config};
use serde::Deserialize;
use serde_json::Value as Json;

/// Clock ticks a second in `/proc/PID/stat`, fixed by Linux's interface on the machines we build for.
const TICKS_PER_SECOND: u64 = 100;
/// A start that takes longer has failed.
const START_MAX: Duration = Duration::from_secs(30);
/// Pause between two attempts to be answered by a server that is starting.
const START_STEP: Duration = Duration::from_millis(1);

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// So many requests over so many connections, each waiting for its answer before the next
    Closed {
        target: PathBuf,
        #[arg(long)]
        connections: u64,
        #[arg(long)]
        requests: u64,
        /// Processes of the server, whose processor time is read
        #[arg(long)]
        pid: Vec<u32>,
    },
    /// Starts the server again and again and waits for its first good answer
    Start {
        target: PathBuf,
        #[arg(long)]
        runs: u64,
        /// Also wait this long after the answer before the memory is read
        #[arg(long, default_value_t = 0)]
        settle_ms: u64,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
}

/// What is asked, and what must come back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    url: String,
    #[serde(default = "post")]
    method: String,
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// The request's body.
    body: Option<PathBuf>,
    /// A file whose bytes the answer must be.
    exactly: Option<PathBuf>,
    /// A file whose JSON must be the answer's `data`, with outcome `FOUND` and a new receipt.
    data: Option<PathBuf>,
}

fn post() -> String {
    "POST".to_owned()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let row = match Arguments::parse().action {
        Action::Closed { target, connections, requests, pid } => closed(&read_target(&target)?, connections, requests, &pid).await?,
        Action::Start { target, runs, settle_ms, command } => {
            start(&read_target(&target)?, runs, Duration::from_millis(settle_ms), &command).await?
        }
    };
    writeln!(std::io::stdout(), "{row}")?;
    Ok(())
}

fn read_target(path: &Path) -> anyhow::Result<Arc<Load>> {
    let target: Target = serde_json::from_slice(&std::fs::read(path).with_context(|| path.display().to_string())?)?;
    let file = |path: &Option<PathBuf>| path.as_ref().map(std::fs::read).transpose();
    let expected = match (file(&target.exactly)?, file(&target.data)?) {
        (Some(bytes), None) => Expected::Exactly(bytes),
        (None, Some(json)) => Expected::Data(serde_json::from_slice(&json)?),
        (None, None) | (Some(_), Some(_)) => bail!("a target has either `exactly` or `data`"),
    };
    Ok(Arc::new(Load { body: file(&target.body)?.map(Bytes::from), expected, target }))
}

struct Load {
    target: Target,
    body: Option<Bytes>,
    expected: Expected,
}

enum Expected {
    Exactly(Vec<u8>),
    Data(Json),
}

impl Load {
    /// A client with a pool of its own: one connection, as long as one request at a time is sent.
    fn client(&self) -> anyhow::Result<reqwest::Client> {
        let identity = Some((self.target.certificate.clone(), self.target.key.clone()));
        let tls = client_config(&ClientTlsFiles { ca: self.target.ca.clone(), identity })?;
        let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().http1_only();
        Ok(builder.redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_secs(30)).build()?)
    }

    /// One exchange; gives the index of its receipt where there is one.
    async fn ask(&self, client: &reqwest::Client) -> anyhow::Result<Option<u64>> {
        let mut request = client.request(self.target.method.parse()?, &self.target.url);
        for (name, value) in &self.target.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &self.body {
            request = request.body(body.clone());
        }
        let mut response = request.send().await?;
        let status = response.status();
        let mut body = Vec::with_capacity(4096);
        while let Some(piece) = response.chunk().await? {
            body.extend_from_slice(&piece);
        }
        ensure!(status == 200, "status {status}: {}", String::from_utf8_lossy(&body));
        match &self.expected {
            Expected::Exactly(expected) => {
                ensure!(body == *expected, "a wrong body: {}", String::from_utf8_lossy(&body));
                Ok(None)
            }
            Expected::Data(data) => {
                let answer: Json = serde_json::from_slice(&body)?;
                ensure!(answer["outcome"] == "FOUND" && answer["data"] == *data, "a wrong answer: {answer}");
                Ok(Some(answer["receipt"]["index"].as_u64().context("an answer without a receipt")?))
            }
        }
    }
}

/// Columns: `requests,connections,seconds,cpu_us_per_request,p50_us,p90_us,p99_us,max_us`.
async fn closed(load: &Arc<Load>, connections: u64, requests: u64, pids: &[u32]) -> anyhow::Result<String> {
    // Handshakes are over before anything is measured.
    let mut clients = Vec::new();
    let mut receipts = HashSet::new();
    for _ in 0..connections {
        let client = load.client()?;
        receipts.extend(load.ask(&client).await?);
        clients.push(client);
    }
    let left = Arc::new(AtomicU64::new(requests));
    let (begin, cpu_before) = (Instant::now(), ticks(pids)?);
    let tasks: Vec<_> = clients.into_iter().map(|client| tokio::spawn(ask_on(Arc::clone(load), client, Arc::clone(&left)))).collect();
    let mut times = Vec::new();
    for task in tasks {
        for (took, receipt) in task.await?? {
            times.push(took);
            if let Some(index) = receipt {
                ensure!(receipts.insert(index), "receipt {index} came twice");
            }
        }
    }
    let (seconds, cpu_ticks) = (begin.elapsed().as_secs_f64(), ticks(pids)? - cpu_before);
    times.sort_unstable();
    ensure!(u64::try_from(times.len())? == requests, "{} answers to {requests} requests", times.len());
    let at = |per_mille: usize| times[(times.len() - 1) * per_mille / 1000].as_micros();
    let cpu_us = cpu_ticks * 1_000_000 / TICKS_PER_SECOND;
    let cpu_us_tenths = cpu_us * 10 / requests;
    Ok(format!(
        "{requests},{connections},{seconds:.3},{}.{},{},{},{},{}",
        cpu_us_tenths / 10,
        cpu_us_tenths % 10,
        at(500),
        at(900),
        at(990),
        at(1000)
    ))
}

async fn ask_on(load: Arc<Load>, client: reqwest::Client, left: Arc<AtomicU64>) -> anyhow::Result<Vec<(Duration, Option<u64>)>> {
    let mut times = Vec::new();
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        let begin = Instant::now();
        let receipt = load.ask(&client).await?;
        times.push((begin.elapsed(), receipt));
    }
    Ok(times)
}

/// Processor time of all threads of the processes, user and system.
fn ticks(pids: &[u32]) -> anyhow::Result<u64> {
    let mut sum = 0;
    for pid in pids {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in brackets may hold blanks; fields 14 and 15 are the 12th and 13th after it.
        let (_, rest) = stat.rsplit_once(')').context("an unknown form of /proc/PID/stat")?;
        for field in rest.split_whitespace().skip(11).take(2) {
            sum += field.parse::<u64>()?;
        }
    }
    Ok(sum)
}

/// Columns: `run,listening_ms,answered_ms,rss_listening_kib,rss_answered_kib`. The server is stopped
/// in order after each run.
async fn start(load: &Arc<Load>, runs: u64, settle: Duration, command: &[String]) -> anyhow::Result<String> {
    let (program, arguments) = command.split_first().context("no command")?;
    let host = load.target.url.strip_prefix("https://").and_then(|rest| rest.split('/').next()).context("an address in the URL")?;
    let address: SocketAddr = host.parse().context("the URL of a start names an IP address and a port")?;
    let mut rows = Vec::new();
    for run in 1..=runs {
        // The client is made beforehand: its own start is not the server's.
        let client = load.client()?;
        let begin = Instant::now();
        let mut server = Process::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        while tokio::net::TcpStream::connect(address).await.is_err() {
            ensure!(begin.elapsed() < START_MAX && server.try_wait()?.is_none(), "the server did not start");
            tokio::time::sleep(START_STEP).await;
        }
        let listening = begin.elapsed();
        let rss_listening = rss_kib(server.id())?;
        load.ask(&client).await?;
        let answered = begin.elapsed();
        tokio::time::sleep(settle).await;
        let rss_answered = rss_kib(server.id())?;
        rows.push(format!("{run},{:.1},{:.1},{rss_listening},{rss_answered}", millis(listening), millis(answered)));
        ensure!(Process::new("kill").args(["-TERM", &server.id().to_string()]).status()?.success(), "kill");
        ensure!(server.wait()?.success(), "the server did not stop in order");
    }
    Ok(rows.join("\n"))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Resident memory, in KiB.
fn rss_kib(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
