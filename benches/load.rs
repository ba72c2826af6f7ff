//! The load of `scripts/bench`: requests over mutual TLS, whose every answer is read and compared.
//!
//! Ready-made generators count status codes; here an answer that is wrong, or a receipt that comes
//! twice, ends the run, so that no figure is ever taken from a server that answers rubbish quickly.
//!
//! ```text
//! bench-load cases URL --count N …                                     opens cases; JSON for a target's `variables`
//! bench-load closed TARGET --connections N --requests N --pid PID…     one CSV row: each waits for its answer
//! bench-load open TARGET --connections N --rate N --seconds N --pid …  one CSV row: they come whatever is under way
//! bench-load waiting TARGET --connections N --requests N --pid PID …   one CSV row: memory while all wait, HTTP/2
//! bench-load start TARGET --runs N -- COMMAND…                         one CSV row a run: start to first answer
//! ```
//!
//! `TARGET` is a JSON file, see [`Target`].

use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::{Parser, Subcommand};
use qovsaq::client::Client;
use qovsaq::tls::{ClientTlsFiles, client_config};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Clock ticks a second in `/proc/PID/stat`, fixed by Linux's interface on the machines we build for.
const TICKS_PER_SECOND: u64 = 100;
/// A start that takes longer has failed.
const START_MAX: Duration = Duration::from_secs(30);
/// Pause between two attempts to be answered by a server that is starting.
const START_STEP: Duration = Duration::from_millis(1);
/// An answer that takes longer is none.
const ANSWER_MAX: Duration = Duration::from_secs(90);
/// Largest answer read, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Opens a case for each of so many persons, and says who and which
    Cases {
        url: String,
        #[arg(long)]
        ca: PathBuf,
        #[arg(long)]
        certificate: PathBuf,
        #[arg(long)]
        key: PathBuf,
        #[arg(long)]
        count: usize,
    },
    /// So many requests over so many connections, each waiting for its answer before the next
    Closed {
        target: PathBuf,
        #[arg(long)]
        connections: usize,
        #[arg(long)]
        requests: u64,
        /// Processes of the server, whose processor time is read
        #[arg(long)]
        pid: Vec<u32>,
    },
    /// So many requests a second, whether or not those before are answered; each is timed from when it was due
    Open {
        target: PathBuf,
        #[arg(long)]
        connections: usize,
        #[arg(long)]
        rate: u64,
        #[arg(long)]
        seconds: u64,
        /// Processes of the server, whose processor time is read
        #[arg(long)]
        pid: Vec<u32>,
    },
    /// The server's memory before, and while so many requests wait on few HTTP/2 connections
    Waiting {
        target: PathBuf,
        #[arg(long)]
        connections: usize,
        #[arg(long)]
        requests: u64,
        #[arg(long)]
        pid: u32,
        /// Address of the server's metrics, which tell how many wait
        #[arg(long)]
        metrics: String,
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
    expect: Expect,
    /// What the first answer of a connection must hold; all later ones must say the same as the first.
    holds: String,
    /// What stands for what in URL, body and `holds`: one set for each connection in turn. `@N@` is the
    /// number of a request that waits.
    variables: Vec<BTreeMap<String, String>>,
}

/// Which part of an answer must always be the same.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expect {
    /// Every byte.
    Bytes,
    /// Every value, in whatever order the keys come.
    Json,
    /// `data`, with outcome `FOUND` and a receipt that has not come before.
    Service,
    /// The outcome and data of every element that was found; at least so many, with a new receipt.
    Dossier(usize),
}

fn post() -> String {
    "POST".to_owned()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let row = match Arguments::parse().action {
        Action::Cases { url, ca, certificate, key, count } => cases(&Client::new(&url, &ca, Some((certificate, key)))?, count).await?,
        Action::Closed { target, connections, requests, pid } => closed(&Load::read(&target)?, connections, requests, &pid).await?,
        Action::Open { target, connections, rate, seconds, pid } => open(&Load::read(&target)?, connections, rate, seconds, &pid).await?,
        Action::Waiting { target, connections, requests, pid, metrics } => {
            waiting(&Load::read(&target)?, connections, requests, pid, &metrics).await?
        }
        Action::Start { target, runs, settle_ms, command } => {
            start(&Load::read(&target)?, runs, Duration::from_millis(settle_ms), &command).await?
        }
    };
    writeln!(std::io::stdout(), "{row}")?;
    Ok(())
}

