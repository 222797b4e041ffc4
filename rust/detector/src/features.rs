//! Feature extraction: a connection, and what was seen before it, as a row of numbers.

use crate::Connection;
use crate::schema::N_FEATURES;

/// One value per feature of the [`schema`](crate::schema), in its order. `NaN` where the connection lacks it.
pub type Row = [f32; N_FEATURES];

/// Turns connections into rows, in the order in which they ended.
///
/// It remembers what it was shown, in bounded memory: the same sequence of connections gives the same rows, whether it
/// comes from the sensor or from a log.
#[derive(Clone, Debug, Default)]
pub struct Extractor {}

impl Extractor {
    /// An extractor that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The connection's row. Call it once per connection, in order.
    pub fn extract(&mut self, c: &Connection<'_>) -> Row {
        let mut row = [0.0; N_FEATURES];
        row[0] = log2(c.duration.map(|micros| micros.max(0) as u64 / 1000));
        row[1] = log2(c.orig.bytes);
        row[2] = log2(c.resp.bytes);
        row[3] = log2(c.orig.pkts);
        row[4] = log2(c.resp.pkts);
        row[5] = log2(Some(c.missed_bytes));
        row[6] = log2(Some(u64::from(c.resp.port)));
        row[7] = f32::from(c.proto as u8);
        if let Some(state) = c.conn_state {
            row[8 + state as usize] = 1.0;
        }
        row
    }
}

/// log2(1 + n), linear between the powers of two. It is read off the number's own bits, so it costs next to nothing and
/// is the same on every machine; trees only need it to be monotone.
fn log2(n: Option<u64>) -> f32 {
    let Some(n) = n else { return f32::NAN };
    let bits = (n as f32 + 1.0).to_bits();
    (bits - 1f32.to_bits()) as f32 / (1u32 << 23) as f32
}
