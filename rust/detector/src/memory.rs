//! What a detector remembers of the traffic, in a file: a restart goes on where the last run ended.
//!
//! Sealed, and checked before any of it is used. The payload is bincode (standard configuration, via serde), behind the
//! fingerprint of the features; nothing outside this file depends on how it is written. It is for the machine that wrote
//! it, not for exchange: what cannot be read is no loss but of some hours' context.

use std::io;
use std::path::Path;

use bincode::error::EncodeError;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::context::{self, Context};
use crate::file::Fault;
use crate::sealed::{Broken, Seal};
use crate::{Counts, Evidence, Extractor, FileError, Trust, evidence, schema};

/// Full tables come to about 20 megabytes.
const MAX_PAYLOAD: usize = 64 << 20;
const SEAL: Seal = Seal { magic: b"ZIFMEMOR", version: 2, max_payload: MAX_PAYLOAD };

/// What is remembered of hosts, of evidence against services, and of the latest scores: a copy, which another thread can
/// write while the detector goes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Memory {
    context: context::Kept,
    evidence: evidence::Kept,
    /// How live scores were distributed: the window of [`Drift`](crate::Drift).
    pub drift: Vec<Counts>,
    /// The version of the model that gave those scores.
    pub version: i64,
}

/// Why a file's contents are not remembered.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryRefusal {
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

impl Memory {
    /// Of hosts and services; no score yet.
    pub fn new(extractor: &Extractor, evidence: &Evidence) -> Self {
        let (context, evidence) = (extractor.context().keep(), evidence.keep());
        Self { context, evidence, drift: Vec::new(), version: 0 }
    }

    /// What an extractor and the evidence go on from; none if it is not such as connections give.
    pub fn recall(self) -> Option<(Extractor, Evidence)> {
        let extractor = Extractor::with_context(Context::from_kept(self.context)?);
        Some((extractor, Evidence::from_kept(self.evidence)?))
    }

    /// Writes its file: the old one or the new one is there at any time, never a part.
    ///
    /// # Errors
    /// [`Fault::Write`], naming the file.
    pub fn save(&self, path: &Path) -> Result<(), FileError<MemoryRefusal>> {
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

    /// What the bytes of a file say; [`Memory::recall`] checks whether it can be.
    ///
    /// # Errors
    /// The [`MemoryRefusal`] that says what is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MemoryRefusal> {
        let payload = SEAL.open(bytes)?;
        let config = bincode::config::standard().with_limit::<MAX_PAYLOAD>();
        let invalid = |cause: bincode::error::DecodeError| MemoryRefusal::Invalid(cause.to_string());
        // The fingerprint stands alone, so that what is of other features is told from what is damaged.
        let (fingerprint, head) = bincode::serde::decode_from_slice::<u64, _>(payload, config).map_err(invalid)?;
        if fingerprint != schema::fingerprint() {
            return Err(MemoryRefusal::OtherSchema);
        }
        let payload = payload.get(head..).unwrap_or_default();
        let (memory, read) = bincode::serde::decode_from_slice::<Self, _>(payload, config).map_err(invalid)?;
        if read != payload.len() {
            return Err(MemoryRefusal::Invalid("bytes are left over behind what is remembered".into()));
        }
        Ok(memory)
    }

    /// Reads its file.
    ///
    /// # Errors
    /// Why nothing is remembered, naming the file.
    pub fn load(path: &Path, trust: &Trust) -> Result<Self, FileError<MemoryRefusal>> {
        let bytes = trust.read(path, SEAL.longest()).map_err(|cause| Fault::from(cause).of(path))?;
        Self::from_bytes(&bytes).map_err(|cause| Fault::Refused(cause).of(path))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::{Connection, sealed};

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

    fn memory() -> Memory {
        Memory { drift: vec![[3; _], [5; _]], version: 9, ..Memory::new(&extractor(), &Evidence::new()) }
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
        let again = Memory::load(&path, &Trust::default()).unwrap();
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
            sealed::write(&path, bytes).unwrap();
            let text = Memory::load(&path, &Trust::default()).unwrap_err().to_string();
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
                sealed::write(&path, &SEAL.close(payload)).unwrap();
                let loaded = Memory::load(&path, &Trust::default());
                if let Some((mut extractor, _)) = loaded.ok().and_then(Memory::recall) {
                    let row = extractor.extract(&connection(1));
                    prop_assert!(row.iter().all(|value| value.is_finite()));
                }
            }
        }
    }
}
