//! IDENTIFY: which consumer holds the certificate of this connection. The handshake has proved the
//! certificate; this step maps its names to a consumer and looks at its expiry again on every
//! request, since a connection may outlive it.

use model::{ConsumerId, Snapshot};

use crate::clock;
use crate::tls::PeerCertificate;

/// Why a trusted certificate does not identify a consumer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotIdentified {
    /// It expired while the connection was open.
    Expired,
    /// None of its names belongs to a consumer.
    Unknown,
}

/// The consumer of a certificate.
///
/// # Errors
/// When the certificate has expired or belongs to no consumer.
pub fn identify(peer: &PeerCertificate, snapshot: &Snapshot) -> Result<ConsumerId, NotIdentified> {
    if peer.expired(clock::now()) {
        return Err(NotIdentified::Expired);
    }
    let consumer = peer.names.iter().find_map(|name| snapshot.consumer_by_certificate_name(name));
    consumer.map(|consumer| consumer.id.clone()).ok_or(NotIdentified::Unknown)
}
