//! Development and test certificates: a small authority in one folder (`qovsaq pki …`, `qovsaq demo`, tests).
//!
//! Production certificates come from the state's own authority; this one exists so that mutual TLS is
//! real from the first minute. The folder holds `ca.pem` and `ca.key`, `crl.pem`, `index.json` (what was
//! issued), and `NAME.pem` with `NAME.key` per certificate. Keys are ECDSA P-256, readable by their
//! owner alone. Every file is replaced as a whole (written beside, flushed, renamed), so a reader never
//! meets half of one, and a certificate stands in the index before its file exists: what cannot be
//! revoked was never handed out.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, RevocationReason, RevokedCertParams, SerialNumber,
};
use serde::{Deserialize, Serialize};

/// How long a revocation list is current unless said otherwise: 7 days.
pub const CRL_VALIDITY: Duration = Duration::from_secs(7 * 86_400);
/// How long a certificate is good unless said otherwise: 397 days.
pub const LEAF_VALIDITY: Duration = Duration::from_secs(397 * 86_400);
/// How long the authority itself is good: ten years.
const CA_VALIDITY: Duration = Duration::from_secs(3_653 * 86_400);
/// Certificates start this long before they are issued, so that a peer whose clock is late accepts them.
const BACKDATE: Duration = Duration::from_secs(300);
/// Most certificates one index holds: enough for any test, small enough to rewrite at each change.
const CERTIFICATES_MAX: usize = 10_000;
/// Most names one certificate carries.
const NAMES_MAX: usize = 100;
/// Bytes of a random serial number (RFC 5280 section 4.1.2.2 allows 20).
const SERIAL_BYTES: usize = 16;

/// A moment as rcgen writes it, to the second, as ASN.1 has no smaller unit here. A macro, because the
/// library does not name its time type; moments before 1970 count as 1970.
macro_rules! asn1 {
    ($at:expr) => {
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from($at.as_second()).unwrap_or(0))
    };
}

/// Why the authority could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file could not be read or written; the path and the system's reason tell what to mend.
    #[error("cannot {action} {path}", path = path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The folder already holds an authority; it is never overwritten.
    #[error("{path} already holds an authority; choose another folder or remove this one", path = .0.display())]
    Exists(PathBuf),
    /// The folder holds no authority yet.
    #[error("{path} holds no authority; make one with `qovsaq pki init`", path = .0.display())]
    Missing(PathBuf),
    /// The index was changed by hand or comes from another version.
    #[error("{path} is not an index this version reads", path = path.display())]
    Index {
        /// The index file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A name that cannot be a file name or a DNS name here.
    #[error("not an acceptable name: {name:?}; accepted: {accepted}")]
    Name {
        /// The name as given.
        name: String,
        /// The rule.
        accepted: &'static str,
    },
    /// No certificate of this name or serial number was issued.
    #[error("no certificate is named or numbered {0:?}; `qovsaq pki list` shows those there are")]
    Unknown(String),
    /// A validity that ends before it begins.
    #[error("a certificate or revocation list must end after it begins")]
    Validity,
    /// The index is full: start a new authority.
    #[error("this authority has issued {CERTIFICATES_MAX} certificates; start a new one in another folder")]
    Full,
    /// A key or certificate could not be made or read.
    #[error("cannot make or read a key or certificate")]
    Certificate(#[from] rcgen::Error),
}

/// The time in which a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First moment.
    pub from: Timestamp,
    /// Last moment.
    pub until: Timestamp,
}

impl Validity {
    /// From a little before `now` for the given time.
    #[must_use]
    pub fn starting(now: Timestamp, lasts: Duration) -> Self {
        Self { from: earlier(now, BACKDATE), until: later(now, lasts) }
    }

    /// A day long, and over an hour ago: for tests of refusal.
    #[must_use]
    pub fn expired(now: Timestamp) -> Self {
        Self { from: earlier(now, Duration::from_secs(86_400)), until: earlier(now, Duration::from_secs(3_600)) }
    }
}

