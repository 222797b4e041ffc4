//! Decompression of gzip and zstd streams, detected by their first bytes.

use std::io::{self, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

/// A source of plain bytes, and the name of its compression.
pub(crate) struct Decompressed {
    pub(crate) bytes: Box<dyn Read + Send>,
    pub(crate) compression: Option<&'static str>,
}

/// Compressed bytes per read.
const CHUNK: usize = 128 * 1024;

/// Detects the compression of a stream. Concatenated gzip members or zstd frames are one stream.
pub(crate) fn decompress(mut source: impl Read + Send + 'static) -> io::Result<Decompressed> {
    let mut magic = Vec::with_capacity(4);
    source.by_ref().take(4).read_to_end(&mut magic)?;
    let compression = Compression::of(&magic);
    let whole = Cursor::new(magic).chain(source);
    Ok(match compression {
        Compression::Plain => Decompressed { bytes: Box::new(whole), compression: None },
        Compression::Gzip => {
            let bytes = Box::new(MultiGzDecoder::new(BufReader::with_capacity(CHUNK, whole)));
            Decompressed { bytes, compression: Some("gzip") }
        }
        Compression::Zstd => {
            let bytes = Box::new(zstd::Decoder::with_buffer(BufReader::with_capacity(CHUNK, whole))?);
            Decompressed { bytes, compression: Some("zstd") }
        }
    })
}

enum Compression {
    Plain,
    Gzip,
    Zstd,
}

impl Compression {
    fn of(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Self::Zstd,
            // Seekable zstd files and those of pzstd begin with a skippable frame.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: Vec<u8>) -> (Vec<u8>, io::Result<()>) {
        let mut plain = decompress(Cursor::new(bytes)).unwrap();
        let mut out = Vec::new();
        let result = plain.bytes.read_to_end(&mut out).map(drop);
        (out, result)
    }

    #[test]
    fn every_compression_gives_the_same_bytes() {
        let text = b"one\ntwo\n".to_vec();
        let zstd = zstd::encode_all(&text[..], 3).unwrap();
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3], &zstd[..]].concat();
        for bytes in [text.clone(), gzip(&text), zstd, skippable] {
            assert_eq!(read(bytes).0, text);
        }
    }

    #[test]
    fn reads_concatenated_members_and_frames() {
        let (a, b) = (&b"one\n"[..], &b"two\n"[..]);
        assert_eq!(read([gzip(a), gzip(b)].concat()).0, b"one\ntwo\n");
        let frames = [zstd::encode_all(a, 3).unwrap(), zstd::encode_all(b, 3).unwrap()].concat();
        assert_eq!(read(frames).0, b"one\ntwo\n");
    }

    #[test]
    fn reads_input_shorter_than_any_magic() {
        for bytes in [&b""[..], b"a", b"\x1f", b"\x28\xb5\x2f"] {
            assert_eq!(read(bytes.to_vec()).0, bytes);
        }
    }

    #[test]
    fn reads_up_to_truncation() {
        let text: Vec<u8> =
            (0..20_000u32).flat_map(|i| format!("{}\n", i.wrapping_mul(2654435761)).into_bytes()).collect();
        for whole in [gzip(&text), zstd::encode_all(&text[..], 3).unwrap()] {
            let cut = whole[..whole.len() - 2_000].to_vec();
            let (out, result) = read(cut);
            assert!(out.len() > text.len() / 2 && text.starts_with(&out));
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
