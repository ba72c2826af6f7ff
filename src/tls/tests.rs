use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::pki::{Authority, CRL_VALIDITY, LEAF_VALIDITY, Validity};

const DAY: Duration = Duration::from_secs(86_400);

struct Pki {
    authority: Authority,
    files: ServerTlsFiles,
    dir: TempDir,
    now: Timestamp,
}

fn pki() -> Pki {
    let dir = tempfile::tempdir().expect("a folder");
    let now = Timestamp::now();
    let mut authority = Authority::init(dir.path(), "Test authority", CRL_VALIDITY, now).expect("made");
    let issued = authority.issue_server("gateway", &["localhost"], Validity::starting(now, LEAF_VALIDITY), now).expect("issued");
    let files = ServerTlsFiles {
        certificate: issued.certificate,
        key: issued.key,
        client_ca: authority.certificate(),
        crl: Some(authority.crl()),
        crl_grace: DAY,
        minimum: Minimum::Tls13,
        anonymous: false,
    };
    Pki { authority, files, dir, now }
}

fn der_of(path: &Path) -> Vec<u8> {
    CertificateDer::from_pem_file(path).expect("PEM").to_vec()
}

fn moments() -> impl Strategy<Value = (Timestamp, Duration, Timestamp)> {
    let second = 0_i64..4_000_000_000;
    (second.clone(), 0_u64..100_000_000, second).prop_map(|(due, grace, now)| {
        let at = |second| Timestamp::from_second(second).expect("in range");
        (at(due), Duration::from_secs(grace), at(now))
    })
}

proptest! {
    #[test]
    fn a_list_is_current_then_in_grace_then_expired_and_never_goes_back((due, grace, now) in moments()) {
        let state = crl_state(due, grace, now);
        prop_assert_eq!(state == CrlState::Current, now <= due);
        prop_assert_eq!(state == CrlState::Expired, now > due + grace);
        let rank = |state| [CrlState::Current, CrlState::Grace, CrlState::Expired].iter().position(|one| *one == state);
        prop_assert!(rank(state) <= rank(crl_state(due, grace, now + Duration::from_secs(1))));
        // Without grace there is no lenient moment.
        prop_assert_ne!(crl_state(due, Duration::ZERO, now), CrlState::Grace);
    }

    #[test]
    fn a_peers_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(PeerCertificate::parse(&bytes));
    }
}

#[test]
fn a_grace_that_outlasts_time_itself_never_expires() {
    assert_eq!(crl_state(Timestamp::MIN, Duration::MAX, Timestamp::MAX), CrlState::Grace);
}

#[test]
fn a_certificate_with_any_bit_flipped_never_panics() {
    let pki = pki();
    let der = der_of(&pki.files.certificate);
    for place in 0..der.len() * 8 {
        let mut bytes = der.clone();
        bytes[place / 8] ^= 1 << (place % 8);
        drop(PeerCertificate::parse(&bytes));
    }
    for length in 0..der.len() {
        assert!(PeerCertificate::parse(der.get(..length).expect("shorter")).is_err());
    }
}

#[test]
fn a_peer_is_known_by_its_dns_names_serial_and_fingerprint() {
    let mut pki = pki();
    let until: Timestamp = "2031-05-06T07:08:09Z".parse().expect("valid");
    let validity = Validity { from: pki.now, until };
    let issued = pki.authority.issue_client("a", &["A.test", "127.0.0.1", "b.test"], validity, pki.now).expect("issued");
    let der = der_of(&issued.certificate);
    let peer = PeerCertificate::parse(&der).expect("a certificate");
    assert_eq!(peer.names, ["a.test", "b.test"]);
    assert_eq!((peer.serial.as_str(), peer.not_after), (issued.serial.as_str(), until));
    assert_eq!(peer.fingerprint, sha256(digest::digest(&digest::SHA256, &der)));
    assert!(!peer.expired(until) && peer.expired(until + Duration::from_secs(1)));
}

#[test]
fn an_admitted_peer_is_looked_at_again_under_later_configurations() {
    let mut pki = pki();
    let validity = Validity::starting(pki.now, DAY);
    let issued = pki.authority.issue_client("a", &["a.test"], validity, pki.now).expect("issued");
    let peer = PeerCertificate::parse(&der_of(&issued.certificate)).expect("a certificate");
    let then = ServerTls::load(&pki.files).expect("loads");
    assert_eq!(then.admits(&peer, &then, pki.now), Ok(()));
    assert_eq!(then.admits(&peer, &then, pki.now + 2 * DAY), Err(Refusal::Expired));
    pki.authority.renew_crl(Duration::from_secs(60), pki.now - 2 * DAY).expect("written");
    let overdue = ServerTls::load(&pki.files).expect("loads");
    assert_eq!(overdue.admits(&peer, &then, pki.now), Err(Refusal::RevocationUnknown));
    pki.authority.revoke("a", pki.now).expect("revoked");
    pki.authority.renew_crl(DAY, pki.now).expect("written");
    let revoked = ServerTls::load(&pki.files).expect("loads");
    assert_eq!(revoked.admits(&peer, &then, pki.now), Err(Refusal::Revoked));

    let other = self::pki();
    let elsewhere = ServerTls::load(&other.files).expect("loads");
    assert_eq!(elsewhere.admits(&peer, &then, pki.now), Err(Refusal::Untrusted));
}

#[test]
fn beyond_the_grace_no_session_is_resumed() {
    let mut pki = pki();
    pki.authority.renew_crl(DAY, pki.now).expect("written");
    let server = ServerTls::load(&pki.files).expect("loads");
    let of = |at| server.config(at);
    let (current, grace, expired) = (of(pki.now), of(pki.now + 36 * DAY / 24), of(pki.now + 3 * DAY));
    assert!(current.session_storage.can_cache() && grace.session_storage.can_cache());
    assert!(!expired.session_storage.can_cache(), "a resumed handshake looks nobody up");
    // A session begun under one state is unknown under the next.
    assert!(!Arc::ptr_eq(&current.session_storage, &grace.session_storage));
}

#[test]
fn files_that_do_not_fit_are_refused_by_name() {
    let pki = pki();
    let other = self::pki();
    let empty = pki.dir.path().join("empty.pem");
    std::fs::write(&empty, b"").expect("written");
    let with = |change: &dyn Fn(&mut ServerTlsFiles)| {
        let mut files = pki.files.clone();
        change(&mut files);
        ServerTls::load(&files).expect_err("refused")
    };
    let missing = with(&|files| files.key = pki.dir.path().join("nothing.key"));
    assert!(matches!(&missing, TlsError::File { path, .. } if path.ends_with("nothing.key")));
    for error in [
        with(&|files| files.certificate.clone_from(&empty)),
        with(&|files| files.key.clone_from(&empty)),
        with(&|files| files.client_ca.clone_from(&empty)),
        with(&|files| files.crl = Some(empty.clone())),
    ] {
        assert!(matches!(&error, TlsError::Pem { path, .. } if path.ends_with("empty.pem")), "{error}");
    }
    assert!(matches!(with(&|files| files.key.clone_from(&other.files.key)), TlsError::Refused(_)));
    assert!(matches!(with(&|files| files.crl.clone_from(&other.files.crl)), TlsError::Crl { .. }));
}
