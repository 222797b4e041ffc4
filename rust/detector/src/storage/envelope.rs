//! Envelope of files and messages: a header with kind, version, length and checksum.
//!
//! | bytes | contents |
//! |---|---|
//! | 0..8   | a magic that names the contents |
//! | 8..12  | format version, little endian |
//! | 12..16 | zero |
//! | 16..24 | length of the payload in bytes, little endian |
//! | 24..32 | XXH3-64 of the payload, little endian |
//!
//! The caller defines the payload.

use std::fs::File;
use std::hash::Hasher;
use std::io::{BufWriter, Seek, Write};
use std::path::Path;

use twox_hash::XxHash3_64;

use crate::error::{Contents, Error, ErrorKind};
use crate::storage::atomic_file::replace;

/// Size of the header.
pub(crate) const HEADER: usize = 32;

/// Envelope of one kind of contents.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope {
    /// Kind of contents, for messages.
    pub(crate) contents: Contents,
    /// Magic number.
    pub(crate) magic: &'static [u8; 8],
    /// Format version that is written and read.
    pub(crate) version: u32,
    /// Largest payload.
    pub(crate) max_payload: usize,
}

/// Writer that computes the length and checksum of a payload. Wrap it in a `BufWriter`: values are written a few bytes
/// at a time.
pub(crate) struct Payload<'f> {
    file: &'f mut File,
    hash: XxHash3_64,
    length: u64,
}

impl Write for Payload<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.write(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Envelope {
    /// Returns the header and the payload.
    pub(crate) fn seal(self, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + payload.len());
        bytes.extend(self.header(payload.len() as u64, XxHash3_64::oneshot(payload)));
        bytes.extend_from_slice(payload);
        bytes
    }

    fn header(self, length: u64, checksum: u64) -> impl Iterator<Item = u8> {
        let (length, checksum) = (length.to_le_bytes(), checksum.to_le_bytes());
        let head = self.magic.iter().copied().chain(self.version.to_le_bytes());
        head.chain([0; 4]).chain(length).chain(checksum)
    }

    /// Writes a file like [`atomic_file::write`](crate::storage::atomic_file::write), but streams the payload.
    pub(crate) fn write(
        self,
        path: &Path,
        fill: impl FnOnce(&mut BufWriter<Payload<'_>>) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        replace(path, |file| {
            file.write_all(&[0; HEADER])?;
            let mut payload = BufWriter::new(Payload { file: &mut *file, hash: XxHash3_64::new(), length: 0 });
            fill(&mut payload)?;
            payload.flush()?;
            let Payload { hash, length, .. } = payload.get_ref();
            let header: Vec<u8> = self.header(*length, hash.finish()).collect();
            drop(payload);
            file.rewind()?;
            file.write_all(&header)
        })
    }

    /// Returns the payload after checking the header and checksum.
    pub(crate) fn open(self, bytes: &[u8]) -> Result<&[u8], Error> {
        let Some((header, payload)) =
            bytes.split_at_checked(HEADER).filter(|(header, _)| header.starts_with(self.magic))
        else {
            return Err(ErrorKind::OtherContents(self.contents).into());
        };
        let number = |at: usize, n: usize| header[at..at + n].iter().rev().fold(0, |sum, &b| sum << 8 | u64::from(b));
        let (version, zero) = (number(8, 4) as u32, number(12, 4));
        if version > self.version {
            return Err(ErrorKind::Newer { found: version, known: self.version }.into());
        }
        if version == 0 || zero != 0 {
            return Err(ErrorKind::OtherContents(self.contents).into());
        }
        if version < self.version {
            return Err(ErrorKind::Older { contents: self.contents, found: version, known: self.version }.into());
        }
        let (expected, found) = (number(16, 8), payload.len() as u64);
        if payload.len() > self.max_payload {
            return Err(ErrorKind::TooLarge { found, max: self.max_payload as u64 }.into());
        }
        if expected != found {
            return Err(ErrorKind::Length { expected, found }.into());
        }
        if number(24, 8) != XxHash3_64::oneshot(payload) {
            return Err(ErrorKind::Checksum.into());
        }
        Ok(payload)
    }

    /// Largest size of a file of this kind.
    pub(crate) fn max_size(self) -> usize {
        HEADER + self.max_payload
    }
}

