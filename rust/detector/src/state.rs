//! State file: context and evidence of a detector, so that a restart continues where the last run ended.
//!
//! The file has an envelope and is validated before use. The payload is bincode (standard configuration, via serde),
//! after the fingerprint of the features; nothing outside this file depends on that encoding. It is meant for the
//! machine that wrote it: a file that cannot be read costs some hours of context.

use std::io;
use std::path::Path;

use bincode::error::EncodeError;
use serde::{Deserialize, Serialize};

use crate::alert::drift::BinCounts;
use crate::alert::incident::GrouperSnapshot;
use crate::alert::score_history::{ScoreHistory, ScoreHistorySnapshot};
use crate::conn::context::{ConnContext, ConnSnapshot};
use crate::dns::context::{DnsContext, DnsSnapshot};
use crate::error::{Contents, Error, ErrorKind};
use crate::extractor::{Context, Extractor};
use crate::schema::LogKind;
use crate::storage::envelope::Envelope;
use crate::storage::trust::Trust;

/// Largest payload. Full tables take about 20 megabytes, 4,096 incidents of the largest size about 150.
const MAX_PAYLOAD: usize = 256 << 20;
const FORMAT: Envelope =
    Envelope { contents: Contents::State, magic: b"ZIFMEMOR", version: 7, max_payload: MAX_PAYLOAD };

/// Copy of the context, the evidence and the latest score distribution, which another thread can write while the
/// detector continues.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    context: ContextSnapshot,
    history: ScoreHistorySnapshot,
    /// Distribution of live scores: the window of [`Drift`](crate::Drift).
    pub drift: Vec<BinCounts>,
    /// Version of the model that gave those scores.
    pub version: i64,
    /// Open incidents, if a command has grouped records; of a sensor, [`Grouper::long_term`](crate::Grouper::long_term).
    pub incidents: Option<GrouperSnapshot>,
}

/// Context of one log kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum ContextSnapshot {
    Conn(ConnSnapshot),
    Dns(DnsSnapshot),
}

impl State {
    /// State of hosts and services, without scores.
    pub fn new(extractor: &Extractor, history: &ScoreHistory) -> Self {
        let context = match &extractor.0 {
            Context::Conn(context) => ContextSnapshot::Conn(context.snapshot()),
            Context::Dns(context) => ContextSnapshot::Dns(context.snapshot()),
        };
        Self { context, history: history.snapshot(), drift: Vec::new(), version: 0, incidents: None }
    }

    /// Kind of the log whose context it is.
    pub fn log(&self) -> LogKind {
        match self.context {
            ContextSnapshot::Conn(_) => LogKind::Conn,
            ContextSnapshot::Dns(_) => LogKind::Dns,
        }
    }

    /// Context and evidence.
    ///
    /// # Errors
    /// If they contain impossible values; the error does not name the file.
    pub fn restore(self) -> Result<(Extractor, ScoreHistory), Error> {
        let context = match self.context {
            ContextSnapshot::Conn(context) => ConnContext::from_snapshot(context).map(Context::Conn),
            ContextSnapshot::Dns(context) => DnsContext::from_snapshot(context).map(Context::Dns),
        };
        match (context, ScoreHistory::from_snapshot(self.history)) {
            (Some(context), Some(history)) => Ok((Extractor(context), history)),
            _ => Err(Contents::State.invalid("it contains values no record can have").into()),
        }
    }

