//! Step functions: trees that all split the same column, replaced by one search.
//!
//! Path lengths are summed as integers, so summing them here once gives the same number as summing them for every row.

use crate::feature_range::FeatureRange;
use crate::float_key::{float_key, from_float_key};
use crate::tree::{Node, Tree};

/// Summed path lengths of some trees for every value of the only column they split.
#[derive(Clone, Debug)]
pub(crate) struct StepFunction {
    column: u16,
    /// Values at which the steps begin, ascending. The first is `NaN`; a sentinel ends the search.
    begins: Vec<f32>,
    /// Path length on each step, in fixed point.
    path_lengths: Vec<u64>,
    /// Search index; `None` if too many steps share a cell.
    grid: Option<Grid>,
}

/// Equal cells from the first threshold to the last. Each has the index of its first step.
#[derive(Clone, Debug)]
struct Grid {
    low: f32,
    cells_per_unit: f32,
    /// The last cell.
    last: f32,
    first: Vec<u32>,
}

const TWO_TO_23: f32 = 8_388_608.0;

impl StepFunction {
    /// Builds the function; `None` if the trees split several columns. The ends of a range also end a step.
    pub(crate) fn of<'t>(
        trees: impl Iterator<Item = &'t Tree> + Clone,
        feature_ranges: &[FeatureRange],
    ) -> Option<Self> {
        let split = trees.clone().flat_map(Tree::columns);
        let mut columns = split.chain(feature_ranges.iter().map(|range| range.column));
        let column = columns.next()?;
        if columns.any(|other| other != column) {
            return None;
        }
        let mut changes: Vec<(u32, i64)> = feature_ranges.iter().flat_map(ends).map(|end| (end, 0)).collect();
        trees.for_each(|tree| push_changes(tree, &mut changes));
        changes.sort_unstable();
        let (mut begins, mut path_lengths, mut sum) = (Vec::new(), Vec::new(), 0);
        for at_one_key in changes.chunk_by(|a, b| a.0 == b.0) {
            sum += at_one_key.iter().map(|change| change.1).sum::<i64>();
            begins.push(from_float_key(at_one_key[0].0));
            path_lengths.push(sum as u64);
        }
        let grid = Grid::new(&begins);
        begins.push(f32::NAN);
        Some(Self { column, begins, path_lengths, grid })
    }

    /// Step of a row. A missing value is on the first step, because every comparison with it is false.
    #[inline(always)]
    pub(crate) fn step(&self, row: &[f32]) -> usize {
        let value = row[usize::from(self.column)];
        let Some(grid) = &self.grid else {
            return self.begins[1..self.path_lengths.len()].partition_point(|&begin| value >= begin);
        };
        let mut step = grid.first[grid.cell(value)] as usize;
        while value >= self.begins[step + 1] {
            step += 1;
        }
        step
    }

    /// The path length of a row, in fixed point.
    pub(crate) fn path_length(&self, row: &[f32]) -> u64 {
        self.path_length_on(self.step(row))
    }

    /// The path length on a step, in fixed point.
    pub(crate) fn path_length_on(&self, step: usize) -> u64 {
        self.path_lengths[step]
    }

    /// Steps, each with its lowest value and path length in fixed point.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (f32, u64)> {
        self.begins.iter().copied().zip(self.path_lengths.iter().copied())
    }
}

impl Grid {
    const CELLS_PER_STEP: usize = 2;
    /// With more steps per cell, a binary search over all steps is faster.
    const MAX_IN_A_CELL: usize = 8;

    fn new(begins: &[f32]) -> Option<Self> {
        let finite = || begins.iter().copied().filter(|value| value.is_finite());
        let (low, high) = (finite().next().unwrap_or(0.0), finite().next_back().unwrap_or(0.0));
        let cells = Self::CELLS_PER_STEP * begins.len();
        let (cells_per_unit, last) = (cells as f32 / (high - low), (cells - 1) as f32);
        let mut grid = Self { low, cells_per_unit, last, first: Vec::with_capacity(cells) };
        // Cells ascend with values, so the last step that begins in an earlier cell is the first of this one.
        let (mut step, mut before) = (0, 0);
        for cell in 0..cells {
            while begins.get(step + 1).is_some_and(|&begin| grid.cell(begin) < cell) {
                step += 1;
            }
            if step - before > Self::MAX_IN_A_CELL {
                return None;
            }
            grid.first.push(step as u32);
            before = step;
        }
        (begins.len() - before <= Self::MAX_IN_A_CELL).then_some(grid)
    }

    /// Values below the grid and missing values map to the first cell, values above it to the last.
    fn cell(&self, value: f32) -> usize {
        let at = (value - self.low) * self.cells_per_unit;
        let at = if at > 0.0 { at } else { 0.0 };
        let at = if at < self.last { at } else { self.last };
        // Adding 2^23 rounds to an integer in the low bits; any rounding will do here. A conversion takes twice the
        // instructions.
        ((at + TWO_TO_23).to_bits() - TWO_TO_23.to_bits()) as usize
    }
}

/// Keys at which the outside of a range begins and ends. A missing value, key 0, is within every range.
fn ends(range: &FeatureRange) -> [u32; 4] {
    [0, float_key(f32::NEG_INFINITY), float_key(range.min), float_key(range.max) + 1]
}

