//! Progress, notes, warnings and errors on standard error, and the terminal width.
//!
//! All texts are escaped, because they can contain file names and contents of logs.

use std::ffi::OsString;
use std::fmt::Arguments;
use std::io::{ErrorKind, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{escape, format};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Standard error of one run.
#[derive(Debug)]
pub struct Console {
    quiet: bool,
}

/// Failure that has been reported already, for the exit status.
#[derive(Debug, thiserror::Error)]
#[error("reported")]
pub struct Reported;

impl Console {
    /// Creates a console; a quiet one prints errors only.
    pub fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    pub fn note(&self, text: &str) {
        if !self.quiet {
            print(format_args!("{}\n", on_stderr(text, 0)));
        }
    }

    pub fn warning(&self, text: &str) {
        if !self.quiet {
            print(format_args!("{WARNING}warning:{WARNING:#} {}\n", on_stderr(text, "warning: ".len())));
        }
    }

    pub fn error(&self, text: &str) {
        print(format_args!("{ERROR}error:{ERROR:#} {}\n", on_stderr(&without_error_numbers(text), "error: ".len())));
    }

    /// Prints an error with its causes, unless already reported, and returns the exit status. A broken pipe counts as
    /// success: the reader, such as `head`, has read enough.
    pub fn exit_code(&self, error: &anyhow::Error) -> ExitCode {
        if error.chain().any(is_broken_pipe) {
            return ExitCode::SUCCESS;
        }
        if !error.is::<Reported>() {
            self.error(&format!("{error:#}"));
        }
        ExitCode::FAILURE
    }

    /// Progress bar for `total` bytes, or an unknown number; hidden if `muted` or standard error is not a terminal.
    pub fn progress(&self, total: Option<u64>, muted: bool) -> ProgressBar {
        let template = match total {
            Some(_) => {
                "{bar:20} {percent:>3}%  {decimal_bytes} of {decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left"
            }
            None => "{spinner} {decimal_bytes}  {decimal_bytes_per_sec}",
        };
        self.bar(total, template, muted)
    }

    /// Progress bar for `total` steps; hidden if standard error is not a terminal, or for a single step.
    pub fn steps(&self, total: u64) -> ProgressBar {
        self.bar(Some(total), "{bar:32} {percent:>3}%  {pos} of {len}  {eta} left", total < 2)
    }

    fn bar(&self, total: Option<u64>, template: &str, muted: bool) -> ProgressBar {
        if self.quiet || muted || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}

/// Prints help or a usage error and exits as `clap` does. If an argument needs escaping, the message has no colours.
pub fn exit_with(error: &clap::Error) -> ! {
    let is_safe = |argument: OsString| escape::printable_bytes(argument.as_bytes()).as_bytes() == argument.as_bytes();
    if !std::env::args_os().all(is_safe) {
        print(format_args!("{}", escape::printable_lines(error.render().to_string().as_bytes())));
    } else if let Err(cause) = error.print() {
        if !error.use_stderr() && cause.kind() != ErrorKind::BrokenPipe {
            Console::new(false).error(&format!("(standard output): cannot be written: {cause}"));
            std::process::exit(1);
        }
    }
    std::process::exit(error.exit_code())
}

/// Prints to standard error; failures are ignored.
fn print(text: Arguments<'_>) {
    let _ = anstream::stderr().lock().write_fmt(text);
}

/// Minimum width; narrower terminals wrap lines themselves.
const MIN_WIDTH: usize = 40;

/// Width of standard output; `None` if it is not a terminal.
pub fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0).max(MIN_WIDTH))
}

/// Width of standard output; 100 if it is not a terminal.
pub fn width() -> usize {
    terminal_width().unwrap_or(100)
}

/// Escapes text for standard error, and wraps it on a terminal; it starts at `column`.
fn on_stderr(text: &str, column: usize) -> String {
    let text = escape::printable(text);
    terminal_size::terminal_size_of(std::io::stderr()).map_or_else(
        || text.to_string(),
        |(width, _)| format::wrapped(&text, column, usize::from(width.0).max(MIN_WIDTH)),
    )
}

/// Removes the numbers of system errors: `(os error 2)`.
pub fn without_error_numbers(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once(')').map_or("", |(_, rest)| rest))
}

fn is_broken_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref().is_some_and(|error: &zeek_log::Error| matches!(error.kind(), zeek_log::ErrorKind::BrokenPipe))
        || cause.downcast_ref::<std::io::Error>().is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
