//! The bodies that an agency consists of, where the decree names it in the plural: each is played by a listener of its own.

use crate::agency::AgencyCode;

/// One of the bodies that an agency consists of.
#[derive(Debug, PartialEq, Eq)]
pub struct Instance {
    /// The agency.
    pub agency: AgencyCode,
    /// How it is called among all that is played: the agency's first by the agency's code alone.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The keys that it answers for: territories, or its own name.
    pub keys: &'static [&'static str],
}

/// The territory whose body nobody has connected; no persona lives there.
pub const TERRITORY_NOT_CONNECTED: &str = "99000006";

impl Instance {
    /// Every one, an agency's first before its others.
    pub const ALL: &'static [Self] = &[
        Self { agency: AgencyCode::CreditBureau, id: "credit-bureau", name: "first", keys: &["first"] },
        Self { agency: AgencyCode::CreditBureau, id: "credit-bureau/second", name: "second", keys: &["second"] },
        Self { agency: AgencyCode::LocalExecutive, id: "local-executive", name: "numune", keys: &["99000003", "99000005"] },
        Self { agency: AgencyCode::LocalExecutive, id: "local-executive/sinaq", name: "sinaq", keys: &["99000001"] },
        Self { agency: AgencyCode::LocalExecutive, id: "local-executive/ornek", name: "ornek", keys: &["99000002", "99000004"] },
    ];

    /// Those of an agency; none where it is one body.
    pub fn of(agency: AgencyCode) -> impl Iterator<Item = &'static Self> {
        Self::ALL.iter().filter(move |instance| instance.agency == agency)
    }
}