/// What a certificate may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Usage {
    /// TLS server authentication (gateway listeners, mock agencies).
    Server,
    /// TLS client authentication (subsystems, agencies, the gateway towards an agency).
    Client,
}

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// PEM certificate (one; the authority signs directly).
    pub certificate: PathBuf,
    /// PEM private key (PKCS #8), mode 0600.
    pub key: PathBuf,
    /// Serial number in lower-case hex.
    pub serial: String,
}

/// One line of the index: a certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Serial number in lower-case hex.
    pub serial: String,
    /// The name its files carry.
    pub name: String,
    /// What it is for.
    pub usage: Usage,
    /// DNS names and addresses in its subject alternative names.
    pub names: Vec<String>,
    /// First moment of validity.
    pub from: Timestamp,
    /// Last moment of validity.
    pub until: Timestamp,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// What `index.json` holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    version: u8,
    crl_number: u64,
    crl_seconds: u64,
    certificates: Vec<Entry>,
}

/// A certificate authority in a folder. One process at a time has it (a second one waits at the lock file
/// until this value is dropped, so drop it early); its files may be read by anybody the folder's permissions admit.
#[derive(Debug)]
pub struct Authority {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    index: Index,
    /// Held for as long as this value lives.
    _lock: File,
}

impl Authority {
    /// Makes a new authority named `name` in `dir` (created when missing), with an empty revocation list
    /// current for `crl_validity` from `now`.
    ///
    /// # Errors
    /// When the folder already holds one or cannot be written.
    pub fn init(dir: &Path, name: &str, crl_validity: Duration, now: Timestamp) -> Result<Self, PkiError> {
        if name.is_empty() || name.len() > 64 {
            return Err(PkiError::Name { name: name.to_owned(), accepted: "1 to 64 bytes" });
        }
        fs::create_dir_all(dir).map_err(|source| PkiError::File { action: "create", path: dir.to_owned(), source })?;
        let lock = lock(dir)?;
        let certificate_path = dir.join("ca.pem");
        if certificate_path.exists() {
            return Err(PkiError::Exists(dir.to_owned()));
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(random_serial());
        let validity = Validity::starting(now, CA_VALIDITY);
        (params.not_before, params.not_after) = (asn1!(validity.from), asn1!(validity.until));
        let certificate = params.self_signed(&key)?;
        write_whole(&dir.join("ca.key"), key.serialize_pem().as_bytes(), 0o600)?;
        let index = Index { version: 1, crl_number: 0, crl_seconds: crl_validity.as_secs(), certificates: Vec::new() };
        let mut authority = Self { dir: dir.to_owned(), issuer: Issuer::new(params, key), index, _lock: lock };
        authority.write_index_and_crl(now)?;
        // The certificate is written last: with it the authority exists, without it `init` starts afresh.
        write_whole(&certificate_path, certificate.pem().as_bytes(), 0o644)?;
        Ok(authority)
    }

    /// Opens the authority in `dir`.
    ///
    /// # Errors
    /// When there is none, or a file cannot be read or is damaged.
    pub fn open(dir: &Path) -> Result<Self, PkiError> {
        let certificate_path = dir.join("ca.pem");
        if !certificate_path.exists() {
            return Err(PkiError::Missing(dir.to_owned()));
        }
        let lock = lock(dir)?;
        let key = KeyPair::from_pem(&read(&dir.join("ca.key"))?)?;
        let issuer = Issuer::from_ca_cert_pem(&read(&certificate_path)?, key)?;
        let index_path = dir.join("index.json");
        let index: Index =
            serde_json::from_str(&read(&index_path)?).map_err(|source| PkiError::Index { path: index_path.clone(), source })?;
        if index.version != 1 {
            let source = serde::de::Error::custom(format!("version {} instead of 1", index.version));
            return Err(PkiError::Index { path: index_path, source });
        }
        Ok(Self { dir: dir.to_owned(), issuer, index, _lock: lock })
    }

    /// The authority's own certificate, what peers trust.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// The revocation list.
    #[must_use]
    pub fn crl(&self) -> PathBuf {
        self.dir.join("crl.pem")
    }

    /// Issues a server certificate into `NAME.pem` and `NAME.key`, replacing what stood there; `names`
    /// are DNS names or IP addresses.
    ///
    /// # Errors
    /// When a name is not acceptable, the validity is empty, or a file cannot be written.
    pub fn issue_server(&mut self, name: &str, names: &[&str], validity: Validity, now: Timestamp) -> Result<Issued, PkiError> {
        self.issue(Usage::Server, name, names, validity, now)
    }

    /// Issues a client certificate; see [`Self::issue_server`]. Its first DNS name is what the gateway
    /// knows a consumer by.
    ///
    /// # Errors
    /// As [`Self::issue_server`].
    pub fn issue_client(&mut self, name: &str, names: &[&str], validity: Validity, now: Timestamp) -> Result<Issued, PkiError> {
        self.issue(Usage::Client, name, names, validity, now)
    }

    /// Revokes the certificate with this serial number, or every one of this name, and re-writes the
    /// revocation list; returns the serial numbers newly revoked. Repeated, it revokes nothing more but
    /// re-writes the list again, which mends a crash between the two.
    ///
    /// # Errors
    /// When no such certificate was issued, or a file cannot be written.
    pub fn revoke(&mut self, serial_or_name: &str, now: Timestamp) -> Result<Vec<String>, PkiError> {
        let mut known = false;
        let mut revoked = Vec::new();
        for entry in self.index.certificates.iter_mut().filter(|entry| entry.serial == serial_or_name || entry.name == serial_or_name) {
            known = true;
            if entry.revoked_at.is_none() {
                entry.revoked_at = Some(now);
                revoked.push(entry.serial.clone());
            }
        }
        if !known {
            return Err(PkiError::Unknown(serial_or_name.to_owned()));
        }
        self.write_index_and_crl(now)?;
        Ok(revoked)
    }

    /// Re-writes the revocation list as of `now`, current for `validity` from then on.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn renew_crl(&mut self, validity: Duration, now: Timestamp) -> Result<(), PkiError> {
        self.index.crl_seconds = validity.as_secs();
        self.write_index_and_crl(now)
    }

