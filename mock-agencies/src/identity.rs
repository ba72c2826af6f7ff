//! The identity provider of officials: a small OpenID Connect provider over TLS, with discovery, a key set that
//! changes, and a token endpoint; faults on demand.
//!
//! Whom it believes is simple on purpose. A consumer proves itself to the token endpoint by its registered client
//! certificate (RFC 8705, section 2.2), to which the assertion is then bound (section 3). With `client_credentials` it
//! says itself which official is logged in and how (`official`, `acr_values`: ours, no standard has them); with
//! `authorization_code` and PKCE (RFC 7636) the browser's `login_hint` does, for there is no log-in page.
//!
//! It signs with its own few lines rather than with the library that the gateway verifies with, so that the two cannot
//! agree on the same mistake.

mod control;
mod serve;
mod tokens;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::tokens::Code;

/// What assertions are for: the gateway.
pub const IDENTITY_AUDIENCE: &str = "qovsaq";
/// The claim with the official's number.
pub const IDENTITY_OFFICIAL_CLAIM: &str = "employee_number";
/// How long an assertion lives, in seconds.
const LIFE_SECS: i64 = 600;

/// What can be asked of it, as faults and counts name it.
const ENDPOINTS: [&str; 4] = ["discovery", "keys", "authorize", "token"];

/// How it signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA over P-256 with SHA-256.
    Es256,
}

/// What goes wrong on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Hang,
    Error,
    Malformed,
    Oversize,
    Redirect,
    WrongIssuer,
    NoKeys,
    Down,
}

impl Fault {
    const ALL: [(Self, &'static str, &'static str); 8] = [
        (Self::Hang, "hang", "never answers"),
        (Self::Error, "error", "answers 500"),
        (Self::Malformed, "malformed", "answers JSON that is cut off"),
        (Self::Oversize, "oversize", "answers with two megabytes"),
        (Self::Redirect, "redirect", "points at another address, where the right answer stands"),
        (Self::WrongIssuer, "wrong-issuer", "discovery names another issuer"),
        (Self::NoKeys, "no-keys", "the key set is empty"),
        (Self::Down, "down", "closes every connection at once, whatever is asked"),
    ];
}

/// A fault that is not set: says what is accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such endpoint or fault; accepted endpoints: {endpoints}; accepted faults: {faults}")]
pub struct IdentityFaultRefused {
    endpoints: String,
    faults: String,
}

/// What to start.
#[derive(Clone)]
pub struct IdentityOptions {
    /// Where it listens; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Where its control endpoint listens: loopback only, plain HTTP; port 0 lets the system choose.
    pub control: SocketAddr,
    /// Its certificates. Callers may come without one; only the token endpoint wants it.
    pub tls: crate::ServerTls,
    /// Who may have assertions: client ids, which are consumers' codes, and their registered certificates (PEM).
    pub clients: BTreeMap<String, String>,
}

impl fmt::Debug for IdentityOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityOptions").field("address", &self.address).field("clients", &self.clients.keys()).finish_non_exhaustive()
    }
}

/// A running identity provider. Dropping it ends it.
#[derive(Debug)]
pub struct IdentityProvider {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its control endpoint listens.
    pub control_address: SocketAddr,
    state: Arc<State>,
    /// Its drop is the signal to end.
    stop: watch::Sender<()>,
    tasks: [JoinHandle<()>; 2],
}

