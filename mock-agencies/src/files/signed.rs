//! Signatures beside files, by test keys that `GnuPG` made (`keys/`): the Ministry of Defence signs with a subkey of its
//! certificate, the State Service for Mobilisation with the primary key. They are the mocks' alone and protect nothing.

use std::sync::LazyLock;

use jiff::civil::Date;
use pgp::composed::{ArmorOptions, Deserializable as _, DetachedSignature, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{Password, SigningKey, Timestamp};

/// The certificate of a source that signs its files, armoured; none for a source that does not.
#[must_use]
pub fn certificate(service: &str) -> Option<&'static str> {
    match service {
        "defence/service-record" => Some(include_str!("../../keys/defence.public.asc")),
        "mobilisation/war-participant" => Some(include_str!("../../keys/mobilisation.public.asc")),
        _ => None,
    }
}

static DEFENCE: LazyLock<SignedSecretKey> = LazyLock::new(|| read(include_str!("../../keys/defence.secret.asc")));
static MOBILISATION: LazyLock<SignedSecretKey> = LazyLock::new(|| read(include_str!("../../keys/mobilisation.secret.asc")));

fn read(armoured: &str) -> SignedSecretKey {
    SignedSecretKey::from_string(armoured).expect("a test of this crate reads it").0
}

/// The signature of a source, of the beginning of a day, armoured.
///
/// # Panics
/// Never in a built crate: a test signs with the same keys.
pub(super) fn sign(service: &str, day: Date, bytes: &[u8]) -> Vec<u8> {
    if service.starts_with("defence/") {
        by(&DEFENCE.secret_subkeys.first().expect("a subkey").key, day, bytes)
    } else {
        by(&MOBILISATION.primary_key, day, bytes)
    }
}

fn by(key: &impl SigningKey, day: Date, bytes: &[u8]) -> Vec<u8> {
    let made = day.to_zoned(jiff::tz::TimeZone::UTC).map_or(0, |midnight| midnight.timestamp().as_second());
    let made = Timestamp::from_secs(u32::try_from(made).unwrap_or_default().saturating_sub(12 * 3_600));
    let mut config = SignatureConfig::v4(SignatureType::Binary, key.algorithm(), HashAlgorithm::Sha512);
    let regular = |data| Subpacket::regular(data).expect("a small part");
    config.hashed_subpackets =
        vec![regular(SubpacketData::SignatureCreationTime(made)), regular(SubpacketData::IssuerFingerprint(key.fingerprint()))];
    let signature = config.sign(key, &Password::empty(), bytes).expect("a test key signs");
    DetachedSignature::new(signature).to_armored_bytes(ArmorOptions::default()).expect("a signature is written")
}
