//! What part of a file breaks which rule.

use serde::Serialize;

use crate::language::Language;

/// A part of a file that is not what its standard says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{part} {}", rule.words(Language::English))]
pub struct Malformed {
    /// The part, as a path: `receipt.head.size`, `proof[3]`, `note.signatures[0]`.
    pub part: String,
    /// The rule it breaks.
    #[serde(flatten)]
    pub rule: Rule,
}

impl Malformed {
    /// A broken rule.
    #[must_use]
    pub fn new(part: impl Into<String>, rule: Rule) -> Self {
        Self { part: part.into(), rule }
    }

    /// The same, seen from around it.
    #[must_use]
    pub fn within(self, outer: &str) -> Self {
        Self { part: format!("{outer}.{}", self.part), rule: self.rule }
    }
}

/// The rules a file can break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "rule", rename_all = "kebab-case")]
pub enum Rule {
    /// Nothing that is verified here.
    Unrecognised,
    /// Longer than is read.
    TooLong {
        /// The most bytes there may be.
        bytes_max: usize,
    },
    /// More parts than are read.
    TooMany {
        /// The most there may be.
        max: usize,
    },
    /// Not UTF-8.
    NotUtf8,
    /// A control character other than the newline (C2SP signed-note, "Format").
    ControlCharacter,
    /// Not an object.
    NotAnObject,
    /// Not the JSON that belongs here.
    Json {
        /// What the reader of JSON says, in English.
        detail: String,
    },
    /// Not canonical base64 (RFC 4648 section 4).
    Base64,
    /// Not 32 bytes.
    HashLength,
    /// Not a decimal number.
    Decimal,
    /// A larger tree than is read.
    SizeTooLarge,
    /// Not an origin.
    Origin,
    /// No newline at the end (C2SP signed-note, "Format").
    FinalNewline,
    /// No empty line before the signatures (C2SP signed-note, "Format").
    EmptyLine,
    /// Another dash (C2SP signed-note, "Format").
    Dash,
    /// Not `— name base64` (C2SP signed-note, "Format").
    SignatureLine,
    /// Fewer than four bytes of key id and one of signature (C2SP signed-note, "Format").
    SignatureLength,
    /// Not origin, size and root (C2SP tlog-checkpoint, "Note text"; the journal has no extension lines).
    ThreeLines,
    /// An empty tree with another root than the empty tree's.
    EmptyRoot,
    /// Not the line a tlog-proof begins with (C2SP tlog-proof, "Format").
    FirstLine,
    /// No empty line before the checkpoint (C2SP tlog-proof, "Format").
    NoCheckpoint,
    /// Not `index` and a number (C2SP tlog-proof, "Format").
    IndexLine,
    /// No place in a tree of the head's size.
    IndexBeyond,
    /// Another number of hashes than the path has (RFC 6962 section 2.1.1).
    PathLength {
        /// How many the path has.
        expected: usize,
    },
    /// A proof without head, or a head without proof.
    HalfProof,
    /// Not what the head says.
    NotTheHeads,
    /// An old tree larger than the new one.
    SizeOrder,
    /// Not `name+id+base64`.
    KeyForm,
    /// Not the hash of name and key (C2SP signed-note, "Signatures").
    KeyId,
    /// Another signature type than Ed25519 (C2SP signed-note, "Signature types").
    KeyType,
    /// No usable point of the curve (RFC 8032 section 5.1.3).
    KeyPoint,
    /// A second key for the same name.
    SecondKey,
    /// Not the form of export that is read here (docs/journal-format.md, "Exports", for this and all below).
    ExportForm,
    /// No end line.
    Cut,
    /// Bytes behind the end line.
    BehindEnd,
    /// Another number of entries.
    Count {
        /// How many there are.
        found: u64,
    },
    /// Not the hash of everything before.
    NotOfThisText,
    /// Not written as the format says.
    NotCanonical,
    /// A second checkpoint of one log.
    SecondCheckpoint,
    /// No checkpoint of this log.
    NoSuchCheckpoint,
    /// An entry a second time.
    Duplicate,
    /// An entry behind a later one.
    NotRising,
    /// Not a leaf.
    LeafForm,
    /// Not the hash of the leaf.
    NotTheLeafs,
    /// Not what the leaf says.
    NotInLeaf,
    /// One of blind and metadata without the other.
    HalfText,
    /// A plain entry shown without its text.
    PlainWithheld,
    /// Not the text that was sealed.
    NotTheSealed,
    /// A path to another root.
    LeadsElsewhere,
    /// Not the first row of a table.
    TableHeader,
    /// Not a row of a table.
    RowForm,
    /// Not what the metadata say.
    NotInMetadata,
    /// Not a ZIP file, or a broken one.
    Zip {
        /// What the reader of ZIP says, in English.
        detail: String,
    },
    /// Not a name of a file.
    FileName,
    /// A folder, an encrypted file, or one packed in another way.
    NotPlainFile,
    /// Another name or packing before the file than in the directory.
    TwoNames,
    /// A name twice.
    TwiceInZip,
    /// Files that lie over each other, or another number of them.
    ZipOverlap,
    /// A name twice in the manifest.
    TwiceInManifest,
    /// A file that the manifest does not list.
    NotListed,
    /// A file that is not there.
    Missing,
    /// Not the size or the hash of the manifest.
    NotAsListed,
    /// Not the same as in the lines.
    NotTheLines,
}

