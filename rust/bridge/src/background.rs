//! Work that takes longer than packets can wait: fits and writes to disk, each on a thread of its own.
//!
//! Results are asked for, never pushed: the main thread takes them when it likes.

use std::sync::mpsc::{Receiver, Sender, channel};

use crate::fault::caught;

/// Jobs under way, and what became of those that are done.
pub(crate) struct Background<T> {
    sender: Sender<T>,
    receiver: Receiver<T>,
    running: usize,
}

impl<T> Default for Background<T> {
    fn default() -> Self {
        let (sender, receiver) = channel();
        Self { sender, receiver, running: 0 }
    }
}

impl<T: Send + 'static> Background<T> {
    /// Starts a job. Whatever it does with rayon it does on one thread, so that no more than one core is taken from the
    /// packets; a panic in it becomes what `failed` makes of the sentence.
    pub(crate) fn start(
        &mut self,
        job: impl FnOnce() -> T + Send + 'static,
        failed: impl FnOnce(String) -> T + Send + 'static,
    ) -> Result<(), String> {
        let sender = self.sender.clone();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "iforest".into());
        let pool = pool.build().map_err(|cause| format!("no thread can be started: {cause}"))?;
        // A pool ends by itself when it was dropped and its work is done.
        pool.spawn(move || {
            // Caught on the thread that panics: the sentence is kept there.
            let result = caught(job).unwrap_or_else(failed);
            // Nobody listens any more when the sensor is gone.
            let _ = sender.send(result);
        });
        self.running += 1;
        Ok(())
    }

    /// A job that was done at once, to be told of like the others.
    pub(crate) fn done(&mut self, result: T) {
        // The receiver is held here.
        let _ = self.sender.send(result);
        self.running += 1;
    }

    /// The result of a job that is done; with `wait`, of the next to be done. `None` when there is none.
    pub(crate) fn take(&mut self, wait: bool) -> Option<T> {
        if self.running == 0 {
            return None;
        }
        let result = if wait { self.receiver.recv().ok() } else { self.receiver.try_recv().ok() };
        self.running -= usize::from(result.is_some());
        result
    }

    /// How many jobs have not been asked for yet.
    pub(crate) fn running(&self) -> usize {
        self.running
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::silence;

    #[test]
    fn results_come_when_asked_for() {
        silence();
        let mut background = Background::default();
        assert_eq!(background.take(true), None);
        background.start(|| "done".to_owned(), |fault| fault).unwrap();
        background.start(|| panic!("no luck"), |fault| fault).unwrap();
        assert_eq!(background.running(), 2);
        let mut results: Vec<String> = (0..2).filter_map(|_| background.take(true)).collect();
        results.sort();
        assert!(results[0] == "done" && results[1].starts_with("no luck"), "{results:?}");
        assert_eq!((background.take(true), background.running()), (None, 0));
    }
}
