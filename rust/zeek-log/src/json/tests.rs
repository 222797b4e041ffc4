//! Tests of the JSON scanner: exact values, and errors with their position.

use proptest::prelude::*;

use super::*;

/// Returns the top-level members, unescaped, or the syntax error.
fn members(text: &[u8]) -> Result<Vec<(Vec<u8>, Value)>, SyntaxError> {
    let mut scanner = Scanner::new(text);
    let mut members = Vec::new();
    scanner.enter()?;
    while scanner.next_key(members.is_empty())?.is_some() {
        let mut key = Vec::new();
        unescape_into(scanner.key()?.0, &mut key);
        scanner.colon()?;
        members.push((key, scanner.value(1)?));
    }
    scanner.finish()?;
    Ok(members)
}

fn agrees_with_serde_json(text: &[u8]) {
    let ours = members(text);
    let theirs: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_slice(text);
    // A number too large for a double is still well formed.
    if theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range")) {
        return;
    }
    let Ok(theirs) = theirs else {
        assert!(ours.is_err(), "{:?}", String::from_utf8_lossy(text));
        return;
    };
    let ours = ours.unwrap_or_else(|error| panic!("{error:?} in {:?}", String::from_utf8_lossy(text)));
    let mut last: Vec<&Vec<u8>> = ours.iter().map(|(key, _)| key).collect();
    last.sort();
    last.dedup();
    assert_eq!(last.len(), theirs.len());
    for (index, (key, value)) in ours.iter().enumerate() {
        if ours[index + 1..].iter().any(|(other, _)| other == key) {
            continue;
        }
        let expected = &theirs[std::str::from_utf8(key).unwrap()];
        let raw = value.of(text);
        match value.kind {
            ValueKind::String | ValueKind::EscapedString => {
                let mut text = Vec::new();
                unescape_into(raw, &mut text);
                assert_eq!(expected.as_str().unwrap().as_bytes(), text);
                assert_eq!(value.kind == ValueKind::EscapedString, raw.contains(&b'\\'));
            }
            _ => assert_eq!(&serde_json::from_slice::<serde_json::Value>(raw).unwrap(), expected),
        }
    }
}

#[test]
fn accepts_valid_json_only() {
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(100));
    for text in [
        "{}",
        " { } ",
        r#"{"a":1}"#,
        r#"{"a":1,}"#,
        r#"{,"a":1}"#,
        r#"{"a" 1}"#,
        r#"{"a":}"#,
        r#"{a:1}"#,
        r#"{"a":1"#,
        r#"{"a":1}}"#,
        r#"{"a":1} x"#,
        r#"{"a":01}"#,
        r#"{"a":-}"#,
        r#"{"a":1.}"#,
        r#"{"a":.5}"#,
        r#"{"a":1e}"#,
        r#"{"a":-0.5E+10}"#,
        r#"{"a":tru}"#,
        r#"{"a":true,"b":false,"c":null}"#,
        r#"{"a":nulll}"#,
        r#"{"a":"\x"}"#,
        r#"{"a":"\u12"}"#,
        r#"{"a":"\u00e9\ud83d\ude00\/\b\f\n\r\t\"\\"}"#,
        "{\"a\":\"\t\"}",
        "{\"a\":\"\u{0}\"}",
        r#"{"a":[]}"#,
        r#"{"a":[1,"2",[3],{"b":4}]}"#,
        r#"{"a":[1,]}"#,
        r#"{"a":[1 2]}"#,
        r#"{"a":{"b":1,}}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"\u0061":1}"#,
        "",
        " ",
        "[]",
        "1",
        "null",
        r#""a""#,
        "{",
        r#"{""#,
        r#"{"a"#,
        r#"{"a":"b"#,
        r#"{"a":"b\"#,
        "{\"a\":1\n,\r\n\"b\"\t:2}",
        r#"{"":0}"#,
        r#"{"a":+1}"#,
        r#"{"a":NaN}"#,
        r#"{"a":'b'}"#,
        &long,
    ] {
        agrees_with_serde_json(text.as_bytes());
    }
}

#[test]
fn nesting_is_bounded() {
    for depth in [100, 125, 126, 127, 128, 200, 100_000] {
        let text = format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        agrees_with_serde_json(text.as_bytes());
        let text = format!(r#"{}1{}"#, r#"{"a":"#.repeat(depth), "}".repeat(depth));
        agrees_with_serde_json(text.as_bytes());
    }
}

#[test]
fn accepts_bytes_that_are_not_utf_8() {
    let members = members(b"{\"a\":\"\xff\xfe\",\"b\xff\":1}").unwrap();
    assert_eq!(members[1].0, b"b\xff");
}

#[test]
fn replaces_lone_surrogates() {
    for raw in [&br"\ud800x"[..], br"\udc00x", br"\ud800\u0041"] {
        let mut text = Vec::new();
        unescape_into(raw, &mut text);
        let text = String::from_utf8(text).unwrap();
        assert!(text == "\u{fffd}x" || text == "\u{fffd}A", "{text}");
    }
}

#[test]
fn splits_arrays_into_elements() {
    let mut rest: &[u8] = br#"[ "a\tb" , 1,[2], "" ]"#;
    let mut elements = Vec::new();
    while let Some((element, after)) = next_element(rest) {
        elements.push(String::from_utf8(element.into_owned()).unwrap());
        rest = after;
    }
    assert_eq!(elements, ["a\tb", "1", "[2]", ""]);
    assert_eq!(next_element(b"[ ]"), None);
}

#[test]
fn recognizes_numbers() {
    for (text, number) in [("0", true), ("-1.5e3", true), ("", false), ("1x", false), ("01", false), ("T", false)] {
        assert_eq!(is_number(text.as_bytes()), number, "{text}");
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        r#"[a-c"\\/]{0,20}"#.prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((r"[a-d\\\x22]{0,9}", inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn well_formed_objects(members in prop::collection::vec((any::<String>(), json()), 0..8), pretty: bool) {
        let value = serde_json::Value::Object(members.into_iter().collect());
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) };
        agrees_with_serde_json(&text.unwrap());
    }

    #[test]
    fn objects_with_one_byte_changed(members in prop::collection::vec(("[a-c]{0,9}", json()), 1..5),
                                     at: prop::sample::Index,
                                     byte in prop::sample::select(&b"\"\\{}[],:01.-eE+tfn u\n\0\x1f"[..])) {
        let value = serde_json::Value::Object(members.into_iter().collect());
        let mut text = serde_json::to_vec(&value).unwrap();
        let at = at.index(text.len());
        text[at] = byte;
        let lone_surrogate = String::from_utf8_lossy(&text).contains(r"\ud");
        if std::str::from_utf8(&text).is_ok() && !lone_surrogate {
            agrees_with_serde_json(&text);
        }
    }

    #[test]
    fn any_text_survives_a_string_round_trip(text: String) {
        let mut quoted = Vec::new();
        push_string(text.as_bytes(), &mut quoted);
        prop_assert_eq!(serde_json::from_slice::<String>(&quoted).unwrap(), text);
    }
}
