//! The model file: what is written is read back, and nothing else is.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use detector::{Broken, ConnState, Connection, Fault, Model, Params, Proto, Refusal, Trainer, Trust};

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
    traffic(3000).for_each(|c| trainer.observe(&c));
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
    // Nothing is left beside it.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// What a byte can be changed to: everything in a release build, each single bit and all of them in one without
/// optimisation, which would take half an hour.
fn flips() -> impl Iterator<Item = u8> {
    (1..=0xff).filter(|flip: &u8| !cfg!(debug_assertions) || flip.is_power_of_two() || *flip == 0xff)
}

#[test]
fn every_flipped_byte_and_every_truncation_is_refused() {
    let mut bytes = model(3).to_bytes().unwrap();
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
    assert!(matches!(Model::from_bytes(&bytes), Err(Refusal::Broken(Broken::Length { .. }))));
}

/// The same with the checksum made to fit, as an attacker would: refused, or a model that scores without a panic.
#[test]
fn a_forged_payload_is_refused_or_harmless() {
    let bytes = model(3).to_bytes().unwrap();
    let row = [f32::INFINITY; detector::schema::N_FEATURES];
    for at in 32..bytes.len() {
        for flip in flips() {
            let mut forged = bytes.clone();
            forged[at] ^= flip;
            let sum = twox_hash::XxHash3_64::oneshot(&forged[32..]);
            forged[24..32].copy_from_slice(&sum.to_le_bytes());
            if let Ok(model) = Model::from_bytes(&forged) {
                assert!((0.0..=1.0).contains(&model.score(&row)), "{} of {row:?}", model.score(&row));
            }
        }
    }
}

#[test]
fn each_refusal_says_which() {
    let bytes = model(3).to_bytes().unwrap();
    let with = |at: usize, byte: u8| {
        let mut changed = bytes.clone();
        changed[at] = byte;
        Model::from_bytes(&changed).unwrap_err()
    };
    assert_eq!(with(0, b'X'), Refusal::NotAModel);
    assert_eq!(with(8, 3), Refusal::Broken(Broken::Newer { found: 3, known: 2 }));
    assert_eq!(with(8, 1), Refusal::Broken(Broken::Older { found: 1, known: 2 }));
    assert_eq!(with(40, !bytes[40]), Refusal::Broken(Broken::Checksum));

    let mut other_schema = bytes.clone();
    other_schema[32] += 1;
    let sum = twox_hash::XxHash3_64::oneshot(&other_schema[32..]);
    other_schema[24..32].copy_from_slice(&sum.to_le_bytes());
    assert!(matches!(Model::from_bytes(&other_schema), Err(Refusal::OtherSchema { .. })));

    let missing = Model::load("/nowhere/net.model".as_ref(), &Trust::default()).unwrap_err();
    assert!(matches!(missing.fault, Fault::Read(_)));
    assert!(missing.to_string().starts_with("/nowhere/net.model: cannot be read: "));
}
