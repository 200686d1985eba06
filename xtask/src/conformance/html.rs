//! The report as a page that needs no script.

use std::fmt::Write;

use super::report::{Entry, Report};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}\
h1{font-size:1.6rem}summary{cursor:pointer;font-weight:600;padding:.3rem 0}\
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}td,th{text-align:left;vertical-align:top;\
padding:.25rem .6rem;border-bottom:1px solid #ddd}code{font-size:.85em;color:#555}\
.bar{display:inline-block;height:.7rem;background:#2a7;vertical-align:middle}\
.rest{display:inline-block;height:.7rem;background:#ddd;vertical-align:middle}\
.done{color:#176}.excused{color:#777}.failing{color:#b00;font-weight:600}.untested,.tested{color:#a60}.come{color:#999}";

/// The page.
pub fn page(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Sockeye: conformance</title><style>{STYLE}</style>\
         <h1>Sockeye: what the RFCs ask for, and what is proved</h1>\
         <p>A row is done if the code cites it and every test that cites it passes.</p>"
    );
    for (rfc, entries) in &report.rfcs {
        let done = entries.iter().filter(|entry| matches!(entry.verdict(), "done" | "excused")).count();
        let width = done * 200 / entries.len().max(1);
        let open = if rfc == "rfc9293" { " open" } else { "" };
        let _ = write!(
            page,
            "<details{open}><summary><span class=bar style=width:{width}px></span><span class=rest style=width:{}px>\
             </span> {} &mdash; {done} of {}</summary><table><tr><th>row<th>level<th>requirement<th>code<th>tests<th>verdict",
            200 - width,
            rfc.to_uppercase().replace("RFC", "RFC "),
            entries.len()
        );
        entries.iter().for_each(|entry| row(&mut page, entry));
        page.push_str("</table></details>");
    }
    page
}

fn row(page: &mut String, entry: &Entry) {
    let id = entry.row.name.split('#').next_back().unwrap_or_default();
    let code: Vec<_> =
        entry.code.iter().map(|place| format!("<code>{}:{}</code>", place.file.display(), place.line)).collect();
    let tests: Vec<_> = entry
        .tests
        .iter()
        .map(|(place, passed)| {
            let mark = match passed {
                Some(true) => "&#10003;",
                Some(false) => "&#10007;",
                None => "?",
            };
            format!("{mark} <code>{}</code>", place.test.as_deref().unwrap_or_default())
        })
        .collect();
    let verdict = entry.verdict();
    let class = verdict.rsplit(' ').next().unwrap_or_default();
    let reason = entry.excuse.as_deref().map(escape).unwrap_or_default();
    let _ = write!(
        page,
        "<tr><td>{id}<td>{}<td>{} <small>(section {})</small> <em>{reason}</em><td>{}<td>{}<td class={class}>{verdict}",
        entry.row.level,
        escape(&entry.row.requirement),
        entry.row.section,
        code.join("<br>"),
        tests.join("<br>"),
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_html_means_something_by_is_escaped() {
        assert_eq!(super::escape("<SEQ=SND.NXT> & more"), "&lt;SEQ=SND.NXT&gt; &amp; more");
    }
}
