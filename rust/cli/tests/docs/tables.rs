//! Generated parts of documentation pages.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use detector::{Encoding, LogKind, Schema};
use libtest_mimic::Failed;

const BEGIN: &str = "<!-- made from ";
const END: &str = "<!-- end -->";

/// Compares each generated part of a page with the source, or updates it.
pub fn check(page: &Path) -> Result<(), Failed> {
    let text = fs::read_to_string(page)?;
    let mut made = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(" -->\n").ok_or("a mark is not closed")?;
        let (_, after) = after.split_once(END).ok_or_else(|| format!("the part made from {name} has no end"))?;
        made.push_str(&format!("{before}{BEGIN}{name} -->\n{}\n{END}", make(name)?.trim_end()));
        rest = after;
    }
    made.push_str(rest);
    if made == text {
        return Ok(());
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return Ok(fs::write(page, made)?);
    }
    Err(format!(
        "{} is out of date; write it anew with: UPDATE_DOCS=1 cargo test -p zeek-iforest --test docs",
        page.display()
    )
    .into())
}

fn make(name: &str) -> Result<String, Failed> {
    match name.split_once(' ') {
        None if name == "schema" => Ok(features()),
        None if name == "help" => commands(),
        None if name == "kinds" => Ok(kinds()),
        Some(("options", scripts)) => Ok(table("option", "default", &declared(scripts, option)?)),
        Some(("settings", scripts)) => Ok(table("setting", "default", &declared(scripts, setting)?)),
        Some(("notices", scripts)) => Ok(table("notice", "of type", &declared(scripts, notice)?)),
        Some(("fields", of)) => fields(of),
        Some(("metrics", script)) => metrics(script),
        _ => Err(format!("nothing is made from {name:?}").into()),
    }
}

/// Features, and the groups of several that the same trees split.
fn features() -> String {
    let mut text = "| feature | is | what it measures, and for what |\n|---|---|---|\n".to_owned();
    let Schema { features, groups, .. } = LogKind::Conn.schema();
    for feature in *features {
        let kind = match feature.encoding {
            Encoding::Number => "number",
            Encoding::Category => "category",
            Encoding::OptionalCategory => "category",
            Encoding::DayShare => "share",
            Encoding::Identity => "identity",
            Encoding::Partners { .. } => "count",
            Encoding::Share { .. } => "rarity",
            Encoding::Conditional { .. } => "rarity",
        };
        text.push_str(&format!("| `{}` | {kind} | {} |\n", feature.name, feature.meaning));
    }
    text.push_str("\nThe same trees split the features of a group:\n\n");
    for group in groups.iter().filter(|group| group.len() > 1) {
        let names = group.iter().map(|&column| format!("`{}`", features[usize::from(column)].name));
        text.push_str(&format!("* {}\n", names.collect::<Vec<_>>().join(", ")));
    }
    text
}

/// Rules of incident kinds, in order of precedence.
fn kinds() -> String {
    let mut text = "| kind | rule | weight | ATT&CK |\n|---|---|--:|---|\n".to_owned();
    for detector::Rule { kind, condition, weight, attack, .. } in detector::RULES {
        text.push_str(&format!("| {} | {condition} | {weight} | {} |\n", kind.name(), attack.join(", ")));
    }
    text
}

/// Number of commands from which an option is common.
const COMMON: usize = 3;

/// Common options in one table, then every command with its purpose, examples and other options.
fn commands() -> Result<String, Failed> {
    let help = help(&["-h"])?;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    let commands = names.map(|name| Ok((name, self::help(&[name, "-h"])?))).collect::<Result<Vec<_>, Failed>>()?;
    let mut options: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (flags, meaning) in commands.iter().flat_map(|(_, help)| options_of(help)) {
        options.entry(long_name(&flags)).or_default().push((flags, meaning));
    }
    options.retain(|_, uses| uses.len() >= COMMON);

    let mut text = "## Common options\n\n| option | meaning |\n|---|---|\n".to_owned();
    for uses in options.values() {
        if let Some((flags, _)) = uses.first() {
            // The name of the value differs between commands.
            let is_same = uses.iter().all(|(other, _)| other == flags);
            let flags = if is_same { flags } else { flags.split(" <").next().unwrap_or(flags) };
            text.push_str(&format!("| `{flags}` | {} |\n", common_meaning(uses)));
        }
    }
    for (name, help) in &commands {
        text.push_str(&format!("\n## {name}\n\n{}.\n", help.lines().next().unwrap_or_default()));
        if let Some((_, examples)) = help.split_once("\nExamples:\n") {
            let examples: Vec<_> = examples.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
            text.push_str(&format!("\n```text\n{}\n```\n", examples.join("\n")));
        }
        let (common, own): (Vec<_>, Vec<_>) =
            options_of(help).into_iter().partition(|(flags, _)| options.contains_key(&long_name(flags)));
        let own: String = own.iter().map(|(flags, meaning)| format!("* `{flags}`: {meaning}\n")).collect();
        let common = common.iter().map(|(flags, _)| long_name(flags));
        // Those of every command need no mention.
        let common = common.filter(|name| options.get(name).is_some_and(|uses| uses.len() < commands.len()));
        let common: Vec<_> = common.map(|name| format!("`{name}`")).collect();
        let common = if common.is_empty() { String::new() } else { format!("* common: {}\n", common.join(", ")) };
        if !own.is_empty() || !common.is_empty() {
            text.push_str(&format!("\n{own}{common}"));
        }
    }
    Ok(text)
}

