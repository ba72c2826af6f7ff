//! The Ministry of Defence: whole, every night, signed (agency catalogue, `defence.service-record`).

use jiff::civil::Date;

use super::{Delivery, FileFault, Sheet, line};
use crate::personas::{ServiceKind, service_records};

const COLUMNS: [&str; 7] = ["FIN", "XIDMET_BASLANGIC", "XIDMET_SON", "XIDMET_NOVU", "GUZEST_EMSALI", "TERXIS_ESASI", "HERBI_RUTBE"];
/// Place of the first day, whose numbers the hash total is the sum of.
const FROM: usize = 1;
/// Place of the factor.
const FACTOR: usize = 4;
/// Place of the ground of discharge.
const GROUND: usize = 5;
/// The day that stands for none.
const NEVER: &str = "99991231";

pub(super) fn delivery(day: Date, fault: Option<FileFault>) -> Delivery {
    let mut sheet = Sheet::new(&COLUMNS);
    let mut total: u64 = 0;
    for (fin, service) in service_records().iter().flat_map(|(fin, services)| services.iter().map(move |service| (fin, service))) {
        let from = service.from.strftime("%Y%m%d").to_string();
        total += from.parse::<u64>().unwrap_or_default();
        let to = service.to.map_or_else(|| NEVER.to_owned(), |to| to.strftime("%Y%m%d").to_string());
        let kind = match service.kind {
            ServiceKind::Conscript => "1",
            ServiceKind::Contract => "2",
            ServiceKind::Officer => "3",
        };
        sheet.row(&[fin, &from, &to, kind, &service.factor, service.ground.as_deref().unwrap_or_default(), "TEST-R1"]);
    }
    if fault == Some(FileFault::RowTwice) {
        total += sheet.number(0, FROM);
    }
    sheet.spoil(fault, if fault == Some(FileFault::WrongType) { FACTOR } else { GROUND });
    let total = total + u64::from(fault == Some(FileFault::WrongTotal));
    let mut bytes = sheet.write(fault != Some(FileFault::NoHeader));
    let count = sheet.rows.len() + usize::from(fault == Some(FileFault::WrongCount));
    let own = day.strftime("%Y%m%d").to_string();
    line(&mut bytes, [b"SON", count.to_string().as_bytes(), total.to_string().as_bytes(), own.as_bytes()].into_iter());
    Delivery { name: format!("HERBI_XIDMET_{own}.csv"), bytes, signature: None }
}
