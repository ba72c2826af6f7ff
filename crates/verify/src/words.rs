//! Every sentence about a file, in English and Azerbaijani, on one page.

use serde::Serialize;

use crate::encoding::visible;
use crate::evidence::Kind;
use crate::language::Language;
use crate::malformed::Malformed;

/// Everything that can be found. Hashes are base64, places count from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each sentence stands below, and the fields are those of the standards")]
pub enum Says {
    EntryStands { origin: String, index: u64, size: u64, leaf_hash: String, by: Option<String> },
    LeafStands { origin: String, index: u64, file: String },
    HeadSigned { origin: String, size: u64, root: String },
    HistoryKept { origin: String, from: u64, to: u64 },
    EntriesStand { origin: String, entries: u64, size: u64 },

    NoKey { origin: String },
    NoProof { origin: String, index: u64 },
    NoReceipt,
    NoLeaf { origin: String, index: u64 },
    LeafMatches { origin: String, index: u64, file: String },
    Untied { origin: String, smaller: u64, larger: u64 },
    CheckpointMissing { origin: String },

    Malformed(Malformed),
    PathLeadsElsewhere { origin: String, index: u64, size: u64 },
    NotSigned { origin: String },
    SignedTwice { origin: String },
    WrongSignature { origin: String },
    NotKept { origin: String, from: u64, to: u64 },
    OtherEntry { origin: String, index: u64, file: String },
    NoLeafFits { origin: String, index: u64 },
    LeafUnknown { leaf_hash: String },
    TwoRoots { origin: String, size: u64, first_file: String, second_file: String },
    TwoEntries { origin: String, index: u64, first_file: String, second_file: String },
    MoreFaults { count: u64 },
    OtherKeyClaimed { origin: String },

    Fork { origin: String, size: u64, first_root: String, first_file: String, second_root: String, second_file: String },
    Rewritten { origin: String, index: u64, first_file: String, second_file: String },

    OthersSeeTheSame,
    WhenWritten,
    WhatItSays,
    RestOfAnswer,
    NothingLeftOut,
    WhichEntries,
    NoEntries,
    WithoutText { origin: String, entries: u64, first: u64 },
    UnknownKinds { kinds: Vec<u8> },
    OtherEntries,
    TrueWords,
    WhenBeyondClock,
    WhoExported,
    TableHasNoEnd,
    ForReading,
}

impl Says {
    /// What a file of a kind never proves.
    #[must_use]
    pub fn limits(kind: Kind) -> Vec<Self> {
        match kind {
            Kind::Answer => {
                vec![Self::RestOfAnswer, Self::OthersSeeTheSame, Self::WhenWritten, Self::WhatItSays, Self::NothingLeftOut]
            }
            Kind::Receipt | Kind::Entry | Kind::TlogProof | Kind::Leaf => {
                vec![Self::OthersSeeTheSame, Self::WhenWritten, Self::WhatItSays, Self::NothingLeftOut]
            }
            Kind::Export => Self::limits_of_export(&[]),
            Kind::ExportTable => Self::limits_of_export(&[Self::TableHasNoEnd]),
            Kind::EvidenceBundle => Self::limits_of_export(&[Self::ForReading]),
            Kind::Checkpoint | Kind::ConsistencyProof => vec![Self::OthersSeeTheSame, Self::WhichEntries, Self::NothingLeftOut],
            Kind::Unrecognised => Vec::new(),
        }
    }

    fn limits_of_export(own: &[Self]) -> Vec<Self> {
        let common = [Self::OtherEntries, Self::TrueWords, Self::WhenBeyondClock, Self::WhoExported, Self::OthersSeeTheSame];
        own.iter().cloned().chain(common).collect()
    }

