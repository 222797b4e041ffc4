//! TSV rows: positions of columns and of fields packed into one column.

pub(crate) mod escape;

use crate::layout::{Layout, PACKING};

/// Position of a field in a row: its column, and its index among the fields packed into that column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) column: usize,
    pub(crate) index: usize,
    pub(crate) width: usize,
}

impl Place {
    /// The place of the field at this position in [`Layout::fields`].
    pub(crate) fn of(layout: &Layout, position: usize) -> Option<Self> {
        let mut first = 0;
        for (column, &width) in layout.widths.iter().enumerate() {
            if position < first + width {
                return Some(Self { column, index: position - first, width });
            }
            first += width;
        }
        None
    }
}

/// Returns the number of columns of a line, and true if it has a backslash. If the number is `columns`, fills `bounds`
/// so that column `c` is `line[bounds[c]..bounds[c + 1] - separator.len()]`.
#[inline]
pub(crate) fn split(line: &[u8], separator: &[u8], columns: usize, bounds: &mut Vec<u32>) -> (usize, bool) {
    bounds.resize(columns + 1, 0);
    // The first column begins at 0, and the last ends like any other.
    let mut found = 0;
    let mut add = |next: usize| {
        found += 1;
        if let Some(bound) = bounds.get_mut(found) {
            *bound = next as u32;
        }
    };
    let may_have_escapes = match *separator {
        [byte] => separators(line, byte, |at| add(at + 1)),
        _ => {
            memchr::memmem::find_iter(line, separator).for_each(|at| add(at + separator.len()));
            memchr::memchr(b'\\', line).is_some()
        }
    };
    add(line.len() + separator.len());
    (found, may_have_escapes)
}

/// Calls `each` with the position of each separator; returns true if the line has a backslash. It searches 64 bytes at
/// a time: fields have a few bytes, so a call per separator would cost more than the search.
#[inline]
fn separators(line: &[u8], separator: u8, mut each: impl FnMut(usize)) -> bool {
    let mut backslashes = [0; 16];
    let mut base = 0;
    let mut rest = line;
    while let Some((chunk, after)) = rest.split_first_chunk::<64>() {
        ones(matches(chunk, separator), |bit| each(base + bit));
        mark_backslashes(chunk, &mut backslashes);
        base += 64;
        rest = after;
    }
    if !rest.is_empty() {
        // The last 64 bytes, some of which were searched before; a line of fewer is copied.
        let mut copy = [0; 64];
        let last = line.last_chunk().unwrap_or_else(|| {
            copy[64 - rest.len()..].copy_from_slice(rest);
            &copy
        });
        let unsearched = u64::MAX << (64 - rest.len());
        ones(matches(last, separator) & unsearched, |bit| each(base + rest.len() + bit - 64));
        mark_backslashes(last, &mut backslashes);
    }
    backslashes != [0; 16]
}

/// Sets bytes of `found` if the chunk has a backslash.
#[inline(always)]
fn mark_backslashes(chunk: &[u8; 64], found: &mut [u8; 16]) {
    let equal = |at: usize| u8::from(chunk[at] == b'\\');
    for (i, found) in found.iter_mut().enumerate() {
        *found |= equal(i) | equal(i + 16) | equal(i + 32) | equal(i + 48);
    }
}

/// One bit for each byte that equals `wanted`, the first byte in the lowest bit.
#[inline]
fn matches(chunk: &[u8; 64], wanted: u8) -> u64 {
    let equal: [u8; 64] = std::array::from_fn(|i| u8::from(chunk[i] == wanted));
    let mut mask = 0;
    for i in 0..8 {
        let word = std::array::from_fn(|j| equal[8 * i + j]);
        // The product collects the low bits of eight bytes in the top byte.
        let bits = u64::from_le_bytes(word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask |= bits << (8 * i);
    }
    mask
}

#[inline]
fn ones(mut mask: u64, mut each: impl FnMut(usize)) {
    while mask != 0 {
        each(mask.trailing_zeros() as usize);
        mask &= mask - 1;
    }
}

/// The bounds of one field of a packed column; the number of fields found if it is not `width`.
pub(crate) fn packed(column: &[u8], index: usize, width: usize) -> Result<(usize, usize), usize> {
    let (mut found, mut start, mut wanted) = (0, 0, (0, 0));
    let ends = memchr::memmem::find_iter(column, PACKING).chain([column.len()]);
    for end in ends {
        if found == index {
            wanted = (start, end);
        }
        found += 1;
        start = end + PACKING.len();
    }
    if found == width { Ok(wanted) } else { Err(found) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn columns<'l>(line: &'l [u8], separator: &[u8]) -> Vec<&'l [u8]> {
        let (mut bounds, wanted) = (Vec::new(), line.windows(separator.len()).filter(|w| *w == separator).count() + 1);
        assert_eq!(split(line, separator, wanted, &mut bounds), (wanted, line.contains(&b'\\')));
        bounds.windows(2).map(|w| &line[w[0] as usize..w[1] as usize - separator.len()]).collect()
    }

    #[test]
    fn splits_at_separators_of_any_length() {
        assert_eq!(columns(b"", b"\t"), [b""]);
        assert_eq!(columns(b"a\t\tb\t", b"\t"), [&b"a"[..], b"", b"b", b""]);
        assert_eq!(columns(b"a||b|c||", b"||"), [&b"a"[..], b"b|c", b""]);
    }

    #[test]
    fn finds_fields_of_a_packed_column() {
        let column = b"(empty)   Malicious   Part Of A Scan";
        let at = |n| packed(column, n, 3).map(|(start, end)| &column[start..end]);
        assert_eq!(at(0), Ok(&b"(empty)"[..]));
        assert_eq!(at(1), Ok(&b"Malicious"[..]));
        assert_eq!(at(2), Ok(&b"Part Of A Scan"[..]));
        assert_eq!(packed(column, 0, 2), Err(3));
    }

    proptest! {
        #[test]
        fn split_agrees_with_the_standard_library(line in prop::collection::vec(prop::sample::select(&b"ab\t\0\xff\\"[..]), 0..300)) {
            let expected: Vec<&[u8]> = line.split(|b| *b == b'\t').collect();
            prop_assert_eq!(columns(&line, b"\t"), expected);
        }
    }
}
