//! Which model files are believed.

use detector::Trust;

/// What a model's file has to be like.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct TrustArgs {
    /// Refuse a model that is not signed with this minisign key, given as the second line of its public key file
    #[arg(long, value_name = "KEY", value_parser = key, help_heading = "Trust")]
    trusted_key: Option<String>,

    /// Take a model although others can write to its file, or to a directory above it
    #[arg(long, help_heading = "Trust")]
    allow_writable: bool,
}

impl TrustArgs {
    /// What they ask of a file.
    pub fn trust(&self) -> Trust {
        Trust { key: self.trusted_key.clone().unwrap_or_default(), writable_by_others: self.allow_writable }
    }
}

/// A key that is not empty: an empty one asks for no signature, and is what a shell makes of a file that is missing.
fn key(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("is no public key of minisign".to_owned()) } else { Ok(text.to_owned()) }
}
