//! Files: envelopes with a checksum, atomic writes, and who may write to them.

pub(crate) mod atomic_file;
pub(crate) mod envelope;
pub(crate) mod trust;