/// One case a person, so that no two connections ask the same: such questions would share one call.
async fn cases(client: &Client, count: usize) -> anyhow::Result<String> {
    let personas = mock_agencies::Personas::embedded();
    let persons = personas.families().iter().flat_map(|family| &family.members);
    let mut variables = Vec::new();
    for person in persons.take(count) {
        let case = format!("bench-{}", person.fin.to_lowercase());
        let body = json!({
            "case": case, "purpose": "adsy-means-test", "persons": [{"subject": {"fin": &*person.fin}, "role": "applicant"}],
        });
        let answer = client.post("/v1/cases", &body, "en").await?;
        ensure!(answer.status == 201, "a case was answered {}: {}", answer.status, answer.body);
        variables.push(json!({"@FIN@": &*person.fin, "@CASE@": case}));
    }
    ensure!(variables.len() == count, "there are only {} persons", variables.len());
    Ok(serde_json::Value::from(variables).to_string())
}

struct Load {
    target: Target,
    body: String,
    host: String,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl Load {
    fn read(path: &Path) -> anyhow::Result<Arc<Self>> {
        let target: Target = serde_json::from_slice(&std::fs::read(path).with_context(|| path.display().to_string())?)?;
        ensure!(!target.variables.is_empty(), "a target needs a set of variables");
        let body = target.body.as_ref().map(std::fs::read_to_string).transpose()?.unwrap_or_default();
        let host = target.url.strip_prefix("https://").and_then(|rest| rest.split('/').next()).context("an address in the URL")?.to_owned();
        let address = host.parse().context("the URL names an IP address and a port")?;
        let identity = Some((target.certificate.clone(), target.key.clone()));
        let tls = Arc::new(client_config(&ClientTlsFiles { ca: target.ca.clone(), identity })?);
        Ok(Arc::new(Self { target, body, host, address, tls }))
    }

    /// A text with the variables of one connection, or of one request, put in.
    fn fill(&self, text: &str, number: usize) -> String {
        let variables = &self.target.variables[number % self.target.variables.len()];
        let text = text.replace("@N@", &number.to_string());
        variables.iter().fold(text, |text, (name, value)| text.replace(name, value))
    }

    /// The whole request of a connection, byte for byte.
    fn request(&self, number: usize) -> anyhow::Result<Vec<u8>> {
        let (url, body) = (self.fill(&self.target.url, number), self.fill(&self.body, number));
        let path = url.splitn(4, '/').nth(3).context("a path in the URL")?;
        let mut request = format!("{} /{path} HTTP/1.1\r\nHost: {}\r\n", self.target.method, self.host);
        for (name, value) in &self.target.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(&body);
        Ok(request.into_bytes())
    }

    /// What of an answer must always be the same, and its receipt's index where it has one.
    fn judge(&self, body: &[u8]) -> anyhow::Result<(Vec<u8>, Option<u64>)> {
        #[derive(Deserialize)]
        struct Receipt {
            index: u64,
        }
        #[derive(Deserialize)]
        struct Service<'a> {
            outcome: &'a str,
            #[serde(borrow)]
            data: Option<&'a RawValue>,
            receipt: Receipt,
        }
        #[derive(Deserialize)]
        struct Element<'a> {
            element: &'a str,
            outcome: Option<&'a str>,
            #[serde(borrow)]
            data: Option<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct Dossier<'a> {
            #[serde(borrow)]
            elements: Vec<Element<'a>>,
            receipt: Receipt,
        }
        let wrong = || format!("a wrong answer: {}", String::from_utf8_lossy(body));
        match self.target.expect {
            Expect::Bytes => Ok((body.to_vec(), None)),
            Expect::Json => {
                let mut value: serde_json::Value = serde_json::from_slice(body).with_context(wrong)?;
                value.sort_all_objects();
                Ok((serde_json::to_vec(&value)?, None))
            }
            Expect::Service => {
                let answer: Service<'_> = serde_json::from_slice(body).with_context(wrong)?;
                ensure!(answer.outcome == "FOUND", wrong());
                let data = answer.data.with_context(wrong)?;
                Ok((data.get().as_bytes().to_vec(), Some(answer.receipt.index)))
            }
            Expect::Dossier(found_min) => {
                let answer: Dossier<'_> = serde_json::from_slice(body).with_context(wrong)?;
                let mut content = Vec::new();
                let mut found = 0;
                for element in answer.elements.iter().filter(|element| element.outcome == Some("FOUND")) {
                    found += 1;
                    content.extend_from_slice(element.element.as_bytes());
                    content.extend_from_slice(element.data.with_context(wrong)?.get().as_bytes());
                }
                ensure!(found >= found_min, wrong());
                Ok((content, Some(answer.receipt.index)))
            }
        }
    }
}

/// One kept connection that asks the same again and again, in HTTP/1.1 by hand: on two processors the load
/// must cost little, or the server waits for it.
struct Connection {
    load: Arc<Load>,
    stream: TlsStream<TcpStream>,
    request: Vec<u8>,
    buffer: Vec<u8>,
    first: Option<Vec<u8>>,
    holds: String,
}