    /// The sentence.
    #[must_use]
    pub fn words(&self, language: Language) -> String {
        match language {
            Language::English => self.english(),
            Language::Azerbaijani => self.azerbaijani(),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::EntryStands { origin, index, size, leaf_hash, by } => {
                let by = by.as_ref().map(|file| format!(" It takes {} to see it.", visible(file))).unwrap_or_default();
                format!(
                    "The entry with leaf hash {leaf_hash} stands at place {index} (counted from 0) of the log {origin}, of {size} entries, as the log's key has signed.{by}"
                )
            }
            Self::LeafStands { origin, index, file } => {
                format!("These bytes are the entry at place {index} of the log {origin}, as {} proves.", visible(file))
            }
            Self::HeadSigned { origin, size, root } => {
                format!("The log {origin} had {size} entries with the root {root}, as the log's key has signed.")
            }
            Self::HistoryKept { origin, from, to } => format!(
                "The log {origin}, with {to} entries, begins with exactly the {from} it had before: none was changed, removed or moved. The log's key has signed both."
            ),
            Self::NoKey { origin } => format!(
                "No key of the log {origin} was given, so no signature was checked. Everything else fits together, but anybody could have made it. Give the log's published key with --key."
            ),
            Self::NoProof { origin, index } => format!(
                "This only names the entry at place {index} of the log {origin} and proves nothing by itself. Ask the log's keeper for a proof of that place (tlog-proof) and give it along."
            ),
            Self::NoReceipt => "There is an answer, but no receipt.".to_owned(),
            Self::NoLeaf { origin, index } => format!(
                "The proof is for place {index} of the log {origin}, but nothing given says which entry should stand there. Give its bytes with --leaf, or a file that names its leaf hash."
            ),
            Self::LeafMatches { origin, index, file } => {
                format!("These bytes are what {} names at place {index} of the log {origin}; that itself is not proven.", visible(file))
            }
            Self::Untied { origin, smaller, larger } => format!(
                "Nothing is proven about how the log {origin} went from {smaller} to {larger} entries: old ones may have been changed. Ask its keeper for a consistency proof from {smaller} to {larger}."
            ),
            Self::Malformed(broken) => format!("{} {}.", visible(&broken.part), broken.rule.words(Language::English)),
            Self::PathLeadsElsewhere { origin, index, size } => format!(
                "The path does not lead from the leaf hash to the root of the head with {size} entries: this is not the entry at place {index} of the log {origin}, or something was changed."
            ),
            Self::NotSigned { origin } => format!("The head has no signature of the key given for the log {origin}."),
            Self::SignedTwice { origin } => format!("The head has more than one signature of the log {origin}, which writes one."),
            Self::WrongSignature { origin } => {
                format!("The signature is not that of the log {origin} over this head: the head was changed, or somebody else made it.")
            }
            Self::NotKept { origin, from, to } => format!(
                "The path does not show that the log {origin}, with {to} entries, begins with the {from} it had before. It does not show the contrary either."
            ),
            Self::OtherEntry { origin, index, file } => format!(
                "This and {} are both about place {index} of the log {origin}, but not about the same entry: at least one of them is wrong.",
                visible(file)
            ),
            Self::NoLeafFits { origin, index } => {
                format!("No leaf that was given is the entry that the proof of place {index} of the log {origin} is for.")
            }
            Self::LeafUnknown { leaf_hash } => {
                format!("The leaf hash of these bytes is {leaf_hash}; no receipt, entry or proof that was given is for it.")
            }
            Self::TwoRoots { origin, size, first_file, second_file } => format!(
                "{} and {} name two roots for the log {origin} with {size} entries: at most one is right. Were both signed by the log's key, they would convict it of a fork.",
                visible(first_file),
                visible(second_file)
            ),
            Self::TwoEntries { origin, index, first_file, second_file } => format!(
                "{} and {} show two entries at place {index} of the log {origin}: at most one is right. Were both signed by the log's key, they would convict it of a fork.",
                visible(first_file),
                visible(second_file)
            ),
            Self::Fork { origin, size, first_root, first_file, second_root, second_file } => format!(
                "FORK: the log {origin} has signed two different trees of {size} entries, with the root {first_root} in {} and {second_root} in {}. It has shown different histories; these two files prove it.",
                visible(first_file),
                visible(second_file)
            ),
            Self::Rewritten { origin, index, first_file, second_file } => format!(
                "FORK: the log {origin} has signed two different entries at place {index}, in {} and in {}. It has changed its history; these two files prove it.",
                visible(first_file),
                visible(second_file)
            ),
            Self::OthersSeeTheSame => "That the log shows everybody else the same: compare checkpoints with others.".to_owned(),
            Self::WhenWritten => "When the entry was written.".to_owned(),
            Self::WhatItSays => "What the entry says, and whether that is true.".to_owned(),
            Self::RestOfAnswer => {
                "Everything else in this answer: the receipt is for the entry, not for the data beside it, which may have been changed."
                    .to_owned()
            }
            Self::NothingLeftOut => "That the log is complete: what was never written leaves no trace.".to_owned(),
            Self::WhichEntries => "Which entries stand in the log, when they were written and what they say.".to_owned(),
            Self::EntriesStand { origin, entries, size } => format!(
                "{entries} entries of this export stood in the log {origin}, each at its place, before its checkpoint with {size} entries was signed by the log's key. Each text that is shown is exactly the one that was sealed then: nothing was changed or put in between later."
            ),
            Self::CheckpointMissing { origin } => format!(
                "A table does not hold the checkpoint of the log {origin} that its proofs lead to, so none of these entries is proven. Give along the file that was handed on beside it."
            ),
            Self::MoreFaults { count } => format!("{count} more faults, which are not named one by one."),
            Self::OtherKeyClaimed { origin } => format!(
                "The export claims another key for the log {origin} than the one that was given: whoever made it was wrong about it, or hoped that nobody would compare."
            ),
            Self::NoEntries => "That there are no entries of what was asked for: this export just holds none.".to_owned(),
            Self::WithoutText { origin, entries, first } => format!(
                "What {entries} of the entries of the log {origin} say, the first of them at place {first}: their texts are not in the export. Their keys were destroyed, or whoever made the export kept the texts back."
            ),
            Self::UnknownKinds { kinds } => format!(
                "What kind of entries those with the kind {} are: this program is older than these kinds and could not check their names.",
                numbers(kinds)
            ),
            Self::OtherEntries => "That there are no other entries: what was not found or was left out does not show.".to_owned(),
            Self::TrueWords => "That the gateway wrote the truth: the log keeps what was written, whether it was right or not.".to_owned(),
            Self::WhenBeyondClock => {
                "When the entries were written, beyond what the gateway's clock said; only that it was before the checkpoint.".to_owned()
            }
            Self::WhoExported => "Who made this export, when, for what reason and by which filter: no key has signed that.".to_owned(),
            Self::TableHasNoEnd => "That no rows were taken away from this table: unlike the NDJSON export, it has no end line.".to_owned(),
            Self::ForReading => {
                "What report.html and README.txt say: they are only for reading. The proof is for entries.ndjson and entries.csv."
                    .to_owned()
            }
        }
    }

