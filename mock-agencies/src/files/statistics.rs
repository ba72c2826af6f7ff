//! The statistics committee: archives of classifiers (agency catalogue, `statistics.*`).

use jiff::civil::Date;

use super::zip::{Part, archive};
use super::{Delivery, FileFault, OCCUPATIONS_VERSION, Sheet, TERRITORIES_VERSION};
use crate::personas::classifiers;

pub(super) fn territories(day: Date, fault: Option<FileFault>) -> Delivery {
    let mut sheet = Sheet::new(&["KOD", "UST_KOD", "AD", "NOV", "BASLANGIC", "SON", "VERSIYA"]);
    for (version, rows) in &classifiers().territories {
        let withdrawn = usize::from(fault == Some(FileFault::Withdrawn) && **version == *TERRITORIES_VERSION);
        for [code, parent, name, kind, from, to] in rows.iter().take(rows.len() - withdrawn) {
            sheet.row(&[code, parent, name, kind, from, to, version]);
        }
    }
    spoil(&mut sheet, fault, 2, 1);
    packed(format!("IEBT_{}.zip", day.strftime("%Y%m")), &[("IEBT.csv", &sheet)], fault)
}

pub(super) fn occupations(day: Date, fault: Option<FileFault>) -> Delivery {
    let columns = ["TESNIFAT", "KOD", "AD", "UST_KOD", "VERSIYA"];
    let (mut occupations, mut activities) = (Sheet::new(&columns), Sheet::new(&columns));
    let of = |sheet: &mut Sheet, classifier: &str, rows: &std::collections::BTreeMap<Box<str>, Vec<[Box<str>; 3]>>| {
        for (version, rows) in rows {
            let withdrawn = usize::from(fault == Some(FileFault::Withdrawn) && **version == *OCCUPATIONS_VERSION);
            for [code, parent, name] in rows.iter().take(rows.len() - withdrawn) {
                sheet.row(&[classifier, code, name, parent, version]);
            }
        }
    };
    of(&mut occupations, "PESE", &classifiers().occupations);
    of(&mut activities, "FEALIYYET", &classifiers().activities);
    spoil(&mut occupations, fault, 2, 3);
    packed(format!("PESE_FEALIYYET_{}.zip", day.strftime("%Y%m")), &[("PESE.csv", &occupations), ("FEALIYYET.csv", &activities)], fault)
}

fn spoil(sheet: &mut Sheet, fault: Option<FileFault>, name: usize, parent: usize) {
    sheet.spoil(fault, name);
    match fault {
        Some(FileFault::ChildFirst) => sheet.rows.reverse(),
        Some(FileFault::Orphan) => {
            if let Some(row) = sheet.rows.iter_mut().find(|row| !row[parent].is_empty()) {
                row[parent] = b"TEST-0".to_vec();
            }
        }
        Some(FileFault::VersionChanged) => {
            if let Some(row) = sheet.rows.first_mut() {
                row[name] = "Başqa ad".as_bytes().to_vec();
            }
        }
        _ => {}
    }
}

fn packed(name: String, sheets: &[(&'static str, &Sheet)], fault: Option<FileFault>) -> Delivery {
    let parts = sheets.iter().map(|(name, sheet)| Part { name, bytes: sheet.write(fault != Some(FileFault::NoHeader)) });
    Delivery { name, bytes: archive(parts.collect(), fault), signature: None }
}
