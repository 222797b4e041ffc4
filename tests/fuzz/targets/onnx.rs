#![no_main]
//! A forest as an ONNX graph.

use iforest_onnx::{Description, read, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(imported) = read(data) else { return };
    let row = vec![1.5; imported.forest.n_features()];
    let score = imported.forest.score(&row);
    assert!((0.0..=1.0).contains(&score), "{score}");
    let description = Description { producer: ("fuzz", "0"), doc: "", input: "rows", output: "scores", metadata: &[] };
    write(&imported.forest, &[], &description);
});
