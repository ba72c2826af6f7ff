//! The two languages, and the words that frame a report.

use crate::evidence::Kind;
use crate::report::{Level, Verdict};

/// The language of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// Azerbaijani.
    Azerbaijani,
    /// English.
    #[default]
    English,
}

impl Language {
    /// The text in this language.
    #[must_use]
    pub fn pick(self, english: &str, azerbaijani: &str) -> String {
        match self {
            Self::Azerbaijani => azerbaijani.to_owned(),
            Self::English => english.to_owned(),
        }
    }

    /// What a file is.
    #[must_use]
    pub fn kind(self, kind: Kind) -> String {
        match kind {
            Kind::Receipt => self.pick("a receipt", "qəbz"),
            Kind::Answer => self.pick("an answer of the gateway", "şlüzün cavabı"),
            Kind::Entry => self.pick("an entry, named without a proof", "sübutsuz göstərilən yazı"),
            Kind::TlogProof => self.pick("a proof of a place in a log (tlog-proof)", "jurnaldakı yerin sübutu (tlog-proof)"),
            Kind::Checkpoint => self.pick("a checkpoint", "nəzarət nöqtəsi"),
            Kind::ConsistencyProof => self.pick("a consistency proof", "ardıcıllıq sübutu"),
            Kind::Export => self.pick("an export of entries", "yazıların ixracı"),
            Kind::ExportTable => self.pick("an export of entries as a table", "yazıların cədvəl şəklində ixracı"),
            Kind::EvidenceBundle => self.pick("an evidence bundle", "sübut toplusu"),
            Kind::Leaf => self.pick("the bytes of an entry", "yazının baytları"),
            Kind::Unrecognised => self.pick("not recognised", "tanınmadı"),
        }
    }

    /// The heading above findings of a level.
    #[must_use]
    pub fn level(self, level: Level) -> String {
        match level {
            Level::Proven => self.pick("Proven:", "Sübut olunub:"),
            Level::Limit => self.pick("Not proven by this, whatever it says:", "Nə deyilsə də, bununla sübut olunmur:"),
            Level::Unproven => self.pick("Not proven, something is missing:", "Sübut olunmayıb, nəsə çatışmır:"),
            Level::Refused => self.pick("Wrong:", "Yanlışdır:"),
            Level::Fork => self.pick("The log is convicted:", "Jurnal ifşa olunub:"),
        }
    }

    /// The last line.
    #[must_use]
    pub fn verdict(self, verdict: Verdict) -> String {
        match verdict {
            Verdict::Proven => self.pick(
                "What these files can prove is proven, and no more than that.",
                "Bu faylların sübut edə biləcəyi hər şey sübut olunub, artığı yox.",
            ),
            Verdict::Unproven => self.pick("Not all of it is proven.", "Bir hissəsi sübut olunmayıb."),
            Verdict::Refused => self.pick("Something is wrong: do not rely on it.", "Burada yanlış var: buna etibar etməyin."),
            Verdict::Fork => self.pick(
                "The log has forked: it has signed two histories. Do not rely on it, and keep these files.",
                "Jurnal parçalanıb: iki tarixçə imzalayıb. Ona etibar etməyin və bu faylları saxlayın.",
            ),
        }
    }
}
