//! Tests of the binary: output, messages and exit status, on generated logs and on those of the lab.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod context;
mod dns;
mod evaluate;
mod features;
mod help;
mod hostile;
mod incidents;
mod inputs;
mod lab;
mod logs;
mod onnx;
mod output_check;
mod report;
mod run;
mod sample;
mod score;
mod top;
mod train;
mod trust;
mod watch;