/// What all its connections share.
struct State {
    issuer: String,
    /// Client ids by the SHA-256 of their certificates.
    clients: HashMap<[u8; 32], String>,
    /// The newest signs; those before it are still published.
    keys: Mutex<Vec<Key>>,
    codes: Mutex<HashMap<String, Code>>,
    /// By endpoint: the fault, and how often it will still be committed.
    faults: Mutex<BTreeMap<&'static str, (Fault, Option<u32>)>>,
    calls: [AtomicU64; ENDPOINTS.len()],
    /// Numbers keys.
    made: AtomicU64,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

struct Key {
    kid: String,
    pair: Pair,
}

enum Pair {
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the identity provider and its control endpoint. Needs a tokio runtime.
///
/// # Errors
/// When an address cannot be listened on, the control address is not loopback, or a PEM text is not what it should be.
pub async fn start_identity_provider(options: IdentityOptions) -> io::Result<IdentityProvider> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what);
    if !options.control.ip().is_loopback() {
        return Err(invalid("the control endpoint listens on loopback only"));
    }
    let tls = serve::server_config(&options.tls).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let mut clients = HashMap::new();
    for (id, certificate) in &options.clients {
        let fingerprint = serve::fingerprint_of_pem(certificate).ok_or_else(|| invalid("a client's certificate is not PEM"))?;
        clients.insert(fingerprint, id.clone());
    }
    let listener = TcpListener::bind(options.address).await?;
    let control = TcpListener::bind(options.control).await?;
    let (address, control_address) = (listener.local_addr()?, control.local_addr()?);
    let state = Arc::new(State {
        issuer: format!("https://{address}"),
        clients,
        keys: Mutex::default(),
        codes: Mutex::default(),
        faults: Mutex::default(),
        calls: Default::default(),
        made: AtomicU64::new(0),
    });
    state.rotate(SigningAlgorithm::EdDsa, true).map_err(invalid)?;
    let (stop, stopped) = watch::channel(());
    let tasks = [
        tokio::spawn(serve::accept(listener, tls, Arc::clone(&state), stopped.clone())),
        tokio::spawn(control::serve(control, Arc::clone(&state), stopped)),
    ];
    tracing::info!(%address, control.address = %control_address, "mock identity provider started");
    Ok(IdentityProvider { address, control_address, state, stop, tasks })
}

impl IdentityProvider {
    /// Its name, and the address that its endpoints stand below.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.state.issuer
    }

    /// The claims of an assertion that it would issue now: for this client about this official, at a level (`low`,
    /// `substantial`, `high`), bound to no certificate.
    #[must_use]
    pub fn claims(&self, client: &str, official: &str, level: &str) -> Json {
        self.state.claims(client, official, &tokens::acr_of(level), None)
    }

    /// Signs any claims with its newest key, as an assertion.
    #[must_use]
    pub fn sign(&self, claims: &Json) -> String {
        self.state.sign(claims, |_| {})
    }

    /// The same with a changed header.
    #[must_use]
    pub fn sign_with(&self, claims: &Json, change: impl FnOnce(&mut Json)) -> String {
        self.state.sign(claims, change)
    }

    /// Its published keys.
    #[must_use]
    pub fn key_set(&self) -> Json {
        self.state.key_set()
    }

    /// Signs with a new key from now on. The older ones stay published, unless they are retired.
    ///
    /// # Panics
    /// When the system has no randomness.
    pub fn rotate(&self, algorithm: SigningAlgorithm, retire: bool) {
        self.state.rotate(algorithm, retire).expect("the system has randomness");
    }

    /// Sets a fault of an endpoint, as `PUT /faults` does: for `times` requests, or until cleared.
    ///
    /// # Errors
    /// When there is none such; says what is accepted.
    pub fn set_fault(&self, endpoint: &str, fault: &str, times: Option<u32>) -> Result<(), IdentityFaultRefused> {
        self.state.set_fault(endpoint, fault, times)
    }

    /// Clears every fault.
    pub fn clear_faults(&self) {
        lock(&self.state.faults).clear();
    }

    /// How many requests an endpoint has had; none where there is no such endpoint.
    #[must_use]
    pub fn calls(&self, endpoint: &str) -> Option<u64> {
        self.state.calls().get(endpoint).copied()
    }

    /// Ends it.
    pub async fn shutdown(self) {
        let Self { stop, tasks, .. } = self;
        drop(stop);
        for task in tasks {
            if let Err(error) = task.await {
                tracing::warn!(%error, "mock identity provider task failed");
            }
        }
    }
}

