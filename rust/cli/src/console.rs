//! What a person sees on standard error: progress, notes, warnings, and the sentence a failure ends with; and how wide
//! the terminal is.
//!
//! Everything printed here is made safe for a terminal first, because file names and the contents of logs occur in it.

use std::ffi::OsString;
use std::fmt::Arguments;
use std::io::{ErrorKind, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::human;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// The standard error of one run.
#[derive(Debug)]
pub struct Console {
    quiet: bool,
}

/// A failure that has been reported already; all that is left is the exit status.
#[derive(Debug, thiserror::Error)]
#[error("reported")]
pub struct Reported;

impl Console {
    /// A console; a quiet one prints errors only.
    pub fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// Something worth knowing.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            print(format_args!("{}\n", on_stderr(text, 0)));
        }
    }

    /// Something that is wrong, but ends nothing.
    pub fn warning(&self, text: &str) {
        if !self.quiet {
            print(format_args!("{WARNING}warning:{WARNING:#} {}\n", on_stderr(text, "warning: ".len())));
        }
    }

    /// Something that makes the exit status 1.
    pub fn error(&self, text: &str) {
        print(format_args!("{ERROR}error:{ERROR:#} {}\n", on_stderr(&without_numbers(text), "error: ".len())));
    }

    /// Prints a failure with all its causes, unless that has been done, and says which exit status it means. That
    /// whoever reads the output has seen enough, as `head` has, is no failure.
    pub fn exit_code(&self, error: &anyhow::Error) -> ExitCode {
        if error.chain().any(is_broken_pipe) {
            return ExitCode::SUCCESS;
        }
        if !error.is::<Reported>() {
            self.error(&format!("{error:#}"));
        }
        ExitCode::FAILURE
    }

    /// A display of progress through `total` bytes, or through an unknown number; invisible where nobody would see it
    /// or `muted`.
    pub fn progress(&self, total: Option<u64>, muted: bool) -> ProgressBar {
        if self.quiet || muted || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let (template, bar) = match total {
            Some(total) => (
                "{bar:20} {percent:>3}%  {decimal_bytes} of {decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left",
                ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr()),
            ),
            None => (
                "{spinner} {decimal_bytes}  {decimal_bytes_per_sec}",
                ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
            ),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    /// A display of progress through so many steps; invisible where nobody would see it.
    pub fn steps(&self, total: u64) -> ProgressBar {
        if self.quiet || total < 2 || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:32} {percent:>3}%  {pos} of {len}  {eta} left") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}

/// Ends the program as `clap` does, with help or with what is wrong with its arguments. Of these, some can be names of
/// files, which are made safe; the message has no colours then.
pub fn exit_with(error: &clap::Error) -> ! {
    let is_safe = |argument: OsString| human::printable_bytes(argument.as_bytes()).as_bytes() == argument.as_bytes();
    if !std::env::args_os().all(is_safe) {
        print(format_args!("{}", human::printable_lines(error.render().to_string().as_bytes())));
    } else if let Err(cause) = error.print() {
        if !error.use_stderr() && cause.kind() != ErrorKind::BrokenPipe {
            Console::new(false).error(&format!("(standard output): cannot be written: {cause}"));
            std::process::exit(1);
        }
    }
    std::process::exit(error.exit_code())
}

/// Where standard error cannot be written, there is nobody to be told; the work goes on.
fn print(text: Arguments<'_>) {
    let _ = anstream::stderr().lock().write_fmt(text);
}

/// No terminal is taken to be narrower.
const FEWEST: usize = 40;

/// How many columns the terminal has that standard output is; none where it is none.
pub fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0).max(FEWEST))
}

/// How many columns standard output has: those of the terminal, or 100 where it is none.
pub fn width() -> usize {
    terminal_width().unwrap_or(100)
}

/// Text as it stands on standard error from a column on; in lines where that is a terminal.
fn on_stderr(text: &str, column: usize) -> String {
    let text = human::printable(text);
    terminal_size::terminal_size_of(std::io::stderr())
        .map_or_else(|| text.to_string(), |(width, _)| human::wrapped(&text, column, usize::from(width.0).max(FEWEST)))
}

/// Without the numbers that the system gives its errors beside their words: `(os error 2)`.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once(')').map_or("", |(_, rest)| rest))
}

fn is_broken_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref().is_some_and(|error: &zeek_log::Error| matches!(error.kind(), zeek_log::ErrorKind::BrokenPipe))
        || cause.downcast_ref::<std::io::Error>().is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
