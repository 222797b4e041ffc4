//! Numbers, times and text as people read them on a terminal.

use std::borrow::Cow;
use std::fmt::Write;

pub use detector::units::{bytes, count, duration};
use detector::{Address, Connection, Proto};
use jiff::Timestamp;
use serde::Serialize;

/// A count on the axis of a chart: `0`, `950`, `1.5k`, `20k`, `3M`.
pub fn short_count(n: f64) -> String {
    let (value, unit) = match n {
        n if n >= 1e9 => (n / 1e9, "G"),
        n if n >= 1e6 => (n / 1e6, "M"),
        n if n >= 1e3 => (n / 1e3, "k"),
        n => (n, ""),
    };
    let text = format!("{value:.1}");
    format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text))
}

/// A count and the noun it counts: `1 log`, `2 logs`.
pub fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A span of time in microseconds, in words: `3.0 days`, `40 minutes`.
pub fn span(micros: i64) -> String {
    let seconds = micros.max(0) as f64 / 1e6;
    const UNITS: [(&str, f64); 3] = [("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0)];
    let unit = UNITS.iter().find(|(_, length)| seconds >= *length);
    unit.map_or_else(|| format!("{seconds:.0} seconds"), |(name, length)| format!("{:.1} {name}", seconds / length))
}

/// A time in microseconds since 1970, in UTC, by a pattern of strftime; the bare number where no calendar reaches.
pub fn time(micros: i64, pattern: &str) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |time| time.strftime(pattern).to_string())
}

/// Date and time of day in UTC: `2024-04-19 07:12:33`.
pub fn date_time(micros: i64) -> String {
    time(micros, "%Y-%m-%d %H:%M:%S")
}

/// One side of a connection: `192.0.2.1:443`, `[2001:db8::1]:443`.
fn endpoint(addr: Address, port: u16) -> String {
    let addr = addr.to_string();
    if addr.contains(':') { format!("[{addr}]:{port}") } else { format!("{addr}:{port}") }
}

/// No name is longer, of a label, a service, nor of several services that Zeek finds on one connection.
const LONGEST_NAME: usize = 100;

/// A name from a log, without anything that acts on a terminal. A forged log can hold anything for a name: of a longer
/// one than there are, the start.
pub fn name(name: &[u8]) -> String {
    let (name, cut) = match name.get(..LONGEST_NAME) {
        Some(head) if head.len() < name.len() => (head, "…"),
        _ => (name, ""),
    };
    printable_bytes(name).into_owned() + cut
}

/// What is kept of a text from a log that takes memory for longer than its row: more than [`name`] shows, which so says
/// that it goes on.
pub fn cut(text: &[u8]) -> &[u8] {
    const KEPT: usize = 128;
    &text[..text.len().min(KEPT)]
}

/// The responder of a connection, its port, the protocol and the service: `192.0.2.1:443/tcp ssl`, `192.0.2.1 icmp`.
pub fn responder(connection: &Connection<'_>) -> String {
    let (addr, port) = (connection.resp.addr, connection.resp.port);
    let mut out = match connection.proto {
        // Its ports are a type and a code.
        Proto::Icmp => format!("{addr} icmp"),
        Proto::Unknown => format!("{}/unknown", endpoint(addr, port)),
        proto => format!("{}/{}", endpoint(addr, port), proto.name()),
    };
    if let Some(service) = connection.service {
        out.push(' ');
        out.push_str(&name(service));
    }
    out
}

/// The first few of some names, and how many more there are.
pub fn names(all: &[String]) -> String {
    const MOST: usize = 8;
    let mut text = all.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    if all.len() > MOST {
        text.push_str(&format!(" and {} more", count((all.len() - MOST) as u64)));
    }
    text
}

/// Text broken at spaces into lines of at most `width`, of which the first begins at column `indent` and the others are
/// indented to there. A word that is longer stays whole.
pub fn wrapped(text: &str, indent: usize, width: usize) -> String {
    let mut out = String::with_capacity(text.len() + 2 * indent);
    let mut column = indent;
    for (i, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if i > 0 && column + 1 + length > width {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if i > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

/// An argument as a shell takes it, quoted where it has to be.
pub fn shell_word(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=./:,@%".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

/// Text that can do nothing to a terminal: whatever is not a visible character or a space is shown as `\xHH`.
pub fn printable_bytes(text: &[u8]) -> Cow<'_, str> {
    escaped_bytes(text, is_visible)
}

/// [`printable_bytes`] for whole lines: tabs and line ends stay.
pub fn printable_lines(text: &[u8]) -> Cow<'_, str> {
    escaped_bytes(text, |c| is_visible(c) || matches!(c, '\t' | '\n'))
}

/// [`printable_bytes`] for text that is known to be UTF-8.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, is_visible)
}

/// All but the characters that stay, and what is no UTF-8, as `\xHH`.
fn escaped_bytes(text: &[u8], stays: impl Fn(char) -> bool + Copy) -> Cow<'_, str> {
    match std::str::from_utf8(text) {
        Ok(text) => escaped(text, stays),
        Err(_) => {
            let mut out = String::with_capacity(text.len() + 8);
            for chunk in text.utf8_chunks() {
                out.push_str(&escaped(chunk.valid(), stays));
                chunk.invalid().iter().for_each(|byte| push_hex(&mut out, *byte));
            }
            Cow::Owned(out)
        }
    }
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(&stays) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if stays(c) {
            out.push(c);
        } else {
            c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| push_hex(&mut out, byte));
        }
    }
    Cow::Owned(out)
}

