//! A certificate authority, an agency and a caller, for one test each.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use mock_agencies::{AgencyCode, AgencyOptions, Latency, Personas, Running, ServerTls, start};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::Client;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate with its key, as PEM.
pub(crate) struct Identity {
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
}

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("key")).expect("certificate"))
    }

    pub(crate) fn issue(&self) -> Identity {
        let key = KeyPair::generate().expect("key");
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("names");
        let certificate_pem = params.signed_by(&key, &self.0).expect("certificate").pem();
        Identity { certificate_pem, key_pem: key.serialize_pem() }
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A caller over HTTP/1.1 that trusts this authority, and shows a certificate or none.
    pub(crate) fn client(&self, identity: Option<&Identity>) -> Client {
        self.client_speaking(&["http/1.1"], identity)
    }

    /// The same with the protocols it offers.
    pub(crate) fn client_speaking(&self, protocols: &[&str], identity: Option<&Identity>) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem().as_bytes()).expect("pem")).expect("root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = vec![CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).expect("pem")];
                let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).expect("key");
                builder.with_client_auth_cert(chain, key).expect("identity")
            }
        };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Client::builder().tls_backend_preconfigured(config).no_proxy().timeout(Duration::from_secs(30)).build().expect("client")
    }
}

/// An agency that runs, and a caller it accepts.
pub(crate) struct World {
    pub(crate) authority: Authority,
    pub(crate) agency: Running,
    pub(crate) client: Client,
}

impl World {
    pub(crate) async fn new(code: AgencyCode) -> Self {
        let authority = Authority::new();
        let agency = start(options(code, &authority)).await.expect("starts");
        let client = authority.client(Some(&authority.issue()));
        Self { authority, agency, client }
    }

    pub(crate) fn url(&self, path_and_query: &str) -> String {
        format!("https://{}{path_and_query}", self.agency.address)
    }

    pub(crate) fn control_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.agency.control_address)
    }

    pub(crate) fn fault(&self, fault: &str) {
        self.agency.set_fault(self.agency.code().services()[0], fault, Some(1)).expect("accepted");
    }
}

pub(crate) fn options(code: AgencyCode, authority: &Authority) -> AgencyOptions {
    let own = authority.issue();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    AgencyOptions {
        code,
        instance: None,
        address: any,
        control: any,
        tls: ServerTls { certificate_pem: own.certificate_pem, key_pem: own.key_pem, client_ca_pem: authority.pem() },
        latency: Latency::None,
        personas: Personas::embedded(),
    }
}

/// What a caller got.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: String,
}

pub(crate) async fn got(request: reqwest::RequestBuilder) -> Got {
    let response = request.send().await.expect("answered");
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().expect("ascii").to_owned());
    Got {
        status: response.status().as_u16(),
        content_type: header("content-type").unwrap_or_default(),
        retry_after: header("retry-after"),
        body: String::from_utf8(whole(response).await).expect("text"),
    }
}

/// A whole body, bounded as the gateway's own readers are.
pub(crate) async fn whole(response: reqwest::Response) -> Vec<u8> {
    let mut out = Vec::new();
    let mut body = response.bytes_stream();
    while let Some(bytes) = body.next().await {
        out.extend_from_slice(&bytes.expect("a body that ends"));
        assert!(out.len() <= 8 * 1024 * 1024, "no answer of these tests is that long");
    }
    out
}

/// The text of each element of this name, whatever its prefix; enough for answers this crate writes.
pub(crate) fn texts<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let opens = |tag: &str| !tag.starts_with('/') && tag.split([' ', '>']).next().is_some_and(|tag| tag.rsplit(':').next() == Some(name));
    xml.split('<').filter(|tag| opens(tag)).filter_map(|tag| tag.split_once('>').map(|(_, text)| text)).collect()
}
