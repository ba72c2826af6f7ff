//! Certificates for the scripted server of the kit. Shared by the adapters' tests, by path.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each crate's tests use another part of it, so that an expectation is not always met"
)]

use std::ops::Deref;
use std::sync::Arc;

use adapter_core::kit;
pub use adapter_core::kit::{Reply, Seen};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// A certificate authority that lives as long as a test.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, both PEM.
#[derive(Clone)]
pub struct Issued {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("self-signed") }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub fn issue(&self, name: &str) -> Issued {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("name");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("root");
        Arc::new(roots)
    }
}

/// How the server is set up.
pub struct Setup {
    /// Name in the server's certificate.
    pub name: &'static str,
    /// Whether a client certificate of this authority is required.
    pub mutual: bool,
    pub version: &'static rustls::SupportedProtocolVersion,
}

impl Default for Setup {
    fn default() -> Self {
        Self { name: "localhost", mutual: true, version: &rustls::version::TLS13 }
    }
}

/// A server's TLS configuration, for tests that speak another protocol above it.
pub fn server_config(authority: &Authority, setup: &Setup) -> ServerConfig {
    let issued = authority.issue(setup.name);
    let chain = vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).expect("certificate")];
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&[setup.version]).expect("versions");
    let builder = if setup.mutual {
        let verifier = WebPkiClientVerifier::builder_with_provider(authority.roots(), provider).build().expect("verifier");
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    builder.with_single_cert(chain, key).expect("server certificate")
}

/// A scripted server with a certificate of a test's authority.
#[derive(Debug)]
pub struct Server(kit::Server);

impl Deref for Server {
    type Target = kit::Server;

    fn deref(&self) -> &kit::Server {
        &self.0
    }
}

impl Server {
    pub async fn start(authority: &Authority, script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(authority, &Setup::default(), script).await
    }

    pub async fn start_with(authority: &Authority, setup: &Setup, script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self(kit::Server::start(Arc::new(server_config(authority, setup)), script).await.expect("a port"))
    }
}

/// Waits until a condition holds; the test runner's own limit ends a wait that never does.
pub async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

/// Tries every law of calls on an adapter: `adapter` makes it over a transport to an address, with the roots and
/// the certificate that are given.
pub async fn check_laws(
    adapter: impl Fn(&str, String, Issued) -> Arc<dyn adapter_core::Call>,
    question: adapter_core::Question,
    answer: fn(&Seen) -> (String, Vec<u8>),
) {
    let broken = laws_broken(adapter, question, answer, kit::Law::ALL).await;
    let told: Vec<String> = broken.iter().map(|broken| format!("{} It does not: {}", broken.law.says(), broken.why)).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

/// The laws of these that an adapter does not keep.
pub async fn laws_broken(
    adapter: impl Fn(&str, String, Issued) -> Arc<dyn adapter_core::Call>,
    question: adapter_core::Question,
    answer: fn(&Seen) -> (String, Vec<u8>),
    laws: &[kit::Law],
) -> Vec<kit::Broken> {
    let (authority, foreign) = (Authority::new("test authority"), Authority::new("another authority"));
    let client = authority.issue("gateway.test");
    // The foreign source admits our certificate, so that its own is all that is wrong.
    let other = {
        let issued = foreign.issue("localhost");
        let chain = vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).expect("certificate")];
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(authority.roots(), Arc::clone(&provider)).build().expect("verifier");
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]).expect("versions");
        builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).expect("server certificate")
    };
    let trial = kit::Trial {
        tls: Arc::new(server_config(&authority, &Setup::default())),
        foreign: Arc::new(other),
        adapter: &|url: &str| adapter(url, authority.pem(), client.clone()),
        question,
        identifier: "5K7QX2O",
        answer,
    };
    trial.run(laws).await
}
