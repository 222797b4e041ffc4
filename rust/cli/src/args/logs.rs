//! Which logs are read, and how.

use std::path::PathBuf;

use super::values::within;

/// Logs, and how they are read; [`Source`](crate::source::Source) makes inputs of them.
#[derive(Clone, Debug, clap::Args)]
pub struct LogArgs {
    /// Logs to read: files, directories, or - for standard input [default: standard input]
    #[arg(value_name = "LOG")]
    pub paths: Vec<PathBuf>,

    /// Stop at the first row or log that cannot be used, with exit status 1
    #[arg(long, help_heading = "Reading")]
    pub strict: bool,

    /// Names of the columns of TSV logs without a #fields header, for example ts,uid,id.orig_h,...
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Reading")]
    pub fields: Option<Vec<String>>,

    /// Threads that parse, and as many that score; 1 to 1024 [default: one per core, at most 8]
    ///
    /// The output is the same, byte for byte, whatever the number.
    #[arg(long, value_name = "N", value_parser = within(1..=1024), help_heading = "Reading")]
    pub threads: Option<usize>,
}
