//! The score from which on a connection is anomalous.

use detector::{Model, Params};

use super::values::{alerts, share};

/// How many alerts a model that is made should mean.
#[derive(Clone, Debug, clap::Args)]
pub struct BudgetArgs {
    /// Alerts a day the threshold is set for, above 0, at most 1000000000
    #[arg(
        long, value_name = "N", default_value_t = Params::default().alerts_per_day,
        value_parser = alerts,
        help_heading = "Learning"
    )]
    alerts_per_day: f64,

    /// Share of the connections the threshold is set for instead, above 0 and below 1: 0.001 for one in a thousand
    #[arg(
        long, value_name = "SHARE",
        value_parser = share, conflicts_with = "alerts_per_day",
        help_heading = "Learning"
    )]
    contamination: Option<f64>,
}

/// Another threshold than the model's own.
#[derive(Clone, Debug, clap::Args)]
pub struct ThresholdArgs {
    /// Set the threshold for so many alerts a day, above 0, at most 1000000000 [default: as the model was trained for]
    #[arg(long, value_name = "N", value_parser = alerts, help_heading = "Threshold")]
    alerts_per_day: Option<f64>,

    /// Set the threshold for this share of the connections, above 0 and below 1
    #[arg(
        long, value_name = "SHARE",
        value_parser = share, conflicts_with = "alerts_per_day",
        help_heading = "Threshold"
    )]
    contamination: Option<f64>,
}

impl BudgetArgs {
    /// Puts them among the parameters of a training.
    pub fn set(&self, params: &mut Params) {
        params.alerts_per_day = self.alerts_per_day;
        params.contamination = self.contamination;
    }
}

impl ThresholdArgs {
    /// The score from which on a connection is anomalous.
    pub fn threshold(&self, model: &Model) -> f64 {
        let by_alerts = self.alerts_per_day.map(|alerts| model.threshold_for_alerts(alerts));
        let by_share = || self.contamination.map(|share| model.threshold_for_share(share));
        by_alerts.or_else(by_share).unwrap_or(model.threshold())
    }
}
