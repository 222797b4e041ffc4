//! The command line's own files, to fuzz the code that runs.
#![expect(dead_code, reason = "no target needs all of it")]

#[path = "../../../rust/cli/src/input/columns.rs"]
pub mod columns;
#[path = "../../../rust/cli/src/input/conn_log.rs"]
pub mod conn_log;
