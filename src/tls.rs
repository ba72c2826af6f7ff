//! Mutual TLS: what a listener offers and demands, and what the gateway knows of its peer.
//!
//! One provider (aws-lc-rs), TLS 1.3, X25519MLKEM768 first, a client certificate always required and
//! looked up in a revocation list when there is one. Nothing here opens a socket; the moment is an
//! argument, so every decision can be tested.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use aws_lc_rs::digest;
use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{CertificateError, ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Largest certificate, key or revocation list file read: 16 MiB.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Most subject alternative names looked at in a peer's certificate.
const PEER_NAMES_MAX: usize = 100;

/// Why TLS could not be set up. All of these are the operator's to mend; the gateway keeps what it had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read, or is larger than 16 MiB.
    #[error("cannot read {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A file holds no object of the kind it is configured for.
    #[error("{path} holds no usable {expected}; accepted: PEM", path = path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        expected: &'static str,
    },
    /// A revocation list says no time of its next update, or was not issued by a configured authority.
    #[error("{path}: {problem}", path = path.display())]
    Crl {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// Certificate, key and authorities do not fit together.
    #[error("the certificate, key or authorities cannot be used together")]
    Refused(#[source] rustls::Error),
    /// The client authorities or revocation lists cannot be used.
    #[error("the client authorities or revocation lists cannot be used")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Refused(error)
    }
}

/// The lowest protocol version a listener accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Minimum {
    /// TLS 1.3 alone.
    #[default]
    Tls13,
    /// TLS 1.2 as well, where a partner's contract says so.
    Tls12,
}

static TLS13_ALONE: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];
static TLS12_TOO: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

impl Minimum {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Tls13 => &TLS13_ALONE,
            Self::Tls12 => &TLS12_TOO,
        }
    }
}

/// Files and terms of a listener.
#[derive(Debug, Clone)]
pub struct ServerTlsFiles {
    /// PEM certificate chain, the listener's own certificate first.
    pub certificate: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
    /// PEM certificates of the authorities whose clients are admitted.
    pub client_ca: PathBuf,
    /// PEM revocation lists of those authorities; `None` looks nobody up.
    pub crl: Option<PathBuf>,
    /// How long after its next update a list still admits, under alarm; zero refuses at once.
    pub crl_grace: Duration,
    /// Lowest protocol version.
    pub minimum: Minimum,
    /// Whether a client may come without a certificate: its requests then carry none, and are answered 401.
    pub anonymous: bool,
}

/// What the revocation lists allow at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrlState {
    /// There is no list, or it is current.
    Current,
    /// It is overdue within the owner's grace: admitted, with an alarm.
    Grace,
    /// It is overdue beyond the grace: nobody is admitted.
    Expired,
}

/// The state at `now` of a list whose next update was due at `next_update`. Both limits belong to the
/// milder state, as a list is current up to and including its next update (RFC 5280 section 5.1.2.5).
#[must_use]
pub fn crl_state(next_update: Timestamp, grace: Duration, now: Timestamp) -> CrlState {
    if now <= next_update {
        return CrlState::Current;
    }
    match next_update.checked_add(grace) {
        Ok(last) if now > last => CrlState::Expired,
        Ok(_) | Err(_) => CrlState::Grace,
    }
}

/// Why a connection was refused, in a closed list: metrics and the journal's summaries count by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// No client certificate.
    Missing,
    /// A certificate that no configured authority issued for clients.
    Untrusted,
    /// An expired or not yet valid certificate.
    Expired,
    /// A revoked certificate.
    Revoked,
    /// The revocation list is overdue beyond its grace, or there is none for the issuer.
    RevocationUnknown,
    /// The handshake took too long.
    Timeout,
    /// Too many connections or handshakes at once.
    Busy,
    /// Anything else: not TLS, no common version, broken off.
    Other,
}

impl Refusal {
    /// Every reason, in the order of their counters.
    pub const ALL: [Self; 8] =
        [Self::Missing, Self::Untrusted, Self::Expired, Self::Revoked, Self::RevocationUnknown, Self::Timeout, Self::Busy, Self::Other];

