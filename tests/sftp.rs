//! Files by SFTP, from a real OpenSSH server on loopback that this test starts with a configuration of its own: the
//! server by its pinned key alone, ourselves by ours, and what lies there stays.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::ToSpan as _;
use jiff::civil::Date;
use mock_agencies::{Delivery, FileFault, delivery};
use model::ServiceId;
use qovsaq::clock;
use qovsaq::feeds::FeedView;
use qovsaq::record::Kind;
use tempfile::TempDir;

use crate::child::Site;
use crate::house::House;

const DEFENCE: &str = "defence/service-record";

/// A server, and the folder that the source writes into.
struct Server {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().expect("it ends");
        self.process.wait().expect("it has ended");
    }
}

fn key(path: &Path) -> String {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(path).status();
    assert!(made.expect("ssh-keygen runs; its package is openssh-client").success());
    std::fs::read_to_string(path.with_extension("pub")).expect("a public key").trim().to_owned()
}

impl Server {
    fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let dir = folder.path();
        key(&dir.join("host"));
        let own = key(&dir.join("client"));
        std::fs::write(dir.join("authorized"), format!("restrict {own}\n")).expect("written");
        std::fs::create_dir(dir.join("outbox")).expect("a folder");
        if rustix::process::geteuid().is_root() {
            // Where the server of Debian leaves its rights.
            std::fs::create_dir_all("/run/sshd").expect("a folder");
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a free port").port();
        let text = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {dir}/host\nAuthorizedKeysFile {dir}/authorized\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
             Subsystem sftp internal-sftp\nForceCommand internal-sftp -R\nAllowTcpForwarding no\n",
            dir = dir.display()
        );
        std::fs::write(dir.join("config"), text).expect("written");
        // It wants to be called by its whole name.
        let log = std::fs::File::create(dir.join("log")).expect("a log");
        let process =
            Command::new("/usr/sbin/sshd").args(["-D", "-e", "-f"]).arg(dir.join("config")).stdin(Stdio::null()).stderr(log).spawn();
        let process = process.expect("sshd runs; its package is openssh-server");
        let server = Self { folder, port, process };
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < until, "{}", std::fs::read_to_string(server.path("log")).unwrap_or_default());
            std::thread::yield_now();
        }
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn outbox(&self) -> PathBuf {
        self.path("outbox")
    }

    /// The feed in the words of the configuration.
    fn words(&self, host_key: &str, client: &str) -> String {
        let (port, key, outbox) = (self.port, self.path(client), self.outbox());
        let user = Command::new("id").arg("-un").output().expect("id runs").stdout;
        let user = String::from_utf8(user).expect("a name");
        format!(
            "{{address: \"127.0.0.1:{port}\", host_key: \"{host_key}\", user: {}, key: {}, folder: {}}}",
            user.trim(),
            key.display(),
            outbox.display()
        )
    }

    fn host_key(&self) -> String {
        let key = std::fs::read_to_string(self.path("host.pub")).expect("a key");
        key.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }
}

fn days_ago(days: i64) -> Date {
    model::time::day(clock::now()).saturating_sub(days.days())
}

fn file(days: i64, fault: Option<FileFault>) -> Delivery {
    delivery(DEFENCE, days_ago(days), None, fault).expect("a file")
}

async fn house(sftp: &str) -> House {
    let site = Site::prepare().await;
    site.change_config(&format!("{DEFENCE}: {{landing: landing/{DEFENCE}"), &format!("{DEFENCE}: {{sftp: {sftp}"));
    site.up().await
}

async fn look(house: &House) -> FeedView {
    let gateway = &house.environment.gateway.gateway;
    gateway.feeds().look_now().await;
    let id = ServiceId::new(DEFENCE).expect("a service");
    let terms = gateway.active().snapshot.services[&id].snapshot.expect("it delivers files");
    gateway.feeds().get(&id).expect("a feed").view(terms.stale_after, clock::now())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_fetched_from_a_real_server_and_stay_there() {
    let server = Server::start();
    let house = house(&server.words(&server.host_key(), "client")).await;
    let view = look(&house).await;
    assert!(view.loaded.is_none() && view.trouble.is_none(), "{view:?}");

    file(2, None).write(&server.outbox()).expect("delivered");
    // What is no file of the source's is none of ours: a link, a folder, another name.
    std::os::unix::fs::symlink("/etc/hostname", server.outbox().join("HERBI_XIDMET_20260101.csv")).expect("a link");
    std::fs::create_dir(server.outbox().join("HERBI_XIDMET_20260102.csv")).expect("a folder");
    std::fs::write(server.outbox().join("README"), "x").expect("a file");
    let view = look(&house).await;
    assert_eq!(view.loaded.as_ref().expect("loaded").file, file(2, None).name, "{view:?}");
    assert!(server.outbox().join(file(2, None).name).exists(), "what lies there is the source's");
    // It is known again, and what is older is no surprise.
    file(3, None).write(&server.outbox()).expect("delivered");
    assert_eq!(look(&house).await.refused, 0);

    // Signed by another, then unsigned: refused, and what was loaded stays.
    file(1, Some(FileFault::ForeignKey)).write(&server.outbox()).expect("delivered");
    let view = look(&house).await;
    assert_eq!(view.last_refusal.as_ref().map(|refusal| refusal.rule), Some("bad-signature"));
    assert_eq!(view.loaded.expect("loaded").file, file(2, None).name);
    let unsigned = file(0, Some(FileFault::Unsigned));
    unsigned.write(&server.outbox()).expect("delivered");
    assert_eq!(look(&house).await.last_refusal.map(|refusal| refusal.rule), Some("unsigned"));
    // The signature comes.
    std::fs::write(server.outbox().join(format!("{}.asc", unsigned.name)), file(0, None).signature.expect("signed")).expect("delivered");
    assert_eq!(look(&house).await.loaded.expect("loaded").file, unsigned.name);
    let lines = house.closed_lines().await;
    assert_eq!(lines.iter().filter(|line| line.is(Kind::FeedRefused)).count(), 2);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_another_account_key_and_a_server_that_is_gone_load_nothing() {
    let server = Server::start();
    file(0, None).write(&server.outbox()).expect("delivered");
    let another = key(&server.path("another")).split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    for (host_key, client) in [(another.clone(), "client"), (server.host_key(), "another")] {
        let house = house(&server.words(&host_key, client)).await;
        let view = look(&house).await;
        assert!(view.loaded.is_none() && view.refused == 0);
        assert!(view.trouble.as_deref().is_some_and(|trouble| trouble.contains("permission denied")), "{view:?}");
        house.stop().await;
    }
    let words = server.words(&server.host_key(), "client");
    let house = house(&words).await;
    let loaded = look(&house).await.loaded.expect("loaded");
    drop(server);
    let view = look(&house).await;
    assert!(view.trouble.is_some(), "{view:?}");
    assert_eq!(view.loaded.expect("it stays").sha256, loaded.sha256);
    house.stop().await;
}
