//! The program itself, `qovsaq serve`, as a child process: to be killed, traced or starved. The
//! agencies it asks live in the test's own process, so that a test can set faults and count calls.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mock_agencies::{IdentityProvider, Personas};
use qovsaq::client::Client;
use qovsaq::demo::{Environment, Outside, Ports, ca_file, consumer_files, person_files, write_config};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::house::{House, SERVICES, options, until};

/// Certificates, data and running agencies for a gateway to be started on.
pub(crate) struct Site {
    folder: TempDir,
    pub(crate) agencies: BTreeMap<&'static str, mock_agencies::Running>,
    pub(crate) identity: IdentityProvider,
    pub(crate) personas: Arc<Personas>,
}

impl Site {
    /// The shipped data, so changed that tests of one thing do not meet another: nothing is kept, no
    /// breaker opens, no quota is used up, and what hangs is given up after four seconds. Tests of those
    /// things say otherwise.
    pub(crate) async fn prepare() -> Self {
        Self::prepare_in(TempDir::new().expect("a temporary folder")).await
    }

    /// The same in a folder that may hold certificates and data already.
    pub(crate) async fn prepare_in(folder: TempDir) -> Self {
        let outside = Environment::start_outside(&options(folder.path())).await.expect("the agencies start");
        write_config(&outside, Ports::Any).expect("a configuration");
        let Outside { dir: _, agencies, identity, personas } = outside;
        let site = Self { folder, agencies, identity, personas };
        // Small segments: reading a journal back looks at all that was set aside for it.
        site.change_config("journal: {dir: journal}\n", "journal: {dir: journal, segment_bytes: 1048576}\ncache: {bytes_max: 0}\n");
        for way in ["    url: ", "    instances:\n"] {
            site.change_config(way, &format!("    limits: {{breaker: {{calls_min: 1000000}}}}\n{way}"));
        }
        site.set_quota("", "{per_second: 50000, burst: 50000}");
        site.set_timeout("", "4s");
        for consumer in qovsaq::demo::consumers() {
            site.set_consumer_quota(&consumer, "{per_second: 50000, burst: 50000}");
        }
        site
    }

    /// Starts the gateway in the test's own process.
    pub(crate) async fn up(self) -> House {
        let Self { folder, agencies, identity, personas } = self;
        House::of(folder, agencies, identity, personas).await
    }

    /// Keeps answers, as it is by default.
    pub(crate) fn keep_answers(self) -> Self {
        self.change_config("cache: {bytes_max: 0}\n", "");
        self
    }

    /// Bounds the traffic to one provider in these words of the configuration.
    pub(crate) fn limits_of(self, provider: &str, words: &str) -> Self {
        let block = |words: &str| format!("  {provider}:\n    limits: {words}\n");
        self.change_config(&block("{breaker: {calls_min: 1000000}}"), &block(words));
        self
    }

    /// Sets the time limit of the services whose names begin so.
    pub(crate) fn set_timeout(&self, services: &str, span: &str) {
        self.set_of_services(services, "timeout", span);
    }

    /// Sets the quota of the services whose names begin so.
    pub(crate) fn set_quota(&self, services: &str, quota: &str) {
        self.set_of_services(services, "quota", quota);
    }

    /// Sets how long answers of the services whose names begin so are current.
    pub(crate) fn set_lifetime(&self, services: &str, span: &str) {
        self.set_of_services(services, "lifetime", span);
    }

    fn set_of_services(&self, services: &str, key: &str, value: &str) {
        let names = SERVICES.iter().filter(|name| name.starts_with(services));
        let mut changed = 0;
        for name in names {
            let (provider, service) = name.split_once('/').expect("provider/service");
            let folder = self.dir().join("contracts/providers").join(provider);
            for entry in std::fs::read_dir(folder).expect("a provider's folder").map(|entry| entry.expect("an entry")) {
                if entry.file_name().to_string_lossy().starts_with(&format!("{service}@")) {
                    set_key(&entry.path(), key, value);
                    changed += 1;
                }
            }
        }
        assert!(changed > 0, "no service begins with {services}");
    }

    /// Sets a consumer's own quota.
    pub(crate) fn set_consumer_quota(&self, consumer: &str, quota: &str) {
        set_key(&self.dir().join(format!("contracts/consumers/{consumer}.yaml")), "quota", quota);
    }

