//! Azəriqaz: whole once a month, and a change every day (agency catalogue, `azeriqaz.consumption`).

use jiff::ToSpan as _;
use jiff::civil::Date;

use super::{Delivery, FileFault, Sheet, line};
use crate::personas::{Gas, gas_accounts};

const COLUMNS: [&str; 9] = ["ABONENT", "FIN", "AY", "HECM_M3", "MEBLEG_QEPIK", "YUKLEME_QEPIK", "QALIQ_QEPIK", "VEZIYYET", "UNVAN"];
/// Place of the quantity.
const QUANTITY: usize = 3;
/// Months that the source gives of an account.
const MONTHS: i32 = 12;
/// What a month uses of December's gas, in per cent, from January.
const SEASON: [u32; 12] = [110, 105, 90, 60, 35, 25, 20, 20, 25, 45, 75, 100];
/// What a cubic metre costs, in qəpik.
const TARIFF: u32 = 10;
/// Cards are topped up by so many qəpik.
const TOP_UP: u32 = 1_000;

pub(super) fn delivery(day: Date, base: Option<Date>, fault: Option<FileFault>) -> Delivery {
    let mut sheet = Sheet::new(&COLUMNS);
    let closed_first = fault == Some(FileFault::ClosedAccount);
    for (fin, account) in gas_accounts().iter().flat_map(|(fin, accounts)| accounts.iter().map(move |account| (fin, account))) {
        // A change brings the last closed month again, as it was read at last.
        let months = if base.is_some() { 1 } else { MONTHS };
        let closed = account.closed || closed_first && sheet.rows.len() < usize::try_from(months).unwrap_or_default();
        for back in (1..=months).rev() {
            let month = day.first_of_month().saturating_sub(back.months());
            row(&mut sheet, fin, account, month, closed, base.is_some());
        }
    }
    sheet.spoil(fault, QUANTITY);
    let mut bytes = sheet.write(fault != Some(FileFault::NoHeader));
    let count = sheet.rows.len() + usize::from(fault == Some(FileFault::WrongCount));
    let base = if fault == Some(FileFault::NoBase) { Some(day.saturating_sub(400.days())) } else { base };
    let base = base.map(|base| base.strftime("%Y%m%d").to_string()).unwrap_or_default();
    let own = day.strftime("%Y%m%d").to_string();
    line(&mut bytes, [b"SON", count.to_string().as_bytes(), own.as_bytes(), base.as_bytes()].into_iter());
    Delivery { name: format!("QAZ_HESABLAMA_{own}.csv"), bytes, signature: None }
}

fn row(sheet: &mut Sheet, fin: &str, account: &Gas, month: Date, closed: bool, corrected: bool) {
    let of_year = usize::try_from(month.month() - 1).unwrap_or_default();
    // What a change corrects: a reading of half a cubic metre more.
    let hundredths = account.december_m3_hundredths * SEASON[of_year] / 100 + if corrected { 50 } else { 0 };
    let charged = hundredths * TARIFF / 100;
    let topped_up = charged.div_ceil(TOP_UP) * TOP_UP;
    let quantity = format!("{},{:02}", hundredths / 100, hundredths % 100);
    let balance = i64::from(charged) - i64::from(topped_up);
    let cells = [
        &*account.subscriber_code,
        fin,
        &month.strftime("%Y%m").to_string(),
        &quantity,
        &charged.to_string(),
        &topped_up.to_string(),
        &balance.to_string(),
        if closed { "B" } else { "A" },
        "Sınaq küç. 1",
    ];
    sheet.row(&cells);
}
