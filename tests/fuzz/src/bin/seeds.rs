//! Writes a corpus for each target from the project's own files: `seeds DIRECTORY`.

use std::fs;
use std::io;
use std::path::Path;

use detector::{Extractor, Model, Reservoir, Sampling, ScoreHistory, State};
use iforest_fuzz::bytes::from_connection;
use iforest_fuzz::{LOG, as_file, log, model, saved};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data");
const HEADER: usize = 32;

fn main() -> io::Result<()> {
    let Some(directory) = std::env::args_os().nth(1) else {
        return Err(io::Error::other("seeds DIRECTORY: which directory?"));
    };
    let directory = Path::new(&directory);
    let put = |target: &str, name: &str, bytes: &[u8]| {
        fs::create_dir_all(directory.join(target))?;
        fs::write(directory.join(target).join(name), bytes)
    };
    // A refused seed does not help the fuzzer.
    let accepted =
        |what: &str, is: bool| if is { Ok(()) } else { Err(io::Error::other(format!("{what}: is refused"))) };

    let models = [model(1, 2), model(1, 8), model(2, 64)];
    for (i, model) in models.iter().enumerate() {
        let bytes = model.to_bytes().map_err(io::Error::other)?;
        put("model", &format!("file-{i}"), &bytes)?;
        put("model", &format!("payload-{i}"), &bytes[HEADER..])?;
        accepted("a model", Model::from_bytes(&as_file(b"ZIFOREST", &bytes[HEADER..])).is_ok())?;
        let length = u16::try_from(bytes.len() - HEADER).map_err(io::Error::other)?;
        put("cluster", &format!("model-{i}"), &[&[5], &length.to_le_bytes()[..], &bytes[HEADER..]].concat())?;
        let description = iforest_onnx::Description {
            producer: ("zeek-iforest", "0"),
            doc: "",
            input: "rows",
            output: "scores",
            metadata: &[],
        };
        put("onnx", &format!("ours-{i}"), &iforest_onnx::write(model.forest(), &[], &description))?;
    }
    let forest = fs::read(Path::new(DATA).join("lab-day1.forest.onnx"))?;
    accepted("the forest", iforest_onnx::read(&forest).is_ok())?;
    put("onnx", "scikit-learn", &forest)?;

    let (mut extractor, mut sequence) = (Extractor::default(), Vec::new());
    let mut uniform = Reservoir::new(Sampling::uniform(20), 1);
    let mut recent = Reservoir::new(Sampling::for_sensor(64, 1 << 40), 1);
    let mut n = 0u32;
    log::connections(LOG, |connection| {
        let row = extractor.extract(connection);
        uniform.learn(connection, &row, false, i64::MAX);
        recent.learn(connection, &row, n % 50 == 0, i64::MAX);
        let bytes = from_connection(connection);
        if n % 40 == 0 {
            // An incomplete corpus would go unnoticed.
            let _ = put("features", &format!("{n}"), &bytes);
            let _ = put("detector", &format!("{n}"), &sequence);
            sequence = vec![4];
        }
        sequence.push(0xff);
        sequence.extend(bytes);
        n += 1;
    });
    let mut memory = State::new(&extractor, &ScoreHistory::default());
    memory.drift = vec![[3; _], [u64::MAX; _]];
    let bytes = saved(&memory);
    put("memory", "file", &bytes)?;
    put("memory", "payload", &bytes[HEADER..])?;
    accepted(
        "a memory",
        State::from_bytes(&as_file(b"ZIFMEMOR", &bytes[HEADER..])).is_ok_and(|m| m.restore().is_ok()),
    )?;
    for (name, reservoir) in [("uniform", &uniform), ("recent", &recent)] {
        let bytes = reservoir.to_bytes();
        put("sample", &format!("file-{name}"), &bytes)?;
        put("sample", &format!("payload-{name}"), &bytes[HEADER..])?;
        accepted("a sample", Reservoir::from_bytes(&as_file(b"ZIFSAMPL", &bytes[HEADER..]), 1).is_ok())?;
        let length = u16::try_from(bytes.len() - HEADER).map_err(io::Error::other)?;
        put("cluster", &format!("sample-{name}"), &[&[7], &length.to_le_bytes()[..], &bytes[HEADER..]].concat())?;
    }
    put("cluster", "drift", &[[0; 83], [255; 83], [2; 83]].concat())?;

    let lines: Vec<&[u8]> = LOG.split_inclusive(|&byte| byte == b'\n').collect();
    let header = lines.iter().take_while(|line| line.starts_with(b"#")).count();
    for (i, rows) in lines[header..].chunks(5).take(40).enumerate() {
        put("tsv", &format!("{i}"), &[&lines[..header], rows].concat().concat())?;
    }
    put("tsv", "no-header", &lines[header..header + 2].concat())?;
    for (name, json) in JSON {
        put("json", name, json.as_bytes())?;
    }
    put("compressed", "gzip", GZIP)?;
    put("compressed", "zstd", ZSTD)?;
    Ok(())
}