impl Connection {
    async fn open(load: &Arc<Load>, number: usize) -> anyhow::Result<Self> {
        let tcp = TcpStream::connect(load.address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::from(load.address.ip());
        let stream = TlsConnector::from(Arc::clone(&load.tls)).connect(name, tcp).await?;
        let (request, holds) = (load.request(number)?, load.fill(&load.target.holds, number));
        Ok(Self { load: Arc::clone(load), stream, request, buffer: Vec::with_capacity(16 * 1024), first: None, holds })
    }

    /// One exchange; gives the index of its receipt where there is one.
    async fn ask(&mut self) -> anyhow::Result<Option<u64>> {
        let body_at = tokio::time::timeout(ANSWER_MAX, self.exchange()).await.context("no answer in time")??;
        let body = self.buffer.get(body_at..).unwrap_or_default();
        let (content, receipt) = self.load.judge(body)?;
        match &self.first {
            Some(first) => ensure!(*first == content, "another answer than the first: {}", String::from_utf8_lossy(body)),
            None => {
                let holds = self.holds.as_bytes();
                ensure!(content.windows(holds.len()).any(|part| part == holds), "a wrong body: {}", String::from_utf8_lossy(body));
                self.first = Some(content);
            }
        }
        Ok(receipt)
    }

    /// Sends the question and reads the answer into the buffer; gives where its body begins.
    async fn exchange(&mut self) -> anyhow::Result<usize> {
        self.stream.write_all(&self.request).await?;
        self.stream.flush().await?;
        self.buffer.clear();
        let (body_at, length) = loop {
            self.more().await?;
            if let Some(end) = self.buffer.windows(4).position(|part| part == b"\r\n\r\n") {
                let head = std::str::from_utf8(&self.buffer[..end])?;
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
                });
                let length = length.with_context(|| format!("an answer without a length: {head}"))??;
                ensure!(length <= ANSWER_BYTES_MAX, "an answer of {length} bytes");
                let good = head.starts_with("HTTP/1.1 200 ") || head.starts_with("HTTP/1.1 202 ");
                while self.buffer.len() < end + 4 + length {
                    self.more().await?;
                }
                ensure!(good, "{}", String::from_utf8_lossy(&self.buffer));
                break (end + 4, length);
            }
            ensure!(self.buffer.len() < 64 * 1024, "a head without an end");
        };
        ensure!(self.buffer.len() == body_at + length, "more than one answer");
        Ok(body_at)
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server has closed the connection");
        Ok(())
    }
}

/// Connections opened at the same time.
const OPENED_AT_ONCE: usize = 64;

/// The connections with their handshakes and first answers behind them, and the receipts of these.
async fn connections(load: &Arc<Load>, count: usize) -> anyhow::Result<(Vec<Connection>, HashSet<u64>)> {
    async fn asked(load: Arc<Load>, number: usize) -> anyhow::Result<(Connection, Option<u64>)> {
        let mut connection = Connection::open(&load, number).await?;
        let receipt = connection.ask().await?;
        Ok((connection, receipt))
    }
    let (mut connections, mut receipts) = (Vec::new(), HashSet::new());
    for first in (0..count).step_by(OPENED_AT_ONCE) {
        let numbers = first..count.min(first + OPENED_AT_ONCE);
        let opened: Vec<_> = numbers.map(|number| tokio::spawn(asked(Arc::clone(load), number))).collect();
        for opened in opened {
            let (connection, receipt) = opened.await??;
            receipts.extend(receipt);
            connections.push(connection);
        }
    }
    Ok((connections, receipts))
}

type Times = Vec<(Duration, Option<u64>)>;

/// Columns: see [`row`].
async fn closed(load: &Arc<Load>, count: usize, requests: u64, pids: &[u32]) -> anyhow::Result<String> {
    async fn ask_on(mut connection: Connection, left: Arc<AtomicU64>) -> anyhow::Result<Times> {
        let mut times = Vec::new();
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            let begin = Instant::now();
            let receipt = connection.ask().await?;
            times.push((begin.elapsed(), receipt));
        }
        Ok(times)
    }
    let (connections, receipts) = connections(load, count).await?;
    let left = Arc::new(AtomicU64::new(requests));
    let (begin, cpu_before) = (Instant::now(), ticks(pids)?);
    let tasks = connections.into_iter().map(|connection| tokio::spawn(ask_on(connection, Arc::clone(&left)))).collect();
    row(tasks, receipts, count, requests, begin, cpu_before, pids).await
}

