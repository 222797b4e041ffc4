//! `report`: the file and its messages. The tests in `browser` cover its rendering.

use crate::lab::data;
use crate::logs::{ODD, rows, tsv};
use crate::run::Dir;

#[test]
fn report_is_self_contained() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(600)));
    dir.ok("train conn.log -o m");
    let outcome = dir.run("report conn.log -m m -o report.html");
    assert!(outcome.stderr.contains("600 connections, "), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("wrote report.html ("), "{}", outcome.stderr);
    outcome.success();
    let page = dir.read("report.html");
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>"));
    assert!(page.contains(ODD) && page.contains("203.0.113.66:4444/tcp") && page.contains("4.1 GB"));
    assert!(page.contains("<code>zeek-iforest report conn.log -m m -o report.html</code>"));
    for outside in ["src=", "@import", "url(", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn trains_without_a_model() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(600)));
    let outcome = dir.run("report conn.log -o -");
    assert!(outcome.stderr.contains("training on the same log first"), "{}", outcome.stderr);
    assert!(outcome.success().contains("trained on the same logs"));
}

#[test]
fn threads_do_not_change_the_report() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(3_000)));
    dir.ok("train conn.log -o m");
    let page = |threads: u32| {
        let page = dir.ok(&format!("report conn.log -m m -o - --threads {threads}"));
        let differ = |line: &str| line.contains("<dt>Made</dt>") || line.contains("<code>");
        page.lines().filter(|line| !differ(line)).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(page(1), page(5));
}

#[test]
fn report_size_is_bounded() {
    let dir = Dir::new();
    let mut rows = rows(5_000);
    // Every connection from another host, most of them above the threshold.
    for (i, row) in rows.iter_mut().enumerate() {
        row[2] = format!("172.{}.{}.{}", 16 + i / 65_536, i / 256 % 256, i % 256);
        row[4] = format!("2001:db8:1111:2222:3333:4444:5555:{i:x}");
        row[7] = format!("service-{i}-of-a-very-long-name");
        row[15] = "ShADadFfRrTtIiQqCc".repeat(150);
    }
    dir.write("conn.log", tsv(&rows));
    dir.ok("train conn.log -o m --alerts-per-day 10000");
    dir.ok("report conn.log -m m -o report.html");
    let size = dir.path("report.html").metadata().unwrap().len();
    assert!(size < 1_000_000, "{size}");
}

#[test]
fn charts_omit_wrong_times() {
    let dir = Dir::new();
    let mut rows = rows(3_000);
    dir.write("conn.log", tsv(&rows));
    dir.ok("train conn.log -o m");
    let drawn = |page: &str| page.split("<figure>").nth(1).unwrap().matches("<rect").count();
    let right = dir.ok("report conn.log -m m -o -");
    assert!(!right.contains("The charts omit"));
    for (wrong, date) in [("0.0", "1970-01-01 00:00:00"), ("1924992000.0", "2031-01-01 00:00:00")] {
        let ts = std::mem::replace(&mut rows[7][0], wrong.into());
        dir.write("wrong.log", tsv(&rows));
        rows[7][0] = ts;
        let page = dir.ok("report wrong.log -m m -o -");
        let note = format!(
            "The charts omit 1 connection with distant start times, up to {date} UTC, probably of a wrong clock."
        );
        assert!(page.contains(&note), "{wrong}");
        assert!(page.contains("connections over time: 2,999 in all"), "{wrong}");
        let period = |page: &str| page.split("<title>").nth(1).unwrap().split("</title>").next().unwrap().to_owned();
        assert_eq!((period(&page), drawn(&page)), (period(&right), drawn(&right)));
        assert!(drawn(&page) > 20);
    }
}

#[test]
fn rejects_reports_without_connections() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(600)));
    dir.ok("train conn.log -o m");
    dir.write("none.log", tsv(&[]));
    dir.run("report none.log -m m -o report.html").fails(1, &["no connections in none.log"]);
    assert!(!dir.path("report.html").exists());
}

#[test]
fn report_opens_with_incidents_and_hosts_at_risk() {
    let dir = Dir::new();
    dir.ok(&format!("train -q {} -o m", data("lab-day1.conn.log").display()));
    let log = data("lab-day2.conn.log");
    let page = dir.ok(&format!("report -m m {} -o -", log.display()));
    let lines = dir.ok(&format!("incidents -q -m m {} --json -n 1000", log.display()));
    let incidents: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // In their order, before the charts.
    let place = |id: &str| page.find(&format!("<article class=\"incident\" id=\"{id}\"")).unwrap();
    let places: Vec<_> = incidents.iter().map(|it| place(it["id"].as_str().unwrap())).collect();
    assert!(places.is_sorted() && places[places.len() - 1] < page.find("over-time").unwrap());
    let first = &page[places[0]..places[1]];
    assert!(first.contains(incidents[0]["uids"][0].as_str().unwrap()), "{first}");
    assert!(first.contains(": &#34;") && first.contains("@timestamp &#62;= &#34;2025-03-05T"), "{first}");
    // An incident without an alert shows its highest records.
    assert!(page.contains("18 connections, 0 above the threshold"));
    assert!(page.contains("203.0.113.66 → 10.10.2.22:22/tcp"));
    let risks = page.split("Hosts at risk").nth(1).unwrap().split("</table>").next().unwrap();
    assert!(risks.contains("10.10.1.16") && risks.contains("href=\"#I"), "{risks}");
    let of_host = dir.ok(&format!("report -m m {} -o - --host 10.10.1.17", log.display()));
    assert_eq!(of_host.matches("<article").count(), 1);
}
