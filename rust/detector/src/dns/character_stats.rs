//! Character statistics of a name: surprisal of its characters, counts of digits and labels.

/// Character classes: label boundary, 26 letters, digits, others.
const CLASSES: usize = 29;
const DIGIT: u8 = 27;
const OTHER: u8 = 28;

/// Surprisal of a class after another one, in sixteenths of a bit, from the frequencies of pairs in the names of a
/// million software packages: words, abbreviations and invented names, as in domains.
#[rustfmt::skip]
const PAIRS: [[u8; CLASSES]; CLASSES] = [
    [254, 60, 78, 60, 62, 77, 75, 77, 86, 84, 95, 96, 78, 64, 77, 72, 52, 110, 70, 56, 67, 100, 89, 89, 115, 115, 114, 160, 254],
    [86, 120, 83, 59, 68, 125, 107, 69, 136, 71, 146, 104, 59, 73, 50, 133, 62, 153, 55, 60, 50, 86, 106, 106, 121, 95, 120, 130, 88],
    [60, 46, 100, 94, 99, 54, 119, 119, 117, 58, 107, 137, 58, 102, 122, 46, 91, 150, 62, 71, 99, 59, 132, 133, 136, 92, 159, 110, 72],
    [83, 58, 135, 98, 109, 60, 124, 138, 53, 84, 156, 60, 55, 106, 136, 40, 68, 161, 70, 81, 53, 82, 134, 146, 147, 110, 164, 125, 89],
    [66, 52, 84, 98, 69, 40, 94, 96, 128, 56, 70, 72, 91, 98, 116, 48, 103, 159, 82, 81, 109, 83, 125, 128, 133, 108, 165, 118, 73],
    [58, 68, 92, 70, 77, 89, 107, 103, 131, 115, 142, 128, 70, 75, 52, 107, 85, 123, 39, 56, 69, 118, 96, 100, 78, 120, 144, 123, 65],
    [72, 54, 123, 103, 111, 62, 72, 125, 131, 39, 147, 123, 47, 104, 123, 49, 106, 162, 63, 87, 77, 74, 147, 130, 122, 79, 166, 111, 83],
    [60, 69, 116, 92, 112, 34, 118, 85, 84, 48, 153, 150, 80, 95, 86, 51, 92, 145, 58, 83, 104, 76, 139, 130, 127, 111, 153, 118, 73],
    [58, 42, 106, 101, 105, 38, 120, 129, 137, 57, 142, 129, 104, 95, 120, 42, 103, 117, 86, 98, 66, 74, 137, 123, 153, 89, 158, 109, 70],
    [68, 82, 79, 59, 74, 72, 86, 81, 148, 132, 152, 112, 64, 71, 39, 61, 81, 140, 85, 64, 56, 125, 86, 144, 104, 149, 101, 132, 84],
    [101, 23, 128, 109, 115, 51, 134, 141, 125, 72, 137, 119, 123, 99, 138, 70, 103, 102, 123, 35, 120, 63, 134, 100, 144, 135, 149, 113, 104],
    [40, 56, 101, 94, 84, 40, 102, 89, 109, 50, 134, 124, 91, 97, 104, 81, 90, 149, 93, 68, 90, 86, 119, 117, 148, 102, 152, 108, 55],
    [65, 50, 115, 95, 87, 44, 118, 122, 145, 39, 158, 112, 65, 95, 136, 52, 90, 170, 124, 68, 84, 68, 119, 134, 146, 89, 158, 112, 75],
    [70, 40, 84, 60, 98, 43, 120, 113, 141, 58, 147, 122, 77, 81, 117, 53, 57, 127, 113, 79, 107, 85, 135, 135, 143, 91, 164, 113, 77],
    [60, 62, 113, 71, 65, 53, 91, 52, 126, 72, 130, 100, 101, 109, 91, 74, 97, 152, 116, 61, 44, 96, 94, 130, 122, 113, 146, 123, 62],
    [87, 89, 92, 71, 63, 125, 108, 86, 134, 104, 117, 98, 66, 69, 40, 64, 73, 161, 46, 77, 70, 77, 99, 83, 104, 132, 152, 95, 77],
    [66, 54, 125, 100, 97, 53, 125, 119, 81, 58, 156, 114, 54, 112, 132, 62, 78, 161, 57, 80, 75, 88, 146, 136, 147, 44, 165, 122, 77],
    [68, 82, 110, 86, 99, 108, 119, 122, 128, 84, 148, 141, 38, 99, 121, 105, 90, 115, 83, 86, 69, 21, 130, 100, 131, 139, 152, 117, 81],
    [47, 48, 113, 79, 85, 41, 107, 103, 139, 59, 148, 88, 100, 82, 100, 56, 97, 150, 99, 73, 71, 87, 87, 135, 148, 81, 167, 128, 73],
    [44, 77, 113, 70, 79, 51, 112, 122, 75, 64, 148, 92, 92, 92, 112, 75, 74, 107, 115, 67, 43, 91, 113, 110, 145, 92, 156, 113, 63],
    [54, 57, 115, 85, 113, 45, 107, 121, 65, 51, 140, 131, 98, 100, 116, 50, 92, 160, 61, 72, 84, 90, 136, 113, 140, 86, 156, 123, 62],
    [98, 76, 74, 82, 69, 67, 115, 62, 147, 64, 151, 126, 60, 69, 54, 124, 70, 165, 56, 56, 46, 134, 132, 147, 96, 145, 131, 127, 111],
    [75, 48, 128, 97, 116, 23, 125, 105, 136, 37, 157, 128, 111, 103, 121, 70, 108, 159, 112, 96, 102, 77, 136, 145, 147, 122, 165, 82, 89],
    [66, 45, 115, 100, 104, 41, 110, 124, 84, 46, 150, 124, 90, 92, 73, 50, 100, 158, 74, 55, 97, 123, 151, 128, 129, 128, 158, 120, 72],
    [45, 67, 105, 72, 96, 72, 108, 109, 117, 70, 130, 133, 89, 82, 113, 92, 56, 144, 96, 87, 39, 101, 125, 123, 107, 80, 151, 81, 49],
    [40, 73, 89, 77, 85, 85, 97, 96, 115, 104, 128, 123, 81, 77, 71, 87, 56, 124, 90, 62, 45, 98, 117, 105, 124, 143, 110, 105, 53],
    [63, 54, 110, 94, 109, 29, 113, 122, 85, 63, 130, 108, 94, 93, 94, 56, 100, 133, 108, 96, 100, 63, 133, 119, 120, 71, 74, 95, 80],
    [39, 72, 113, 96, 92, 118, 118, 115, 134, 126, 126, 134, 120, 102, 89, 130, 93, 164, 119, 98, 106, 126, 133, 132, 123, 143, 159, 17, 53],
    [245, 56, 78, 51, 69, 77, 79, 84, 90, 81, 101, 108, 74, 62, 87, 90, 54, 119, 72, 52, 64, 89, 92, 89, 124, 138, 135, 105, 171],
];

