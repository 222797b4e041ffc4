//! `completions` and `man`: what is made from the definition of the command line itself.

use anyhow::{Result, anyhow};
use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::args::Args;

/// Prints the completions of a shell.
pub fn completions(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "zeek-iforest", &mut script);
    super::print(&String::from_utf8(script)?)
}

/// Prints the manual page of the program, or of one of its commands.
pub fn man(name: Option<&str>) -> Result<()> {
    let mut program = Args::command();
    program.build();
    let command = match name {
        None => program,
        Some(name) => page_of(&program, name)?,
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    super::print(&String::from_utf8(page)?)
}

fn page_of(program: &Command, name: &str) -> Result<Command> {
    program.find_subcommand(name).cloned().ok_or_else(|| {
        let names: Vec<_> = program.get_subcommands().map(Command::get_name).collect();
        anyhow!("there is no command {name}; the commands are {}", names.join(", "))
    })
}
