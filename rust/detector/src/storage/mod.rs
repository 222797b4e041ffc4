//! Files: envelopes with a checksum, atomic replacement, and trust by owner, mode and signature.

pub(crate) mod atomic_file;
pub(crate) mod envelope;
pub(crate) mod trust;
