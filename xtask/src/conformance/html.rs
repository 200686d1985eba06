//! The report as one page that needs no script and no other file.

use std::fmt::{self, Write};

use super::report::{Chapter, Entry, Report, Verdict};

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --done: #2a8a57; --excused: #8a8f98; --bad: #c8372d; --part: #c98a1b; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 78rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 0; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; }
th, td { text-align: left; vertical-align: top; padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--line); }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.id, td.level { white-space: nowrap; }
code { font-size: .82em; overflow-wrap: anywhere; }
small { opacity: .7; }
.bar { display: flex; width: 16rem; height: .8rem; margin-top: .35rem; background: var(--line); border-radius: .2rem; overflow: hidden; }
.bar i { display: block; }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: .2rem; vertical-align: -.1rem; margin: 0 .3rem 0 1rem; }
i.done, .key.done { background: var(--done); } i.excused, .key.excused { background: var(--excused); }
i.part, .key.part { background: var(--part); } i.bad, .key.bad { background: var(--bad); }
td.done { color: var(--done); } td.part { color: var(--part); } td.bad { color: var(--bad); font-weight: 600; }
td.excused, td.open { opacity: .7; }
";

/// What one colour of a bar stands for, in the order of the bar.
const SHARES: [(&str, &str); 4] = [
    ("done", "implemented, tested, passing"),
    ("excused", "left out on purpose"),
    ("part", "implemented or tested, not both"),
    ("bad", "a test fails"),
];

/// The page.
pub fn page(report: &Report) -> String {
    let mut page = String::new();
    // Writing to a string doesn't fail.
    let _ = write_page(&mut page, report);
    page
}

fn write_page(page: &mut String, report: &Report) -> fmt::Result {
    let (settled, total, _) = report.musts("rfc9293");
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Sockeye: conformance</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>What the RFCs ask of a TCP, and what Sockeye proves</h1>\n\
         <p>A row is done when code cites it, a test that cites it has run, and none fails. \
         Of the {total} MUSTs of RFC 9293, {settled} are done or excused.</p>\n<p>"
    )?;
    for (class, meaning) in SHARES {
        write!(page, "<span class=\"key {class}\"></span>{meaning}")?;
    }
    page.push_str("</p>\n<table>\n<tr><th>RFC<th>subject<th><th>done<th>of\n");
    for chapter in &report.chapters {
        writeln!(
            page,
            "<tr><td class=\"id\"><a href=\"#{}\">{}</a><td>{}<td>{}<td class=\"number\">{}<td class=\"number\">{}",
            chapter.rfc,
            chapter.name(),
            Escaped(&chapter.title),
            Bar(chapter),
            chapter.settled(),
            chapter.entries.len()
        )?;
    }
    page.push_str("</table>\n");
    for chapter in &report.chapters {
        writeln!(page, "<h2 id=\"{}\">{}: {}</h2>", chapter.rfc, chapter.name(), Escaped(&chapter.title))?;
        page.push_str("<table>\n<tr><th>row<th>level<th>requirement<th>code<th>tests<th>verdict\n");
        for entry in &chapter.entries {
            write_row(page, entry)?;
        }
        page.push_str("</table>\n");
    }
    page.push_str("</body>\n</html>\n");
    Ok(())
}

fn write_row(page: &mut String, entry: &Entry) -> fmt::Result {
    let row = &entry.row;
    write!(
        page,
        "<tr id=\"{}\"><td class=\"id\">{}<td class=\"level\">{}<td>{} <small>section {}{}</small>",
        Escaped(&row.name.replace('#', "-")),
        Escaped(row.id()),
        row.level,
        Escaped(&row.requirement),
        Escaped(&row.section),
        if row.note.is_empty() { String::new() } else { format!("; {}", Escaped(&row.note)) },
    )?;
    if let Some(excuse) = &entry.excuse {
        write!(page, "<br><em>{}</em>", Escaped(excuse))?;
    }
    page.push_str("<td>");
    for place in &entry.code {
        write!(page, "<code>{}:{}</code><br>", Escaped(&place.file.to_string_lossy()), place.line)?;
    }
    page.push_str("<td>");
    for (place, passed) in &entry.tests {
        let mark = match passed {
            Some(true) => "&#10003;",
            Some(false) => "&#10007;",
            None => "not run:",
        };
        let test = place.test.as_deref().unwrap_or_default();
        let file = place.file.to_string_lossy();
        write!(page, "{mark} <code title=\"{}:{}\">{}</code><br>", Escaped(&file), place.line, Escaped(test))?;
    }
    let verdict = entry.verdict();
    writeln!(page, "<td class=\"{}\">{}", class(verdict), verdict.text())
}

/// The colour.
fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Done => "done",
        Verdict::Excused => "excused",
        Verdict::Failing => "bad",
        Verdict::NotRun | Verdict::Unclaimed | Verdict::Untested => "part",
        Verdict::Open => "open",
    }
}

/// How much of an RFC is what.
struct Bar<'a>(&'a Chapter);

impl fmt::Display for Bar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = &self.0.entries;
        f.write_str("<span class=\"bar\">")?;
        for (share, _) in SHARES {
            let count = entries.iter().filter(|entry| class(entry.verdict()) == share).count();
            if count > 0 {
                // In tenths of a percent, so that all of them together are never more than the whole.
                let width = count * 1000 / entries.len();
                write!(f, "<i class=\"{share}\" style=\"width:{}.{}%\"></i>", width / 10, width % 10)?;
            }
        }
        f.write_str("</span>")
    }
}

/// Text in which nothing means anything to HTML.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn every_row_is_on_the_page_with_its_code_its_tests_and_its_verdict() {
        let page = page(&report());
        assert!(page.contains("Of the 5 MUSTs of RFC 9293, 3 are done or excused."));
        for expected in [
            "<td class=\"id\">done<td class=\"level\">MUST<td>Do done &amp; co. <small>section 3</small>\
             <td><code>crates/tcb/src/rtt.rs:1</code><br>\
             <td>&#10003; <code title=\"crates/tcb/src/rtt.rs:2\">works</code><br><td class=\"done\">done\n",
            "<br><em>on purpose</em><td><td><td class=\"excused\">excused\n",
            "&#10007; <code title=\"crates/tcb/src/rtt.rs:5\">fails</code><br><td class=\"bad\">failing\n",
            "not run: <code title=\"crates/tcb/src/rtt.rs:10\">elsewhere</code><br><td class=\"part\">test not run\n",
            "<td class=\"open\">not implemented\n",
        ] {
            assert!(page.contains(expected), "{expected}\nis not in\n{page}");
        }
    }

    #[test]
    fn a_bar_shows_the_share_of_each_verdict() {
        let bar = Bar(&report().chapters[1]).to_string();
        let expected = "<i class=\"done\" style=\"width:25.0%\"></i><i class=\"excused\" style=\"width:12.5%\"></i>\
                        <i class=\"part\" style=\"width:37.5%\"></i><i class=\"bad\" style=\"width:12.5%\"></i>";
        assert_eq!(bar, format!("<span class=\"bar\">{expected}</span>"));
    }

    #[test]
    fn what_html_means_something_by_is_escaped() {
        assert_eq!(Escaped("<SEQ=SND.NXT> & \"more\"").to_string(), "&lt;SEQ=SND.NXT&gt; &amp; &quot;more&quot;");
    }
}
