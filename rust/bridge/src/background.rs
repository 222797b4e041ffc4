//! Background thread for fits and disk writes, one job after the other.
//!
//! The main thread polls for results. A disk that hangs delays later jobs but no packets.
//!
//! All jobs share one thread, because glibc gives each new thread an arena that retains up to 7 MB per fit.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::panic::catch;

/// Queue of jobs and of their results.
pub(crate) struct Background<T> {
    sender: Sender<T>,
    receiver: Receiver<T>,
    running: usize,
    /// A pool of one thread, started by the first job.
    worker: Arc<OnceLock<ThreadPool>>,
}

impl<T> Default for Background<T> {
    fn default() -> Self {
        let (sender, receiver) = channel();
        Self { sender, receiver, running: 0, worker: Arc::default() }
    }
}

impl<T: Send + 'static> Background<T> {
    /// Creates another queue on the same thread. Jobs of both queues run one after the other.
    pub(crate) fn share(&self) -> Self {
        Self { worker: self.worker.clone(), ..Self::default() }
    }

    /// Queues a job. Its rayon calls use the same single thread, so that packets lose at most one core. `failed`
    /// converts a panic message to a result.
    pub(crate) fn start(
        &mut self,
        job: impl FnOnce() -> T + Send + 'static,
        failed: impl FnOnce(String) -> T + Send + 'static,
    ) -> Result<(), String> {
        let sender = self.sender.clone();
        self.worker()?.spawn_fifo(move || {
            let result = catch(job).unwrap_or_else(failed);
            // Sending fails only after the sensor is dropped.
            let _ = sender.send(result);
        });
        self.running += 1;
        Ok(())
    }

    /// Starts the thread if necessary. Call it before copying data for a job.
    pub(crate) fn ready(&self) -> Result<(), String> {
        self.worker().map(|_| ())
    }

    fn worker(&self) -> Result<&ThreadPool, String> {
        if let Some(worker) = self.worker.get() {
            return Ok(worker);
        }
        let worker = ThreadPoolBuilder::new()
            .num_threads(1)
            .thread_name(|_| "iforest".into())
            .build()
            .map_err(|error| format!("cannot start the background thread: {error}"))?;
        Ok(self.worker.get_or_init(|| worker))
    }

    /// Queues the result of work that was done on the main thread.
    pub(crate) fn done(&mut self, result: T) {
        // Sending cannot fail: the receiver is in `self`.
        let _ = self.sender.send(result);
        self.running += 1;
    }

    /// Returns the next result, or `None` if there are no jobs or none finishes within `wait`.
    pub(crate) fn take(&mut self, wait: Duration) -> Option<T> {
        if self.running == 0 {
            return None;
        }
        let result = self.receiver.recv_timeout(wait).ok();
        self.running -= usize::from(result.is_some());
        result
    }

    /// Number of jobs whose results have not been taken.
    pub(crate) fn running(&self) -> usize {
        self.running
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panic::install_panic_hook;

    const LONG: Duration = Duration::MAX;

    #[test]
    fn returns_results_in_order() {
        install_panic_hook();
        let mut background = Background::default();
        assert_eq!(background.take(LONG), None);
        background.start(|| "done".to_owned(), |panic| panic).unwrap();
        background.start(|| panic!("no luck"), |panic| panic).unwrap();
        background.start(|| "done too".to_owned(), |panic| panic).unwrap();
        assert_eq!(background.running(), 3);
        let results: Vec<String> = (0..3).filter_map(|_| background.take(LONG)).collect();
        assert!(results[0] == "done" && results[1].starts_with("no luck") && results[2] == "done too", "{results:?}");
        assert_eq!((background.take(LONG), background.running()), (None, 0));
    }

    #[test]
    fn a_hanging_job_delays_neither_polling_nor_shutdown() {
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
    fn all_jobs_share_one_thread() {
        let mut background = Background::default();
        let mut shared = background.share();
        let mut threads = std::collections::HashSet::new();
        for _ in 0..20 {
            for queue in [&mut background, &mut shared] {
                queue.start(|| Ok(std::thread::current().id()), Err).unwrap();
                threads.insert(queue.take(LONG).unwrap().unwrap());
            }
        }
        assert_eq!(threads.len(), 1);
    }

    #[test]
    fn jobs_of_two_queues_run_in_order() {
        let mut first = Background::default();
        let mut second = first.share();
        let (ends, end) = channel::<()>();
        first.start(move || end.recv().is_err(), |_| false).unwrap();
        second.start(|| true, |_| false).unwrap();
        assert_eq!((second.take(Duration::from_millis(10)), second.running(), first.running()), (None, 1, 1));
        drop(ends);
        assert_eq!((second.take(LONG), first.take(Duration::ZERO)), (Some(true), Some(true)));
    }
}
