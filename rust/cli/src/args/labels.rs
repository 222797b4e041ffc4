//! Which rows of a labelled log are malicious.

use crate::conn_log::Labels;

/// Which rows of a labelled log are malicious.
#[derive(Clone, Debug, clap::Args)]
pub struct LabelArgs {
    /// The column that holds the label [default: label]
    #[arg(long, value_name = "FIELD", help_heading = "Labels")]
    pub label: Option<String>,

    /// A row is malicious when its label starts with this, case ignored
    #[arg(long, value_name = "PREFIX", default_value = "malicious", help_heading = "Labels")]
    pub malicious: String,
}

impl LabelArgs {
    /// The labels, in a column that every log must have.
    pub fn required(&self) -> Labels {
        Labels { required: true, ..self.optional() }
    }

    /// The labels, in a column that a log may have.
    pub fn optional(&self) -> Labels {
        let field = self.label.clone().unwrap_or_else(|| "label".to_owned());
        Labels { field, prefix: self.malicious.clone().into_bytes(), required: self.label.is_some() }
    }
}
