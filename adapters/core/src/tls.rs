//! TLS towards a provider: one provider of cryptography, only the given roots, our certificate.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, NamedGroup, RootCertStore};
use zeroize::Zeroizing;

use crate::transport::TransportError;

/// Our certificate chain and key towards one provider. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    certificate_pem: Vec<u8>,
    key_pem: Zeroizing<Vec<u8>>,
}

impl Identity {
    /// From PEM texts: the chain with our own certificate first, and its private key (PKCS#8, SEC 1
    /// or PKCS#1). They are read when the identity is put to use.
    #[must_use]
    pub fn new(certificate_pem: impl Into<Vec<u8>>, key_pem: impl Into<Vec<u8>>) -> Self {
        Self { certificate_pem: certificate_pem.into(), key_pem: Zeroizing::new(key_pem.into()) }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

/// Accepted TLS versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsVersions {
    /// TLS 1.3 only.
    #[default]
    Tls13,
    /// Also TLS 1.2, where a partner's contract says so.
    Tls12And13,
}

/// Reads trust roots.
pub(crate) fn roots(pem: &[u8]) -> Result<Arc<RootCertStore>, TransportError> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        store.add(certificate.map_err(|_| TransportError::Roots)?).map_err(|_| TransportError::Roots)?;
    }
    if store.is_empty() { Err(TransportError::Roots) } else { Ok(Arc::new(store)) }
}

/// A client configuration with a session store of its own: a ticket got under one identity is never
/// used under the next.
pub(crate) fn client_config(
    roots: Arc<RootCertStore>,
    identity: Option<&Identity>,
    versions: TlsVersions,
    alpn: &[&[u8]],
    tickets_max: usize,
) -> Result<ClientConfig, TransportError> {
    // The provider is passed by hand, so that no process-wide default has to be installed first.
    // Its first key exchange is X25519MLKEM768.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let accepted: &[&'static rustls::SupportedProtocolVersion] = match versions {
        TlsVersions::Tls13 => &[&TLS13],
        TlsVersions::Tls12And13 => &[&TLS13, &TLS12],
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(accepted)
        .map_err(|_| TransportError::Client)?
        .with_root_certificates(roots);
    let mut config = match identity {
        Some(identity) => {
            let chain = CertificateDer::pem_slice_iter(&identity.certificate_pem)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|_| TransportError::Certificate)?;
            if chain.is_empty() {
                return Err(TransportError::Certificate);
            }
            let key = PrivateKeyDer::from_pem_slice(&identity.key_pem).map_err(|_| TransportError::Key)?;
            builder.with_client_auth_cert(chain, key).map_err(|_| TransportError::Identity)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.resumption = Resumption::store(Arc::new(Sessions { tickets_max, ..Sessions::default() }));
    Ok(config)
}

/// Sessions with the one peer of a transport. The library's own store keeps eight tickets of a peer;
/// after a lull that ended all idle connections, a burst would then make most of the new ones by full
/// handshakes, which cost more processor time than all the rest of their exchanges.
#[derive(Default)]
struct Sessions {
    /// Most TLS 1.3 tickets kept: the newest. Each is good for one connection, and most servers give
    /// two with each.
    tickets_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    /// Oldest first.
    tickets: VecDeque<Tls13ClientSessionValue>,
}

impl Sessions {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("nothing that holds the lock panics")
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions(…)")
    }
}

/// All for one peer, so its name is not looked at.
impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.kept().group = Some(group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.kept().group
    }

    fn set_tls12_session(&self, _: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.kept().tls12 = Some(session);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.kept().tls12.clone()
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.kept().tls12 = None;
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        let mut kept = self.kept();
        if kept.tickets.len() >= self.tickets_max {
            kept.tickets.pop_front();
        }
        kept.tickets.push_back(ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.kept().tickets.pop_back()
    }
}
