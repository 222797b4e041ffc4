//! The model that connections are judged by.

use std::path::{Path, PathBuf};

/// A model, which can be learnt on the spot.
#[derive(Clone, Debug, clap::Args)]
pub struct ModelArgs {
    /// The model, as written by train; without one, it is first learnt from the same logs
    #[arg(long, short, value_name = "MODEL")]
    model: Option<PathBuf>,
}

impl ModelArgs {
    /// The model's file, where one was given.
    pub fn path(&self) -> Option<&Path> {
        self.model.as_deref()
    }
}
