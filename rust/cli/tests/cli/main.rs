//! The command line as a person drives it: the real binary on real files, its output, its messages and its exit status.
//! The logs are written by the tests themselves, in the forms a log occurs in; the logs of the lab captures are used
//! too.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod context;
mod describe;
mod evaluate;
mod features;
mod hostile;
mod inputs;
mod lab;
mod logs;
mod onnx;
mod overwrite;
mod report;
mod run;
mod sample;
mod score;
mod top;
mod train;
mod trust;
mod watch;