/// Class of each byte.
static CLASS: [u8; 256] = {
    let mut class = [OTHER; 256];
    class[b'.' as usize] = 0;
    let mut letter = 0;
    while letter < 26 {
        class[b'a' as usize + letter] = letter as u8 + 1;
        class[b'A' as usize + letter] = letter as u8 + 1;
        letter += 1;
    }
    let mut digit = 0;
    while digit < 10 {
        class[b'0' as usize + digit] = DIGIT;
        digit += 1;
    }
    class
};

/// Amount that a byte adds to two counts in one number: digits, and from bit [`ODD`] on, bytes that are invalid in host
/// names.
static COUNTS: [u64; 256] = {
    let mut counts = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        counts[byte] = match CLASS[byte] {
            DIGIT => 1,
            OTHER if byte != b'-' as usize && byte != b'_' as usize => 1 << ODD,
            _ => 0,
        };
        byte += 1;
    }
    counts
};
/// Lowest bit of the second count.
const ODD: u32 = 32;

/// Surprisal of one digit of ten, in sixteenths of a bit: the table tells only that it is a digit.
const DIGIT_SURPRISAL: u32 = 53;
/// Surprisal per letter of a typical word, in bits.
const WORD_BITS: f32 = 4.4;

/// Measures of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CharacterStats {
    /// Surprisal of the text, both boundaries included, in sixteenths of a bit.
    pub(crate) surprisal: u32,
    pub(crate) digits: u32,
    /// Bytes that are invalid in host names: outside `a-z`, `0-9`, `-`, `_` and `.`, in any case.
    pub(crate) odd: u32,
    pub(crate) labels: u32,
    pub(crate) longest_label: u32,
}

impl CharacterStats {
    /// Measures labels separated by dots.
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut stats = Self::default();
        if text.is_empty() {
            return stats;
        }
        let (mut before, mut counts, mut label_start) = (0, 0, 0);
        for (at, &byte) in text.iter().enumerate() {
            let class = usize::from(CLASS[usize::from(byte)]);
            stats.surprisal += u32::from(PAIRS[before][class]);
            counts += COUNTS[usize::from(byte)];
            if class == 0 {
                stats.add_label(at - label_start);
                label_start = at + 1;
            }
            before = class;
        }
        stats.add_label(text.len() - label_start);
        stats.surprisal += u32::from(PAIRS[before][0]);
        (stats.digits, stats.odd) = (counts as u32, (counts >> ODD) as u32);
        stats.surprisal += DIGIT_SURPRISAL * stats.digits;
        stats
    }

    fn add_label(&mut self, length: usize) {
        self.labels += 1;
        self.longest_label = self.longest_label.max(length as u32);
    }

    /// Surprisal of the text in bits.
    pub(crate) fn bits(&self) -> f32 {
        self.surprisal as f32 / 16.0
    }

    /// Surprisal of the text, of `length` bytes, beyond that of a typical word, in bits; never negative.
    pub(crate) fn excess(&self, length: usize) -> f32 {
        (self.bits() - WORD_BITS * (length + 1) as f32).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_digits_are_unlike_words() {
        let excess = |name: &[u8]| CharacterStats::of(name).excess(name.len());
        assert!(excess(b"9f86d081884c7d659a2f") > 10.0, "{}", excess(b"9f86d081884c7d659a2f"));
        assert_eq!(excess(b"holidays"), 0.0);
        assert!(excess(b"radio24") < 8.0, "{}", excess(b"radio24"));
    }

    #[test]
    fn measures_labels_and_characters() {
        let stats = CharacterStats::of(b"a1-b.c\xe4.longest");
        assert_eq!((stats.labels, stats.longest_label, stats.digits, stats.odd), (3, 7, 1, 1));
        assert_eq!(CharacterStats::of(b""), CharacterStats::default());
        assert_eq!(CharacterStats::of(b"WWW"), CharacterStats::of(b"www"));
    }

    #[test]
    fn random_letters_surprise_more_than_words() {
        let a_letter = |text: &str| CharacterStats::of(text.as_bytes()).bits() / (text.len() + 1) as f32;
        for word in ["google", "microsoft", "doubleclick", "cloudfront", "edgesuite"] {
            for random in ["vojyqem", "xkcdqzv", "kq3v9v7c3jz0", "a3f9c81b7d"] {
                assert!(a_letter(word) + 1.0 < a_letter(random), "{word} and {random}");
            }
        }
    }
}