    fn azerbaijani(&self) -> String {
        match self {
            Self::EntryStands { origin, index, size, leaf_hash, by } => {
                let by = by.as_ref().map(|file| format!(" Bunu görmək üçün {} faylı da lazımdır.", visible(file))).unwrap_or_default();
                format!(
                    "Yarpaq heşi {leaf_hash} olan yazı {origin} jurnalında {index} nömrəli yerdə durur (sayma 0-dan başlayır); jurnalda {size} yazı var, bunu jurnalın açarı imzalayıb.{by}"
                )
            }
            Self::LeafStands { origin, index, file } => {
                format!("Bu baytlar {origin} jurnalında {index} nömrəli yerdəki yazıdır, bunu {} faylı sübut edir.", visible(file))
            }
            Self::HeadSigned { origin, size, root } => {
                format!("{origin} jurnalında {size} yazı olub, ağacının kökü {root}; bunu jurnalın açarı imzalayıb.")
            }
            Self::HistoryKept { origin, from, to } => format!(
                "{origin} jurnalının {to} yazısı əvvəlki {from} yazı ilə olduğu kimi başlayır: heç biri dəyişdirilməyib, silinməyib, yeri dəyişməyib. Hər ikisini jurnalın açarı imzalayıb."
            ),
            Self::NoKey { origin } => format!(
                "{origin} jurnalının açarı verilməyib, ona görə heç bir imza yoxlanmayıb. Qalan hər şey bir-birinə uyğundur, amma bunu istənilən adam düzəldə bilərdi. Jurnalın dərc olunmuş açarını --key ilə verin."
            ),
            Self::NoProof { origin, index } => format!(
                "Burada {origin} jurnalının {index} nömrəli yerindəki yazı yalnız göstərilir, təkbaşına bu heç nəyi sübut etmir. Jurnalı aparandan həmin yerin sübutunu (tlog-proof) istəyin və onu da verin."
            ),
            Self::NoReceipt => "Cavab var, amma qəbz yoxdur.".to_owned(),
            Self::NoLeaf { origin, index } => format!(
                "Sübut {origin} jurnalının {index} nömrəli yeri üçündür, amma orada hansı yazının durmalı olduğunu verilənlərdən heç biri demir. Yazının baytlarını --leaf ilə, ya da yarpaq heşini göstərən faylı verin."
            ),
            Self::LeafMatches { origin, index, file } => {
                format!(
                    "Bu baytlar {} faylında {origin} jurnalının {index} nömrəli yeri üçün göstərilən yazıdır; onun özü isə sübut olunmayıb.",
                    visible(file)
                )
            }
            Self::Untied { origin, smaller, larger } => format!(
                "{origin} jurnalının {smaller} yazıdan {larger} yazıya necə gəldiyi sübut olunmayıb: əvvəlki yazılar dəyişdirilmiş ola bilər. Jurnalı aparandan {smaller} ölçüsündən {larger} ölçüsünə ardıcıllıq sübutu istəyin."
            ),
            Self::Malformed(broken) => format!("{} {}.", visible(&broken.part), broken.rule.words(Language::Azerbaijani)),
            Self::PathLeadsElsewhere { origin, index, size } => format!(
                "Yol yarpaq heşindən {size} yazılıq nəzarət nöqtəsinin kökünə aparmır: bu, {origin} jurnalının {index} nömrəli yerindəki yazı deyil, ya da nəsə dəyişdirilib."
            ),
            Self::NotSigned { origin } => format!("Nəzarət nöqtəsində {origin} jurnalı üçün verilən açarın imzası yoxdur."),
            Self::SignedTwice { origin } => {
                format!("Nəzarət nöqtəsində {origin} jurnalının birdən çox imzası var, jurnal isə birini yazır.")
            }
            Self::WrongSignature { origin } => {
                format!(
                    "İmza {origin} jurnalının bu nəzarət nöqtəsi üzərindəki imzası deyil: nəzarət nöqtəsi dəyişdirilib, ya da onu başqası düzəldib."
                )
            }
            Self::NotKept { origin, from, to } => {
                format!("Yol {origin} jurnalının {to} yazısının əvvəlki {from} yazı ilə başladığını göstərmir. Əksini də göstərmir.")
            }
            Self::OtherEntry { origin, index, file } => format!(
                "Bu fayl və {} faylı {origin} jurnalının {index} nömrəli yerinə aiddir, amma eyni yazıya yox: ən azı biri yanlışdır.",
                visible(file)
            ),
            Self::NoLeafFits { origin, index } => {
                format!("{origin} jurnalının {index} nömrəli yerinin sübutu verilən yarpaqların heç birinə aid deyil.")
            }
            Self::LeafUnknown { leaf_hash } => {
                format!("Bu baytların yarpaq heşi: {leaf_hash}; verilən qəbz, yazı və sübutların heç biri ona aid deyil.")
            }
            Self::TwoRoots { origin, size, first_file, second_file } => format!(
                "{} və {} faylları {origin} jurnalının {size} yazısı üçün iki kök göstərir: ən çoxu biri doğrudur. Hər ikisini jurnalın açarı imzalamış olsaydı, bu, jurnalın parçalandığını sübut edərdi.",
                visible(first_file),
                visible(second_file)
            ),
            Self::TwoEntries { origin, index, first_file, second_file } => format!(
                "{} və {} faylları {origin} jurnalının {index} nömrəli yerində iki yazı göstərir: ən çoxu biri doğrudur. Hər ikisini jurnalın açarı imzalamış olsaydı, bu, jurnalın parçalandığını sübut edərdi.",
                visible(first_file),
                visible(second_file)
            ),
            Self::Fork { origin, size, first_root, first_file, second_root, second_file } => format!(
                "PARÇALANMA: {origin} jurnalı {size} yazı üçün iki fərqli ağac imzalayıb: {} faylında kök {first_root}, {} faylında kök {second_root}. O, fərqli tarixçələr göstərib; bunu bu iki fayl sübut edir.",
                visible(first_file),
                visible(second_file)
            ),
            Self::Rewritten { origin, index, first_file, second_file } => format!(
                "PARÇALANMA: {origin} jurnalı {index} nömrəli yerdə iki fərqli yazı imzalayıb: {} və {} fayllarında. O, tarixçəsini dəyişib; bunu bu iki fayl sübut edir.",
                visible(first_file),
                visible(second_file)
            ),
            Self::OthersSeeTheSame => "Jurnalın hamıya eyni şeyi göstərdiyi: nəzarət nöqtələrini başqaları ilə müqayisə edin.".to_owned(),
            Self::WhenWritten => "Yazının nə vaxt yazıldığı.".to_owned(),
            Self::WhatItSays => "Yazıda nə deyildiyi və onun doğru olub-olmadığı.".to_owned(),
            Self::RestOfAnswer => {
                "Cavabda qalan hər şey: qəbz yazıya aiddir, yanındakı məlumata yox, o isə dəyişdirilmiş ola bilər.".to_owned()
            }
            Self::NothingLeftOut => "Jurnalın tam olduğu: heç vaxt yazılmayan iz qoymur.".to_owned(),
            Self::WhichEntries => "Jurnalda hansı yazıların durduğu, nə vaxt yazıldıqları və nə dedikləri.".to_owned(),
            Self::EntriesStand { origin, entries, size } => format!(
                "Bu ixracın {entries} yazısı {origin} jurnalında, hər biri öz yerində, jurnalın açarı {size} yazılıq nəzarət nöqtəsini imzalamazdan əvvəl durub. Göstərilən hər mətn o vaxt möhürlənmiş mətnin eynidir: sonradan nə dəyişdirilib, nə də araya salınıb."
            ),
            Self::CheckpointMissing { origin } => format!(
                "Cədvəldə {origin} jurnalının sübutların apardığı nəzarət nöqtəsi olmur, ona görə bu yazıların heç biri sübut olunmayıb. Cədvəllə birlikdə verilmiş nəzarət nöqtəsi faylını da verin."
            ),
            Self::MoreFaults { count } => format!("Daha {count} yanlış var, onlar bir-bir sadalanmır."),
            Self::OtherKeyClaimed { origin } => format!(
                "İxracda {origin} jurnalı üçün verilən açardan başqa açar iddia olunur: onu hazırlayan yanılıb, ya da heç kimin müqayisə etməyəcəyinə ümid edib."
            ),
            Self::NoEntries => "Axtarılan yazıların olmadığı: bu ixracda, sadəcə, heç bir yazı yoxdur.".to_owned(),
            Self::WithoutText { origin, entries, first } => format!(
                "{origin} jurnalının {entries} yazısında nə deyildiyi (birincisi {first} nömrəli yerdədir): onların mətni ixracda yoxdur. Açarları məhv edilib, ya da ixracı hazırlayan mətni verməyib."
            ),
            Self::UnknownKinds { kinds } => format!(
                "Növü {} olan yazıların hansı növdən olduğu: bu proqram həmin növlərdən köhnədir və adlarını yoxlaya bilməyib.",
                numbers(kinds)
            ),
            Self::OtherEntries => "Başqa yazıların olmadığı: tapılmayan və ya bura salınmayan yazı görünmür.".to_owned(),
            Self::TrueWords => "Şlüzün həqiqəti yazdığı: jurnal yazılanı saxlayır, doğru olub-olmamasından asılı olmayaraq.".to_owned(),
            Self::WhenBeyondClock => {
                "Yazıların şlüzün saatından kənarda nə vaxt yazıldığı; yalnız nəzarət nöqtəsindən əvvəl olduğu bəllidir.".to_owned()
            }
            Self::WhoExported => "Bu ixracı kimin, nə vaxt, nə səbəbə və hansı süzgəclə hazırladığı: bunu heç bir açar imzalamayıb.".to_owned(),
            Self::TableHasNoEnd => "Bu cədvəldən sətir çıxarılmadığı: NDJSON ixracından fərqli olaraq onun son sətri yoxdur.".to_owned(),
            Self::ForReading => {
                "report.html və README.txt fayllarında deyilənlər: onlar yalnız oxumaq üçündür. Sübut entries.ndjson və entries.csv fayllarına aiddir."
                    .to_owned()
            }
        }
    }
}

fn numbers(kinds: &[u8]) -> String {
    kinds.iter().map(u8::to_string).collect::<Vec<_>>().join(", ")
}
