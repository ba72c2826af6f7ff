//! The exchange system's own fault codes, in both vocabularies: `Server.ServerProxy.AccessDenied`
//! up to X-Road 7.7, `server.serverproxy.access_denied` from 7.8. Case and underscores dropped, the
//! old codes are the new ones, but for one alias.
//!
//! A fault of the provider itself passes the exchange system unchanged. A SOAP 1.1 fault code may
//! have a dotted tail too ("Client.Authentication", section 4.4.1), so only what stands in the
//! vocabulary is taken for the exchange system's.

use adapter_core::{CallError, CallErrorKind, Origin, RouteCode, Sent};

/// What a fault of the exchange system means for the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteFault {
    code: RouteCode,
    meaning: Meaning,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The provider has not granted us the service.
    Denied,
    /// Something is configured wrongly, at the exchange system, the provider or here, and stays so
    /// until changed. Not a denial: nobody decided against the question.
    Lasting,
    /// May be over in a moment.
    Passing,
    /// The exchange system reached the provider's system, which then failed.
    Provider,
}

impl RouteFault {
    pub(crate) fn into_error(self) -> CallError {
        let Self { code, meaning } = self;
        let unavailable = |code, lasting| CallError::new(CallErrorKind::RouteUnavailable { code, lasting }, Sent::Maybe);
        match meaning {
            Meaning::Denied => CallError::new(CallErrorKind::RouteRefused { code }, Sent::Maybe),
            Meaning::Lasting => unavailable(code, true),
            Meaning::Passing => unavailable(code, false),
            Meaning::Provider => unavailable(code, false).with_origin(Origin::Provider),
        }
    }
}

/// Says what a `faultcode` means, if it is the exchange system's. The code is kept as it was spelt,
/// unless a part of it is unknown: then only the known beginning is, since a peer's free text must
/// not reach a log.
#[must_use]
pub fn classify(faultcode: &str) -> Option<RouteFault> {
    // A qualified name by schema; the exchange system sends it without a prefix.
    let spelt = faultcode.rsplit(':').next().unwrap_or(faultcode);
    let plain: String = spelt.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect();
    let (prefix, tail) = ["server.serverproxy", "server.clientproxy", "signer", "client"]
        .into_iter()
        .find_map(|prefix| Some((prefix, plain.strip_prefix(prefix)?.strip_prefix('.')?)))?;
    let known = !tail.is_empty() && tail.split('.').all(|part| meaning(part).is_some());
    if known {
        let first = tail.split('.').next().and_then(meaning)?;
        return Some(RouteFault { code: RouteCode::new(spelt), meaning: first });
    }
    // "Client" is the SOAP standard's own word; the others only the exchange system uses.
    if prefix == "client" {
        return None;
    }
    let meaning = tail.split('.').next().and_then(meaning).unwrap_or(Meaning::Passing);
    Some(RouteFault { code: RouteCode::new(format!("{prefix}.(unlisted)")), meaning })
}

/// Codes met on a message's way, without case and underscores.
fn meaning(part: &str) -> Option<Meaning> {
    Some(match part {
        "accessdenied" | "securitycategory" => Meaning::Denied,

        "servicefailed" => Meaning::Provider,

        // What we sent, or who we said we are.
        "badrequest"
        | "duplicateheaderfield"
        | "inconsistentheaders"
        | "invalidbody"
        | "invalidclientidentifier"
        | "invalidcontenttype"
        | "invalidencodedid"
        | "invalidhttpmethod"
        | "invalidmessage"
        | "invalidprotocolversion"
        | "invalidrequest"
        | "invalidsecurityserver"
        | "invalidsoap"
        | "invalidsoapaction"
        | "invalidxml"
        | "malformedsoap"
        | "mimeparsingfailed"
        | "missingbody"
        | "missingheader"
        | "missingheaderfield"
        | "missingsoap"
        | "servicetype"
        | "sslauthenticationfailed"
        // How we, the provider or the servers are registered.
        | "adapterwsdlnotfound"
        | "cannotfindmember"
        | "cannotgetmemberidfromcertificate"
        | "clientnotfound"
        | "clientproxyversionnotsupported"
        | "malformedglobalconf"
        | "malformedkeyconf"
        | "malformedoptionalpartsconf"
        | "malformedserverconf"
        | "notfound"
        | "servicemalformedurl"
        | "servicemissingurl"
        | "servicenotfound"
        | "securityservernotfound"
        | "unknownmember"
        | "unknownservice"
        | "unsupportedalgorithm"
        | "unsupportedsignalgorithm"
        | "wrongcertusage" => Meaning::Lasting,

        // The servers, the network between them, and the services they lean on.
        "databaseerror"
        | "cryptographyerror"
        | "httperror"
        | "hsminternalerror"
        | "hsmnonoperational"
        | "inconsistentresponse"
        | "internalerror"
        | "invalidresponse"
        | "ioerror"
        | "maintenancemode"
        | "networkerror"
        | "servicedisabled"
        | "unknownhost"
        // Global configuration; the first is the spelling of 7.7 and older.
        | "outdatedglobalconf"
        | "globalconfoutdated"
        | "globalconfdownloadurlconnectionfailure"
        // Message log and time stamps.
        | "loggingfailed"
        | "malformedrecord"
        | "nologrecordsspecified"
        | "timestamperfailed"
        | "timestampingfailed"
        | "timestampvalidation"
        // Signatures, certificates and their validation.
        | "cannotcreatecertpath"
        | "cannotcreatesignature"
        | "cannotsign"
        | "certnotfound"
        | "certvalidation"
        | "certvaliditytime"
        | "hashchainunusedinputs"
        | "incorrectcertificate"
        | "incorrectvalidationinfo"
        | "invalidcertpath"
        | "invalidhashchain"
        | "invalidhashchainref"
        | "invalidreference"
        | "invalidsignaturevalue"
        | "keynotavailable"
        | "keynotfound"
        | "loginfailed"
        | "malformedhashchain"
        | "malformedsignature"
        | "missingsignature"
        | "missingvalidationinfo"
        | "ocspconnectionerror"
        | "ocspfailed"
        | "ocspresponseparsingfailure"
        | "ocspresponseverificationfailure"
        | "pinincorrect"
        | "signatureverification"
        | "signer"
        | "tokennotactive"
        | "tokennotavailable"
        | "tokennotfound"
        | "tokennotinitialized" => Meaning::Passing,

        _ => return None,
    })
}
