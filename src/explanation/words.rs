//! An explanation in words. Every reason of a denial has its sentence in both languages with the policy; whatever check
//! or step is added there is told here by the same lists.

use policy::{ConsentUse, DenialReason, Explanation, Step};

use super::{Recorded, Said, Unexplained};
use crate::premises::Premises;

/// The whole, a line for each thing said.
pub(super) fn lines(recorded: &Recorded, premises: &Premises, decision: Option<&Explanation>, disagreements: &[Said]) -> Vec<Said> {
    let Recorded { consumer, service, purpose, role, configuration, .. } = recorded;
    let at = model::time::rfc3339(premises.decided_at());
    let mut lines = vec![
        Said::new(
            format!("{consumer} {role} rolunda {purpose} məqsədi üçün {service} soruşub; qərar {at} tarixində verilib"),
            format!("{consumer} asked {service} for {purpose} in role {role}; decided at {at}"),
        ),
        Said::new(format!("o vaxtın məlumatları: {configuration}"), format!("data of then: {configuration}")),
    ];
    let Some(decision) = decision else {
        lines.push(Said::new(
            format!("rədd edilir: o vaxtın məlumatlarında {consumer} istehlakçısı yoxdur"),
            format!("denied: the data of then do not have the consumer {consumer}"),
        ));
        lines.extend(verdict(disagreements));
        return lines;
    };
    lines.push(if decision.allowed {
        Said::new("qərar: icazə verilir", "decision: allowed")
    } else {
        Said::new("qərar: rədd edilir", "decision: denied")
    });
    // What stood against it comes first.
    let mut checks: Vec<_> = decision.checks.iter().collect();
    checks.sort_by_key(|check| check.passed);
    let liftable = [DenialReason::CaseOfAnother, DenialReason::PersonNotInCase];
    for check in checks {
        let (part_az, part_en) = part(check.part);
        let (az, en) = (check.reason.azerbaijani(), check.reason.english());
        lines.push(if check.passed && decision.emergency.is_some() && liftable.contains(&check.reason) {
            Said::new(
                format!("  keçir · {part_az} · bu hal yoxdur və ya təcili hal icazəsi ilə aradan qaldırılıb: {az}"),
                format!("  passes · {part_en} · not the case, or lifted by the emergency override: {en}"),
            )
        } else if check.passed {
            Said::new(format!("  keçir · {part_az} · bu hal yoxdur: {az}"), format!("  passes · {part_en} · not the case: {en}"))
        } else {
            Said::new(format!("  RƏDD · {part_az} · {az} ({})", check.reason), format!("  FAILS · {part_en} · {en} ({})", check.reason))
        });
    }
    let (az, en) = consent(decision.consent);
    lines.push(Said::new(format!("  şəxsin razılığı: {az}"), format!("  the person's consent: {en}")));
    if let Some(emergency) = &decision.emergency {
        lines.push(Said::new(format!("  təcili hal üzrə icazə: {emergency}"), format!("  emergency override: {emergency}")));
    }
    lines.extend(decision.steps.iter().map(told));
    if let Some(question) = &decision.answer {
        lines.push(Said::new(
            format!("  yalnız bəli və ya yox cavabı verilir: {}", question.az),
            format!("  answered with yes or no alone: {}", question.en),
        ));
    } else if decision.allowed {
        let delivered = decision.delivered.join(", ");
        lines.push(Said::new(format!("  verilə bilər: {delivered}"), format!("  may be delivered: {delivered}")));
    }
    if let Some(handling) = decision.handling {
        lines.push(Said::new(format!("  istifadə qeydi: {}", handling.as_str()), format!("  handling mark: {}", handling.as_str())));
    }
    for withheld in &decision.withheld {
        let (az, en) = step_name(withheld.reason.as_str());
        lines.push(Said::new(format!("  saxlanılır: {} ({az})", withheld.field), format!("  withheld: {} ({en})", withheld.field)));
    }
    lines.extend(verdict(disagreements));
    lines
}

fn verdict(disagreements: &[Said]) -> Vec<Said> {
    if disagreements.is_empty() {
        return vec![Said::new("qeyd o vaxtın qaydalarına uyğundur", "what was recorded agrees with the rules of then")];
    }
    let head = Said::new("QEYD O VAXTIN QAYDALARINA UYĞUN DEYİL:", "WHAT WAS RECORDED DOES NOT AGREE WITH THE RULES OF THEN:");
    let each = disagreements.iter().map(|said| Said::new(format!("  {}", said.az), format!("  {}", said.en)));
    std::iter::once(head).chain(each).collect()
}

/// What one party lets through.
fn told(step: &Step) -> Said {
    let (name_az, name_en) = step_name(step.name);
    let (passing, all) = (step.allowed.len(), step.allowed.len() + step.withheld.len());
    let (kept_az, kept_en) = if step.withheld.is_empty() {
        (String::new(), String::new())
    } else {
        let kept = step.withheld.join(", ");
        (format!("; keçmir: {kept}"), format!("; do not pass: {kept}"))
    };
    Said::new(
        format!("  {name_az}: {}: {all} sahədən {passing} keçir{kept_az}", step.basis_az),
        format!("  {name_en}: {}: {passing} of {all} fields pass{kept_en}", step.basis),
    )
}