/// Adds the keys at which the path length in a tree changes, ascending, each with the change. The first key is 0.
fn push_changes(tree: &Tree, changes: &mut Vec<(u32, i64)>) {
    // Preorder: the next node fills the slot that was reserved last. A slot has a depth and a range of keys, which can
    // be empty in a stored tree.
    let mut places = vec![(0, 0, u32::MAX)];
    let mut before = 0;
    for node in &tree.0 {
        let Some((depth, from, to)) = places.pop() else { break };
        match *node {
            Node::Split { threshold, .. } => {
                let split = float_key(threshold).clamp(from, to);
                places.extend([(depth + 1, split, to), (depth + 1, from, split)]);
            }
            leaf => {
                // An unreachable leaf starts at the key of the next leaf, which cancels its change.
                let path_length = i64::from(leaf.path_length(depth));
                changes.push((from, path_length - before));
                before = path_length;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::next_up;
    use crate::traverse::Traversal;
    use proptest::prelude::*;

    /// A tree of column 1 from arbitrary thresholds, so that some leaves are unreachable.
    fn tree(thresholds: &[f32], mut shape: u64) -> Tree {
        fn build(thresholds: &mut std::slice::Iter<'_, f32>, shape: &mut u64, depth: usize, nodes: &mut Vec<Node>) {
            let split = depth < 8 && *shape & 3 != 0;
            *shape = shape.rotate_right(1);
            match thresholds.next().filter(|_| split) {
                Some(&threshold) => {
                    nodes.push(Node::Split { feature: 1, threshold });
                    build(thresholds, shape, depth + 1, nodes);
                    build(thresholds, shape, depth + 1, nodes);
                }
                None => nodes.push(Node::Leaf { size: 1 + nodes.len() as u32 }),
            }
        }
        let mut nodes = Vec::new();
        build(&mut thresholds.iter(), &mut shape, 0, &mut nodes);
        Tree(nodes)
    }

    fn value() -> impl Strategy<Value = f32> {
        let finite = any::<f32>().prop_filter("finite", |x| x.is_finite());
        prop_oneof![4 => (-9..9i8).prop_map(f32::from), 1 => finite, 1 => Just(-0.0), 1 => Just(f32::MIN_POSITIVE)]
    }

    proptest! {
        #[test]
        fn a_step_is_the_sum_of_the_walks(
            thresholds in prop::collection::vec(prop::collection::vec(value(), 0..60), 1..9),
            shape: u64,
            (a, b) in (value(), value()),
            probes in prop::collection::vec(prop_oneof![value(), any::<u32>().prop_map(f32::from_bits)], 40),
        ) {
            let trees: Vec<Tree> = thresholds.iter().map(|thresholds| tree(thresholds, shape)).collect();
            let range = FeatureRange { column: 1, min: a.min(b), max: a.max(b) };
            let steps = StepFunction::of(trees.iter(), &[range]).unwrap();
            let traversal = Traversal::new(&trees.iter().collect::<Vec<_>>());
            let beyond = |x: f32| x < range.min || x > range.max;
            let edges = [range.min, range.max].into_iter().flat_map(|x| [-next_up(-x), x, next_up(x)]);
            let edges = edges.chain(thresholds.iter().flatten().flat_map(|x| [-next_up(-x), *x]));
            let mut seen = vec![None; steps.iter().count()];
            for x in probes.into_iter().chain(edges).chain([f32::NAN, f32::INFINITY, f32::NEG_INFINITY]) {
                let step = steps.step(&[0.0, x]);
                prop_assert_eq!(steps.path_length(&[0.0, x]), traversal.path_length(&[0.0, x]), "{}", x);
                let all_beyond = *seen[step].get_or_insert(beyond(x));
                prop_assert_eq!(all_beyond, beyond(x), "{}", x);
            }
        }
    }

    #[test]
    fn grid_finds_evenly_spaced_steps() {
        for (low, n) in [(0, 2), (-40, 60), (7, 300)] {
            let begins: Vec<f32> =
                [f32::NAN, f32::NEG_INFINITY].into_iter().chain((low..low + n).map(|x| x as f32)).collect();
            let grid = Grid::new(&begins).unwrap();
            for (step, &begin) in begins.iter().enumerate().skip(2) {
                let first = grid.first[grid.cell(begin)] as usize;
                assert!(first < step && step <= first + 2, "{begin}: {first}, {step}");
            }
            let cells: Vec<_> = begins[2..].iter().map(|&begin| grid.cell(begin)).collect();
            assert!(cells.is_sorted_by(|a, b| a < b));
            for (beyond, cell) in [(f32::NAN, 0), (f32::MIN, 0), (f32::MAX, cells[cells.len() - 1])] {
                assert_eq!(grid.cell(beyond), cell);
            }
        }
    }

    #[test]
    fn trees_of_several_columns_have_no_steps() {
        let leaf = Node::Leaf { size: 1 };
        let split = |feature| Tree(vec![Node::Split { feature, threshold: 0.5 }, leaf, leaf]);
        let range = |column| FeatureRange { column, min: 0.0, max: 1.0 };
        assert!(StepFunction::of([split(0), split(0)].iter(), &[range(0)]).is_some());
        assert!(StepFunction::of([split(0), split(1)].iter(), &[]).is_none());
        assert!(StepFunction::of([split(0)].iter(), &[range(1)]).is_none());
        assert!(StepFunction::of([Tree(vec![leaf])].iter(), &[]).is_none());
    }
}
