//! The arguments of `watch`.

use std::path::PathBuf;

use super::trust::TrustArgs;

/// Show anomalous connections as Zeek writes them
///
/// Follows a conn.log through rotation and shows each anomalous connection, with the reasons, as soon as its line is
/// complete. What the log holds already comes first: it is what later connections are judged against. Ends when it is
/// interrupted, by ^C with status 130.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest watch -m iforest.model /usr/local/zeek/logs/current/conn.log
  zeek-iforest watch -m iforest.model conn.log --json | jq -r .uid")]
pub struct WatchArgs {
    /// The log that Zeek is writing, waited for where it is not there yet; or - for standard input
    #[arg(value_name = "LOG")]
    pub log: PathBuf,

    /// The model, as written by train
    #[arg(long, short, value_name = "MODEL")]
    pub model: PathBuf,

    /// Print one JSON object a line, with Zeek's names of the fields
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub trust: TrustArgs,
}
