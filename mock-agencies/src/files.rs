//! Sources that are not asked but deliver: the files that they write, from the personas alone, and what can go wrong
//! with them. The same day, service and fault give the same bytes.

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::str::FromStr;

use jiff::civil::Date;

pub use self::signed::certificate;

mod azeriqaz;
mod defence;
mod mobilisation;
mod signed;
mod statistics;
mod zip;

/// A file as it is delivered.
#[derive(Clone)]
pub struct Delivery {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What lies beside it under its name with `.asc` behind, where the source signs.
    pub signature: Option<Vec<u8>>,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("name", &self.name).field("bytes", &self.bytes.len()).finish()
    }
}

impl Delivery {
    /// Writes it into a folder under another name, and renames it when it is whole. Its signature comes first.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        if let Some(signature) = &self.signature {
            put(folder, &format!("{}.asc", self.name), signature)?;
        }
        put(folder, &self.name, &self.bytes)
    }
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let part = folder.join(format!("{name}.part"));
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(part, folder.join(name))
}

macro_rules! faults {
    ($($variant:ident = $name:literal, $meaning:literal;)+) => {
        /// What can be wrong with a file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FileFault {
            $(#[doc = $meaning] $variant,)+
        }

        impl FileFault {
            /// Every fault.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it does, in words.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }
        }
    };
}

faults! {
    Missing = "missing", "No file is delivered.";
    Truncated = "truncated", "The file is cut off after two thirds.";
    WrongCount = "wrong-count", "The last row counts one row too many.";
    WrongTotal = "wrong-total", "The hash total of the last row is one too many.";
    Unsigned = "unsigned", "No signature lies beside the file.";
    BadSignature = "bad-signature", "The file was changed after it was signed.";
    ForeignKey = "foreign-key", "The file is signed with the key of another source.";
    NoHeader = "no-header", "The row with the names of the columns is missing.";
    Undeclared = "undeclared", "The file has a column that no agreement knows.";
    Malformed = "malformed", "A row has a cell too few.";
    RowTwice = "row-twice", "A row stands twice.";
    CodePage = "code-page", "The first row's text is not UTF-8.";
    LostLetter = "lost-letter", "A letter of the first row's text has become a question mark.";
    WrongType = "wrong-type", "A number of the first row is a word.";
    ClosedAccount = "closed-account", "The first account is closed: its rows say so.";
    NoBase = "no-base", "A change of a file that was never delivered.";
    ChildFirst = "child-first", "Children stand before their parents.";
    Orphan = "orphan", "A row's parent is missing.";
    Withdrawn = "withdrawn", "The newest version no longer has its last code.";
    VersionChanged = "version-changed", "A known version comes with another name in its first row.";
    WrongSum = "wrong-sum", "A part of the archive does not have the checksum that is listed.";
    ForeignPart = "foreign-part", "The archive has a part whose name leads out of its folder.";
    ZipBomb = "zip-bomb", "A part of the archive unpacks to a hundred megabytes.";
}

impl FileFault {
    /// The faults that a service's files can have, in the order of [`FileFault::ALL`]; none for a service that delivers none.
    #[must_use]
    pub fn accepted(service: &str) -> Vec<Self> {
        let archive = service.starts_with("statistics/");
        let exists = |fault: &Self| match fault {
            Self::Missing | Self::Truncated | Self::NoHeader | Self::Undeclared | Self::Malformed | Self::RowTwice | Self::CodePage => true,
            Self::WrongCount | Self::WrongType => !archive,
            Self::WrongTotal => service.starts_with("defence/"),
            Self::Unsigned | Self::BadSignature | Self::ForeignKey => certificate(service).is_some(),
            Self::NoBase => !archive && !service.starts_with("defence/"),
            Self::ClosedAccount => service == "azeriqaz/consumption",
            Self::LostLetter
            | Self::ChildFirst
            | Self::Orphan
            | Self::VersionChanged
            | Self::Withdrawn
            | Self::WrongSum
            | Self::ForeignPart
            | Self::ZipBomb => archive,
        };
        if FILE_SERVICES.contains(&service) { Self::ALL.iter().copied().filter(exists).collect() } else { Vec::new() }
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no fault of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such fault of files")]
pub struct UnknownFileFault;

impl FromStr for FileFault {
    type Err = UnknownFileFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|fault| fault.as_str() == text).ok_or(UnknownFileFault)
    }
}

/// The services whose sources deliver files.
pub const FILE_SERVICES: [&str; 5] = [
    "azeriqaz/consumption",
    "defence/service-record",
    "mobilisation/war-participant",
    "statistics/territory-classifier",
    "statistics/occupation-and-activity",
];

/// The version of territories that is in force, for who asks about one.
pub const TERRITORIES_VERSION: &str = "AZS882-2020";
/// The version of occupations and activities that is in force.
pub const OCCUPATIONS_VERSION: &str = "2026-01";

