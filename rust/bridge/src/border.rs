//! The border itself: every function that C++ calls, each of them under the same guard. A panic anywhere behind it becomes
//! an error where there is one to return, and otherwise an answer that does no harm and a fault to be told of.
//!
//! What the functions do is said in the declarations of the crate's root.

use std::cell::RefCell;

use crate::fault::caught;
use crate::ffi::{ConnectionView, Description, Done, Finished, Outcome, Reasons, Statistics, Verdict};
use crate::sensor::{self, Sensor};

/// A sensor that nothing that goes wrong gets out of.
pub struct Border {
    sensor: Sensor,
    /// The first failure of the software that no answer told of, empty once told.
    fault: RefCell<Option<String>>,
}

pub(crate) fn new_sensor() -> Box<Border> {
    Box::new(Border { sensor: *sensor::new_sensor(), fault: RefCell::default() })
}

impl Border {
    /// What `work` returns, or when it panics, `otherwise`.
    fn run<T>(&mut self, otherwise: T, work: impl FnOnce(&mut Sensor) -> T) -> T {
        let Self { sensor, fault } = self;
        guarded(|| work(sensor)).unwrap_or_else(|cause| keep(fault, cause, otherwise))
    }

    /// Like [`Border::run`], of what changes nothing.
    fn ask<T>(&self, otherwise: T, work: impl FnOnce(&Sensor) -> T) -> T {
        guarded(|| work(&self.sensor)).unwrap_or_else(|cause| keep(&self.fault, cause, otherwise))
    }

    /// What `work` returns; a panic is an error like any other.
    fn attempt<T>(&mut self, work: impl FnOnce(&mut Sensor) -> Result<T, String>) -> Result<T, String> {
        guarded(|| work(&mut self.sensor)).unwrap_or_else(Err).map_err(|error| match error.is_empty() {
            true => "failed, and does not say why".to_owned(),
            false => without_nul(&error),
        })
    }
}

/// C++ takes an error as far as its first NUL, and nothing for success.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\\0")
}

fn keep<T>(fault: &RefCell<Option<String>>, cause: String, otherwise: T) -> T {
    fault.borrow_mut().get_or_insert(cause);
    otherwise
}

fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    caught(|| {
        #[cfg(test)]
        assert!(!tests::PLANTED.get(), "planted");
        work()
    })
}

impl Border {
    pub(crate) fn load_model(&mut self, path: &[u8]) -> Result<(), String> {
        self.attempt(|sensor| sensor.load_model(path))
    }

    pub(crate) fn set_trust(&mut self, key: &str, allow_writable: bool) {
        self.run((), |sensor| sensor.set_trust(key, allow_writable));
    }

    pub(crate) fn look_at_model(&mut self) -> Result<(), String> {
        self.attempt(Sensor::look_at_model)
    }

    pub(crate) fn unload_model(&mut self) {
        self.run((), Sensor::unload_model);
    }

    pub(crate) fn set_threshold(&mut self, threshold: f64) {
        self.run((), |sensor| sensor.set_threshold(threshold));
    }

    pub(crate) fn set_alerts_per_day(&mut self, alerts_per_day: f64) {
        self.run((), |sensor| sensor.set_alerts_per_day(alerts_per_day));
    }

    pub(crate) fn threshold(&self) -> f64 {
        self.ask(0.0, Sensor::threshold)
    }

    pub(crate) fn score(&mut self, view: &ConnectionView<'_>) -> Verdict {
        let failed = Verdict { outcome: Outcome::Fault, anomalous: false, score: 0.0 };
        self.run(failed, |sensor| sensor.score(view))
    }

    /// A reference, and nothing that could fail.
    pub(crate) fn reasons(&self) -> &Reasons {
        self.sensor.reasons()
    }

    pub(crate) fn pass_by(&mut self, view: &ConnectionView<'_>) -> Outcome {
        self.run(Outcome::Fault, |sensor| sensor.pass_by(view))
    }

    pub(crate) fn start_learning(&mut self, rows: usize, half_life: f64) {
        self.run((), |sensor| sensor.start_learning(rows, half_life));
    }

    pub(crate) fn stop_learning(&mut self) {
        self.run((), Sensor::stop_learning);
    }

    pub(crate) fn learn(&mut self, after: u64) -> bool {
        self.run(false, |sensor| sensor.learn(after))
    }