    /// The word used as metric label and in summaries.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Untrusted => "untrusted",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::RevocationUnknown => "revocation-unknown",
            Self::Timeout => "timeout",
            Self::Busy => "busy",
            Self::Other => "other",
        }
    }

    /// The reason behind a failed handshake.
    #[must_use]
    pub fn of_handshake(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::NoCertificatesPresented) => Self::Missing,
            Some(rustls::Error::InvalidCertificate(fault)) => Self::of_certificate(fault),
            _ => Self::Other,
        }
    }

    fn of_certificate(fault: &CertificateError) -> Self {
        use CertificateError as Fault;
        match fault {
            Fault::Expired | Fault::ExpiredContext { .. } | Fault::NotValidYet | Fault::NotValidYetContext { .. } => Self::Expired,
            Fault::Revoked => Self::Revoked,
            Fault::ExpiredRevocationList | Fault::ExpiredRevocationListContext { .. } | Fault::UnknownRevocationStatus => {
                Self::RevocationUnknown
            }
            // The list of faults grows with the library; every other one means that the chain does not hold.
            _ => Self::Untrusted,
        }
    }
}

/// A listener's TLS, made at once from its files: certificate, authorities and lists change together.
pub struct ServerTls {
    /// Looks clients up and insists on a current list.
    strict: Arc<ServerConfig>,
    /// Looks clients up in a list that may be overdue.
    lenient: Arc<ServerConfig>,
    /// As `strict`, without resumption: a resumed handshake looks nobody up, so a client that was
    /// admitted while the list was current would slip past its expiry.
    closed: Arc<ServerConfig>,
    /// When the first of the lists is due.
    next_update: Option<Timestamp>,
    grace: Duration,
    /// Digests of issuer and serial number of everything revoked.
    revoked: HashSet<[u8; 32]>,
    /// Digest of the client authorities.
    trust: [u8; 32],
    /// Whether a client may come without a certificate.
    anonymous: bool,
    /// The [`CrlState`] last told to the log, as a number.
    told: AtomicU8,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("next_update", &self.next_update).field("revoked", &self.revoked.len()).finish_non_exhaustive()
    }
}