/// Length of the payload as declared in the header; `None` without a whole header.
pub(crate) fn declared_length(bytes: &[u8]) -> Option<u64> {
    let length = bytes.get(16..24).filter(|_| bytes.len() >= HEADER)?;
    Some(u64::from_le_bytes(length.try_into().ok()?))
}

/// Checksum in the header of a model, a sample or a state file; 0 without a header.
pub fn checksum(bytes: &[u8]) -> u64 {
    bytes.get(24..HEADER).and_then(<[u8]>::first_chunk).map_or(0, |sum| u64::from_le_bytes(*sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Envelope = Envelope { contents: Contents::Sample, magic: b"TESTTEST", version: 3, max_payload: 10 };

    fn kind(bytes: &[u8]) -> ErrorKind {
        FORMAT.open(bytes).unwrap_err().into_kind()
    }

    #[test]
    fn open_returns_the_closed_payload() {
        assert_eq!(FORMAT.open(&FORMAT.seal(b"hello")).unwrap(), b"hello");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("piece by piece");
        FORMAT
            .write(&path, |payload| ["he", "", "llo"].iter().try_for_each(|piece| payload.write_all(piece.as_bytes())))
            .unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), FORMAT.seal(b"hello"));
        let failed = FORMAT.write(&path, |_| Err(std::io::Error::other("no more")));
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!(std::fs::read(&path).unwrap(), FORMAT.seal(b"hello"), "the old one stays");
    }

    #[test]
    fn detects_every_change() {
        let whole = FORMAT.seal(b"hello");
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(FORMAT.open(&changed).is_err(), "byte {at}");
        }
        for length in 0..whole.len() {
            assert!(FORMAT.open(&whole[..length]).is_err());
        }
    }

    #[test]
    fn older_newer_and_oversized_are_refused() {
        let newer = Envelope { version: 4, ..FORMAT }.seal(b"x");
        assert!(matches!(kind(&newer), ErrorKind::Newer { found: 4, known: 3 }));
        let older = Envelope { version: 2, ..FORMAT }.seal(b"x");
        assert!(matches!(kind(&older), ErrorKind::Older { found: 2, known: 3, .. }));
        assert!(matches!(kind(&FORMAT.seal(&[0; 11])), ErrorKind::TooLarge { found: 11, max: 10 }));
        let largest = FORMAT.seal(&[0; 10]);
        assert_eq!((FORMAT.open(&largest).unwrap(), FORMAT.max_size()), (&[0; 10][..], largest.len()));
    }

    #[test]
    fn rejects_headers_of_other_contents() {
        let unversioned = Envelope { version: 0, ..FORMAT }.seal(b"x");
        assert!(matches!(kind(&unversioned), ErrorKind::OtherContents(Contents::Sample)));
        for at in 12..16 {
            let mut changed = FORMAT.seal(b"x");
            changed[at] = 1;
            assert!(matches!(kind(&changed), ErrorKind::OtherContents(_)), "byte {at}");
        }
    }

    #[test]
    fn the_checksum_is_that_of_the_payload() {
        assert_eq!(checksum(&FORMAT.seal(b"hello")), XxHash3_64::oneshot(b"hello"));
        assert_eq!(checksum(&[1; HEADER - 1]), 0, "no header");
    }

    #[test]
    fn flushed_data_is_in_the_file() {
        let mut file = tempfile::tempfile().unwrap();
        let mut payload = BufWriter::new(Payload { file: &mut file, hash: XxHash3_64::new(), length: 0 });
        payload.write_all(b"hello").unwrap();
        payload.flush().unwrap();
        assert_eq!(payload.get_ref().file.metadata().unwrap().len(), 5);
    }
}
