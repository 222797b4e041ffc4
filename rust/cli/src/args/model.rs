//! The model that connections are judged by.

use std::path::{Path, PathBuf};

use super::trust::TrustArgs;

/// A model, which can be learnt on the spot.
#[derive(Clone, Debug, clap::Args)]
pub struct ModelArgs {
    /// The model, as written by train; without one, it is first learnt from the same logs
    #[arg(long, short, value_name = "MODEL")]
    model: Option<PathBuf>,

    /// What its file has to be like.
    #[command(flatten)]
    pub trust: TrustArgs,
}

impl ModelArgs {
    /// The model's file, where one was given.
    pub fn path(&self) -> Option<&Path> {
        self.model.as_deref()
    }
}