    pub(crate) fn can_fit(&self, after: u64) -> bool {
        self.ask(false, |sensor| sensor.can_fit(after))
    }

    pub(crate) fn fit_is_due(&self, after: u64) -> bool {
        self.ask(false, |sensor| sensor.fit_is_due(after))
    }

    pub(crate) fn fit(&mut self, version: i64, alerts_per_day: f64, file: &[u8]) -> Result<(), String> {
        self.attempt(|sensor| sensor.fit(version, alerts_per_day, file))
    }

    pub(crate) fn recalibrate(&mut self, version: i64, alerts_per_day: f64, file: &[u8]) -> Result<(), String> {
        self.attempt(|sensor| sensor.recalibrate(version, alerts_per_day, file))
    }

    pub(crate) fn finished(&mut self, wait: f64) -> Done {
        let nothing =
            Done { what: Finished::Nothing, file: String::new(), problem: String::new(), took: 0.0, pause: 0.0 };
        let done = self.run(nothing, |sensor| sensor.finished(wait));
        Done { file: without_nul(&done.file), problem: without_nul(&done.problem), ..done }
    }

    pub(crate) fn busy(&self) -> bool {
        self.ask(false, Sensor::busy)
    }

    pub(crate) fn open_state(&mut self, directory: &[u8]) -> Result<(), String> {
        self.attempt(|sensor| sensor.open_state(directory))
    }

    pub(crate) fn claim_state(&mut self) -> Result<(), String> {
        self.attempt(Sensor::claim_state)
    }

    pub(crate) fn save_state(&mut self, file: &[u8]) -> Result<(), String> {
        self.attempt(|sensor| sensor.save_state(file))
    }

    pub(crate) fn load_state(&mut self, file: &[u8]) -> Result<bool, String> {
        self.attempt(|sensor| sensor.load_state(file))
    }

    pub(crate) fn save_sample(&mut self, file: &[u8]) -> Result<(), String> {
        self.attempt(|sensor| sensor.save_sample(file))
    }

    pub(crate) fn load_sample(&mut self, file: &[u8]) -> Result<(), String> {
        self.attempt(|sensor| sensor.load_sample(file))
    }

    pub(crate) fn save_memory(&mut self, file: &[u8]) -> Result<(), String> {
        self.attempt(|sensor| sensor.save_memory(file))
    }

    pub(crate) fn load_memory(&mut self, file: &[u8]) -> Result<(), String> {
        self.attempt(|sensor| sensor.load_memory(file))
    }

    pub(crate) fn take_sample(&mut self, most: usize) -> Vec<u8> {
        self.run(Vec::new(), |sensor| sensor.take_sample(most))
    }

    pub(crate) fn merge_sample(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.attempt(|sensor| sensor.merge_sample(bytes))
    }

    pub(crate) fn sample_bound(&self) -> f64 {
        self.ask(f64::INFINITY, Sensor::sample_bound)
    }

    pub(crate) fn set_sample_bound(&mut self, bound: f64) {
        self.run((), |sensor| sensor.set_sample_bound(bound));
    }

    pub(crate) fn model_bytes(&self) -> Vec<u8> {
        self.ask(Vec::new(), Sensor::model_bytes)
    }

    pub(crate) fn adopt_model(
        &mut self,
        bytes: &[u8],
        checksum: &str,
        file: &[u8],
        write_first: bool,
    ) -> Result<bool, String> {
        self.attempt(|sensor| sensor.adopt_model(bytes, checksum, file, write_first))
    }

    pub(crate) fn describe(&self) -> Description {
        self.ask(Description::default(), Sensor::describe)
    }

    pub(crate) fn statistics(&self) -> Statistics {
        self.ask(Statistics::default(), Sensor::statistics)
    }

    pub(crate) fn scoring_time(&self) -> f64 {
        self.ask(-1.0, Sensor::scoring_time)
    }

    pub(crate) fn turn_drift(&mut self) -> Vec<u64> {
        self.run(Vec::new(), Sensor::turn_drift)
    }

    pub(crate) fn add_drift(&mut self, counts: &[u64]) -> bool {
        self.run(false, |sensor| sensor.add_drift(counts))
    }