    /// Replaces one text in a file of the deployment.
    pub(crate) fn change(&self, file: &str, from: &str, to: &str) {
        let path = self.dir().join(file);
        let text = std::fs::read_to_string(&path).expect("a file");
        assert!(text.contains(from), "{from} is not in {file}");
        std::fs::write(path, text.replace(from, to)).expect("writable");
    }

    pub(crate) fn dir(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir().join("qovsaq.yaml")
    }

    /// Replaces a text in the configuration, wherever it stands.
    pub(crate) fn change_config(&self, from: &str, to: &str) {
        self.change("qovsaq.yaml", from, to);
    }

    /// Starts the program and waits until it is ready.
    pub(crate) async fn serve(&self) -> Child {
        self.spawn(self.program(&[])).await.unwrap_or_else(|ended| panic!("the program did not get ready: {}", ended.log))
    }

    /// Starts the program under strace with these options; the trace goes to [`Self::trace_file`].
    /// The child is the program itself (`-D`), not its tracer.
    pub(crate) async fn serve_traced(&self, options: &[&str]) -> Child {
        let options = [&["--seccomp-bpf"], options].concat();
        self.try_serve_traced(&options).await.unwrap_or_else(|ended| panic!("the program did not get ready: {}", ended.log))
    }

    /// The same where it may end before it is ready, and every call is stopped at: slower, but a signal that strace
    /// injects arrives.
    pub(crate) async fn try_serve_traced(&self, options: &[&str]) -> Result<Child, Ended> {
        let output = self.trace_file().display().to_string();
        let tracer = [&["strace", "-D", "-f", "-yy", "-xx", "-s", "4096", "-o", &output], options].concat();
        self.spawn(self.program(&tracer)).await
    }

    pub(crate) fn trace_file(&self) -> PathBuf {
        self.dir().join("trace")
    }

