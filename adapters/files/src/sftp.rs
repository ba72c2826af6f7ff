//! A folder on a source's SFTP server (SSH file transfer, version 3): the server by its pinned host key and no other,
//! ourselves by a key, everything bounded in time and number. What lies there stays the source's.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, Handle};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{Disconnect, Preferred, cipher};
use russh_sftp::client::fs::File;
use russh_sftp::client::{Config, RawSftpSession, SftpSession, error::Error};
use russh_sftp::protocol::StatusCode;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::place::{Listed, NAMES_MAX, Place};

/// Longest wait for a connection that is ready to transfer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for one answer of the server.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest wait for a whole listing.
const LIST_TIMEOUT: Duration = Duration::from_secs(60);
/// Largest packet that the server may send, in bytes.
const PACKET_BYTES_MAX: u32 = 256 << 10;

/// Where the server is, and who we are to it.
#[derive(Clone)]
pub struct SftpOptions {
    /// `host:port`.
    pub address: String,
    /// The key by which the server is known, as `ssh-keyscan` writes it behind the host: `ssh-ed25519 AAAA…`.
    pub host_key: PublicKey,
    /// Our account.
    pub user: String,
    /// Our key.
    pub key: Arc<PrivateKey>,
    /// The folder; relative to the account's own where it does not begin with `/`.
    pub folder: String,
}

impl fmt::Debug for SftpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SftpOptions").field("address", &self.address).field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Why a key is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongKey {
    /// Not a public key of a host.
    #[error("not the public key of a host")]
    Host,
    /// Not a private key, or one behind a passphrase.
    #[error("not a private key without a passphrase")]
    Private,
    /// RSA and DSA: the keys that are taken need no choice of a hash.
    #[error("not an Ed25519 or ECDSA key")]
    Kind,
}

/// Reads the key of a host, as `ssh-keyscan` writes it behind the host's name.
///
/// # Errors
/// Where it is none that is taken.
pub fn host_key(text: &str) -> Result<PublicKey, WrongKey> {
    let key = PublicKey::from_openssh(text.trim()).map_err(|_| WrongKey::Host)?;
    if key.algorithm().is_ed25519() || key.algorithm().is_ecdsa() { Ok(key) } else { Err(WrongKey::Kind) }
}

/// Reads our own key, as `ssh-keygen` writes it.
///
/// # Errors
/// Where it is none that is taken.
pub fn own_key(text: &str) -> Result<Arc<PrivateKey>, WrongKey> {
    let key = PrivateKey::from_openssh(text).map_err(|_| WrongKey::Private)?;
    if key.is_encrypted() {
        return Err(WrongKey::Private);
    }
    if key.algorithm().is_ed25519() || key.algorithm().is_ecdsa() { Ok(Arc::new(key)) } else { Err(WrongKey::Kind) }
}

/// A folder on an SFTP server. Each listing and each reading is a connection of its own. Blocking, and to be used where a
/// runtime is at hand, as on its blocking threads.
#[derive(Debug, Clone)]
pub struct Sftp {
    options: SftpOptions,
}

impl Sftp {
    /// The folder; nothing is connected yet.
    #[must_use]
    pub fn new(options: SftpOptions) -> Self {
        Self { options }
    }

    fn path(&self, name: &str) -> String {
        match self.options.folder.as_str() {
            "" | "." => name.to_owned(),
            folder => format!("{}/{name}", folder.trim_end_matches('/')),
        }
    }
}

/// Takes the server by its pinned key alone.
struct Pinned(PublicKey);

impl client::Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.key_data() == self.0.key_data(),
            PublicKeyOrCertificate::Certificate(_) => false,
        })
    }
}

type Session = Handle<Pinned>;

impl SftpOptions {
    async fn connect(&self) -> io::Result<(Session, russh::Channel<client::Msg>)> {
        let preferred = Preferred {
            // The server has other keys perhaps; only the pinned one is of use.
            key: Cow::Owned(vec![self.host_key.algorithm()]),
            cipher: Cow::Borrowed(&[cipher::AES_256_GCM, cipher::CHACHA20_POLY1305, cipher::AES_256_CTR]),
            ..Preferred::DEFAULT
        };
        let config = client::Config { preferred, inactivity_timeout: Some(ANSWER_TIMEOUT), nodelay: true, ..client::Config::default() };
        let connected = async {
            let mut session = client::connect(Arc::new(config), self.address.as_str(), Pinned(self.host_key.clone())).await?;
            let key = PrivateKeyWithHashAlg::new(Arc::clone(&self.key), Some(HashAlg::Sha512));
            if !session.authenticate_publickey(self.user.clone(), key).await?.success() {
                return Err(russh::Error::NotAuthenticated);
            }
            let channel = session.channel_open_session().await?;
            channel.request_subsystem(true, "sftp").await?;
            Ok((session, channel))
        };
        timeout(CONNECT_TIMEOUT, connected).await.map_err(|_| io::ErrorKind::TimedOut)?.map_err(refused)
    }

