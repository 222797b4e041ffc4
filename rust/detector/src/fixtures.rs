//! Values that several tests need.

use crate::units::DAY;
use crate::{Address, Connection, Model, Params, Trainer};

/// Model of one day with 2000 different connections.
pub(crate) fn model(alerts_per_day: f64) -> Model {
    let mut params = Params { alerts_per_day, ..Params::default() };
    params.forest.n_trees = 17;
    let mut trainer = Trainer::new(params);
    for i in 0..2000 {
        let duration = Some(i * 7919 % 90_001);
        trainer.learn(&Connection { ts: i * (DAY / 2000), duration, ..Connection::default() });
    }
    trainer.fit().unwrap()
}

pub(crate) fn address(text: &str) -> Address {
    text.parse::<std::net::IpAddr>().unwrap().into()
}