/// The file that a service's source delivers on a day. `base` makes it a change of the file of that day, where the
/// source writes changes. `None` for a service that delivers none, and where the fault is that nothing comes.
#[must_use]
pub fn delivery(service: &str, day: Date, base: Option<Date>, fault: Option<FileFault>) -> Option<Delivery> {
    if fault == Some(FileFault::Missing) {
        return None;
    }
    let mut delivery = match service {
        "azeriqaz/consumption" => azeriqaz::delivery(day, base, fault),
        "defence/service-record" => defence::delivery(day, fault),
        "mobilisation/war-participant" => mobilisation::delivery(day, base, fault),
        "statistics/territory-classifier" => statistics::territories(day, fault),
        "statistics/occupation-and-activity" => statistics::occupations(day, fault),
        _ => return None,
    };
    if fault == Some(FileFault::Truncated) {
        delivery.bytes.truncate(delivery.bytes.len() * 2 / 3);
    }
    // What a source has cut off before it signed is its own; what came after that is found out by the signature.
    if certificate(service).is_some() && fault != Some(FileFault::Unsigned) {
        let by = if fault == Some(FileFault::ForeignKey) { another(service) } else { service };
        delivery.signature = Some(signed::sign(by, day, &delivery.bytes));
    }
    if fault == Some(FileFault::BadSignature)
        && let Some(byte) = delivery.bytes.iter_mut().rev().find(|byte| byte.is_ascii_digit())
    {
        *byte = if *byte == b'9' { b'8' } else { *byte + 1 };
    }
    Some(delivery)
}

/// Another service whose source signs.
fn another(service: &str) -> &'static str {
    if service.starts_with("defence/") { "mobilisation/war-participant" } else { "defence/service-record" }
}

/// Rows on their way into a file.
struct Sheet {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Vec<u8>>>,
}

impl Sheet {
    fn new(columns: &[&'static str]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// The number in a cell.
    fn number(&self, row: usize, column: usize) -> u64 {
        let cell = self.rows.get(row).and_then(|row| row.get(column)).map(Vec::as_slice).unwrap_or_default();
        std::str::from_utf8(cell).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    fn row(&mut self, cells: &[&str]) {
        self.rows.push(cells.iter().map(|cell| cell.as_bytes().to_vec()).collect());
    }

    /// Commits the faults that any rows can have; `text` is the column of a text.
    fn spoil(&mut self, fault: Option<FileFault>, text: usize) {
        let Some(fault) = fault else { return };
        if fault == FileFault::Undeclared {
            self.columns.push("ELAVE");
            self.rows.iter_mut().for_each(|row| row.push(b"TEST".to_vec()));
        }
        if fault == FileFault::RowTwice {
            self.rows.extend(self.rows.first().cloned());
        }
        let Some(first) = self.rows.first_mut() else { return };
        match fault {
            FileFault::Malformed => drop(first.pop()),
            // What CP1254 has for ı.
            FileFault::CodePage => first[text] = [&first[text][..], &[0xFD]].concat(),
            FileFault::LostLetter => first[text] = [&first[text][..], b"?"].concat(),
            FileFault::WrongType => first[text] = b"on bes".to_vec(),
            _ => {}
        }
    }

    /// The file with its mark of UTF-8.
    fn write(&self, with_header: bool) -> Vec<u8> {
        let mut out = "\u{feff}".as_bytes().to_vec();
        if with_header {
            line(&mut out, self.columns.iter().map(|column| column.as_bytes()));
        }
        for row in &self.rows {
            line(&mut out, row.iter().map(Vec::as_slice));
        }
        out
    }
}

fn line<'a>(out: &mut Vec<u8>, cells: impl Iterator<Item = &'a [u8]>) {
    for (place, cell) in cells.enumerate() {
        if place > 0 {
            out.push(b';');
        }
        if cell.iter().any(|byte| matches!(byte, b';' | b'"')) {
            out.push(b'"');
            for byte in cell {
                if *byte == b'"' {
                    out.push(b'"');
                }
                out.push(*byte);
            }
            out.push(b'"');
        } else {
            out.extend_from_slice(cell);
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_day_gives_one_file_and_a_fault_another() {
        for service in FILE_SERVICES {
            let day = date(2026, 3, 11);
            let plain = delivery(service, day, None, None).expect("a file");
            assert_eq!(plain.bytes, delivery(service, day, None, None).expect("a file").bytes, "{service}");
            for fault in FileFault::accepted(service) {
                let spoilt = delivery(service, day, None, Some(fault));
                let as_delivered = |file: Delivery| (file.bytes, file.signature);
                assert!(spoilt.map(as_delivered) != Some(as_delivered(plain.clone())), "{service} {fault}");
                assert_eq!(fault.as_str().parse(), Ok(fault));
            }
        }
        assert!(delivery("interior/person-identity", date(2026, 3, 11), None, None).is_none());
    }

    #[test]
    fn a_file_of_gas_is_as_the_page_of_forms_says() {
        let file = delivery("azeriqaz/consumption", date(2026, 1, 15), None, None).expect("a file");
        assert_eq!(file.name, "QAZ_HESABLAMA_20260115.csv");
        let text = String::from_utf8(file.bytes).expect("UTF-8");
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines[0], "\u{feff}ABONENT;FIN;AY;HECM_M3;MEBLEG_QEPIK;YUKLEME_QEPIK;QALIQ_QEPIK;VEZIYYET;UNVAN");
        assert!(lines.iter().any(|line| line.starts_with("TEST-QZ-000333;5K7QX2O;202512;148,20;1482;2000;-518;A;")), "{text}");
        let count = lines.len() - 3;
        assert_eq!(lines[count + 1], format!("SON;{count};20260115;"));
        let change = delivery("azeriqaz/consumption", date(2026, 1, 16), Some(date(2026, 1, 15)), None).expect("a file");
        assert!(String::from_utf8(change.bytes).expect("UTF-8").ends_with(";20260116;20260115\r\n"));
    }
}
