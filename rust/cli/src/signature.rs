//! Minisign signatures of models, for sensors with a trusted key.

use std::fs::File;
use std::io::{Cursor, ErrorKind, Read};
use std::path::Path;

use anyhow::{Context, Error, Result, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minisign::{SecretKey, SecretKeyBox};

/// Reads a secret key; prompts for its password if it has one.
pub fn read_key(path: &Path) -> Result<SecretKey> {
    let name = path.display();
    let mut text = String::new();
    // A key has about 200 bytes; the limit protects against other files.
    let read = File::open(path).and_then(|file| file.take(1 << 14).read_to_string(&mut text));
    read.map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow!("{name}: not found; create a key with: minisign -G -s {name}"),
        _ => Error::from(error).context(format!("{name}: cannot be read")),
    })?;
    // minisign writes keys without a password without a checksum, which the library requires.
    let bytes = text.lines().nth(1).and_then(|line| STANDARD.decode(line.trim()).ok());
    let bare = bytes.and_then(|bytes| SecretKey::from_bytes(&bytes).ok()).filter(|key| !key.is_encrypted());
    if let Some(key) = bare {
        return Ok(key);
    }
    SecretKeyBox::from_string(&text)
        .and_then(|key| key.into_secret_key(None))
        .with_context(|| format!("{name}: not a minisign secret key, or wrong password"))
}

/// Signs the bytes of a file.
pub fn sign(key: &SecretKey, bytes: &[u8]) -> Result<String> {
    let signature = minisign::sign(None, key, Cursor::new(bytes), None, Some("signature of a zeek-iforest model"));
    Ok(signature.context("cannot sign the model")?.to_string())
}