impl ServerTls {
    /// Reads the files and builds the configuration. Blocking; a few milliseconds for ordinary lists.
    ///
    /// # Errors
    /// When a file cannot be read, does not hold what it should, or the parts do not fit together.
    pub fn load(files: &ServerTlsFiles) -> Result<Self, TlsError> {
        let authorities = certificates(&files.client_ca, "authority certificate")?;
        let lists = match &files.crl {
            Some(path) => Lists::read(path, &authorities)?,
            None => Lists::default(),
        };
        let chain = certificates(&files.certificate, "certificate")?;
        let key_bytes = read(&files.key)?;
        let key =
            PrivateKeyDer::from_pem_slice(&key_bytes).map_err(|_| TlsError::Pem { path: files.key.clone(), expected: "private key" })?;

        let roots = Arc::new(roots(&authorities)?);
        let build = |strict: bool, resume: bool| -> Result<Arc<ServerConfig>, TlsError> {
            let provider = provider();
            let mut verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).with_crls(lists.der.clone());
            if files.anonymous {
                verifier = verifier.allow_unauthenticated();
            }
            if strict {
                verifier = verifier.enforce_revocation_expiration();
            }
            let mut config = ServerConfig::builder_with_provider(provider)
                .with_protocol_versions(files.minimum.versions())?
                .with_client_cert_verifier(verifier.build()?)
                .with_single_cert(chain.clone(), key.clone_key())?;
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            config.require_ems = true;
            if !resume {
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
            }
            Ok(Arc::new(config))
        };
        Ok(Self {
            strict: build(true, true)?,
            lenient: build(false, true)?,
            closed: build(true, false)?,
            next_update: lists.next_update,
            grace: files.crl_grace,
            revoked: lists.revoked,
            trust: digest_of(authorities.iter().map(AsRef::as_ref)),
            anonymous: files.anonymous,
            told: AtomicU8::new(0),
        })
    }

    /// Whether a client may come without a certificate.
    #[must_use]
    pub fn admits_anonymous(&self) -> bool {
        self.anonymous
    }

    /// What the revocation lists allow at `now`.
    #[must_use]
    pub fn crl_state(&self, now: Timestamp) -> CrlState {
        self.next_update.map_or(CrlState::Current, |next_update| crl_state(next_update, self.grace, now))
    }

    /// The configuration for a handshake that begins at `now`.
    #[must_use]
    pub fn config(&self, now: Timestamp) -> Arc<ServerConfig> {
        match self.crl_state(now) {
            CrlState::Current => self.strict.clone(),
            CrlState::Grace => self.lenient.clone(),
            CrlState::Expired => self.closed.clone(),
        }
    }

    /// Whether a request at `now` may still be served on a connection that was admitted under `then`:
    /// TLS looks at a certificate once, this looks at it again.
    ///
    /// # Errors
    /// The reason why not: certificate expired or revoked since, list overdue, authority withdrawn.
    pub fn admits(&self, peer: &PeerCertificate, then: &Self, now: Timestamp) -> Result<(), Refusal> {
        if peer.expired(now) {
            return Err(Refusal::Expired);
        }
        if self.crl_state(now) == CrlState::Expired {
            return Err(Refusal::RevocationUnknown);
        }
        if self.trust != then.trust {
            return Err(Refusal::Untrusted);
        }
        if self.revoked.contains(&peer.revocation_key) {
            return Err(Refusal::Revoked);
        }
        Ok(())
    }

    /// Tells the alarm metric (`qovsaq_crl_expired`, 1 from the first moment a list is overdue) and, when
    /// the state has changed since the last call, the log.
    pub fn observe(&self, listener: &'static str, now: Timestamp) {
        let state = self.crl_state(now);
        let overdue = if state == CrlState::Current { 0.0 } else { 1.0 };
        metrics::gauge!("qovsaq_crl_expired", "listener" => listener).set(overdue);
        let number = match state {
            CrlState::Current => 0,
            CrlState::Grace => 1,
            CrlState::Expired => 2,
        };
        if self.told.swap(number, Ordering::Relaxed) == number {
            return;
        }
        let next_update = self.next_update.map(tracing::field::display);
        match state {
            CrlState::Current => tracing::info!(listener, "revocation list is current again"),
            CrlState::Grace => tracing::warn!(
                listener,
                crl.next_update = next_update,
                crl.grace_secs = self.grace.as_secs(),
                "revocation list is overdue: clients are admitted until its grace ends, replace it"
            ),
            CrlState::Expired => tracing::error!(
                listener,
                crl.next_update = next_update,
                "revocation list is overdue beyond its grace: every client is refused, replace it"
            ),
        }
    }
}

/// What the gateway knows of a client by its certificate, whose chain the handshake has verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// DNS names among the subject alternative names, in lower case, in the certificate's order.
    pub names: Vec<String>,
    /// Last moment of validity.
    pub not_after: Timestamp,
    /// Serial number in lower-case hex.
    pub serial: String,
    /// SHA-256 of the whole certificate.
    pub fingerprint: [u8; 32],
    /// Digest of issuer and serial number, what revocation lists name a certificate by.
    revocation_key: [u8; 32],
}

/// A certificate that TLS accepted but whose names or dates cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client's certificate cannot be read")]
pub struct UnreadableCertificate;

impl PeerCertificate {
    /// Reads a DER certificate.
    ///
    /// # Errors
    /// When it is not a certificate, repeats an extension, or carries more than 100 names.
    pub fn parse(der: &[u8]) -> Result<Self, UnreadableCertificate> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| UnreadableCertificate)?;
        let mut names = Vec::new();
        if let Some(extension) = certificate.subject_alternative_name().map_err(|_| UnreadableCertificate)? {
            if extension.value.general_names.len() > PEER_NAMES_MAX {
                return Err(UnreadableCertificate);
            }
            for name in &extension.value.general_names {
                if let GeneralName::DNSName(name) = name {
                    names.push(name.to_ascii_lowercase());
                }
            }
        }
        let not_after = Timestamp::from_second(certificate.validity().not_after.timestamp()).map_err(|_| UnreadableCertificate)?;
        Ok(Self {
            names,
            not_after,
            serial: certificate.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
            fingerprint: sha256(digest::digest(&digest::SHA256, der)),
            revocation_key: digest_of([certificate.issuer().as_raw(), certificate.raw_serial()]),
        })
    }

    /// Whether the certificate is past its last moment. Asked per request: a connection, or a resumed
    /// session, may outlive it.
    #[must_use]
    pub fn expired(&self, now: Timestamp) -> bool {
        now > self.not_after
    }
}

