//! Conversion of panics to messages. Nothing is printed, because standard error belongs to Zeek.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use detector::Error;

thread_local! {
    static MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs `work`; returns a panic as a message with its source location.
///
/// State that `work` changed before it panicked stays changed, which is harmless in safe code.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| MESSAGE.take())
}

/// Loads a file; returns errors and panics as messages that name it.
pub(crate) fn load<T>(path: &Path, load: impl FnOnce(&Path) -> Result<T, Error>) -> Result<T, String> {
    match catch(|| load(path)) {
        Ok(loaded) => loaded.map_err(|error| error.to_string()),
        Err(panic) => Err(format!("{}: {panic}", path.display())),
    }
}

/// Records panics instead of printing them. Only this library's copy of the Rust runtime uses it.
pub(crate) fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref().copied());
        let place = panic.location().map(|at| format!(" ({}, line {})", at.file(), at.line())).unwrap_or_default();
        MESSAGE.replace(format!("{}{place}", text.unwrap_or("panicked")));
    }));
}

/// Panics on every tenth connection and in every fit, for tests of the panic handling. In this crate's unit tests it
/// panics only while [`tests::INJECTED`] is set.
#[cfg(any(test, feature = "injected-panic"))]
pub(crate) fn injected(connections_before: u64) {
    let injected = connections_before % 10 == 9;
    #[cfg(test)]
    let injected = injected && tests::INJECTED.get();
    assert!(!injected, "injected");
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// True while panics are injected.
        pub(crate) static INJECTED: Cell<bool> = const { Cell::new(false) };
    }

    #[test]
    fn a_panic_becomes_a_message_with_its_location() {
        install_panic_hook();
        let message = catch(|| panic!("no {}", "luck")).unwrap_err();
        assert!(message.starts_with("no luck ("), "{message}");
        assert!(message.contains("panic.rs, line "), "{message}");
        assert_eq!(catch(|| 7), Ok(7));
    }
}
