//! Panics as values: caught before they reach C++, and kept off standard error, which belongs to the sensor.

use std::cell::RefCell;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use detector::FileError;

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs `work`; a panic in it becomes a sentence that says what failed and where.
///
/// What `work` changed before it panicked stays changed, which safe code can live with.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| LAST.take())
}

/// What a file holds; a fault in reading it is an error like any other.
pub(crate) fn load<T, R: Display>(
    path: &Path,
    load: impl FnOnce(&Path) -> Result<T, FileError<R>>,
) -> Result<T, String> {
    match caught(|| load(path)) {
        Ok(loaded) => loaded.map_err(|error| error.to_string()),
        Err(fault) => Err(format!("{}: {fault}", path.display())),
    }
}

/// From now on panics print nothing. The hook is that of the Rust runtime inside this library: no other code shares it.
pub(crate) fn silence() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref().copied());
        let place = panic.location().map(|at| format!(" ({}, line {})", at.file(), at.line())).unwrap_or_default();
        LAST.replace(format!("{}{place}", text.unwrap_or("panicked")));
    }));
}

/// A fault for the tests of what becomes of one: the scoring of every tenth connection panics, and every fit; in tests of
/// this crate, where they are told to.
#[cfg(any(test, feature = "planted-panic"))]
pub(crate) fn planted(connections_before: u64) {
    let planted = connections_before % 10 == 9;
    #[cfg(test)]
    let planted = planted && tests::PLANTED.get();
    assert!(!planted, "planted");
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// Whether faults are planted.
        pub(crate) static PLANTED: Cell<bool> = const { Cell::new(false) };
    }

    #[test]
    fn a_panic_becomes_a_sentence_with_its_place() {
        silence();
        let sentence = caught(|| panic!("no {}", "luck")).unwrap_err();
        assert!(sentence.starts_with("no luck ("), "{sentence}");
        assert!(sentence.contains("fault.rs, line "), "{sentence}");
        assert_eq!(caught(|| 7), Ok(7));
    }
}