/// Name of an option without its short form and value.
fn long_name(flags: &str) -> String {
    flags.split_whitespace().find(|word| word.starts_with("--")).unwrap_or(flags).to_owned()
}

/// Meaning that an option has in most commands, or else its shortest one; without a default if that differs.
fn common_meaning(uses: &[(String, String)]) -> &str {
    let count = |meaning: &str| uses.iter().filter(|(_, other)| other == meaning).count();
    let without_default = |meaning: &str| meaning.find(" [default").unwrap_or(meaning.len());
    let meanings = uses.iter().map(|(_, meaning)| meaning.as_str());
    let rank = |meaning: &&str| {
        let uses = count(meaning);
        (Reverse(if uses >= COMMON { uses } else { 0 }), without_default(meaning))
    };
    let Some(meaning) = meanings.min_by_key(rank) else { return "" };
    if count(meaning) == uses.len() { meaning } else { &meaning[..without_default(meaning)] }
}

/// The options in a short help text, each with its meaning.
fn options_of(help: &str) -> Vec<(String, String)> {
    let mut options: Vec<(String, String)> = Vec::new();
    let mut is_open = false;
    for line in help.lines() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        if trimmed.starts_with('-') && (2..=6).contains(&indent) {
            let (flags, meaning) = trimmed.split_once("  ").unwrap_or((trimmed, ""));
            options.push((flags.to_owned(), meaning.trim().to_owned()));
            is_open = true;
        } else if let Some((_, meaning)) = options.last_mut().filter(|_| is_open && indent > 6) {
            let space = if meaning.is_empty() { "" } else { " " };
            meaning.push_str(&format!("{space}{trimmed}"));
        } else {
            is_open = false;
        }
    }
    options.retain(|(flags, _)| !flags.ends_with("--help"));
    options
}

/// Help text of a command, without a terminal.
fn help(arguments: &[&str]) -> Result<String, Failed> {
    let run = Command::new(env!("CARGO_BIN_EXE_zeek-iforest"))
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()?;
    if !run.status.success() {
        return Err(format!("there is no help by {}", arguments.join(" ")).into());
    }
    let lines: Vec<_> = std::str::from_utf8(&run.stdout)?.lines().map(str::trim_end).collect();
    Ok(lines.join("\n").trim_end().to_owned())
}

/// Declaration of a script: name, type or default, and documentation.
type Declared = (String, String, String);

/// Logged fields in a script, or in one record of it if the name of a record follows.
fn fields(of: &str) -> Result<String, Failed> {
    let Some((script, record)) = of.split_once(' ') else { return Ok(table("field", "type", &declared(of, field)?)) };
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(script))?;
    let body = text.split_once(&format!("type {record}: record {{")).and_then(|(_, rest)| rest.split_once("};"));
    let (body, _) = body.ok_or_else(|| format!("{script}: no record {record}"))?;
    Ok(table("field", "type", &declarations(body, field)))
}

/// Declarations of one kind in a Zeek script or a directory of scripts, with the comments before them.
fn declared(scripts: &str, declaration: fn(&str) -> Option<(String, String)>) -> Result<Vec<Declared>, Failed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(scripts);
    let mut files = vec![path.clone()];
    if path.is_dir() {
        files = fs::read_dir(path)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        // Common ones first, then by name.
        files.sort_by_key(|file| (!file.ends_with("main.zeek"), file.clone()));
    }
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "zeek")) {
        found.extend(declarations(&fs::read_to_string(file)?, declaration));
    }
    Ok(found)
}