// Without the first brace, which the target adds.
const JSON: [(&str, &str); 4] = [
    (
        "zeek",
        r#""ts":1713500000.123456,"uid":"C1","id.orig_h":"192.168.1.10","id.orig_p":50000,"id.resp_h":"203.0.113.66","id.resp_p":443,"proto":"tcp","service":"ssl,http","duration":1.5,"orig_bytes":517,"resp_bytes":3000,"conn_state":"SF","local_orig":true,"local_resp":false,"missed_bytes":0,"history":"ShADadFf","orig_pkts":8,"orig_ip_bytes":900,"resp_pkts":9,"resp_ip_bytes":3500,"tunnel_parents":["a","b\u00e9"]}
{"_path":"dns","ts":1}
{"ts":"2024-04-19T00:00:00.5Z","id":{"orig_h":"::1","orig_p":1,"resp_h":"::2","resp_p":2},"proto":"udp"}
"#,
    ),
    (
        "ecs",
        r#""@timestamp":"2024-04-19T00:00:00.123Z","source":{"ip":"10.0.0.1","port":1,"bytes":5},"destination":{"ip":"10.0.0.2","port":"2"},"network":{"transport":"icmp"},"event":{"duration":1500000},"zeek":{"session_id":"C2","connection":{"state":"OTH","history":"-"}}}"#,
    ),
    (
        "escapes",
        "\"ts\":1e9,\"uid\":\"\\ud83d\\ude00\\u0000\\n\\\"\",\"id.orig_h\":null,\"x\":[[{\"a\":-0.0e-5}],{}]}\r\n\r\n{",
    ),
    ("empty", ""),
];
const GZIP: &[u8] = &[
    0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff, 0x53, 0x2e, 0x48, 0x2c, 0xc9, 0xe0, 0x4c, 0xce, 0xcf, 0xcb, 0xe3, 0x52,
    0x4e, 0xcb, 0x4c, 0xcd, 0x49, 0x29, 0xe6, 0x2c, 0x29, 0xe6, 0x2c, 0xcd, 0x4c, 0xe1, 0x32, 0xd4, 0x33, 0xe5, 0x74,
    0x36, 0x84, 0x51, 0, 0xb, 0x1a, 1, 0x8d, 0x28, 0, 0, 0,
];
const ZSTD: &[u8] = &[
    0x28, 0xb5, 0x2f, 0xfd, 4, 0x58, 0x41, 1, 0, 0x23, 0x70, 0x61, 0x74, 0x68, 9, 0x63, 0x6f, 0x6e, 0x6e, 0xa, 0x23,
    0x66, 0x69, 0x65, 0x6c, 0x64, 0x73, 9, 0x74, 0x73, 9, 0x75, 0x69, 0x64, 0xa, 0x31, 0x2e, 0x35, 9, 0x43, 0x31, 0xa,
    0x31, 0x2e, 0x35, 9, 0x43, 0x31, 0xa, 0x24, 0x82, 0x70, 0x18,
];
