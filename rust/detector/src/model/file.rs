//! Model files.
//!
//! A file is an [envelope](crate::storage::envelope) with the magic `ZIFOREST` around a bincode payload (standard
//! configuration, via serde). Nothing outside this file depends on that encoding.

use std::io;
use std::path::Path;

use bincode::enc::write::SizeWriter;

use crate::error::{Contents, Error, ErrorKind};
use crate::model::calibration::ScoreSurprisal;
use crate::model::{Model, SchemaId};
use crate::schema::{LogKind, MAX_COLUMNS};
use crate::storage::atomic_file;
use crate::storage::envelope::Envelope;
use crate::storage::trust::Trust;

/// Largest payload in bytes, ten times that of a forest of 1,000 trees.
const MAX_PAYLOAD: usize = 64 << 20;
pub(super) const FORMAT: Envelope =
    Envelope { contents: Contents::Model, magic: b"ZIFOREST", version: 5, max_payload: MAX_PAYLOAD };
/// Largest payload with every number at full size, as bincode counts its limit. A split and a leaf take at least 8
/// bytes of a payload, and 18 at full size.
const MAX_UNPACKED: usize = 3 * MAX_PAYLOAD;
/// Latest time of training, in microseconds since 1970: the year 2255. Until then Zeek's times, which are doubles,
/// represent every microsecond, and a model's version is its time of training.
pub(super) const LATEST: i64 = 1 << 53;

impl Model {
    /// Encodes the model as the bytes of its file.
    ///
    /// # Errors
    /// If it is too large to be loaded again.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let payload = bincode::serde::encode_to_vec(self, bincode::config::standard()).map_err(io::Error::other)?;
        let mut unpacked = SizeWriter::default();
        let full_size = bincode::config::standard().with_fixed_int_encoding();
        bincode::serde::encode_into_writer(self, &mut unpacked, full_size).map_err(io::Error::other)?;
        if payload.len() > MAX_PAYLOAD || unpacked.bytes_written > MAX_UNPACKED {
            return Err(io::Error::other(format!(
                "the model takes {} MB, more than the limit of {} MB; train fewer trees, or with a smaller sample size",
                payload.len().max(unpacked.bytes_written / 3).div_ceil(1 << 20),
                MAX_PAYLOAD >> 20,
            )));
        }
        Ok(FORMAT.seal(&payload))
    }

    /// Decodes a model from the bytes of its file, and validates everything that scoring relies on.
    ///
    /// # Errors
    /// If they are not a valid model.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let payload = FORMAT.open(bytes)?;
        // The schema identifier is decoded first, so that a model of other features is not reported as damaged.
        let config = bincode::config::standard().with_limit::<MAX_UNPACKED>();
        let undecodable = |cause: bincode::error::DecodeError| Contents::Model.invalid(cause.to_string());
        let other_schema = |id: &SchemaId, schema: &crate::schema::Schema| ErrorKind::OtherSchema {
            contents: Contents::Model,
            versions: Some([id.version, schema.version]),
        };
        let (id, _) = bincode::serde::decode_from_slice::<SchemaId, _>(payload, config).map_err(undecodable)?;
        let schema = LogKind::ALL.map(LogKind::schema).into_iter().find(|schema| schema.name == id.log);
        let schema = schema.ok_or_else(|| ErrorKind::OtherLog { found: id.log.escape_default().to_string() })?;
        if id != SchemaId::of(schema) {
            return Err(other_schema(&id, schema).into());
        }
        let (mut model, read) = bincode::serde::decode_from_slice::<Self, _>(payload, config).map_err(undecodable)?;
        if read != payload.len() {
            return Err(Contents::Model.invalid("there are extra bytes after the model").into());
        }
        if model.forest().n_features() != MAX_COLUMNS {
            return Err(other_schema(&id, schema).into());
        }
        model.schema = schema;
        let (scorer, provenance) = (&model.scorer, &model.provenance);
        let checks = [
            (scorer.encoder.is_sound(schema), "its counts of categories are out of order"),
            (scorer.stats.is_sound(schema), "its statistics do not match the features"),
            (
                scorer.peers.as_ref().is_none_or(|peers| peers.is_sound(model.forest())),
                "its peer group does not fit its forest",
            ),
            ((0.0..=1.0).contains(&scorer.median), "its median is not a score"),
            (model.calibration.is_sound(), "its calibration has scores above 1"),
            ((0.0..=2.0).contains(&model.threshold), "its threshold is not a score"),
            ((0..=LATEST).contains(&provenance.trained_at), "its time of training is invalid"),
            ((0.0..=f64::MAX).contains(&provenance.alerts_per_day), "its alert budget is invalid"),
            ((0.0..=f64::INFINITY).contains(&provenance.connections_per_day), "its connection rate is invalid"),
        ];
        if let Some((_, problem)) = checks.into_iter().find(|(is_sound, _)| !is_sound) {
            return Err(Contents::Model.invalid(problem).into());
        }
        model.scorer.encoder.prepare(schema);
        model.surprisal = ScoreSurprisal::new(&model.calibration);
        Ok(model)
    }

    /// Loads a model file.
    ///
    /// # Errors
    /// If it is not trusted or cannot be used; the error names the file.
    pub fn load(path: &Path, trust: &Trust) -> Result<Self, Error> {
        let bytes = trust.read(path, FORMAT.max_size())?;
        Self::from_bytes(&bytes).map_err(|error| error.of(path.display()))
    }

    /// Saves the model atomically: under a temporary name beside `path`, then renamed.
    ///
    /// # Errors
    /// [`ErrorKind::Write`], naming the file.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let saved = self.to_bytes().and_then(|bytes| atomic_file::write(path, &bytes));
        saved.map_err(|cause| Error::from(ErrorKind::Write(cause)).of(path.display()))
    }
}