    fn program(&self, before: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_qovsaq");
        let mut command = match before {
            [] => Command::new(program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command.arg("serve").arg("--config").arg(self.config());
        command
    }

    /// Starts the program where it is expected to refuse, and waits for its end: exit code and what it said.
    pub(crate) async fn refuses(&self) -> (Option<i32>, String) {
        let output = self.program(&[]).kill_on_drop(true).output().await.expect("the program starts");
        (output.status.code(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
    }

    /// Starts the program and kills it after a while, ready or not.
    pub(crate) async fn kill_starting(&self, after: Duration) {
        let mut command = self.program(&[]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut process = command.spawn().expect("the program starts");
        tokio::time::sleep(after).await;
        assert_eq!(process.try_wait().expect("a state"), None, "it ended by itself");
        process.kill().await.expect("killed");
    }

    /// Starts the program to be killed before the n-th of these system calls that one of its threads makes. Whether that
    /// came before it was ready; it is gone in either case.
    pub(crate) async fn killed_at(&self, call: &str, nth: usize) -> bool {
        let (trace, inject) = (format!("trace={call}"), format!("inject={call}:signal=KILL:when={nth}"));
        let tracer = ["strace", "-D", "-f", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        let mut process = self
            .program(&tracer)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(process.stderr.take().expect("piped")).lines();
        let mut log = String::new();
        let mut was_ready = false;
        while let Ok(Some(line)) = lines.next_line().await {
            if ready(&line).is_some() {
                was_ready = true;
                process.kill().await.expect("killed");
            }
            log.push_str(&line);
            log.push('\n');
        }
        let status = process.wait().await.expect("it ends");
        assert_eq!(status.code(), None, "it was not killed but ended: {log}");
        !was_ready
    }

    async fn spawn(&self, mut command: Command) -> Result<Child, Ended> {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (tell, told) = oneshot::channel();
        let mut lines = BufReader::new(process.stderr.take().expect("piped")).lines();
        let keep = Arc::clone(&log);
        let reader = tokio::spawn(async move {
            let mut tell = Some(tell);
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(addresses) = ready(&line)
                    && let Some(tell) = tell.take()
                {
                    tell.send(addresses).unwrap_or_default();
                }
                let mut log = keep.lock().unwrap_or_else(PoisonError::into_inner);
                log.push_str(&line);
                log.push('\n');
            }
        });
        let Ok((internal, ops, console)) = told.await else {
            let status = process.wait().await.expect("it ends");
            let log = log.lock().unwrap_or_else(PoisonError::into_inner).clone();
            return Err(Ended { status, log });
        };
        Ok(Child { process, internal, ops, console, dir: self.dir().to_path_buf(), log, reader })
    }
}

/// Sets a key of a file's outermost level, in place or at the end.
fn set_key(file: &Path, key: &str, value: &str) {
    let text = std::fs::read_to_string(file).expect("a contract");
    let line = format!("{key}: {value}");
    let is_key = |line: &str| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'));
    let mut lines: Vec<&str> = text.lines().map(|old| if is_key(old) { &*line } else { old }).collect();
    if !lines.contains(&&*line) {
        lines.push(&line);
    }
    std::fs::write(file, lines.join("\n") + "\n").expect("writable");
}

/// `ready: internal https://A, ops http://B, console https://C`
fn ready(line: &str) -> Option<(SocketAddr, SocketAddr, SocketAddr)> {
    let (internal, rest) = line.strip_prefix("ready: internal https://")?.split_once(", ops http://")?;
    let (ops, console) = rest.split_once(", console https://")?;
    Some((internal.parse().ok()?, ops.parse().ok()?, console.parse().ok()?))
}

/// A program that ended: how, and all it wrote to standard error.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) log: String,
}

/// A running program.
pub(crate) struct Child {
    process: tokio::process::Child,
    pub(crate) internal: SocketAddr,
    pub(crate) ops: SocketAddr,
    console: SocketAddr,
    dir: PathBuf,
    log: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Child {
    pub(crate) fn client(&self, consumer: &str) -> Client {
        Client::new(&format!("https://{}", self.internal), &ca_file(&self.dir), Some(consumer_files(&self.dir, consumer)))
            .expect("a client")
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id().expect("it runs")
    }

    /// Where its console is.
    pub(crate) fn console_address(&self) -> SocketAddr {
        self.console
    }

    /// A client of the console as one of its people.
    pub(crate) fn console_as(&self, person: &str) -> Client {
        Client::new(&format!("https://{}", self.console), &ca_file(&self.dir), Some(person_files(&self.dir, person))).expect("a client")
    }

    /// Gets a path of the operations listener: status and body.
    pub(crate) async fn look(&self, path: &str) -> (u16, String) {
        look(self.ops, path).await
    }

    /// Kills it as a power cut would (SIGKILL), and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.expect("killed");
    }

    /// Tells it to read its files again (SIGHUP).
    pub(crate) fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Waits until it has written this to standard error.
    pub(crate) async fn said(&self, text: &str) {
        self.said_times(text, 1).await;
    }

    /// Waits until it has written this so often.
    pub(crate) async fn said_times(&self, text: &str, times: usize) {
        until(text, || (self.log.lock().unwrap_or_else(PoisonError::into_inner).matches(text).count() >= times).then_some(())).await;
    }

    fn signal(&self, signal: Signal) {
        let pid = self.process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).expect("it runs");
        rustix::process::kill_process(pid, signal).expect("a signal");
    }

    /// Tells it to stop (SIGTERM), and waits.
    pub(crate) async fn stop(self) -> ExitStatus {
        self.stop_and_tell().await.0
    }

    /// The same, with all it wrote to standard error.
    pub(crate) async fn stop_and_tell(self) -> (ExitStatus, String) {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// Tells it to stop (SIGTERM) unless it has ended by itself, and waits; with all it wrote to standard error.
    pub(crate) async fn stop_if_running(mut self) -> Ended {
        if self.process.try_wait().expect("a state").is_none() {
            self.signal(Signal::TERM);
        }
        let (status, log) = self.ended().await;
        Ended { status, log }
    }

    /// Waits until it ends by itself; with all it wrote to standard error.
    pub(crate) async fn ended(mut self) -> (ExitStatus, String) {
        let status = self.process.wait().await.expect("it ends");
        self.reader.await.expect("its standard error is read to the end");
        (status, self.log.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Gets a path of an operations listener, which is plain.
pub(crate) async fn look(ops: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = tokio::net::TcpStream::connect(ops).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("it answers");
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer of HTTP/1.1");
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), body.to_owned())
}

/// Waits until the tracer has written its last line.
pub(crate) async fn whole_trace(file: &Path) -> String {
    until("the trace is whole", || {
        let text = std::fs::read_to_string(file).ok()?;
        let last = text.lines().next_back()?;
        (last.contains("+++ exited with") || last.contains("+++ killed by")).then_some(text)
    })
    .await
}
