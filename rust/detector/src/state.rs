//! State file: context and evidence of a detector, so that a restart continues where the last run ended.
//!
//! The file has an envelope and is validated before use. The payload is bincode (standard configuration, via serde),
//! behind the fingerprint of the features; nothing outside this file depends on how it is written. It is for the
//! machine that wrote it: a file that cannot be read costs some hours of context.

use std::io;
use std::path::Path;

use bincode::error::EncodeError;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::alert::cusum::{self, Cusum};
use crate::alert::drift::BinCounts;
use crate::conn::context::{self, Context};
use crate::conn::features::Extractor;
use crate::conn::schema;
use crate::storage::envelope::{Broken, Envelope};
use crate::storage::error::Fault;
use crate::storage::error::FileError;
use crate::storage::trust::Trust;

/// Full tables come to about 20 megabytes.
const MAX_PAYLOAD: usize = 64 << 20;
const SEAL: Envelope = Envelope { magic: b"ZIFMEMOR", version: 2, max_payload: MAX_PAYLOAD };

/// Copy of the context, the evidence and the latest score distribution, which another thread can write while the
/// detector continues.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    context: context::Snapshot,
    evidence: cusum::Snapshot,
    /// How live scores were distributed: the window of [`Drift`](crate::Drift).
    pub drift: Vec<BinCounts>,
    /// The version of the model that gave those scores.
    pub version: i64,
}

/// Why a file's contents are not remembered.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateRefusal {
    /// Damaged, or something else.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// Whole, and says what cannot be.
    #[error("is damaged: {0}")]
    Invalid(String),
    /// Of other features.
    #[error("is of another version of the features")]
    OtherSchema,
}

impl State {
    /// Of hosts and services; no score yet.
    pub fn new(extractor: &Extractor, evidence: &Cusum) -> Self {
        let (context, evidence) = (extractor.context().snapshot(), evidence.snapshot());
        Self { context, evidence, drift: Vec::new(), version: 0 }
    }

    /// Context and evidence; none if they contain values no connection can have.
    pub fn recall(self) -> Option<(Extractor, Cusum)> {
        let extractor = Extractor::with_context(Context::from_snapshot(self.context)?);
        Some((extractor, Cusum::from_snapshot(self.evidence)?))
    }

    /// Writes its file: the old one or the new one is there at any time, never a part.
    ///
    /// # Errors
    /// [`Fault::Write`], naming the file.
    pub fn save(&self, path: &Path) -> Result<(), FileError<StateRefusal>> {
        // Many megabytes, which are not held a second time.
        let saved = SEAL.write(path, |payload| {
            let config = bincode::config::standard();
            let contents = (schema::fingerprint(), self);
            match bincode::serde::encode_into_std_write(contents, payload, config) {
                Ok(_) => Ok(()),
                Err(EncodeError::Io { inner, .. }) => Err(inner),
                Err(cause) => Err(io::Error::other(cause)),
            }
        });
        saved.map_err(|cause| Fault::Write(cause).of(path))
    }

    /// Parses the bytes of a file; [`State::recall`] validates the values.
    ///
    /// # Errors
    /// The [`StateRefusal`] that says what is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateRefusal> {
        let payload = SEAL.open(bytes)?;
        let config = bincode::config::standard().with_limit::<MAX_PAYLOAD>();
        let invalid = |cause: bincode::error::DecodeError| StateRefusal::Invalid(cause.to_string());
        // The fingerprint stands alone, so that what is of other features is told from what is damaged.
        let (fingerprint, head) = bincode::serde::decode_from_slice::<u64, _>(payload, config).map_err(invalid)?;
        if fingerprint != schema::fingerprint() {
            return Err(StateRefusal::OtherSchema);
        }
        let payload = payload.get(head..).unwrap_or_default();
        let (memory, read) = bincode::serde::decode_from_slice::<Self, _>(payload, config).map_err(invalid)?;
        if read != payload.len() {
            return Err(StateRefusal::Invalid("bytes are left over behind what is remembered".into()));
        }
        Ok(memory)
    }

    /// Reads its file.
    ///
    /// # Errors
    /// Why nothing is remembered, naming the file.
    pub fn load(path: &Path, trust: &Trust) -> Result<Self, FileError<StateRefusal>> {
        let bytes = trust.read(path, SEAL.longest()).map_err(|cause| Fault::from(cause).of(path))?;
        Self::from_bytes(&bytes).map_err(|cause| Fault::Refused(cause).of(path))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::Connection;
    use crate::alert::drift::BINS;
    use crate::storage::atomic_file;

    fn connection(i: i64) -> Connection<'static> {
        let mut c = Connection { ts: i * 1_000_000, ..Connection::default() };
        c.orig.addr.0[15] = (i % 7) as u8;
        c.resp.addr.0[15] = (i % 11) as u8;
        c.resp.port = (i % 3) as u16;
        c
    }

    fn extractor() -> Extractor {
        let mut extractor = Extractor::new();
        (0..500).for_each(|i| _ = extractor.extract(&connection(i)));
        extractor
    }

    fn memory() -> State {
        State { drift: vec![[3; BINS], [5; BINS]], version: 9, ..State::new(&extractor(), &Cusum::new()) }
    }

    /// The file of it.
    fn file() -> &'static [u8] {
        static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("memory");
            memory().save(&path).unwrap();
            std::fs::read(path).unwrap()
        });
        &FILE
    }

    #[test]
    fn what_was_seen_before_a_restart_counts_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("memory");
        let memory = memory();
        memory.save(&path).unwrap();
        let again = State::load(&path, &Trust::default()).unwrap();
        assert_eq!((&again.drift, again.version), (&memory.drift, 9));
        let (mut same, mut anew) = (extractor(), Extractor::new());
        let (mut again, _) = again.recall().unwrap();
        for i in 500..600 {
            let row = same.extract(&connection(i));
            assert_eq!(again.extract(&connection(i)), row);
            assert_ne!(anew.extract(&connection(i)), row);
        }
    }

    #[test]
    fn refusals_say_why() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("memory");
        let refusal = |bytes: &[u8]| {
            atomic_file::write(&path, bytes).unwrap();
            let text = State::load(&path, &Trust::default()).unwrap_err().to_string();
            text.strip_prefix(&format!("{}: ", path.display())).unwrap().to_owned()
        };
        assert!(refusal(&file()[..1000]).starts_with("is damaged: its payload has"));
        assert_eq!(refusal(b"#separator"), "is something else");
        let other = bincode::serde::encode_to_vec(7u64, bincode::config::standard()).unwrap();
        assert_eq!(refusal(&SEAL.close(&other)), "is of another version of the features");
        let longer = [SEAL.open(file()).unwrap(), &[0]].concat();
        assert_eq!(refusal(&SEAL.close(&longer)), "is damaged: bytes are left over behind what is remembered");
        let mut damaged = memory();
        damaged.evidence.average = f32::NAN;
        assert!(damaged.recall().is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes: Vec<u8>, at in 8usize..4000, change: u8) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("memory");
            let mut payload = SEAL.open(file()).unwrap().to_vec();
            let n = payload.len();
            payload[at % n] ^= change;
            // Behind a checksum that holds.
            for payload in [&bytes, &payload] {
                atomic_file::write(&path, &SEAL.close(payload)).unwrap();
                let loaded = State::load(&path, &Trust::default());
                if let Some((mut extractor, _)) = loaded.ok().and_then(State::recall) {
                    let row = extractor.extract(&connection(1));
                    prop_assert!(row.iter().all(|value| value.is_finite()));
                }
            }
        }
    }
}
