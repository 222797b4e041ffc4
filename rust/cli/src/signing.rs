//! Signatures of models, as minisign makes them: `train` writes what a sensor with a trusted key asks for.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use anyhow::{Context, Result};
use minisign::{SecretKey, SecretKeyBox};

/// Reads a secret key, and asks for its password if it has one.
pub fn read_key(path: &Path) -> Result<SecretKey> {
    let name = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("{name}: cannot be read"))?;
    let key = |text: &str| SecretKeyBox::from_string(text);
    let unprotected = key(&text).and_then(SecretKeyBox::into_unencrypted_secret_key);
    // Which of the two it is shows only in the trying.
    unprotected
        .or_else(|_| key(&text)?.into_secret_key(None))
        .with_context(|| format!("{name}: is no secret key of minisign, or the password is wrong"))
}

/// Writes the signature of a file that is about to be written, beside it.
pub fn sign(key: &SecretKey, path: &Path, bytes: &[u8]) -> Result<()> {
    let signature = minisign::sign(None, key, Cursor::new(bytes), None, Some("signature of a zeek-iforest model"))
        .context("the model cannot be signed")?;
    detector::save_bytes(&detector::signature_of(path), signature.to_string().as_bytes())?;
    Ok(())
}
