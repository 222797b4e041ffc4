//! Scores in Zeek's notation.
//!
//! Scores are whole millionths, so six decimals are exact. Zeek removes trailing zeros, except the first decimal
//! (`0.512345`, `0.5`, `1.0`), in TSV and in JSON.

/// Digits of a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoreText {
    bytes: [u8; 8],
    len: u8,
}

/// Converts a score to whole millionths, 0 to 1,000,000.
pub fn millionths(score: f64) -> u32 {
    (score.clamp(0.0, 1.0) * 1e6).round() as u32
}

impl ScoreText {
    /// Formats a score between 0 and 1.
    pub fn new(score: f64) -> Self {
        let mut rest = millionths(score);
        let mut bytes = *b"0.000000";
        if rest >= 1_000_000 {
            bytes[0] = b'1';
            rest -= 1_000_000;
        }
        for digit in bytes[2..].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let zeros = bytes[3..].iter().rev().take_while(|&&digit| digit == b'0').count();
        Self { bytes, len: (bytes.len() - zeros) as u8 }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_every_millionth_exactly() {
        for units in 0..=1_000_000u32 {
            let score = f64::from(units) / 1e6;
            assert_eq!(millionths(score), units);
            let text = ScoreText::new(score);
            // Rust's Debug writes the shortest text that parses to the same number, between 1e-5 and 1e16.
            if !(1..10_000).contains(&units) {
                assert_eq!(text.as_bytes(), format!("{score:?}").as_bytes());
            } else {
                assert_eq!(text.as_bytes(), format!("{score:.6}").trim_end_matches('0').as_bytes());
            }
        }
    }
}
