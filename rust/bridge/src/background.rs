//! Work that takes longer than packets can wait: fits and writes to disk, one after the other on a thread beside Zeek's.
//!
//! Results are asked for, never pushed: the main thread takes them when it likes. A disk that hangs holds up the jobs
//! after it, and no packet.
//!
//! The thread is the same for all jobs: glibc gives each of the threads that come and go an arena of its own, up to eight a
//! core, and every one of them keeps the 7 MB that a fit or a write has taken for a moment.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::fault::caught;

/// Jobs under way, and what became of those that are done.
pub(crate) struct Background<T> {
    sender: Sender<T>,
    receiver: Receiver<T>,
    running: usize,
    /// Of one thread, there since the first job.
    worker: Option<ThreadPool>,
}

impl<T> Default for Background<T> {
    fn default() -> Self {
        let (sender, receiver) = channel();
        Self { sender, receiver, running: 0, worker: None }
    }
}

impl<T: Send + 'static> Background<T> {
    /// Starts a job when those before it are done. Whatever it does with rayon it does on one thread, so that no more than
    /// one core is taken from the packets; a panic in it becomes what `failed` makes of the sentence.
    pub(crate) fn start(
        &mut self,
        job: impl FnOnce() -> T + Send + 'static,
        failed: impl FnOnce(String) -> T + Send + 'static,
    ) -> Result<(), String> {
        let sender = self.sender.clone();
        self.worker()?.spawn_fifo(move || {
            // Caught on the thread that panics: the sentence is kept there.
            let result = caught(job).unwrap_or_else(failed);
            // Nobody listens any more when the sensor is gone.
            let _ = sender.send(result);
        });
        self.running += 1;
        Ok(())
    }

    /// Whether a job can be started, to be asked before anything is copied for it.
    pub(crate) fn ready(&mut self) -> Result<(), String> {
        self.worker().map(|_| ())
    }

    fn worker(&mut self) -> Result<&ThreadPool, String> {
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => ThreadPoolBuilder::new()
                .num_threads(1)
                .thread_name(|_| "iforest".into())
                .build()
                .map_err(|cause| format!("no thread can be started: {cause}"))?,
        };
        Ok(self.worker.insert(worker))
    }

    /// A job that was done at once, to be told of like the others.
    pub(crate) fn done(&mut self, result: T) {
        // The receiver is held here.
        let _ = self.sender.send(result);
        self.running += 1;
    }

    /// The result of the next job to be done, if it is by then. `None` also when there is none.
    pub(crate) fn take(&mut self, wait: Duration) -> Option<T> {
        if self.running == 0 {
            return None;
        }
        let result = self.receiver.recv_timeout(wait).ok();
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

    const LONG: Duration = Duration::MAX;

    #[test]
    fn results_come_when_asked_for() {
        silence();
        let mut background = Background::default();
        assert_eq!(background.take(LONG), None);
        background.start(|| "done".to_owned(), |fault| fault).unwrap();
        background.start(|| panic!("no luck"), |fault| fault).unwrap();
        background.start(|| "done too".to_owned(), |fault| fault).unwrap();
        assert_eq!(background.running(), 3);
        let results: Vec<String> = (0..3).filter_map(|_| background.take(LONG)).collect();
        assert!(results[0] == "done" && results[1].starts_with("no luck") && results[2] == "done too", "{results:?}");
        assert_eq!((background.take(LONG), background.running()), (None, 0));
    }

    #[test]
    fn a_job_that_hangs_is_waited_for_no_longer_than_asked_and_not_at_the_end() {
        let mut background = Background::default();
        let (ends, end) = channel::<()>();
        background.start(move || end.recv().is_ok(), |_| false).unwrap();
        for wait in [Duration::ZERO, Duration::from_millis(10)] {
            assert_eq!((background.take(wait), background.running()), (None, 1));
        }
        ends.send(()).unwrap();
        assert_eq!(background.take(LONG), Some(true));
        let (_ends, end) = channel::<()>();
        background.start(move || end.recv().is_ok(), |_| false).unwrap();
        drop(background);
    }

    #[test]
    fn all_jobs_are_done_on_one_thread() {
        let mut background = Background::default();
        let mut threads = std::collections::HashSet::new();
        for _ in 0..20 {
            background.start(|| Ok(std::thread::current().id()), Err).unwrap();
            threads.insert(background.take(LONG).unwrap().unwrap());
        }
        assert_eq!(threads.len(), 1);
    }
}
