//! Schema of a log kind: the columns of its rows, and their encoding for the forest.

/// Number of values in a row: that of the log kind with most columns. Rows of other kinds end in zeros.
pub const MAX_COLUMNS: usize = 36;

/// Value of an identity in a row, from its hash: 1 to 2^24 - 1, exact in an `f32`; 0 stands for none.
pub(crate) fn identity(hash: u64) -> f32 {
    (1 + hash % ((1 << 24) - 1)) as f32
}

/// One value per column of a [`Schema`], in its order; a category by its identity.
pub type FeatureRow = [f32; MAX_COLUMNS];

/// Declares `Column` and `FEATURES`: the columns of a row in their order, and a description of each.
macro_rules! columns {
    ($(#[$doc:meta])* $($column:ident = $feature:expr;)*) => {
        /// A column of a row.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        #[allow(missing_docs, reason = "each is described in FEATURES")]
        pub enum Column {
            $($column,)*
        }

        impl Column {
            const ALL: &[Self] = &[$(Self::$column,)*];

            /// The column at this position of a row.
            pub(crate) fn at(position: usize) -> Option<Self> {
                Self::ALL.get(position).copied()
            }
        }

        $(#[$doc])*
        const FEATURES: &[$crate::schema::Feature] = &[$($feature,)*];
    };
}

pub(crate) use columns;

/// Kind of log that a model scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogKind {
    /// conn.log.
    #[default]
    Conn,
    /// dns.log.
    Dns,
}

impl LogKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Conn, Self::Dns];
}

/// Value that the forest sees in a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Encoding {
    /// The number itself.
    Number,
    /// Rarity of a category: log2(n / k) if k of n training rows have it.
    Category,
    /// Rarity of a category among the rows of training that have one, as for [`Encoding::Category`]; 0 for a row that
    /// has none.
    OptionalCategory,
    /// Share of the days of training, and one more, on which the identity occurred; 0 if on none but the row's own.
    DayShare,
    /// Nothing: other columns use the identity.
    Identity,
    /// log2 of 1 + the number of different identities in column `with` among the training rows with this identity.
    Partners {
        /// Column of the partners.
        with: u16,
    },
    /// log2(n / k) if k of the n identities of column `with` occur together with the identity of column `of` in training.
    Share {
        /// Column of the identity.
        of: u16,
        /// Column of the identities that occur with it.
        with: u16,
    },
    /// Rarity of the value of column `of` among the training rows of the same service, or of the same port where no
    /// service was recognised: log2(n / k) if k of n rows have it.
    Conditional {
        /// Columns of the identities: the second is used where the first is 0.
        given: [u16; 2],
        /// Column of the value.
        of: u16,
        /// Width of a bin of its histogram.
        width: f32,
    },
}

impl Encoding {
    /// Returns true if extraction leaves the column empty, because training fills it from others.
    pub fn is_derived(self) -> bool {
        matches!(self, Self::Share { .. } | Self::Conditional { .. })
    }

    /// Returns true if the column contains an identity.
    pub fn is_identity(self) -> bool {
        matches!(
            self,
            Self::Category | Self::OptionalCategory | Self::DayShare | Self::Identity | Self::Partners { .. }
        )
    }
}

/// Description of one column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Feature {
    /// Name, as in the matrix the command line writes.
    pub name: &'static str,
    /// Value that the forest sees.
    pub encoding: Encoding,
    /// Meaning, unit and purpose.
    pub meaning: &'static str,
}

/// Describes a column.
pub(crate) const fn feature(name: &'static str, encoding: Encoding, meaning: &'static str) -> Feature {
    Feature { name, encoding, meaning }
}

/// Describes a number.
pub(crate) const fn number(name: &'static str, meaning: &'static str) -> Feature {
    feature(name, Encoding::Number, meaning)
}

/// Describes a category.
pub(crate) const fn category(name: &'static str, meaning: &'static str) -> Feature {
    feature(name, Encoding::Category, meaning)
}

/// Amount whose new maxima (values above the training range) raise the score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackedMaximum {
    /// Its column.
    pub column: u16,
    /// Weight of a new maximum: above 0, up to 1.
    pub weight: f64,
    /// Values below this count as equal when the range of training is measured.
    pub from: f32,
    /// Rank of the training value that ends the range, from 1 for the highest. Above 1 where several anomalies in
    /// training would mask one another.
    pub rank: usize,
}

/// Increase of the excess of a pair's mean score over the typical one, as shares of it.
#[derive(Clone, Copy, Debug)]
pub struct PairGain {
    /// For each doubling of the number of contacts of the two hosts.
    pub doubling: f64,
    /// For each unit of regularity.
    pub regular: f64,
    /// Regularity of the activity that an encoded row belongs to, between 0 and 3.
    pub regularity: fn(&FeatureRow) -> f64,
}

/// Columns of a log kind, in the order of a row; derived columns last.
#[derive(Debug)]
pub struct Schema {
    /// Kind of log.
    pub log: LogKind,
    /// Name of the log without its extension.
    pub name: &'static str,
    /// Rises whenever a column is added, removed, reordered or computed differently.
    pub version: u32,
    /// The columns.
    pub features: &'static [Feature],
    /// Groups of columns that a tree may split together; each group scores a row by itself.
    pub groups: &'static [&'static [u16]],
    /// Trees of each group.
    pub trees_per_group: usize,
    /// Exponent of the generalised mean over the groups' scores.
    pub mean_exponent: u8,
    /// Amounts whose new maxima raise the score.
    pub maxima: &'static [TrackedMaximum],
    /// Column that is 1 for rows of the peer group, which has a separate forest.
    pub peer_group: u16,
    /// Column with the share of the training days on which the row's activity occurred, if the log kind has one; it
    /// lowers the score of daily routine.
    pub routine: Option<u16>,
    /// True if alert budgets count the alerts of a pair within a clock hour once.
    pub counts_bursts: bool,
    /// Column with the identity of the pair for the mean score.
    pub pair: u16,
    /// Increase of a pair's mean score, if the log kind has one.
    pub pair_gain: Option<PairGain>,
}

impl Schema {
    /// Number of columns that extraction fills, and that a sample stores.
    pub fn stored(&self) -> usize {
        self.features.iter().filter(|feature| !feature.encoding.is_derived()).count()
    }

    /// Returns true if a row belongs to the peer group.
    pub(crate) fn is_peer(&self, row: &FeatureRow) -> bool {
        row[usize::from(self.peer_group)] > 0.5
    }

    /// Hash of the version and of the names in order.
    pub fn fingerprint(&self) -> u64 {
        let mut text = format!("{} {}", self.name, self.version);
        for feature in self.features {
            text.push('\n');
            text.push_str(feature.name);
        }
        twox_hash::XxHash3_64::oneshot(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_columns_follow_stored_ones_and_fit_a_row() {
        let schema = LogKind::Conn.schema();
        let derived: Vec<bool> = schema.features.iter().map(|feature| feature.encoding.is_derived()).collect();
        assert!(derived.is_sorted(), "{derived:?}");
        assert!(schema.features.len() <= MAX_COLUMNS);
    }

    #[test]
    fn groups_contain_no_identity_columns() {
        let schema = LogKind::Conn.schema();
        for &column in schema.groups.iter().copied().flatten() {
            let feature = schema.features[usize::from(column)];
            assert_ne!(feature.encoding, Encoding::Identity, "{}", feature.name);
        }
    }
}
