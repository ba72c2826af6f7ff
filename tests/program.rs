//! The program as its user runs it: one command to its end, or a demonstration that stays up.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use qovsaq::client::Client;
use qovsaq::demo::{ca_file, consumer_files};
use rustix::process::{Pid, Signal};
use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::house::until;

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end, into a pipe, as wide as 100 columns.
pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Ran {
    let output = command().args(arguments).output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qovsaq"));
    command.stdin(Stdio::null()).env("COLUMNS", "100");
    for name in ["QOVSAQ_LOG", "QOVSAQ_NODE_KEY", "QOVSAQ_KEY_TABLE"] {
        command.env_remove(name);
    }
    command
}

/// First of a hundred ports that are free, for a demonstration: below those that the system hands out
/// by itself, and another place to begin for every process of the tests.
pub(crate) fn port_base() -> u16 {
    // Those that `demo` takes, counted from the base.
    let places = [0, 2, 3, 11, 14, 27, 41, 44, 57];
    let hundred = u16::try_from(std::process::id() % 100).expect("below 100");
    let mut bases = (0..100).map(|step| 20_000 + (hundred + step) % 100 * 100);
    let free = |base: &u16| places.iter().all(|place| TcpListener::bind(("127.0.0.1", base + place)).is_ok());
    bases.find(free).expect("a hundred free ports")
}

/// `qovsaq demo` that stays up. Dropping it ends it.
pub(crate) struct Demo {
    process: tokio::process::Child,
    folder: TempDir,
}

impl Demo {
    /// Starts it and waits until everything is ready. `log` is what `QOVSAQ_LOG` says.
    pub(crate) async fn start(log: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let file = |name: &str| Stdio::from(File::create(folder.path().join(name)).expect("a file"));
        let mut command = command();
        command.arg("demo").arg("--no-latency").arg("--port-base").arg(port_base().to_string());
        command.arg("--dir").arg(folder.path().join("demo")).env("QOVSAQ_LOG", log).stdout(file("stdout")).stderr(file("stderr"));
        let mut process = tokio::process::Command::from(command).kill_on_drop(true).spawn().expect("the program starts");
        until("the demonstration is ready", || {
            assert_eq!(
                process.try_wait().expect("a state"),
                None,
                "{}",
                std::fs::read_to_string(folder.path().join("stderr")).expect("logs")
            );
            let stdout = std::fs::read_to_string(folder.path().join("stdout")).expect("a file");
            stdout.contains("qovsaq journal verify").then_some(())
        })
        .await;
        Self { process, folder }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("demo")
    }

    pub(crate) fn stdout(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stdout")).expect("a file")
    }

    /// The file that its logs go to.
    pub(crate) fn stderr_file(&self) -> PathBuf {
        self.folder.path().join("stderr")
    }

    /// What `demo.json` says.
    pub(crate) fn json(&self) -> Json {
        let text = std::fs::read_to_string(self.dir().join("demo.json")).expect("demo.json");
        serde_json::from_str(&text).expect("JSON")
    }

    pub(crate) fn client(&self, consumer: &str) -> Client {
        let base = self.json()["internal"].as_str().expect("an address").to_owned();
        Client::new(&base, &ca_file(&self.dir()), Some(consumer_files(&self.dir(), consumer))).expect("a client")
    }

    /// Tells it to stop (SIGTERM), and waits.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        let pid = self.process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).expect("it runs");
        rustix::process::kill_process(pid, Signal::TERM).expect("a signal");
        self.process.wait().await.expect("it ends")
    }
}

/// One request over plain HTTP/1.1, as control endpoints and the operations listener take them: the
/// whole answer, head and body.
pub(crate) async fn plain(method: &str, base: &str, path: &str, body: &str) -> String {
    let address = base.strip_prefix("http://").expect("a plain address");
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(body.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    answer
}

/// Copies a folder with everything in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}
