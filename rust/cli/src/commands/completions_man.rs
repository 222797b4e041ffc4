//! `completions` and `man`: generated from the definition of the command line.

use anyhow::{Result, anyhow};
use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;

/// Prints shell completions.
pub fn completions(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "zeek-iforest", &mut script);
    super::print(&String::from_utf8(script)?)
}

/// Prints the man page of the program or of one command.
pub fn man(name: Option<&str>) -> Result<()> {
    let mut program = Cli::command();
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
        anyhow!("no such command: {name}; the commands are {}", names.join(", "))
    })
}
