//! The State Service for Mobilisation and Conscription: the list of participants of the war, a signed change every week
//! (agency catalogue, `mobilisation.war-participant`).

use jiff::ToSpan as _;
use jiff::civil::Date;

use super::{Delivery, FileFault, Sheet, line};
use crate::personas::{WarStatus, war_participants};

const COLUMNS: [&str; 6] = ["FIN", "STATUS", "VESIQE_NO", "VERILME", "EMEL", "SOYAD"];
/// Place of the certificate's number.
const CERTIFICATE: usize = 2;
/// Place of the day of granting.
const GRANTED: usize = 3;

/// A change brings the first two on the list again, with new certificates, and takes the last off it.
pub(super) fn delivery(day: Date, base: Option<Date>, fault: Option<FileFault>) -> Delivery {
    let mut sheet = Sheet::new(&COLUMNS);
    let everybody = war_participants();
    for (place, (fin, one)) in everybody.iter().enumerate() {
        let last = place + 1 == everybody.len();
        if base.is_some() && place >= 2 && !last {
            continue;
        }
        let status = match one.status {
            WarStatus::Participant => "ISTIRAKCI",
            WarStatus::Veteran => "VETERAN",
            WarStatus::MartyrFamily => "SEHID_AILESI",
        };
        let certificate = if base.is_some() { format!("{}-Y", one.certificate_no) } else { one.certificate_no.to_string() };
        let granted = one.granted_on.strftime("%Y%m%d").to_string();
        let operation = if base.is_some() && last { "S" } else { "Y" };
        sheet.row(&[fin, status, &certificate, &granted, operation, "Sınaq"]);
    }
    sheet.spoil(fault, if fault == Some(FileFault::WrongType) { GRANTED } else { CERTIFICATE });
    let mut bytes = sheet.write(fault != Some(FileFault::NoHeader));
    let count = sheet.rows.len() + usize::from(fault == Some(FileFault::WrongCount));
    let base = if fault == Some(FileFault::NoBase) { Some(day.saturating_sub(400.days())) } else { base };
    let (own, base) = (week(day), base.map(week).unwrap_or_default());
    line(&mut bytes, [b"SON", count.to_string().as_bytes(), own.as_bytes(), base.as_bytes()].into_iter());
    Delivery { name: format!("MUHARIBE_ISTIRAKCISI_{own}.csv"), bytes, signature: None }
}

/// `yyyyWW` of ISO 8601.
fn week(day: Date) -> String {
    let week = day.iso_week_date();
    format!("{:04}{:02}", week.year(), week.week())
}
