//! Where rows are written.

use std::path::{Path, PathBuf};

/// A file, or standard output.
#[derive(Clone, Debug, clap::Args)]
pub struct OutputArgs {
    /// Where to write, other than to a file that is read; compressed if the name ends in .gz or .zst [default: standard output]
    ///
    /// A file of that name is replaced when the output is complete; what a link points to is left alone. A device, a named
    /// pipe of your own and /dev/stdout or /dev/fd/3 are written to as they are.
    #[arg(long, short, value_name = "OUT")]
    output: Option<PathBuf>,
}

impl OutputArgs {
    /// The name of the file; `-` is standard output.
    pub fn path(&self) -> &Path {
        self.output.as_deref().unwrap_or(Path::new("-"))
    }
}
