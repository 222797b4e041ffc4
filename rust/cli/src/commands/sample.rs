//! `sample`: logs in, a part of a sample out, to be trained on where the parts meet.

use anyhow::Result;

use crate::args::SampleArgs;
use crate::console::Console;
use crate::human;
use crate::pipeline::Run;
use crate::source::Source;
use crate::training::observe;

pub fn run(args: SampleArgs, threads: usize, console: &Console) -> Result<()> {
    let source = Source::new(&args.traffic.logs)?;
    let labels = args.traffic.left_out();
    let run = Run { labels: labels.as_ref(), ..Run::new(&source, threads, console) };
    let (trainer, summary) = observe(&run, &args.sampling.params())?;
    let sample = trainer.into_reservoir();
    sample.save(&args.output)?;
    let bytes = args.output.metadata().map_or(0, |metadata| metadata.len());
    console.note(&format!(
        "drew {} of {}; wrote {} ({})",
        human::counted(sample.len() as u64, "row"),
        human::counted(summary.connections, "connection"),
        args.output.display(),
        human::bytes(bytes),
    ));
    summary.require_all(&format!("{} was written", args.output.display()))
}