/// Files of a client's side of mutual TLS (`qovsaq ask`, tests).
#[derive(Debug, Clone)]
pub struct ClientTlsFiles {
    /// PEM certificates of the authorities whose servers are trusted; no other is.
    pub ca: PathBuf,
    /// PEM certificate and key to present; `None` presents none.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Builds a client's configuration: TLS 1.3, only the given authorities trusted. Protocols (ALPN) are
/// left to the HTTP client. Blocking.
///
/// # Errors
/// When a file cannot be read, does not hold what it should, or key and certificate differ.
pub fn client_config(files: &ClientTlsFiles) -> Result<ClientConfig, TlsError> {
    let roots = roots(&certificates(&files.ca, "authority certificate")?)?;
    let builder =
        ClientConfig::builder_with_provider(provider()).with_protocol_versions(Minimum::Tls13.versions())?.with_root_certificates(roots);
    let Some((certificate, key_path)) = &files.identity else { return Ok(builder.with_no_client_auth()) };
    let key =
        PrivateKeyDer::from_pem_slice(&read(key_path)?).map_err(|_| TlsError::Pem { path: key_path.clone(), expected: "private key" })?;
    Ok(builder.with_client_auth_cert(certificates(certificate, "certificate")?, key)?)
}

/// The one cryptographic provider; passed explicitly, so that no process-wide default is relied on.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Revocation lists, read.
#[derive(Default)]
struct Lists {
    der: Vec<CertificateRevocationListDer<'static>>,
    next_update: Option<Timestamp>,
    revoked: HashSet<[u8; 32]>,
}

impl Lists {
    /// Reads every list of a file. A list that nobody configured has signed would later refuse every
    /// client (TLS ignores it, and then knows nothing of them): better said here.
    fn read(path: &Path, authorities: &[CertificateDer<'static>]) -> Result<Self, TlsError> {
        let fault = |problem| TlsError::Crl { path: path.to_owned(), problem };
        let parsed_authorities: Vec<_> =
            authorities.iter().filter_map(|der| X509Certificate::from_der(der.as_ref()).ok()).map(|(_, certificate)| certificate).collect();
        let mut lists = Self::default();
        for der in CertificateRevocationListDer::pem_slice_iter(&read(path)?) {
            let der = der.map_err(|_| TlsError::Pem { path: path.to_owned(), expected: "revocation list" })?;
            let (_, list) = x509_parser::parse_x509_crl(der.as_ref()).map_err(|_| fault("not a revocation list"))?;
            let signed = parsed_authorities
                .iter()
                .any(|authority| authority.subject() == list.issuer() && list.verify_signature(authority.public_key()).is_ok());
            if !signed {
                return Err(fault("holds a list that none of the client authorities has signed"));
            }
            let next_update = list
                .next_update()
                .and_then(|at| Timestamp::from_second(at.timestamp()).ok())
                .ok_or_else(|| fault("holds a list that does not say when it is due"))?;
            lists.next_update = Some(lists.next_update.map_or(next_update, |first| first.min(next_update)));
            for entry in list.iter_revoked_certificates() {
                lists.revoked.insert(digest_of([list.issuer().as_raw(), entry.raw_serial()]));
            }
            drop(list);
            lists.der.push(der);
        }
        if lists.der.is_empty() {
            return Err(TlsError::Pem { path: path.to_owned(), expected: "revocation list" });
        }
        Ok(lists)
    }
}

/// SHA-256 over parts, each led by its length, so that parts cannot be shifted into one another.
fn digest_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        context.update(part);
    }
    sha256(context.finish())
}

fn sha256(digest: digest::Digest) -> [u8; 32] {
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn roots(authorities: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone())?;
    }
    Ok(roots)
}

fn certificates(path: &Path, expected: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fault = || TlsError::Pem { path: path.to_owned(), expected };
    let found: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?).collect::<Result<_, _>>().map_err(|_| fault())?;
    if found.is_empty() { Err(fault()) } else { Ok(found) }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let fault = |source| TlsError::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(fault)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(fault(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 16 MiB")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