    pub(crate) fn take_fault(&mut self) -> String {
        let told = self.run(String::new(), Sensor::take_fault);
        if told.is_empty() { self.fault.get_mut().as_mut().map(std::mem::take).unwrap_or_default() } else { told }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// Whether everything behind the border panics.
        pub(super) static PLANTED: Cell<bool> = const { Cell::new(false) };
    }

    fn view() -> ConnectionView<'static> {
        let side = || crate::ffi::Endpoint {
            addr: [0; 16],
            port: 0,
            local: crate::ffi::Known::Unset,
            bytes: crate::ffi::Count::default(),
            pkts: crate::ffi::Count::default(),
            ip_bytes: crate::ffi::Count::default(),
        };
        ConnectionView {
            ts: 0.0,
            duration: 0.0,
            orig: side(),
            resp: side(),
            proto: crate::ffi::Proto::Tcp,
            missed_bytes: 0,
            conn_state: b"",
            service: b"",
            history: b"",
        }
    }

    /// The fault of one call, told of as an error or to be asked for.
    fn fault(call: impl FnOnce(&mut Border) -> Option<String>) -> String {
        let mut border = new_sensor();
        PLANTED.set(true);
        let error = call(&mut border);
        PLANTED.set(false);
        error.unwrap_or_else(|| border.take_fault())
    }

    /// For functions that have no error to return.
    fn nothing<T>(_: T) -> Option<String> {
        None
    }

    #[test]
    fn an_error_reaches_cpp_whole_whatever_is_in_it() {
        let mut border = new_sensor();
        for name in [&b"\0model"[..], b"a\0b"] {
            let shown = String::from_utf8_lossy(name).replace('\0', "\\0");
            let refusal = border.load_model(name).unwrap_err();
            assert!(refusal.starts_with(&shown) && !refusal.contains('\0'), "{refusal:?}");
            assert!(border.open_state(name).unwrap_err().starts_with(&shown));
        }
        assert!(!border.attempt::<()>(|_| Err(String::new())).unwrap_err().is_empty());
        border.score(&view());
        border.start_learning(1000, 60.0);
        border.save_sample(b"\0sample").unwrap();
        let done = border.finished(600.0);
        assert!(done.file == "\\0sample" && done.problem.starts_with("\\0sample: "), "{:?}", done.problem);
    }

    #[test]
    fn no_panic_gets_out_of_any_function_and_each_is_told_of() {
        let view = view();
        type Call<'a> = (&'a str, Box<dyn FnOnce(&mut Border) -> Option<String> + 'a>);
        macro_rules! calls {
            ($($name:ident($($argument:expr),*) $told:expr;)*) => {
                vec![$((stringify!($name), Box::new(|border: &mut Border| $told(border.$name($($argument),*)))),)*]
            };
        }
        let calls: Vec<Call<'_>> = calls! {
            load_model(b"") Result::err;
            set_trust("", false) nothing;
            look_at_model() Result::err;
            unload_model() nothing;
            set_threshold(0.5) nothing;
            set_alerts_per_day(5.0) nothing;
            threshold() nothing;
            score(&view) nothing;
            pass_by(&view) nothing;
            start_learning(1000, 60.0) nothing;
            stop_learning() nothing;
            learn(1) nothing;
            can_fit(1) nothing;
            fit_is_due(1) nothing;
            fit(1, 20.0, b"") Result::err;
            recalibrate(1, 20.0, b"") Result::err;
            finished(0.0) nothing;
            busy() nothing;
            open_state(b"") Result::err;
            claim_state() Result::err;
            save_state(b"") Result::err;
            load_state(b"") Result::err;
            save_sample(b"") Result::err;
            load_sample(b"") Result::err;
            save_memory(b"") Result::err;
            load_memory(b"") Result::err;
            take_sample(1) nothing;
            merge_sample(b"") Result::err;
            sample_bound() nothing;
            set_sample_bound(1.0) nothing;
            model_bytes() nothing;
            adopt_model(b"", "", b"", false) Result::err;
            describe() nothing;
            statistics() nothing;
            scoring_time() nothing;
            turn_drift() nothing;
            add_drift(&[]) nothing;
            take_fault() Some;
        };
        // All that are declared, but for the one that only lends what is there.
        let declared = include_str!("lib.rs").matches("(self: &").count();
        assert_eq!(calls.len() + 1, declared);
        for (name, call) in calls {
            let told = fault(call);
            assert!(told.starts_with("planted ("), "{name}: {told}");
        }
    }
}
