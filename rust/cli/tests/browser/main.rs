//! Tests of the report in a real Chromium. Without one on PATH they are listed as ignored, with the reason.

mod devtools;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use devtools::{Page, Result};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::json;

type Test = fn(&mut Page) -> Result<()>;

const TESTS: [(&str, Test); 6] = [
    ("renders", renders),
    ("hosts_have_the_score_of_their_first_connection", hosts_have_the_score_of_their_first_connection),
    ("filters", filters),
    ("sorts", sorts),
    ("fits_a_phone", fits_a_phone),
    ("texts_of_a_log_stay_texts", texts_of_a_log_stay_texts),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let chromium = devtools::find();
    let trials = TESTS.into_iter().map(|(name, test)| {
        let browser = chromium.clone();
        let trial = Trial::test(name, move || run(browser.as_deref().unwrap_or(Path::new("chromium")), name, test));
        match &chromium {
            Some(_) => trial,
            None => trial.with_kind("chromium is not on PATH").with_ignored_flag(true),
        }
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Opens a separate page for each test, which must cause no console messages or requests.
fn run(chromium: &Path, name: &str, test: Test) -> std::result::Result<(), Failed> {
    let mut page = Page::open(chromium, &report(name)?)?;
    test(&mut page)?;
    let complaints = page.complaints();
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n").into()) }
}

/// Report on the lab's second day, with one connection whose service, uid and history are hostile texts.
fn report(name: &str) -> std::result::Result<PathBuf, Failed> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser").join(name);
    std::fs::create_dir_all(&directory)?;
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data");
    let log = std::fs::read_to_string(data.join("lab-day2.conn.log"))?;
    let hostile = "1741161000.0\t\"><script>window.hacked=1</script>\t10.10.1.99\t50000\t203.0.113.66\t4444\ttcp\t\
                   <img/src=x/onerror=window.hacked=2>\t10800.5\t4100000000\t9000\tSF\tT\tF\t0\t\
                   {{7*7}}${window.hacked=3}\t3000000\t4250000000\t1500000\t60000000\t-\t6\n";
    std::fs::write(directory.join("<b>conn.log"), log + hostile)?;
    let made = Command::new(env!("CARGO_BIN_EXE_zeek-iforest"))
        .args(["report", "<b>conn.log", "-o", "report.html"])
        .current_dir(&directory)
        .output()?;
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).into());
    }
    Ok(directory.join("report.html"))
}

fn expect(page: &mut Page, expression: &str, wanted: impl Into<serde_json::Value>) -> Result<()> {
    let (found, wanted) = (page.evaluate(expression)?, wanted.into());
    if found == wanted { Ok(()) } else { Err(format!("{expression}: {found}, not {wanted}")) }
}

fn renders(page: &mut Page) -> Result<()> {
    page.resize(1400)?;
    expect(page, "document.querySelector('h1').textContent", "Unusual connections")?;
    let charts = "[...document.querySelectorAll('.drawing.wide svg')].filter(svg => svg.getBoundingClientRect().height \
                  > 100 && svg.querySelectorAll('rect, circle').length > 5).length";
    expect(page, charts, 3)?;
    let named = "[...document.querySelectorAll('[role=img]')].every(image => image.ariaLabel.length > 20)";
    expect(page, named, true)?;
    expect(page, "document.querySelectorAll('use').length > 50", true)?;
    let resolved = "[...document.querySelectorAll('use')].every(use => use.getBBox().width > 0)";
    expect(page, resolved, true)?;
    // Dark mode has light text on a dark page; print is always dark on light.
    let lightness = "getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).map(Number)[0] > 128";
    for (media, scheme, light) in [("screen", "light", true), ("screen", "dark", false), ("print", "dark", true)] {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        page.call("Emulation.setEmulatedMedia", json!({"media": media, "features": features}))?;
        expect(page, lightness, light)?;
    }
    expect(page, "getComputedStyle(document.querySelector('.tools')).display", "none")
}

