//! Tests of the model file: round trips, damage, and forged contents.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use detector::{
    ConnState, Connection, Contents, Drift, ErrorKind, Evidence, MAX_COLUMNS, Model, Params, Proto, ScoreCache,
    Trainer, Trust, format_reasons,
};

fn traffic(n: i64) -> impl Iterator<Item = Connection<'static>> {
    (0..n).map(|i| {
        let mut c = Connection { ts: i * 250_000, duration: Some(i * 7919 % 90_000), ..Connection::default() };
        (c.proto, c.conn_state) = (Proto::Tcp, Some(ConnState::ALL[i as usize % 3]));
        c.orig.bytes = Some((i * 31 % 700) as u64);
        c.resp.bytes = (i % 5 > 0).then_some((i * 131 % 7000) as u64);
        c
    })
}

fn model(trees: usize) -> Model {
    let mut params = Params::default();
    params.forest.n_trees = trees;
    let mut trainer = Trainer::new(params);
    traffic(3000).for_each(|c| trainer.learn(&c));
    trainer.fit().unwrap()
}

#[test]
fn a_saved_model_scores_as_before() {
    let mut model = model(100);
    model.set_origin("0.0", 1, vec!["conn.log".into()]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("net.model");
    model.save(&path).unwrap();
    let again = Model::load(&path, &Trust::default()).unwrap();
    assert_eq!(again.to_bytes().unwrap(), model.to_bytes().unwrap());
    assert_eq!((again.threshold(), again.provenance()), (model.threshold(), model.provenance()));
    let (mut a, mut b) = (detector::Detector::new(model), detector::Detector::new(again));
    traffic(500).for_each(|c| assert_eq!(a.score(&c), b.score(&c)));
    assert!(std::fs::metadata(&path).unwrap().len() < 500_000);
    let plain = dir.path().join("plain");
    std::fs::write(&plain, "").unwrap();
    let mode = |path| std::fs::metadata(path).unwrap().permissions();
    assert_eq!(mode(&path), mode(&plain), "whoever may read a new file may read a model");
    std::fs::remove_file(plain).unwrap();
    // No temporary file is left beside it.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// Values that a byte is changed to: all in a release build; in a debug build, which would take half an hour, each
/// flipped bit and all bits flipped.
fn flips() -> impl Iterator<Item = u8> {
    (1..=0xff).filter(|flip: &u8| !cfg!(debug_assertions) || flip.is_power_of_two() || *flip == 0xff)
}

#[test]
fn rejects_every_changed_byte_and_truncation() {
    let mut bytes = of_all_groups();
    for length in 0..bytes.len() {
        assert!(Model::from_bytes(&bytes[..length]).is_err(), "cut to {length} bytes");
    }
    for at in 0..bytes.len() {
        let good = bytes[at];
        for flip in flips() {
            bytes[at] = good ^ flip;
            assert!(Model::from_bytes(&bytes).is_err(), "byte {at} ^ {flip:#x}");
        }
        bytes[at] = good;
    }
    bytes.push(0);
    assert!(matches!(Model::from_bytes(&bytes).unwrap_err().kind(), ErrorKind::Length { .. }));
}

/// A model with one tree per group and few rows each, small enough to change every byte.
fn of_all_groups() -> Vec<u8> {
    let mut params = Params::default();
    (params.forest.n_trees, params.forest.sample_size) = (params.forest.groups.len(), 4);
    let mut trainer = Trainer::new(params);
    traffic(60).for_each(|c| trainer.learn(&c));
    trainer.fit().unwrap().to_bytes().unwrap()
}

/// Corrects length and checksum of a changed payload, as an attacker would.
fn forge(bytes: &mut [u8]) {
    let length = (bytes.len() - 32) as u64;
    bytes[16..24].copy_from_slice(&length.to_le_bytes());
    let sum = twox_hash::XxHash3_64::oneshot(&bytes[32..]);
    bytes[24..32].copy_from_slice(&sum.to_le_bytes());
}

/// Uses a model in every way, if it is valid.
fn use_if_accepted(bytes: &[u8]) -> bool {
    let Ok(model) = Model::from_bytes(bytes) else { return false };
    let written = model.to_bytes().unwrap();
    assert_eq!(Model::from_bytes(&written).unwrap().to_bytes().unwrap(), written);
    for alerts in [0.0, 1e-300, 20.0, 1e300, f64::INFINITY] {
        let threshold = model.threshold_for_alerts(alerts);
        assert!((0.0..=1.000_001).contains(&threshold), "{threshold}");
    }
    let rows = [0.0, f32::INFINITY, f32::MIN, 1e7, -3.5].map(|value| [value; MAX_COLUMNS]);
    for (row, score) in rows.iter().zip(model.score_rows(&rows, &[0; 5], &mut ScoreCache::new())) {
        let raised = model.final_score(score);
        assert!((0.0..=1.0).contains(&raised), "{raised} of {row:?}");
        assert_eq!(model.score_row(row, 0, &mut ScoreCache::new()), score);
    }
    let mut drift = Drift::new(model.calibration());
    (0..1000).for_each(|i| drift.observe(f64::from(i) / 1000.0));
    assert!(drift.index().is_none_or(f64::is_finite));
    let words = format_reasons(&model.reasons(&Connection::default(), &rows[3], Some(Evidence::Service(u32::MAX))));
    assert!(!words.chars().any(char::is_control), "{words:?}");
    true
}

/// A corrected checksum: the model is refused, or can be used.
#[test]
fn forged_payload_is_refused_or_harmless() {
    let bytes = of_all_groups();
    assert!(use_if_accepted(&bytes));
    let mut accepted = 0;
    for at in 32..bytes.len() {
        for flip in flips() {
            let mut forged = bytes.clone();
            forged[at] ^= flip;
            forge(&mut forged);
            accepted += usize::from(use_if_accepted(&forged));
        }
    }
    assert!(accepted > 1000, "only {accepted} of the forged models were tried");
    for length in 32..bytes.len() {
        let mut forged = bytes[..length].to_vec();
        forge(&mut forged);
        assert!(!use_if_accepted(&forged), "cut to {length} bytes");
    }
}

/// Forest as stored in a file.
#[derive(serde::Serialize)]
struct Stored {
    n_features: u32,
    sample_size: u32,
    n_groups: u32,
    mean_exponent: u8,
    extents: Vec<Vec<(u16, f32, f32)>>,
    trees: Vec<Vec<Node>>,
}

#[derive(serde::Serialize)]
enum Node {
    Split { feature: u16, threshold: f32 },
    Leaf { size: u32 },
}

/// Models in which one component could be compared with all others; quadratic time would take minutes.
#[test]
fn loading_time_is_linear_in_the_size() {
    const ROWS: u32 = 1 << 20;
    let encode = |stored: Stored| bincode::serde::encode_to_vec(stored, bincode::config::standard()).unwrap();
    let (model, bytes) = (model(3), model(3).to_bytes().unwrap());
    let forest = bincode::serde::encode_to_vec(model.forest(), bincode::config::standard()).unwrap();
    let at = bytes.windows(forest.len()).position(|window| window == forest).unwrap();
    let load = |extents, trees| {
        let forged =
            Stored { n_features: MAX_COLUMNS as u32, sample_size: ROWS, n_groups: 1, mean_exponent: 2, extents, trees };
        let mut file = [&bytes[..at], &encode(forged), &bytes[at + forest.len()..]].concat();
        forge(&mut file);
        Model::from_bytes(&file)
    };
    for n in [1 << 15, 1 << 16, 1 << 17] {
        // Many steps, and many ranges to compare with each.
        fn grow(from: u32, to: u32, nodes: &mut Vec<Node>) {
            if to - from == 1 {
                return nodes.push(Node::Leaf { size: if from == 0 { ROWS } else { 1 } });
            }
            let middle = from + (to - from) / 2;
            nodes.push(Node::Split { feature: 0, threshold: middle as f32 });
            grow(from, middle, nodes);
            grow(middle, to, nodes);
        }
        let mut tree = Vec::new();
        grow(0, n, &mut tree);
        tree.iter_mut().for_each(|node| match node {
            Node::Leaf { size } if *size == ROWS => *size = ROWS - (n - 1),
            _ => {}
        });
        let refusal = load(vec![vec![(0, -1e6, 1e6); n as usize]], vec![tree]).unwrap_err().to_string();
        assert!(refusal.contains("more than one range of column 0"), "{refusal}");
    }
    for n in [2500, 5000, 10_000] {
        // Leaves with the largest number of rows, of one size and of many.
        let one = |_| vec![Node::Leaf { size: ROWS }];
        assert_eq!(load(vec![], (0..n).map(one).collect()).unwrap().forest().n_trees(), n as usize);
        let split = || Node::Split { feature: 0, threshold: 0.5 };
        let two = |size| vec![split(), Node::Leaf { size }, Node::Leaf { size: ROWS - size }];
        assert_eq!(load(vec![], (1..=n).map(two).collect()).unwrap().forest().n_trees(), n as usize);
    }
}

#[test]
fn errors_name_the_problem() {
    let bytes = model(3).to_bytes().unwrap();
    let with = |at: usize, byte: u8| {
        let mut changed = bytes.clone();
        changed[at] = byte;
        Model::from_bytes(&changed).unwrap_err()
    };
    assert!(matches!(with(0, b'X').kind(), ErrorKind::OtherContents(Contents::Model)));
    assert!(matches!(with(8, 6).kind(), ErrorKind::Newer { found: 6, known: 5 }));
    assert!(matches!(with(8, 2).kind(), ErrorKind::Older { found: 2, known: 5, .. }));
    assert!(matches!(with(40, !bytes[40]).kind(), ErrorKind::Checksum));

    let mut other_schema = bytes.clone();
    // After the name of the log.
    other_schema[37] += 1;
    let sum = twox_hash::XxHash3_64::oneshot(&other_schema[32..]);
    other_schema[24..32].copy_from_slice(&sum.to_le_bytes());
    assert!(matches!(Model::from_bytes(&other_schema).unwrap_err().kind(), ErrorKind::OtherSchema { .. }));

    let missing = Model::load("/nowhere/net.model".as_ref(), &Trust::default()).unwrap_err();
    assert!(matches!(missing.kind(), ErrorKind::Read(_)));
    assert!(missing.to_string().starts_with("/nowhere/net.model: cannot be read: "));
}