    fn transfer() -> Config {
        Config { max_packet_len: PACKET_BYTES_MAX, request_timeout_secs: ANSWER_TIMEOUT.as_secs(), ..Config::default() }
    }

    async fn list(&self) -> io::Result<Vec<Listed>> {
        let (session, channel) = self.connect().await?;
        let sftp = RawSftpSession::new_with_config(channel.into_stream(), Self::transfer());
        sftp.init().await.map_err(failed)?;
        let folder = if self.folder.is_empty() { "." } else { &self.folder };
        let handle = sftp.opendir(folder).await.map_err(failed)?.handle;
        let mut listed = Vec::new();
        let mut names = 0;
        loop {
            let files = match sftp.readdir(handle.as_str()).await {
                Ok(name) => name.files,
                Err(Error::Status(status)) if status.status_code == StatusCode::Eof => break,
                Err(error) => return Err(failed(error)),
            };
            names += files.len().max(1);
            if names > NAMES_MAX {
                return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "more names than are looked at"));
            }
            for file in files {
                // Of the entry itself, as `OpenSSH` and others list it: a link is no regular file.
                if file.attrs.file_type().is_file() && !file.filename.contains('/') {
                    let (bytes, changed) = (file.attrs.size.unwrap_or(u64::MAX), file.attrs.mtime.unwrap_or_default());
                    listed.push(Listed { name: file.filename, bytes, changed: i128::from(changed) });
                }
            }
        }
        listed.sort();
        leave(&session).await;
        Ok(listed)
    }

    async fn open(&self, path: String) -> io::Result<(Session, SftpSession, File)> {
        let (session, channel) = self.connect().await?;
        let sftp = SftpSession::new_with_config(channel.into_stream(), Self::transfer()).await.map_err(failed)?;
        let file = sftp.open(path).await.map_err(failed)?;
        Ok((session, sftp, file))
    }
}

/// Says goodbye. The connection ends in any case.
async fn leave(session: &Session) {
    session.disconnect(Disconnect::ByApplication, "", "en").await.unwrap_or_default();
}

/// What the server said is not in the error: it may name paths, and is not ours to show.
fn refused(error: russh::Error) -> io::Error {
    let kind = match error {
        russh::Error::IO(error) => error.kind(),
        russh::Error::UnknownKey | russh::Error::NotAuthenticated => io::ErrorKind::PermissionDenied,
        russh::Error::InactivityTimeout => io::ErrorKind::TimedOut,
        _ => io::ErrorKind::ConnectionAborted,
    };
    io::Error::from(kind)
}

fn failed(error: Error) -> io::Error {
    io::Error::from(match error {
        Error::Status(status) => match status.status_code {
            StatusCode::NoSuchFile => io::ErrorKind::NotFound,
            StatusCode::PermissionDenied => io::ErrorKind::PermissionDenied,
            _ => io::ErrorKind::Other,
        },
        Error::Timeout => io::ErrorKind::TimedOut,
        _ => io::ErrorKind::ConnectionAborted,
    })
}

/// Waits on the runtime at hand.
fn wait<T>(within: Duration, future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let runtime = tokio::runtime::Handle::try_current().map_err(|_| io::Error::other("no runtime is at hand"))?;
    runtime.block_on(async { timeout(within, future).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))? })
}

impl Place for Sftp {
    fn list(&self) -> io::Result<Vec<Listed>> {
        wait(LIST_TIMEOUT, self.options.list())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read>> {
        if name.is_empty() || name.starts_with('.') || name.contains('/') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain name"));
        }
        let (session, sftp, file) = wait(CONNECT_TIMEOUT + ANSWER_TIMEOUT, self.options.open(self.path(name)))?;
        Ok(Box::new(Remote { file, _sftp: sftp, session }))
    }

    fn keeps(&self) -> bool {
        true
    }

    fn take_away(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }
}

/// A file being read.
struct Remote {
    file: File,
    _sftp: SftpSession,
    session: Session,
}

impl Read for Remote {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        wait(ANSWER_TIMEOUT, self.file.read(buffer))
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        wait(Duration::from_secs(1), async {
            leave(&self.session).await;
            Ok(())
        })
        .unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_that_needs_no_choice_of_a_hash() {
        const HOST: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
        assert!(host_key(HOST).is_ok());
        assert!(host_key(&format!("{HOST} a comment\n")).is_ok());
        assert_eq!(host_key("localhost"), Err(WrongKey::Host));
        assert_eq!(host_key(HOST.trim_end_matches("IeZJ")), Err(WrongKey::Host));
        assert_eq!(own_key(HOST).map(drop), Err(WrongKey::Private));
    }
}
