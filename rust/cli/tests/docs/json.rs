//! Checks that the page on JSON output names every key, below the heading of the command.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use libtest_mimic::Failed;
use serde_json::{Deserializer, Value};

use super::blocks::Scratch;

/// Setup commands, and the commands for each heading. `evaluate --tune` takes minutes and is not run.
const BEFORE: &str = "mkdir -p state/zeek && zeek-iforest -q train logs/2025-03-04 -o m && cp m state/zeek/model && \
                      zeek-iforest -q sample logs/2025-03-04 -o state/zeek/sample";
const PRINTED: [(&str, &[&str]); 6] = [
    ("top, watch", &["zeek-iforest -q top -m m conn.log --json", "zeek-iforest -q top dns.log --json"]),
    ("incidents", &["zeek-iforest -q incidents -m m conn.log --json"]),
    ("incidents --hosts", &["zeek-iforest -q incidents -m m conn.log --json --hosts"]),
    ("train, inspect MODEL", &["zeek-iforest inspect m --json"]),
    ("inspect DIRECTORY, inspect SAMPLE", &["zeek-iforest inspect state --json"]),
    (
        "evaluate",
        &[
            "zeek-iforest -q evaluate -m m labelled.conn.log --json",
            "zeek-iforest -q evaluate --protocol unlabelled labelled.conn.log --json",
        ],
    ),
];

pub fn check(root: &Path) -> Result<(), Failed> {
    let page = fs::read_to_string(root.join("docs/json.md"))?;
    let scratch = Scratch::new(root)?;
    scratch.run(BEFORE)?;
    for (heading, commands) in PRINTED {
        let (_, section) =
            page.split_once(&format!("## {heading}\n")).ok_or_else(|| format!("no heading {heading}"))?;
        let section = section.split("\n## ").next().unwrap_or(section);
        let named: BTreeSet<_> =
            section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        for command in commands {
            let text = scratch.run(command)?;
            let mut printed = BTreeSet::new();
            for value in Deserializer::from_str(&text).into_iter::<Value>() {
                keys("", &value?, &mut printed);
            }
            // The page names an object or each of its keys.
            let is_named = |key: &str| named.iter().any(|name| *name == key || name.starts_with(&format!("{key}.")));
            let missing: Vec<_> = printed.iter().filter(|key| !is_named(key)).cloned().collect();
            if printed.is_empty() || !missing.is_empty() {
                return Err(format!("{command}: docs/json.md does not name {}", missing.join(", ")).into());
            }
        }
    }
    Ok(())
}

/// Collects the keys of a value and of nested values, with their paths.
fn keys(way: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let way = if way.is_empty() { key.clone() } else { format!("{way}.{key}") };
                if !member.is_array() || !member[0].is_object() {
                    found.insert(way.clone());
                }
                keys(&way, member, found);
            }
        }
        Value::Array(members) => members.iter().for_each(|member| keys(&format!("{way}[]"), member, found)),
        _ => {}
    }
}