/// A host has the score of its first row in the table of connections, if it has a row there.
fn hosts_have_the_score_of_their_first_connection(page: &mut Page) -> Result<()> {
    let agree = "(() => { const score = row => row.querySelector('[data-name=Score]').textContent; const hosts = \
                 [...document.querySelectorAll('[aria-labelledby=hosts] tbody tr')]; const first = address => \
                 document.querySelector(`#table tr[data-from='${address}']`); return hosts.length > 1 && \
                 hosts.every(host => { const row = first(host.querySelector('a').dataset.from); return !row || \
                 score(host) === score(row) }) })()";
    expect(page, agree, true)?;
    let heads =
        "[...document.querySelectorAll('[aria-labelledby=hosts] th[scope=col]')].map(head => head.textContent)[3]";
    expect(page, heads, "Score")
}

/// Number of visible rows of the table.
const SHOWN: &str = "[...document.getElementById('table').tBodies[0].rows].filter(row => row.offsetHeight > 0).length";

fn filters(page: &mut Page) -> Result<()> {
    let all = page.evaluate(SHOWN)?;
    expect(page, "document.getElementById('filter').focus()", serde_json::Value::Null)?;
    page.type_text("10.10.1.99 4444/TCP")?;
    expect(page, SHOWN, 1)?;
    expect(page, "document.getElementById('shown').textContent", format!("1 of {all}"))?;
    page.type_text(" nothing like it")?;
    expect(page, SHOWN, 0)?;
    expect(page, "document.getElementById('none').offsetHeight > 0", true)?;
    page.evaluate("document.querySelector('a[data-from]').click()")?;
    let one_host = "new Set([...document.getElementById('table').tBodies[0].rows].filter(row => !row.hidden).map(row => \
                    row.dataset.from)).size";
    expect(page, one_host, 1)
}

fn sorts(page: &mut Page) -> Result<()> {
    for column in ["Score", "Start", "Duration", "Out", "In"] {
        for order in ["ascending", "descending"] {
            let head = format!(
                "[...document.querySelectorAll('#table thead th')].find(head => head.textContent.startsWith('{column}'))"
            );
            page.evaluate(&format!("while ({head}.ariaSort !== '{order}') {head}.querySelector('button').click()"))?;
            let in_order = format!(
                "(() => {{ const values = [...document.querySelectorAll('#table tbody [data-name={column}]')].map(cell \
                 => cell.dataset.v); const set = values.filter(v => v !== '').map(Number); return set.length > 10 && \
                 values.lastIndexOf('') <= values.length - 1 && values.slice(0, set.length).every(v => v !== '') && \
                 set.every((v, i) => i === 0 || ('{order}' === 'ascending' ? set[i - 1] <= v : set[i - 1] >= v)) }})()"
            );
            expect(page, &in_order, true)?;
        }
    }
    Ok(())
}

fn fits_a_phone(page: &mut Page) -> Result<()> {
    for width in [400, 320] {
        page.resize(width)?;
        expect(page, "document.documentElement.scrollWidth", width)?;
        let smallest = "Math.min(...[...document.querySelectorAll('.drawing.narrow text')].map(text => \
                        text.getBoundingClientRect().height))";
        expect(page, &format!("{smallest} >= 9"), true)?;
    }
    Ok(())
}

fn texts_of_a_log_stay_texts(page: &mut Page) -> Result<()> {
    expect(page, "typeof window.hacked", "undefined")?;
    expect(page, "document.querySelectorAll('script').length", 1)?;
    expect(page, "document.querySelectorAll('img, b').length", 0)?;
    for text in ["\"><script>window.hacked=1</script>", "<img/src=x/onerror=window.hacked=2>", "{{7*7}}", "<b>conn.log"]
    {
        expect(page, &format!("document.body.innerText.includes({})", json!(text)), true)?;
    }
    Ok(())
}
