//! How long a provider thinks before it answers.

use std::time::Duration;

use crate::agency::AgencyCode;

/// How long each call takes before its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Latency {
    /// Answers at once: tests and benchmarks.
    #[default]
    None,
    /// Draws from the catalogue's figures for the service, the same for the same seed and call number.
    Catalogue {
        /// Where the draws start.
        seed: u64,
    },
}

impl Latency {
    /// The time call `number` of a service takes.
    pub(crate) fn draw(self, agency: AgencyCode, service: &str, number: u64) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Catalogue { seed } => Duration::from_micros(drawn(figures(agency, service), uniform(seed, number))),
        }
    }

    /// The time from the acceptance of the credit bureau's inquiry `number` to its report.
    pub(crate) fn draw_report(self, number: u64) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Catalogue { seed } => {
                Duration::from_micros(drawn([2_000_000, 20_000_000, 40_000_000, 60_000_000], uniform(seed, number)))
            }
        }
    }
}

/// A uniform draw from `0..SCALE`, by one step of splitmix64.
fn uniform(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) % SCALE
}

const SCALE: u64 = 10_000;

/// A time of the last percent, four to eight seconds: the slow tail of the interior ministry
/// (catalogue, section 2).
pub(crate) fn slow_tail(number: u64) -> Duration {
    Duration::from_millis(4_000 + uniform(0, number) * 4_000 / SCALE)
}

/// The catalogue's p50, p95 and p99 and the most we assume, in microseconds. Where it gives no p99 we
/// assume twice the p95.
fn figures(agency: AgencyCode, service: &str) -> [u64; 4] {
    match (agency, service) {
        // The last percent is the slow tail of section 2.
        (AgencyCode::Interior, "person-identity") => [120_000, 450_000, 2_000_000, 8_000_000],
        (AgencyCode::Interior, "residence-registration") => [140_000, 500_000, 2_000_000, 8_000_000],
        (AgencyCode::Interior, _) => [220_000, 900_000, 2_000_000, 8_000_000],
        (AgencyCode::Justice, "family-acts") => [180_000, 700_000, 1_400_000, 2_100_000],
        (AgencyCode::Justice, "notarial-application") => [160_000, 600_000, 1_200_000, 1_800_000],
        (AgencyCode::Justice, _) => [200_000, 900_000, 1_800_000, 2_700_000],
        (AgencyCode::Taxes, "person-income") => [350_000, 1_800_000, 3_600_000, 5_400_000],
        (AgencyCode::Taxes, _) => [200_000, 800_000, 1_600_000, 2_400_000],
        (AgencyCode::Health, _) => [200_000, 800_000, 1_600_000, 2_400_000],
        (AgencyCode::Digital, "certificate-status") => [60_000, 200_000, 400_000, 600_000],
        (AgencyCode::Digital, _) => [80_000, 250_000, 500_000, 750_000],
        (AgencyCode::Property, "ownership") => [600_000, 3_000_000, 30_000_000, 31_000_000],
        (AgencyCode::Property, _) => [700_000, 3_000_000, 6_000_000, 9_000_000],
        (AgencyCode::Migration, "permit") => [200_000, 900_000, 1_800_000, 2_700_000],
        (AgencyCode::Migration, _) => [250_000, 1_000_000, 2_000_000, 3_000_000],
        (AgencyCode::Border, "absence-summary") => [400_000, 2_000_000, 4_000_000, 6_000_000],
        (AgencyCode::Border, _) => [500_000, 2_500_000, 5_000_000, 7_500_000],
        // The catalogue gives the acceptance one figure; the report is made after it.
        (AgencyCode::CreditBureau, _) => [150_000, 300_000, 600_000, 900_000],
        (AgencyCode::Agriculture, _) => [250_000, 1_200_000, 2_400_000, 3_600_000],
        (AgencyCode::Education, _) => [180_000, 700_000, 1_400_000, 2_100_000],
        (AgencyCode::RefugeeCommittee, _) => [900_000, 4_000_000, 8_000_000, 12_000_000],
        (AgencyCode::Mobilisation, _) => [700_000, 3_000_000, 6_000_000, 9_000_000],
        (AgencyCode::ExamCentre, _) => [300_000, 3_000_000, 6_000_000, 9_000_000],
        (AgencyCode::Azersu, _) => [900_000, 4_000_000, 8_000_000, 12_000_000],
        (AgencyCode::Azerishiq, "subscriber") => [250_000, 1_000_000, 2_000_000, 3_000_000],
        (AgencyCode::Azerishiq, _) => [300_000, 1_200_000, 2_400_000, 3_600_000],
        (AgencyCode::LocalExecutive, "household-register") => [2_000_000, 12_000_000, 24_000_000, 36_000_000],
        (AgencyCode::LocalExecutive, _) => [1_500_000, 10_000_000, 20_000_000, 30_000_000],
    }
}

/// The figures joined by straight lines; below the median we assume down to a third of it.
fn drawn([p50, p95, p99, most]: [u64; 4], at: u64) -> u64 {
    let points = [(0, p50 / 3), (5_000, p50), (9_500, p95), (9_900, p99), (SCALE, most)];
    let (low, high) = points.iter().zip(points.iter().skip(1)).find(|(_, (end, _))| at < *end).expect("the points cover every draw");
    low.1 + (high.1 - low.1) * (at - low.0) / (high.0 - low.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_repeat_for_a_seed_and_meet_the_catalogue() {
        let drawn =
            |seed| (0..20_000).map(|n| Latency::Catalogue { seed }.draw(AgencyCode::Interior, "person-identity", n)).collect::<Vec<_>>();
        let mut times = drawn(7);
        assert_eq!(times, drawn(7));
        assert_ne!(times, drawn(8));
        times.sort_unstable();
        let near = |place: usize, millis: u64| {
            let got = times[place].as_millis();
            assert!(got.abs_diff(u128::from(millis)) * 10 <= u128::from(millis), "{place}: {got} ms, not {millis}");
        };
        near(10_000, 120);
        near(19_000, 450);
        assert!(times[19_750] < Duration::from_secs(2) && times[19_999] > Duration::from_secs(4));
    }

    #[test]
    fn no_latency_is_none_at_all() {
        assert_eq!(Latency::None.draw(AgencyCode::Taxes, "person-income", 3), Duration::ZERO);
        assert_eq!(Latency::None.draw_report(3), Duration::ZERO);
    }

    #[test]
    fn every_service_has_figures_that_grow() {
        for agency in AgencyCode::ALL {
            for service in agency.services() {
                assert!(figures(agency, service).is_sorted(), "{agency}/{service}");
            }
        }
    }
}