/// Declarations of one kind in the text of a script, with the comments before them.
fn declarations(text: &str, declaration: fn(&str) -> Option<(String, String)>) -> Vec<Declared> {
    let mut found = Vec::new();
    let mut comments: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("##") {
            comments.push(plain(comment.trim()));
            continue;
        }
        if let Some((name, beside)) = declaration(line).filter(|_| !comments.is_empty()) {
            found.push((name, beside, comments.join(" ")));
        }
        comments.clear();
    }
    found
}

/// `option name = value;`, with or without a type.
fn option(line: &str) -> Option<(String, String)> {
    let (name, value) = line.strip_prefix("option ")?.trim_end_matches(';').split_once('=')?;
    let name = name.split(':').next().unwrap_or(name).trim();
    Some((format!("IForest::{name}"), value.split('&').next().unwrap_or(value).trim().to_owned()))
}

/// `const name = value &redef;`
fn setting(line: &str) -> Option<(String, String)> {
    let (name, value) = line.strip_prefix("const ")?.strip_suffix("&redef;")?.split_once('=')?;
    let name = name.split(':').next().unwrap_or(name).trim();
    Some((format!("IForest::{name}"), value.trim().to_owned()))
}

/// Notice types are in mixed case, other enumerators in capitals.
fn notice(line: &str) -> Option<(String, String)> {
    let name = line.strip_suffix(',')?;
    let is_mixed =
        name.starts_with(|c: char| c.is_ascii_uppercase()) && name.contains(|c: char| c.is_ascii_lowercase());
    let is_type = is_mixed && name.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    is_type.then(|| (format!("IForest::{name}"), "Notice::Type".to_owned()))
}

/// Metrics: the name in Prometheus, and the help text.
fn metrics(script: &str) -> Result<String, Failed> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(script))?;
    let mut rows = String::from("| metric | kind | meaning |\n|---|---|---|\n");
    // A declaration can span lines; its first text is the name, its last the help.
    for declaration in text.split("\nglobal ").skip(1) {
        let (declaration, _) = declaration.split_once(';').ok_or("a declaration without an end")?;
        let texts: Vec<&str> = declaration.split('"').skip(1).step_by(2).filter(|text| *text != "iforest").collect();
        let (Some(name), Some(help)) = (texts.first(), texts.last()) else { continue };
        let kind = ["counter", "gauge", "histogram"].into_iter().find(|kind| declaration.contains(kind));
        let Some(kind) = kind else { continue };
        let unit = if declaration.contains("\"seconds\"") { "_seconds" } else { "" };
        let total = if kind == "counter" { "_total" } else { "" };
        let labels = if declaration.contains("\"reason\"") { "{log, reason}" } else { "{log}" };
        rows.push_str(&format!("| `iforest_{name}{unit}{total}{labels}` | {kind} | {help} |\n"));
    }
    Ok(rows)
}

/// Parses `name: type &log;`, a logged field.
fn field(line: &str) -> Option<(String, String)> {
    let (name, rest) = line.strip_suffix(';')?.split_once(": ")?;
    let (kind, attributes) = rest.split_once(" &")?;
    attributes.split(['&', ' ']).any(|attribute| attribute == "log").then(|| (name.to_owned(), kind.to_owned()))
}

/// Longest row of a table.
const LONGEST: usize = 200;

/// Table of declarations. Where a row would be too long, its first sentence is in the table and the others below.
fn table(what: &str, beside: &str, rows: &[Declared]) -> String {
    let mut text = format!("| {what} | {beside} | meaning |\n|---|---|---|\n");
    let mut below = String::new();
    for (name, beside, meaning) in rows {
        let row = |meaning: &str| format!("| `{name}` | `{beside}` | {meaning} |\n");
        match meaning.split_once(". ").filter(|_| row(meaning).len() > LONGEST) {
            Some((first, rest)) => {
                text.push_str(&row(&format!("{first}.")));
                below.push_str(&format!("* `{name}`: {rest}\n"));
            }
            None => text.push_str(&row(meaning)),
        }
    }
    if below.is_empty() { text } else { format!("{text}\n{below}") }
}

/// Converts Zeek's markup to Markdown.
fn plain(text: &str) -> String {
    let mut out = text.replace("``", "`");
    for role in [":zeek:see:", ":zeek:type:", ":zeek:id:"] {
        out = out.replace(role, "");
    }
    out
}