/// Columns: see [`row`].
async fn open(load: &Arc<Load>, count: usize, rate: u64, seconds: u64, pids: &[u32]) -> anyhow::Result<String> {
    /// Times count from when a request was due, so that one that had to wait for another's answer is not
    /// forgotten (coordinated omission).
    async fn ask_on(mut connection: Connection, begin: Instant, first: f64, step: f64, each: u64) -> anyhow::Result<Times> {
        let mut times = Vec::new();
        for turn in 0..each {
            #[expect(clippy::cast_precision_loss, reason = "a count of requests far below 2^52")]
            let due = begin + Duration::from_secs_f64(first + step * turn as f64);
            tokio::time::sleep_until(due.into()).await;
            let receipt = connection.ask().await?;
            times.push((due.elapsed(), receipt));
        }
        Ok(times)
    }
    let (connections, receipts) = connections(load, count).await?;
    let each = (rate * seconds).div_ceil(u64::try_from(count)?);
    let (begin, cpu_before) = (Instant::now(), ticks(pids)?);
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let (step, spread) = (count as f64 / rate as f64, 1.0 / rate as f64);
    #[expect(clippy::cast_precision_loss, reason = "a count of connections far below 2^52")]
    let spawn = |(number, connection)| tokio::spawn(ask_on(connection, begin, spread * number as f64, step, each));
    let tasks = connections.into_iter().enumerate().map(spawn).collect();
    row(tasks, receipts, count, each * u64::try_from(count)?, begin, cpu_before, pids).await
}

/// Columns: `requests,connections,seconds,cpu_us_per_request,p50_us,p90_us,p99_us,max_us`.
async fn row(
    tasks: Vec<tokio::task::JoinHandle<anyhow::Result<Times>>>,
    mut receipts: HashSet<u64>,
    connections: usize,
    requests: u64,
    begin: Instant,
    cpu_before: u64,
    pids: &[u32],
) -> anyhow::Result<String> {
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

/// Columns: `requests,connections,seconds,rss_idle_kib,rss_waiting_kib,calls_in_flight,calls_queued`.
async fn waiting(load: &Arc<Load>, connections: usize, requests: u64, pid: u32, metrics: &str) -> anyhow::Result<String> {
    let mut tls = ClientConfig::clone(&load.tls);
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let idle = rss_kib(pid)?;
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    let clients: Vec<reqwest::Client> = (0..connections)
        .map(|_| {
            let builder = reqwest::Client::builder().tls_backend_preconfigured(tls.clone()).no_proxy();
            builder.http2_prior_knowledge().timeout(ANSWER_MAX).build()
        })
        .collect::<Result<_, _>>()?;
    for number in 0..usize::try_from(requests)? {
        let mut request = clients[number % connections].post(load.fill(&load.target.url, number)).body(load.fill(&load.body, number));
        for (name, value) in &load.target.headers {
            request = request.header(name, value);
        }
        let load = Arc::clone(load);
        tasks.spawn(async move {
            let response = request.send().await?;
            let status = response.status();
            let body: reqwest::Body = response.into();
            let bytes = http_body_util::BodyExt::collect(body).await?.to_bytes();
            ensure!(status == 200, "status {status}: {}", String::from_utf8_lossy(&bytes));
            load.judge(&bytes)
        });
    }
    // All wait once the server's own count says so.
    // Without TLS of ours the client looks for some of its own, though the metrics are plain.
    let watcher = reqwest::Client::builder().tls_backend_preconfigured(ClientConfig::clone(&load.tls)).no_proxy().build()?;
    let (in_flight, queued) = loop {
        if let Some(ended) = tasks.try_join_next() {
            ended??;
            bail!("a request was answered before all were waiting");
        }
        let body: reqwest::Body = watcher.get(metrics).send().await?.into();
        let bytes = http_body_util::BodyExt::collect(body).await?.to_bytes();
        let text = String::from_utf8_lossy(&bytes);
        let sum = |name: &str| -> f64 {
            let values = text.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
            values.sum()
        };
        let (in_flight, queued) = (sum("qovsaq_provider_calls_in_flight"), sum("qovsaq_provider_queued"));
        #[expect(clippy::cast_precision_loss, reason = "a count of requests far below 2^52")]
        if in_flight + queued >= requests as f64 {
            break (in_flight, queued);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    let waiting = rss_kib(pid)?;
    let mut receipts = HashSet::new();
    while let Some(ended) = tasks.join_next().await {
        let (_, receipt) = ended??;
        ensure!(receipt.is_some_and(|index| receipts.insert(index)), "a receipt came twice");
    }
    let seconds = begin.elapsed().as_secs_f64();
    Ok(format!("{requests},{connections},{seconds:.3},{idle},{waiting},{in_flight},{queued}"))
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
    let mut rows = Vec::new();
    for run in 1..=runs {
        let begin = Instant::now();
        let mut server = Process::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        while TcpStream::connect(load.address).await.is_err() {
            ensure!(begin.elapsed() < START_MAX && server.try_wait()?.is_none(), "the server did not start");
            tokio::time::sleep(START_STEP).await;
        }
        let listening = begin.elapsed();
        let rss_listening = rss_kib(server.id())?;
        Connection::open(load, 0).await?.ask().await?;
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