    /// Replaces its file atomically.
    ///
    /// # Errors
    /// [`ErrorKind::Write`], naming the file.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        // Streamed, because many megabytes should not be in memory twice.
        let saved = FORMAT.write(path, |payload| {
            let config = bincode::config::standard();
            let contents = (self.log().schema().fingerprint(), self);
            match bincode::serde::encode_into_std_write(contents, payload, config) {
                Ok(_) => Ok(()),
                Err(EncodeError::Io { inner, .. }) => Err(inner),
                Err(cause) => Err(io::Error::other(cause)),
            }
        });
        saved.map_err(|cause| Error::from(ErrorKind::Write(cause)).of(path.display()))
    }

    /// Parses the bytes of a file; [`State::restore`] validates the values.
    ///
    /// # Errors
    /// If they are not the contents of a state file, without its name.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let payload = FORMAT.open(bytes)?;
        let config = bincode::config::standard().with_limit::<MAX_PAYLOAD>();
        let undecodable = |cause: bincode::error::DecodeError| Contents::State.invalid(cause.to_string());
        // The fingerprint is decoded first, so that other features are not reported as damage.
        let (fingerprint, head) = bincode::serde::decode_from_slice::<u64, _>(payload, config).map_err(undecodable)?;
        let Some(log) = LogKind::ALL.into_iter().find(|log| log.schema().fingerprint() == fingerprint) else {
            return Err(ErrorKind::OtherSchema { contents: Contents::State, versions: None }.into());
        };
        let payload = payload.get(head..).unwrap_or_default();
        let (state, read) = bincode::serde::decode_from_slice::<Self, _>(payload, config).map_err(undecodable)?;
        if read != payload.len() {
            return Err(Contents::State.invalid("there are extra bytes after the state").into());
        }
        if state.log() != log {
            return Err(Contents::State.invalid("its context is of another log").into());
        }
        Ok(state)
    }

    /// Loads its file.
    ///
    /// # Errors
    /// If it is not trusted or cannot be used; the error names the file.
    pub fn load(path: &Path, trust: &Trust) -> Result<Self, Error> {
        let bytes = trust.read(path, FORMAT.max_size())?;
        Self::from_bytes(&bytes).map_err(|error| error.of(path.display()))
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
        let mut extractor = Extractor::default();
        (0..500).for_each(|i| _ = extractor.extract(&connection(i)));
        extractor
    }

    fn state() -> State {
        State { drift: vec![[3; BINS], [5; BINS]], version: 9, ..State::new(&extractor(), &ScoreHistory::default()) }
    }

    /// File of the state.
    fn file() -> &'static [u8] {
        static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("state");
            state().save(&path).unwrap();
            std::fs::read(path).unwrap()
        });
        &FILE
    }

    #[test]
    fn context_survives_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let state = state();
        state.save(&path).unwrap();
        let again = State::load(&path, &Trust::default()).unwrap();
        assert_eq!((&again.drift, again.version), (&state.drift, 9));
        let (mut same, mut anew) = (extractor(), Extractor::default());
        let (mut again, _) = again.restore().unwrap();
        for i in 500..600 {
            let row = same.extract(&connection(i));
            assert_eq!(again.extract(&connection(i)), row);
            assert_ne!(anew.extract(&connection(i)), row);
        }
    }

    #[test]
    fn errors_name_the_problem() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let refusal = |bytes: &[u8]| {
            atomic_file::write(&path, bytes).unwrap();
            let text = State::load(&path, &Trust::default()).unwrap_err().to_string();
            text.strip_prefix(&format!("{}: ", path.display())).unwrap().to_owned()
        };
        assert!(refusal(&file()[..1000]).starts_with("is damaged: its payload has"));
        assert_eq!(refusal(b"#separator"), "is not a context file of zeek-iforest; choose another file");
        let other = bincode::serde::encode_to_vec(7u64, bincode::config::standard()).unwrap();
        assert!(refusal(&FORMAT.seal(&other)).starts_with("has other features"));
        let longer = [FORMAT.open(file()).unwrap(), &[0]].concat();
        assert_eq!(refusal(&FORMAT.seal(&longer)), "is damaged: there are extra bytes after the state; delete it");
        let mut damaged = state();
        damaged.history.cusum.average = f32::NAN;
        let refusal = damaged.restore().unwrap_err().to_string();
        assert_eq!(refusal, "is damaged: it contains values no record can have; delete it");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>, at in 8usize..4000, change: u8) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("state");
            let mut payload = FORMAT.open(file()).unwrap().to_vec();
            let n = payload.len();
            payload[at % n] ^= change;
            // With a correct checksum.
            for payload in [&bytes, &payload] {
                atomic_file::write(&path, &FORMAT.seal(payload)).unwrap();
                let loaded = State::load(&path, &Trust::default());
                if let Some((mut extractor, _)) = loaded.ok().and_then(|state| state.restore().ok()) {
                    let row = extractor.extract(&connection(1));
                    prop_assert!(row.iter().all(|value| value.is_finite()));
                }
            }
        }
    }
}
