//! Names of the kinds of entries: docs/journal-format.md, "What the gateway writes".

/// The name of a kind; nothing for a number that a later gateway may have begun to use.
#[must_use]
pub fn kind_name(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "epoch-opened",
        2 => "node-started",
        3 => "node-stopped",
        4 => "recovered",
        5 => "configuration-activated",
        6 => "key-changed",
        7 => "cache-cleared",
        8 => "log-begun",
        9 => "log-ended",
        10 => "intent",
        11 => "answered",
        12 => "failed",
        13 => "abandoned",
        20 => "disclosed",
        21 => "denied",
        30 => "case-opened",
        31 => "case-closed",
        32 => "members-discovered",
        33 => "case-transferred",
        34 => "case-overridden",
        35 => "override-reviewed",
        36 => "consent-registered",
        37 => "consent-withdrawn",
        38 => "consents-told",
        40 => "refusals-summarised",
        50 => "searched",
        51 => "entry-read",
        52 => "exported",
        53 => "export-finished",
        54 => "access-list-told",
        55 => "suppression-decided",
        56 => "entry-explained",
        70 => "bundle-activated",
        71 => "bundle-drifted",
        _ => return None,
    })
}