impl Rule {
    /// The rule in words, to stand behind the part's name.
    #[must_use]
    pub fn words(&self, language: Language) -> String {
        let (english, azerbaijani) = match self {
            Self::Unrecognised => (
                "is no receipt, answer, entry, tlog-proof, checkpoint, consistency proof or export",
                "nə qəbz, nə cavab, nə yazı, nə tlog-proof, nə nəzarət nöqtəsi, nə ardıcıllıq sübutu, nə də ixracdır",
            ),
            Self::TooLong { bytes_max } => {
                return language.pick(&format!("is longer than {bytes_max} bytes"), &format!("{bytes_max} baytdan uzundur"));
            }
            Self::TooMany { max } => return language.pick(&format!("has more than {max} parts"), &format!("{max} hissədən çoxdur")),
            Self::NotUtf8 => ("is not UTF-8", "UTF-8 deyil"),
            Self::ControlCharacter => ("has a control character other than the newline", "sətir sonundan başqa idarəedici simvol var"),
            Self::NotAnObject => ("is not a JSON object", "JSON obyekti deyil"),
            Self::Json { detail } => {
                return language.pick(&format!("is not the JSON that belongs here: {detail}"), &format!("buraya aid JSON deyil: {detail}"));
            }
            Self::Base64 => {
                ("is not canonical base64 of the standard alphabet with padding", "standart əlifba və tamamlama ilə kanonik base64 deyil")
            }
            Self::HashLength => ("is not 32 bytes long", "uzunluğu 32 bayt deyil"),
            Self::Decimal => ("is not a decimal number without leading zeros", "başında sıfır olmayan onluq ədəd deyil"),
            Self::SizeTooLarge => ("is more than 2^62", "2^62-dən böyükdür"),
            Self::Origin => {
                ("is not 1 to 255 visible ASCII characters without plus", "1-255 görünən ASCII simvolu deyil və ya içində artı işarəsi var")
            }
            Self::FinalNewline => ("does not end with a newline", "yeni sətirlə bitmir"),
            Self::EmptyLine => ("has no empty line between text and signatures", "mətnlə imzalar arasında boş sətir yoxdur"),
            Self::Dash => ("does not begin with an em dash (U+2014) and a space", "uzun tire (U+2014) və boşluqla başlamır"),
            Self::SignatureLine => ("is not a name, one space and base64 behind the dash", "tiredən sonra ad, bir boşluq və base64 deyil"),
            Self::SignatureLength => ("is too short for key id and signature", "açar nömrəsi və imza üçün çox qısadır"),
            Self::ThreeLines => ("is not exactly three lines: origin, size, root", "dəqiq üç sətir deyil: mənbə adı, ölçü, kök"),
            Self::EmptyRoot => ("is not the root of the empty tree", "boş ağacın kökü deyil"),
            Self::FirstLine => ("does not begin with the line c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v1 sətri ilə başlamır"),
            Self::NoCheckpoint => ("has no empty line before the checkpoint", "nəzarət nöqtəsindən əvvəl boş sətir yoxdur"),
            Self::IndexLine => ("is not the word index, one space and a number", "index sözü, bir boşluq və ədəd deyil"),
            Self::IndexBeyond => ("is not less than the head's size", "nəzarət nöqtəsinin ölçüsündən kiçik deyil"),
            Self::PathLength { expected } => {
                return language.pick(
                    &format!("has not exactly the {expected} hashes of this place in a tree of this size"),
                    &format!("bu ölçülü ağacda bu yer üçün gərək olan heş sayı ({expected}) ilə üst-üstə düşmür"),
                );
            }
            Self::HalfProof => ("has only one of proof and head", "proof və head üzvlərindən yalnız biri var"),
            Self::NotTheHeads => ("is not what the head says", "nəzarət nöqtəsində yazılanla eyni deyil"),
            Self::SizeOrder => ("is more than the newer size", "yeni ölçüdən böyükdür"),
            Self::KeyForm => (
                "is not origin, 8 lower-case hex digits and base64 of 33 bytes, joined by plus",
                "artı ilə birləşmiş mənbə adı, 8 kiçik onaltılıq rəqəm və 33 baytın base64 forması deyil",
            ),
            Self::KeyId => ("has an id that is not its own", "nömrəsi açarın özünə uyğun deyil"),
            Self::KeyType => ("is not of type Ed25519 (0x01)", "Ed25519 (0x01) növündən deyil"),
            Self::KeyPoint => ("is no usable Ed25519 key", "yararlı Ed25519 açarı deyil"),
            Self::SecondKey => ("is a second key for an origin that has one for life", "ömürlük bir açarı olan mənbə üçün ikinci açardır"),
            Self::ExportForm => {
                ("is not the form of export that this program reads (qovsaq/1)", "bu proqramın oxuduğu ixrac forması (qovsaq/1) deyil")
            }
            Self::Cut => (
                "is not there: the export is cut, entries and the end line are missing",
                "yoxdur: ixrac kəsilib, yazılar və son sətir çatışmır",
            ),
            Self::BehindEnd => ("is the end line, but more follows it", "son sətirdir, amma ondan sonra da nəsə gəlir"),
            Self::Count { found } => {
                return language.pick(
                    &format!("is not the number of entries, of which there are {found}: some were taken away or added"),
                    &format!("yazıların sayı deyil, onlar {found} ədəddir: bəziləri çıxarılıb və ya əlavə olunub"),
                );
            }
            Self::NotOfThisText => (
                "is not the hash of what stands before it: the export was changed after it was made",
                "özündən əvvəlkilərin heşi deyil: ixrac hazırlandıqdan sonra dəyişdirilib",
            ),
            Self::NotCanonical => {
                ("is not written as the format says, to the character", "formatın dediyi kimi, simvoluna qədər dəqiq yazılmayıb")
            }
            Self::SecondCheckpoint => ("is a second checkpoint of the same log", "eyni jurnalın ikinci nəzarət nöqtəsidir"),
            Self::NoSuchCheckpoint => {
                ("names a log of which there is no checkpoint here", "nəzarət nöqtəsi burada olmayan jurnalı göstərir")
            }
            Self::Duplicate => ("is that of the entry before: it stands here twice", "əvvəlki yazınınkıdır: o, burada iki dəfə durur"),
            Self::NotRising => (
                "is less than that of an entry before: entries were moved, or stand here twice",
                "əvvəlki yazılardan birininkindən kiçikdir: yazıların yeri dəyişdirilib, ya da təkrarlanıb",
            ),
            Self::LeafForm => ("is no entry of this journal's form", "bu jurnalın formasında yazı deyil"),
            Self::NotTheLeafs => ("is not the hash of the leaf", "yarpağın heşi deyil"),
            Self::NotInLeaf => ("is not what the entry itself says", "yazının özündə deyilənlə eyni deyil"),
            Self::HalfText => ("and blind do not stand there together", "və blind birlikdə durmur"),
            Self::PlainWithheld => ("are left out, although the entry is not sealed", "göstərilməyib, halbuki yazı möhürlənməyib"),
            Self::NotTheSealed => (
                "are not the text that the entry commits to: text or blind was changed",
                "yazının bağlandığı mətn deyil: mətn və ya blind dəyişdirilib",
            ),
            Self::LeadsElsewhere => (
                "does not lead from the entry to the root of the log's checkpoint: the entry does not stand there, or something was changed",
                "yazıdan jurnalın nəzarət nöqtəsinin kökünə aparmır: yazı orada durmur, ya da nəsə dəyişdirilib",
            ),
            Self::TableHeader => (
                "is not the byte order mark and the names of the columns that a table begins with",
                "cədvəlin başladığı bayt sırası işarəsi və sütun adları deyil",
            ),
            Self::RowForm => ("is no row of 17 columns", "17 sütunluq sətir deyil"),
            Self::NotInMetadata => ("is not what the entry's metadata say", "yazının metadatasında deyilənlə eyni deyil"),
            Self::Zip { detail } => {
                return language.pick(&format!("cannot be unpacked: {detail}"), &format!("açıla bilmir: {detail}"));
            }
            Self::FileName => ("has a file whose name is not UTF-8 of at most 512 bytes", "adı ən çox 512 baytlıq UTF-8 olmayan fayl var"),
            Self::NotPlainFile => (
                "is a folder, encrypted, or packed in another way than stored or deflated",
                "qovluqdur, şifrələnib, ya da stored və deflate-dən başqa üsulla sıxılıb",
            ),
            Self::TwoNames => (
                "has another name or packing in front of it than in the archive's directory",
                "önündə arxivin siyahısındakından başqa ad və ya sıxma üsulu yazılıb",
            ),
            Self::TwiceInZip => ("stands in the archive twice", "arxivdə iki dəfə durur"),
            Self::ZipOverlap => (
                "has files that lie over each other, or another number of them than it says",
                "bir-birinin üstünə düşən fayllar var, ya da onların sayı deyiləndən fərqlidir",
            ),
            Self::TwiceInManifest => ("is listed twice", "siyahıda iki dəfə durur"),
            Self::NotListed => ("is not in the manifest: it was added later", "manifest.json siyahısında yoxdur: sonradan əlavə olunub"),
            Self::Missing => ("is missing", "çatışmır"),
            Self::NotAsListed => {
                ("has not the size and hash that the manifest lists", "ölçüsü və heşi manifest.json siyahısındakı kimi deyil")
            }
            Self::NotTheLines => ("does not say the same as entries.ndjson", "entries.ndjson ilə eyni şeyi demir"),
        };
        language.pick(english, azerbaijani)
    }
}