fn part(part: &'static str) -> (&'static str, &'static str) {
    match part {
        "agreement" => ("razılaşma", "agreement"),
        "function" => ("istehlakçının funksiyası", "function"),
        "powers" => ("vəzifəli şəxsin səlahiyyəti", "powers"),
        "case" => ("iş", "case"),
        "consent" => ("razılıq", "consent"),
        other => (other, other),
    }
}

fn step_name(name: &'static str) -> (&'static str, &'static str) {
    match name {
        "class" => ("məlumatın sinfi", "class"),
        "fields" => ("sorğunun sahələri", "fields asked"),
        "row" => ("yalnız verilən sətirlər", "only the granted rows"),
        other => part(other),
    }
}

fn consent(found: ConsentUse) -> (&'static str, &'static str) {
    match found {
        ConsentUse::NotNeeded => ("tələb olunmur", "not needed"),
        ConsentUse::Missing => ("tələb olunur, yoxdur", "needed, and missing"),
        ConsentUse::NotInForce => ("tələb olunur, qüvvədə deyil", "needed, and not in force"),
        ConsentUse::Refused => ("tələb olunur, reyestr qəbul etmir", "needed, and refused by the registry"),
        ConsentUse::InForce => ("tələb olunur, qüvvədədir", "needed, and in force"),
    }
}

fn codes(reasons: &[DenialReason]) -> String {
    reasons.iter().map(|reason| reason.code()).collect::<Vec<_>>().join(", ")
}

pub(super) fn denied_though_allowed(recorded: &[DenialReason]) -> Said {
    let codes = codes(recorded);
    Said::new(
        format!("rədd qeyd olunub ({codes}), qaydalar isə icazə verir"),
        format!("a denial was recorded ({codes}), and the rules allow it"),
    )
}

pub(super) fn allowed_though_denied(reasons: &[DenialReason]) -> Said {
    let codes = codes(reasons);
    Said::new(
        format!("icazə qeyd olunub, qaydalar isə rədd edir ({codes})"),
        format!("it was recorded as allowed, and the rules deny it ({codes})"),
    )
}

pub(super) fn other_reasons(recorded: &[DenialReason], reasons: &[DenialReason]) -> Said {
    let (was, is) = (codes(recorded), codes(reasons));
    Said::new(format!("qeyd olunan rədd səbəbləri: {was}; qaydalara görə: {is}"), format!("reasons recorded: {was}; by the rules: {is}"))
}

pub(super) fn other_act(recorded: &str, act: &str) -> Said {
    Said::new(format!("qeyd olunan akt: {recorded}; qaydalara görə: {act}"), format!("act recorded: {recorded}; by the rules: {act}"))
}

pub(super) fn other_emergency() -> Said {
    Said::new("təcili hal üzrə icazə qeyddəki ilə uyğun gəlmir", "the emergency override is not the recorded one")
}

pub(super) fn other_version(recorded: &str, version: &str) -> Said {
    Said::new(
        format!("müqavilənin qeyd olunan versiyası: {recorded}; o vaxtın məlumatlarında: {version}"),
        format!("version of the contract recorded: {recorded}; in the data of then: {version}"),
    )
}

pub(super) fn given_beyond(fields: &[&str]) -> Said {
    let fields = fields.join(", ");
    Said::new(
        format!("qaydaların icazə vermədiyi sahələr verilib: {fields}"),
        format!("fields were given that the rules do not allow: {fields}"),
    )
}

pub(super) fn no_service() -> Said {
    Said::new("qeyddə xidmətin adı yoxdur", "the entry names no service")
}

pub(super) fn unexplained(why: &Unexplained) -> Said {
    match why {
        Unexplained::NoDecision => Said::new("bu qeyd qərar haqqında deyil", "this entry is not about a decision"),
        Unexplained::TextGone => Said::new(
            "bu qeydin açarları məhv edilib; mətni oxuna bilmir",
            "the keys of this entry have been destroyed; its text cannot be read",
        ),
        Unexplained::Dossier(entries) => {
            let entries = entries.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            Said::new(
                format!("bu qeyd bütöv toplunu bildirir; hər elementin öz qərarı var, onu bu qeydlərdə izah etdirin: {entries}"),
                format!("this entry tells of a whole dossier; each element has a decision of its own, explain these entries: {entries}"),
            )
        }
        Unexplained::NoPremises => Said::new(
            "qərarın nəyə əsasən verildiyi bu qeyddə yoxdur: o, siyasətdən kənar verilib və ya qeyd daha əvvəl yazılıb",
            "the entry does not have what the decision was made from: it was made outside the policy, or written before that was kept",
        ),
        Unexplained::DataGone => Said::new(
            "o vaxtın məlumatları burada saxlanılmayıb; həmin dəyişiklik toplusunu qovluğa qaytarın və yenidən soruşun",
            "the data of then are not kept here; put that bundle back into its folder and ask again",
        ),
        Unexplained::DataUnsound(error) => Said::new(
            format!("o vaxtın məlumatları imzalandığı kimi deyil, ona görə izah verilmir: {error}"),
            format!("the data of then are not as they were signed, so nothing is explained by them: {error}"),
        ),
    }
}