/// An object in JSON on a line, in which no character does anything to a terminal.
pub fn json(object: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(object).map(|text| escaped_json(&text).into_owned())
}

/// JSON with what a terminal would act on escaped. Outside of strings there are only line ends of that kind, which stay.
pub fn escaped_json(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| is_visible(c) || c == '\n') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_visible(c) || c == '\n' {
            out.push(c);
        } else {
            // Writing to a string cannot fail.
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| _ = write!(out, "\\u{unit:04x}"));
        }
    }
    Cow::Owned(out)
}

/// Not a control character, nor one that reorders or hides the text around it.
fn is_visible(c: char) -> bool {
    let hides = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    !c.is_control() && !hides
}

fn push_hex(out: &mut String, byte: u8) {
    // Writing to a string cannot fail.
    let _ = write!(out, "\\x{byte:02x}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!((counted(1, "log"), counted(2, "log")), ("1 log".into(), "2 logs".into()));
    }

    #[test]
    fn short_counts() {
        for (n, text) in [(0.0, "0"), (0.5, "0.5"), (950.0, "950"), (1_500.0, "1.5k"), (2e4, "20k"), (3e6, "3M")] {
            assert_eq!(short_count(n), text);
        }
    }

    #[test]
    fn spans() {
        assert_eq!(span(3 * 86_400_000_000), "3.0 days");
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(date_time(1_713_510_753_999_999), "2024-04-19 07:12:33");
        assert_eq!(date_time(11_537_757), "1970-01-01 00:00:11");
        assert_eq!(date_time(i64::MAX), i64::MAX.to_string());
    }

    #[test]
    fn lines_are_broken_at_spaces() {
        assert_eq!(wrapped("one two three", 2, 9), "one two\n  three");
        assert_eq!(wrapped("one two three", 2, 4), "one\n  two\n  three");
        assert_eq!(wrapped("a", 2, 80), "a");
    }

    #[test]
    fn icmp_has_no_port() {
        let mut connection = Connection { proto: Proto::Icmp, ..Connection::default() };
        (connection.resp.addr, connection.resp.port) = (Address::from(std::net::IpAddr::from([192, 0, 2, 1])), 3);
        assert_eq!(responder(&connection), "192.0.2.1 icmp");
        connection.proto = Proto::Tcp;
        assert_eq!(responder(&connection), "192.0.2.1:3/tcp");
    }

    #[test]
    fn words_for_a_shell() {
        assert_eq!(
            shell_word("logs/2024-04-19/conn.07:00:00-08:00:00.log.gz"),
            "logs/2024-04-19/conn.07:00:00-08:00:00.log.gz"
        );
        assert_eq!(shell_word("it's; rm"), r"'it'\''s; rm'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn nothing_reaches_the_terminal_unescaped() {
        assert_eq!(printable("ssl,http"), "ssl,http");
        assert_eq!(printable("a\x1b[31mb\n"), "a\\x1b[31mb\\x0a");
        assert_eq!(printable("\u{9b}é\u{202e}"), "\\xc2\\x9bé\\xe2\\x80\\xae");
        assert_eq!(printable_bytes(b"a\xffb\x07"), "a\\xffb\\x07");
        assert_eq!(printable_lines(b"a\tb\xff\r\n\x1bc\n"), "a\tb\\xff\\x0d\n\\x1bc\n");
    }

    #[test]
    fn what_cannot_be_seen_is_shown() {
        // The first and the last of each range, and what stands beside them.
        let hidden = "\u{ad}\u{61c}\u{180e}\u{200b}\u{200f}\u{2028}\u{202e}\u{2060}\u{206f}\u{feff}\u{fff9}\u{fffb}\u{e0000}\u{e0001}\u{e007f}";
        for c in hidden.chars() {
            assert!(!is_visible(c), "{c:?}");
            assert!(printable(&c.to_string()).is_ascii() && escaped_json(&c.to_string()).is_ascii(), "{c:?}");
        }
        let seen =
            "\u{ae}\u{61b}\u{61d}\u{180d}\u{180f}\u{2010}\u{2027}\u{202f}\u{205f}\u{2070}\u{fff8}\u{fffc}\u{e0080}";
        assert!(seen.chars().all(is_visible));
    }
}
