//! The bundle's report: a timeline for people, one self-contained page without a script.

use std::io::Write;

use quick_xml::escape::escape;

use super::entry::Prover;
use super::{About, ExportError, Found, Logs, SourceError, columns, words};

/// A browser loads nothing for this page and runs nothing in it, whatever stands in an entry.
const BEGIN: &str = r#"<!DOCTYPE html>
<html lang="az">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 80em; padding: 0 1em; color: #1a1a1a; background: #fff }
h1 { font-size: 1.5em; margin-bottom: 0 } h2 { font-size: 1.15em; margin-top: 2em }
.en { color: #55606b } dt { font-weight: 600; margin-top: .5em } dd { margin: 0 }
.note { border-left: 4px solid #b36b00; background: #fff8ec; padding: .6em 1em; margin: 1em 0 }
table { border-collapse: collapse; width: 100%; font-size: .9em }
th, td { border: 1px solid #c9d1d9; padding: .35em .5em; text-align: left; vertical-align: top; overflow-wrap: anywhere }
th { background: #f0f3f6; position: sticky; top: 0 } tbody tr:nth-child(even) { background: #fafbfc }
code, pre { font: .85em ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap }
.time { white-space: nowrap }
@media print { body { margin: 0; max-width: none } th { position: static } }
</style>
"#;

/// Writes the page; gives the number of entries in it.
pub(super) fn write(
    file: &mut dyn Write,
    about: &About,
    case: &str,
    logs: &Logs,
    found: impl IntoIterator<Item = Result<Found, SourceError>>,
) -> Result<u64, ExportError> {
    let case = escape(case);
    writeln!(file, "{BEGIN}<title>Qovşaq: {case}</title>\n</head>\n<body>")?;
    writeln!(file, "<h1>Jurnaldan çıxarış: iş {case}</h1>\n<p class=\"en\">Extract from the journal: case {case}</p>")?;
    writeln!(file, "<div class=\"note\">{}</div>\n<dl>", words::REPORT_NOTE)?;
    let filter = serde_json::to_string(&about.filter).map_err(std::io::Error::from)?;
    for (name, value) in [
        ("Hazırlanıb <span class=\"en\">/ Made at</span>", model::time::rfc3339(about.made_at)),
        ("Hazırlayan <span class=\"en\">/ Made by</span>", about.made_by.clone()),
        ("Səbəb <span class=\"en\">/ Reason</span>", about.reason.clone()),
        ("Nə axtarılıb <span class=\"en\">/ What was asked for</span>", filter),
    ] {
        writeln!(file, "<dt>{name}</dt><dd>{}</dd>", escape(value))?;
    }
    writeln!(file, "</dl>\n<h2>Zaman xətti <span class=\"en\">/ Timeline</span></h2>\n<table>\n<thead><tr>")?;
    for (az, en) in words::COLUMNS {
        writeln!(file, "<th>{az}<br><span class=\"en\">{en}</span></th>")?;
    }
    writeln!(file, "</tr></thead>\n<tbody>")?;
    let mut prover = Prover::new(logs);
    for found in found {
        let shown = prover.show(&found.map_err(ExportError::Source)?)?;
        let [consumer, official, role, service, purpose, _, outcome, fields] =
            columns::of(shown.text.as_ref().map(|(_, text)| text.as_str()));
        let (az, en) = words::kind(shown.kind.0);
        let lost = if shown.text.is_none() { words::TEXT_LOST } else { "" };
        write!(file, "<tr><td class=\"time\">{}</td><td>{az}<br><span class=\"en\">{en}</span>{lost}</td>", escape(&shown.at))?;
        for text in [consumer, official, role, service, purpose, outcome, fields] {
            write!(file, "<td>{}</td>", escape(text))?;
        }
        let (origin, index, hash) = (escape(shown.origin.as_str()), shown.index, shown.leaf_hash);
        writeln!(file, "<td>{origin}, {index}<br><code>{hash}</code></td></tr>")?;
    }
    writeln!(file, "</tbody>\n</table>\n<h2>Nəzarət nöqtələri <span class=\"en\">/ Checkpoints</span></h2>")?;
    for log in logs.0.values() {
        writeln!(
            file,
            "<pre>{}</pre>\n<p>{}: <code>{}</code></p>",
            escape(log.head.note()),
            words::CLAIMED_KEY,
            escape(log.key.to_string())
        )?;
    }
    writeln!(file, "</body>\n</html>")?;
    Ok(prover.entries())
}