impl State {
    fn rotate(&self, algorithm: SigningAlgorithm, retire: bool) -> Result<(), &'static str> {
        let random = SystemRandom::new();
        let failed = |_| "a key cannot be made";
        let pair = match algorithm {
            SigningAlgorithm::EdDsa => Pair::EdDsa(Ed25519KeyPair::generate().map_err(failed)?),
            SigningAlgorithm::Es256 => {
                let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(failed)?;
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref());
                Pair::Es256(pair.map_err(|_| "a key cannot be read")?)
            }
        };
        // Not of this process alone: a gateway may outlive it.
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        let kid = format!("{}-{number}", Timestamp::now().as_millisecond());
        let mut keys = lock(&self.keys);
        if retire {
            keys.clear();
        }
        keys.push(Key { kid, pair });
        Ok(())
    }

    fn key_set(&self) -> Json {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let keys: Vec<Json> = lock(&self.keys)
            .iter()
            .map(|key| match &key.pair {
                Pair::EdDsa(pair) => {
                    json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key.kid, "x": encode(pair.public_key().as_ref())})
                }
                // An uncompressed point: 04, x, y.
                Pair::Es256(pair) => {
                    let point = pair.public_key().as_ref();
                    json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": key.kid,
                           "x": encode(&point[1..33]), "y": encode(&point[33..])})
                }
            })
            .collect();
        json!({"keys": keys})
    }

    fn sign(&self, claims: &Json, change: impl FnOnce(&mut Json)) -> String {
        let keys = lock(&self.keys);
        let Some(key) = keys.last() else { return String::new() };
        let algorithm = match &key.pair {
            Pair::EdDsa(_) => "EdDSA",
            Pair::Es256(_) => "ES256",
        };
        let mut header = json!({"alg": algorithm, "kid": key.kid, "typ": "JWT"});
        change(&mut header);
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let message = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let signature = match &key.pair {
            Pair::EdDsa(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
            Pair::Es256(pair) => {
                pair.sign(&SystemRandom::new(), message.as_bytes()).map(|signature| signature.as_ref().to_vec()).unwrap_or_default()
            }
        };
        format!("{message}.{}", encode(&signature))
    }

    fn claims(&self, client: &str, official: &str, acr: &str, certificate: Option<&[u8; 32]>) -> Json {
        let now = Timestamp::now().as_second();
        let subject = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, official.as_bytes());
        let mut claims = json!({
            "iss": self.issuer, "sub": URL_SAFE_NO_PAD.encode(&subject.as_ref()[..12]), "aud": IDENTITY_AUDIENCE, "azp": client,
            "iat": now, "nbf": now, "exp": now + LIFE_SECS, "jti": uuid::Uuid::new_v4().to_string(), "acr": acr,
            IDENTITY_OFFICIAL_CLAIM: official,
        });
        if let Some(certificate) = certificate {
            claims["cnf"] = json!({"x5t#S256": URL_SAFE_NO_PAD.encode(certificate)});
        }
        claims
    }

    fn set_fault(&self, endpoint: &str, fault: &str, times: Option<u32>) -> Result<(), IdentityFaultRefused> {
        let endpoint = ENDPOINTS.into_iter().find(|known| *known == endpoint);
        let fault = Fault::ALL.into_iter().find(|(_, name, _)| *name == fault);
        let (Some(endpoint), Some((fault, _, _))) = (endpoint, fault) else {
            let faults: Vec<&str> = Fault::ALL.iter().map(|(_, name, _)| *name).collect();
            return Err(IdentityFaultRefused { endpoints: ENDPOINTS.join(", "), faults: faults.join(", ") });
        };
        lock(&self.faults).insert(endpoint, (fault, times));
        Ok(())
    }

    /// The fault to commit at this request of an endpoint.
    fn take_fault(&self, endpoint: &str) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let (fault, times) = faults.get_mut(endpoint)?;
        let fault = *fault;
        match times {
            None => {}
            Some(0 | 1) => drop(faults.remove(endpoint)),
            Some(times) => *times -= 1,
        }
        Some(fault)
    }

    /// Whether it is down, whatever is asked.
    fn is_down(&self) -> bool {
        lock(&self.faults).values().any(|(fault, _)| *fault == Fault::Down)
    }

    fn calls(&self) -> BTreeMap<&'static str, u64> {
        ENDPOINTS.into_iter().zip(self.calls.iter().map(|count| count.load(Ordering::Relaxed))).collect()
    }

    fn count(&self, endpoint: &str) {
        if let Some(place) = ENDPOINTS.iter().position(|known| *known == endpoint) {
            self.calls[place].fetch_add(1, Ordering::Relaxed);
        }
    }
}
