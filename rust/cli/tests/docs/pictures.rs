//! Pictures of `docs/pictures`, compared with the output of the commands.
//!
//! `docs/pictures/make` stores the command and its output in each picture: as the text of an SVG, or in a text chunk of
//! a PNG.

use std::path::Path;

use libtest_mimic::Failed;

use super::blocks::Scratch;

const TRAIN: &str = "zeek-iforest train -q tests/data/lab-day1.conn.log -o lab.model";
/// Length of a PNG's signature.
const SIGNATURE: usize = 8;

/// Runs the command of each picture and compares its output with the picture's text.
pub fn check(root: &Path) -> Result<(), Failed> {
    let scratch = Scratch::new(root)?;
    scratch.run(TRAIN)?;
    let pictures = root.join("docs/pictures");
    let svg = std::fs::read_to_string(pictures.join("incidents.svg"))?;
    compare("incidents.svg", &lines_of_svg(&svg), |command| Ok(expand_tabs(&scratch.run(command)?)))?;
    let png = std::fs::read(pictures.join("report.png"))?;
    let text = description(&png).ok_or("report.png has no text chunk Description")?;
    compare("report.png", text, |command| {
        scratch.run(command)?;
        Ok(visible_text(&scratch.run("cat report.html")?))
    })
}

/// Compares the text of a picture with the output that `run` returns; the first line of the text is the command.
fn compare(name: &str, text: &str, run: impl Fn(&str) -> Result<String, String>) -> Result<(), Failed> {
    let (command, shown) = text.split_once('\n').unwrap_or((text, ""));
    let command = command.strip_prefix("$ ").ok_or_else(|| format!("{name} does not begin with a command"))?;
    let printed = run(&format!("{command} 2>/dev/null"))?;
    if shown.trim_end() == printed.trim_end() {
        return Ok(());
    }
    Err(format!(
        "docs/pictures/{name} is behind the command; make it anew with docs/pictures/make. It shows\n{shown}\nbut the \
         command prints\n{printed}"
    )
    .into())
}

/// Text elements of an SVG, one a line.
fn lines_of_svg(svg: &str) -> String {
    let elements = svg.lines().filter_map(|line| line.strip_prefix("<text ")?.strip_suffix("</text>"));
    let texts = elements.filter_map(|element| Some(unescape(element.split_once('>')?.1)));
    texts.collect::<Vec<_>>().join("\n")
}

/// Replaces tabs by spaces, with tab stops every 8 columns.
fn expand_tabs(text: &str) -> String {
    let mut expanded = String::new();
    for line in text.lines() {
        let mut column = 0;
        for c in line.chars() {
            let width = if c == '\t' { 8 - column % 8 } else { 1 };
            expanded.extend(std::iter::repeat_n(if c == '\t' { ' ' } else { c }, width));
            column += width;
        }
        expanded.push('\n');
    }
    expanded
}

/// Text of a PNG's iTXt chunk with the keyword Description.
fn description(png: &[u8]) -> Option<&str> {
    let mut rest = png.get(SIGNATURE..)?;
    loop {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (kind, after) = after.split_first_chunk::<4>()?;
        let (data, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        if let Some(text) = data.strip_prefix(b"Description\0\0\0\0\0").filter(|_| kind == b"iTXt") {
            return std::str::from_utf8(text).ok();
        }
        // A checksum follows the data.
        rest = after.get(4..)?;
    }
}

/// Visible text of a report from its title to the end of the incidents, one line for each element; the function
/// `page_text` of `docs/pictures/make` does the same.
fn visible_text(page: &str) -> String {
    let from = page.find("<h1>").unwrap_or(0);
    let to = page.find("aria-labelledby=\"risks\"").unwrap_or(page.len());
    let mut rest = page.get(from..to).unwrap_or_default();
    let mut text = String::new();
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let (tag, after) = after.split_once('>').unwrap_or((after, ""));
        let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
        text.push(if name == "a" || name == "span" { ' ' } else { '\n' });
        let is_hidden = name == tag.split(' ').next().unwrap_or_default() && ["details", "svg"].contains(&name);
        let end = format!("</{name}>");
        rest = if is_hidden { after.split_once(&end).map_or("", |(_, after)| after) } else { after };
    }
    text.push_str(rest);
    let lines = text.lines().map(|line| unescape(line).split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).map(|line| line + "\n").collect()
}

/// Replaces the references that Askama and Python's `html.escape` write.
fn unescape(text: &str) -> String {
    let references = [("&lt;", "<"), ("&#60;", "<"), ("&gt;", ">"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'")];
    let text = references.into_iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("&#38;", "&").replace("&amp;", "&")
}