    /// What was issued, oldest first.
    #[must_use]
    pub fn list(&self) -> &[Entry] {
        &self.index.certificates
    }

    fn issue(&mut self, usage: Usage, name: &str, names: &[&str], validity: Validity, now: Timestamp) -> Result<Issued, PkiError> {
        check_file_name(name)?;
        if names.is_empty() || names.len() > NAMES_MAX {
            return Err(PkiError::Name { name: name.to_owned(), accepted: "1 to 100 DNS names or addresses" });
        }
        if validity.until <= validity.from {
            return Err(PkiError::Validity);
        }
        if self.index.certificates.len() >= CERTIFICATES_MAX {
            return Err(PkiError::Full);
        }
        let names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        let mut params = CertificateParams::new(names.clone())?;
        params.distinguished_name = common_name(name);
        (params.not_before, params.not_after) = (asn1!(validity.from), asn1!(validity.until));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match usage {
            Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        params.use_authority_key_identifier_extension = true;
        let serial = random_serial();
        let serial_hex = hex(&serial.to_bytes());
        params.serial_number = Some(serial);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.signed_by(&key, &self.issuer)?;

        self.index.certificates.push(Entry {
            serial: serial_hex.clone(),
            name: name.to_owned(),
            usage,
            names,
            from: validity.from,
            until: validity.until,
            revoked_at: None,
        });
        self.write_index_and_crl(now)?;
        let issued =
            Issued { certificate: self.dir.join(format!("{name}.pem")), key: self.dir.join(format!("{name}.key")), serial: serial_hex };
        // Two files cannot change as one: a reader between the two renames finds a key that does not fit
        // its certificate, refuses the pair and keeps what it had.
        write_whole(&issued.key, key.serialize_pem().as_bytes(), 0o600)?;
        write_whole(&issued.certificate, certificate.pem().as_bytes(), 0o644)?;
        Ok(issued)
    }

    fn write_index(&self) -> Result<(), PkiError> {
        let path = self.dir.join("index.json");
        let mut text = serde_json::to_vec_pretty(&self.index).map_err(|source| PkiError::Index { path: path.clone(), source })?;
        text.push(b'\n');
        write_whole(&path, &text, 0o644)
    }

    /// Index first: a certificate that is in force, or a number that a list carries, is always in it.
    fn write_index_and_crl(&mut self, now: Timestamp) -> Result<(), PkiError> {
        // The number rises before the list is signed with it (RFC 5280 section 5.2.3: never used twice).
        self.index.crl_number += 1;
        self.write_index()?;
        let revoked = self.index.certificates.iter().filter_map(|entry| Some((entry, entry.revoked_at?)));
        let params = CertificateRevocationListParams {
            this_update: asn1!(now),
            next_update: asn1!(later(now, Duration::from_secs(self.index.crl_seconds))),
            crl_number: SerialNumber::from(self.index.crl_number),
            issuing_distribution_point: None,
            revoked_certs: revoked
                .map(|(entry, at)| RevokedCertParams {
                    serial_number: SerialNumber::from_slice(&unhex(&entry.serial)),
                    revocation_time: asn1!(at),
                    reason_code: Some(RevocationReason::CessationOfOperation),
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        write_whole(&self.crl(), params.signed_by(&self.issuer)?.pem()?.as_bytes(), 0o644)
    }
}

/// File names that are the authority's own.
const RESERVED: [&str; 3] = ["ca", "crl", "index"];

fn check_file_name(name: &str) -> Result<(), PkiError> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let formed = (1..=64).contains(&name.len()) && name.bytes().all(inner) && !name.starts_with(['.', '-']);
    if formed && !RESERVED.contains(&name) {
        return Ok(());
    }
    Err(PkiError::Name {
        name: name.to_owned(),
        accepted: "1 to 64 letters, digits, '-', '_' or '.', neither starting with '.' or '-' nor ca, crl or index",
    })
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn random_serial() -> SerialNumber {
    let mut bytes = [0_u8; SERIAL_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random bytes");
    // Positive and of fixed length: DER then neither adds nor drops a byte, so the text form is one.
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    SerialNumber::from_slice(&bytes)
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string succeeds");
        text
    })
}

/// The bytes of a text that [`hex`] made; a digit it cannot have made counts as zero.
fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(0);
    text.as_bytes().chunks(2).map(|pair| pair.iter().fold(0, |byte, next| (byte << 4) | digit(*next))).collect()
}

/// Takes the folder for this process until the file is dropped; waits for another one to finish.
fn lock(dir: &Path) -> Result<File, PkiError> {
    let path = dir.join("index.lock");
    let fault = |source| PkiError::File { action: "lock", path: path.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(fault)?;
    file.lock().map_err(fault)?;
    Ok(file)
}

fn read(path: &Path) -> Result<String, PkiError> {
    fs::read_to_string(path).map_err(|source| PkiError::File { action: "read", path: path.to_owned(), source })
}

/// Replaces a file as a whole: written beside under a passing name, flushed, renamed, folder flushed.
/// After a crash at any step the old file stands, or the new one; a left-over `.tmp` is overwritten next time.
fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> Result<(), PkiError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    let beside = PathBuf::from(beside);
    let fault = |source| PkiError::File { action: "write", path: path.to_owned(), source };
    // Removed first, so that the mode below holds even where an old left-over had another.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(error)),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(mode).open(&beside).map_err(fault)?;
    file.write_all(bytes).map_err(fault)?;
    file.sync_all().map_err(fault)?;
    fs::rename(&beside, path).map_err(fault)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(fault)
}

#[cfg(test)]
mod tests;
