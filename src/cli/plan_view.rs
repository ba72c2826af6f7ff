//! A dossier's plan for people: its elements in waves, what each needs of others, and the same as a
//! drawing (Mermaid).

use std::fmt::Write as _;

use model::contract::{AnswerField, ConditionOf, Dossier, Element, InputSource, PersonRole, Test};

use super::table::Table;

/// The plan as text: one table per wave. An element of a wave is asked as soon as those it needs have
/// answered; all elements of a wave are asked at once.
#[must_use]
pub fn text(dossier: &Dossier) -> String {
    let waves = waves(dossier);
    let mut out = format!(
        "{}@{}: {}\npurpose {}; {} s for a round, asked again every {} s for {} days\n",
        dossier.id,
        dossier.version,
        dossier.name.en,
        dossier.purpose,
        dossier.deadline.as_secs(),
        dossier.retry_every.as_secs(),
        dossier.due.as_secs() / 86_400,
    );
    for wave in 1..=waves.iter().copied().max().unwrap_or(0) {
        let mut table = Table::new(&["Element", "Service", "For", "Need", "Only where", "Takes", "Also"]);
        for (element, _) in dossier.elements.iter().zip(&waves).filter(|(_, of)| **of == wave) {
            table.row(vec![
                element.name.to_string(),
                element.service.to_string(),
                roles(&element.roles),
                word(&element.need),
                conditions(dossier, element).join("; "),
                takes(dossier, element).join("; "),
                also(dossier, element).join("; "),
            ]);
        }
        // Writing to a String cannot fail.
        write!(out, "\nwave {wave}\n{table}").unwrap_or_default();
    }
    out
}

/// The plan as a Mermaid flowchart: an arrow for every answer that an element needs.
#[must_use]
pub fn mermaid(dossier: &Dossier) -> String {
    let mut out = "flowchart LR\n".to_owned();
    let mut line = |text: String| {
        out.push_str("  ");
        out.push_str(&text);
        out.push('\n');
    };
    for (number, element) in dossier.elements.iter().enumerate() {
        line(format!("e{number}[\"{}<br/>{}<br/>{}\"]", element.name, element.service, roles(&element.roles)));
    }
    for (number, element) in dossier.elements.iter().enumerate() {
        let mut needs: Vec<(usize, String)> = Vec::new();
        for condition in &element.when {
            if let ConditionOf::Answer(answer) = &condition.of {
                needs.push((answer.element, format!("{} {}", answer.field, test(&condition.test))));
            }
        }
        for (_, source) in &element.inputs {
            if let InputSource::Answer(answer) = source {
                needs.push((answer.element, answer.field.to_string()));
            }
        }
        if let Some(answer) = &element.once_per {
            needs.push((answer.element, format!("once per {}", answer.field)));
        }
        if let Some(primary) = element.fallback_for {
            needs.push((primary, "where it has none".to_owned()));
        }
        for (from, label) in needs {
            line(format!("e{from} -->|{label}| e{number}"));
        }
        if element.members.is_some() {
            line(format!("e{number} -.->|names members| members((persons))"));
        }
    }
    out
}

/// The wave of each element, from 1.
fn waves(dossier: &Dossier) -> Vec<usize> {
    let mut waves: Vec<usize> = Vec::with_capacity(dossier.elements.len());
    for element in &dossier.elements {
        let before = element.after.iter().filter_map(|place| waves.get(*place)).max();
        waves.push(before.map_or(1, |wave| wave + 1));
    }
    waves
}

fn roles(roles: &[PersonRole]) -> String {
    roles.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// The word that contracts use.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

fn answer(dossier: &Dossier, answer: &AnswerField) -> String {
    let element = dossier.elements.get(answer.element).map_or("?", |element| &element.name);
    format!("{element}.{}", answer.field)
}

fn test(test: &Test) -> String {
    match test {
        Test::Is(words) => format!("is {}", words.join(" or ")),
        Test::Years { at_least: Some(least), below: Some(below) } => format!("{least} to {} years ago", below.saturating_sub(1)),
        Test::Years { at_least: Some(least), below: None } => format!("at least {least} years ago"),
        Test::Years { at_least: None, below: Some(below) } => format!("less than {below} years ago"),
        Test::Years { at_least: None, below: None } | Test::Given => "is there".to_owned(),
    }
}

fn conditions(dossier: &Dossier, element: &Element) -> Vec<String> {
    let one = |condition: &model::contract::Condition| {
        let of = match &condition.of {
            ConditionOf::Answer(of) => answer(dossier, of),
            ConditionOf::Input(name) => format!("input {name}"),
        };
        format!("{of} {}", test(&condition.test))
    };
    element.when.iter().map(one).collect()
}

fn takes(dossier: &Dossier, element: &Element) -> Vec<String> {
    let one = |(name, source): &(Box<str>, InputSource)| match source {
        InputSource::MonthsAgo(months) => format!("{name}: {months} months ago"),
        InputSource::YearsAgo(years) => format!("{name}: {years} years ago"),
        InputSource::Answer(from) => format!("{name}: {}", answer(dossier, from)),
        InputSource::Input(own) => format!("{name}: input {own}"),
        InputSource::Codes(codes) => format!("{name}: {}", codes.join(", ")),
    };
    element.inputs.iter().map(one).collect()
}

fn also(dossier: &Dossier, element: &Element) -> Vec<String> {
    let mut also = Vec::new();
    if let Some(per) = &element.once_per {
        let until = if element.until_found { ", until one is found" } else { "" };
        also.push(format!("once per {}{until}", answer(dossier, per)));
    }
    if let Some(primary) = element.fallback_for.and_then(|place| dossier.elements.get(place)) {
        also.push(format!("only where {} finds no record or does not answer", primary.name));
    }
    if let Some(members) = &element.members {
        let until = members.until.as_deref().map(|until| format!(", until {until}")).unwrap_or_default();
        also.push(format!("its {} join the family{until}", members.list));
    }
    if element.stops {
        also.push("stops the dossier where there is none".to_owned());
    }
    also
}
