//! Kernels for x86-64 with AVX2 or AVX-512: four levels of a tree at a time.
//!
//! The fifteen nodes of four levels form a block of one cache line. All of them are compared at once, which gives a bit
//! for each node. The bits of the upper three levels select the node of the fourth level through a table, and its bit
//! the exit from the block. A tree of eight levels is two blocks and a leaf; only the choice of the second block is a
//! dependent load. A row's keys stay in registers, and a permutation moves to each node the key of its column, which is
//! faster than a gather.

#[cfg(avx512)]
use std::arch::asm;
use std::arch::x86_64::{
    __m256i, _mm256_blendv_ps, _mm256_castps_si256, _mm256_castsi256_ps, _mm256_cmpgt_epi32, _mm256_loadu_si256,
    _mm256_movemask_ps, _mm256_permutevar8x32_epi32, _mm256_set1_epi32, _mm256_slli_epi32, _mm256_xor_si256,
};
#[cfg(avx512)]
use std::arch::x86_64::{
    __m512i, _mm512_cmpgt_epi32_mask, _mm512_loadu_si512, _mm512_permutex2var_epi32, _mm512_set1_epi32,
    _mm512_xor_si512,
};
use std::array::{from_fn, from_ref};
use std::iter::{self, zip};
use std::slice;

#[cfg(avx512)]
use super::complete_tree::MAX_COLUMNS;
use super::complete_tree::{Columns, CompleteForest, CompleteTree, Keys, MAX_HEIGHT, twice_and};

/// Number of trees that a row traverses together, to hide the latency of each step.
const TREES: usize = 8;

/// Number of rows that traverse the same trees while these are in the first-level cache.
const ROWS: usize = 32;

/// Number of columns whose keys fit an AVX2 register, and two of them.
const AVX2_COLUMNS: usize = 8;
const AVX2_WIDE_COLUMNS: usize = 2 * AVX2_COLUMNS;

/// Levels of a block, and the number of its exits.
const LEVELS: usize = 4;
const BELOW: usize = 1 << LEVELS;

/// The comparison is signed, but keys are unsigned, so the highest bit of both sides is flipped.
const SIGN: u32 = 1 << 31;

/// Four levels in two halves: node `i` of the upper three at `i - 1`, a word that no key passes at 7, and node `i` of
/// the fourth at `i`.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Block([[i32; 8]; 2]);

#[derive(Clone, Debug)]
struct BlockTree {
    root: Block,
    below: [Block; BELOW],
    /// Path lengths in fixed point.
    leaves: [[u32; BELOW]; BELOW],
}

#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    trees: Vec<BlockTree>,
    columns: Columns,
    kernel: Kernel,
}

/// Instruction set of a kernel.
#[derive(Clone, Copy, Debug)]
enum Kernel {
    Avx2,
    #[cfg(avx512)]
    Avx512,
    Avx2Wide,
}

impl Kernel {
    /// All kernels, fastest first.
    const ALL: &[Self] = &[
        Self::Avx2,
        #[cfg(avx512)]
        Self::Avx512,
        Self::Avx2Wide,
    ];

    fn is_supported(self) -> bool {
        match self {
            Self::Avx2 | Self::Avx2Wide => is_x86_feature_detected!("avx2"),
            #[cfg(avx512)]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
        }
    }

    /// Number of columns whose keys fit the registers.
    fn columns(self) -> usize {
        match self {
            Self::Avx2 => AVX2_COLUMNS,
            Self::Avx2Wide => AVX2_WIDE_COLUMNS,
            #[cfg(avx512)]
            Self::Avx512 => MAX_COLUMNS,
        }
    }
}

/// Bit mask of the nodes of a block at which the row goes right.
#[derive(Clone, Copy)]
struct Passed {
    /// One bit per node of the upper three levels.
    upper: u8,
    /// Nodes of the fourth level, from the bit that `exits` counts from.
    fourth: u32,
    exits: &'static [u8; 256],
}

/// Table from the bits of the upper three levels to the node of the fourth level, counted from `first`.
const fn exits(first: u8) -> [u8; 256] {
    let mut exits = [first; 256];
    let mut passed = 0;
    while passed < exits.len() {
        let mut node = 1;
        while node < 8 {
            node = 2 * node + (passed >> (node - 1) & 1);
        }
        exits[passed] += node as u8 - 8;
        passed += 1;
    }
    exits
}

static FROM_0: [u8; 256] = exits(0);
#[cfg(avx512)]
static FROM_8: [u8; 256] = exits(8);

impl Passed {
    const NOTHING: Self = Self { upper: 0, fourth: 0, exits: &FROM_0 };

    /// Index of the exit through which the path leaves the block.
    #[inline]
    fn exit(self) -> usize {
        let node = u32::from(self.exits[usize::from(self.upper)]);
        twice_and(node, self.fourth >> node & 1 != 0) as usize % BELOW
    }
}

impl Blocks {
    /// Prepares trees of [`MAX_HEIGHT`] for the first kernel that supports them; `None` if none does.
    pub(super) fn new(complete: &CompleteForest) -> Option<Self> {
        Kernel::ALL.iter().find_map(|&kernel| Self::with_kernel(kernel, complete))
    }

    /// Prepares trees for every kernel that supports them.
    #[cfg(test)]
    pub(super) fn all(complete: &CompleteForest) -> impl Iterator<Item = Self> {
        Kernel::ALL.iter().filter_map(|&kernel| Self::with_kernel(kernel, complete))
    }

    fn with_kernel(kernel: Kernel, complete: &CompleteForest) -> Option<Self> {
        let can =
            kernel.is_supported() && complete.columns.0.len() <= kernel.columns() && complete.height == MAX_HEIGHT;
        let trees = || complete.trees.iter().map(BlockTree::new).collect();
        can.then(|| Self { trees: trees(), columns: complete.columns.clone(), kernel })
    }

    pub(super) fn path_length(&self, row: &[f32]) -> u64 {
        let mut sum = 0;
        self.add_path_lengths::<1>(iter::once(row), slice::from_mut(&mut sum));
        sum
    }

    pub(super) fn path_lengths<'r>(&self, rows: impl Iterator<Item = &'r [f32]>, sums: &mut [u64]) {
        sums.fill(0);
        self.add_path_lengths::<ROWS>(rows, sums);
    }

    fn add_path_lengths<'r, const ROWS: usize>(&self, rows: impl Iterator<Item = &'r [f32]>, sums: &mut [u64]) {
        match self.kernel {
            Kernel::Avx2 => self.add_by_keys::<AVX2_COLUMNS, ROWS>(rows, sums, |keys, sums| {
                // SAFETY: this kernel was chosen because the processor has AVX2.
                unsafe { avx2::add_path_lengths(&self.trees, keys, sums) }
            }),
            Kernel::Avx2Wide => self.add_by_keys::<AVX2_WIDE_COLUMNS, ROWS>(rows, sums, |keys, sums| {
                // SAFETY: this kernel was chosen because the processor has AVX2.
                unsafe { avx2_wide::add_path_lengths(&self.trees, keys, sums) }
            }),
            #[cfg(avx512)]
            Kernel::Avx512 => self.add_by_keys::<MAX_COLUMNS, ROWS>(rows, sums, |keys, sums| {
                // SAFETY: this kernel was chosen because the processor has AVX-512F.
                unsafe { avx512::add_path_lengths(&self.trees, keys, sums) }
            }),
        }
    }

    fn add_by_keys<'r, const N: usize, const ROWS: usize>(
        &self,
        mut rows: impl Iterator<Item = &'r [f32]>,
        sums: &mut [u64],
        add: impl Fn(&[Keys<N>], &mut [u64]),
    ) {
        let mut keys_of = [Keys::NONE; ROWS];
        for sums in sums.chunks_mut(ROWS) {
            for (keys, row) in zip(&mut keys_of, &mut rows) {
                self.columns.set_keys(row, keys);
            }
            add(&keys_of[..sums.len()], sums);
        }
    }
}

impl BlockTree {
    fn new(tree: &CompleteTree) -> Self {
        Self {
            root: Block::new(tree, 1),
            below: from_fn(|upper| Block::new(tree, BELOW + upper)),
            leaves: from_fn(|upper| from_fn(|lower| tree.leaves[upper * BELOW + lower])),
        }
    }
}

impl Block {
    /// Block of the nodes from `root` down.
    fn new(tree: &CompleteTree, root: usize) -> Self {
        let mut words = [i32::MAX; BELOW];
        for node in 1..BELOW {
            let level = node.ilog2();
            let place = if level < 3 { node - 1 } else { node };
            words[place] = (tree.nodes[(root << level) + node - (1 << level)] ^ SIGN) as i32;
        }
        Self(from_fn(|half| from_fn(|at| words[8 * half + at])))
    }
}

/// Defines a kernel from a function that loads a row's keys into registers and one that compares a block with them. A
/// macro, because generic functions would be compiled without the target feature and not inlined.
macro_rules! kernel {
    ($kernel:ident, $instructions:literal, $keys:ty, $registers:ty, $load:ident, $pass:ident) => {
        mod $kernel {
            use super::*;

            /// Adds each row's path lengths.
            ///
            /// # Safety
            /// The processor must have the instructions.
            #[target_feature(enable = $instructions)]
            pub(super) unsafe fn add_path_lengths(mut trees: &[BlockTree], keys: &[$keys], sums: &mut [u64]) {
                while let Some((chunk, rest)) = trees.split_first_chunk::<TREES>() {
                    for (keys, sum) in zip(keys, &mut *sums) {
                        // SAFETY: the caller guarantees the instructions.
                        *sum += unsafe { path_lengths(chunk, &$load(keys)) };
                    }
                    trees = rest;
                }
                for (keys, sum) in zip(keys, sums) {
                    // SAFETY: the caller guarantees the instructions.
                    let row = unsafe { $load(keys) };
                    for tree in trees {
                        // SAFETY: the caller guarantees the instructions.
                        *sum += unsafe { path_lengths(from_ref(tree), &row) };
                    }
                }
            }

            /// Sum over trees that are traversed together.
            ///
            /// # Safety
            /// The processor must have the instructions.
            #[inline]
            #[target_feature(enable = $instructions)]
            unsafe fn path_lengths<const N: usize>(trees: &[BlockTree; N], row: &$registers) -> u64 {
                let (mut passed, mut upper) = ([Passed::NOTHING; N], [0; N]);
                for (passed, tree) in zip(&mut passed, trees) {
                    // SAFETY: the caller guarantees the instructions.
                    *passed = unsafe { $pass(row, &tree.root) };
                }
                for (upper, passed) in zip(&mut upper, passed) {
                    *upper = passed.exit();
                }
                for ((passed, tree), upper) in zip(zip(&mut passed, trees), upper) {
                    // SAFETY: the caller guarantees the instructions.
                    *passed = unsafe { $pass(row, &tree.below[upper]) };
                }
                let mut sum = 0;
                for ((passed, tree), upper) in zip(zip(passed, trees), upper) {
                    sum += u64::from(tree.leaves[upper][passed.exit()]);
                }
                sum
            }
        }
    };
}

kernel!(avx2, "avx2", Keys<AVX2_COLUMNS>, __m256i, load_8, pass_8);
kernel!(avx2_wide, "avx2", Keys<AVX2_WIDE_COLUMNS>, [__m256i; 2], load_16, pass_8_of_16);
#[cfg(avx512)]
kernel!(avx512, "avx512f", Keys, [__m512i; 2], load_32, pass_16);

/// # Safety
/// The processor must have AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load_8(keys: &Keys<AVX2_COLUMNS>) -> __m256i {
    // SAFETY: the eight keys are read, by instructions that the processor has.
    unsafe { _mm256_xor_si256(_mm256_loadu_si256(keys.0.as_ptr().cast()), _mm256_set1_epi32(SIGN as i32)) }
}

/// # Safety
/// The processor must have AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn pass_8(row: &__m256i, block: &Block) -> Passed {
    let mut passed = [0; 2];
    for (passed, words) in zip(&mut passed, &block.0) {
        // SAFETY: the eight words are read, by instructions that the processor has.
        *passed = unsafe {
            let nodes = _mm256_loadu_si256(words.as_ptr().cast());
            let keys = _mm256_permutevar8x32_epi32(*row, nodes);
            _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(keys, nodes))) as u32
        };
    }
    Passed { upper: passed[0] as u8, fourth: passed[1], exits: &FROM_0 }
}

/// # Safety
/// The processor must have AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load_16(keys: &Keys<AVX2_WIDE_COLUMNS>) -> [__m256i; 2] {
    // SAFETY: the first half of the sixteen keys is read, then the second, by instructions that the processor has.
    [0, AVX2_COLUMNS].map(|from| unsafe {
        _mm256_xor_si256(_mm256_loadu_si256(keys.0[from..].as_ptr().cast()), _mm256_set1_epi32(SIGN as i32))
    })
}

/// # Safety
/// The processor must have AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn pass_8_of_16(row: &[__m256i; 2], block: &Block) -> Passed {
    let mut passed = [0; 2];
    for (passed, words) in zip(&mut passed, &block.0) {
        // SAFETY: the eight words are read, by instructions that the processor has.
        *passed = unsafe {
            let nodes = _mm256_loadu_si256(words.as_ptr().cast());
            // The fourth bit of a column's place chooses the register; blending looks at the first bit of a word.
            let half = _mm256_castsi256_ps(_mm256_slli_epi32::<28>(nodes));
            let [low, high] = row.map(|row| _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(row, nodes)));
            let keys = _mm256_castps_si256(_mm256_blendv_ps(low, high, half));
            _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(keys, nodes))) as u32
        };
    }
    Passed { upper: passed[0] as u8, fourth: passed[1], exits: &FROM_0 }
}

/// # Safety
/// The processor must have AVX-512F.
#[cfg(avx512)]
#[inline]
#[target_feature(enable = "avx512f")]
#[allow(clippy::incompatible_msrv, reason = "the build script leaves this out before Rust 1.89")]
unsafe fn load_32(keys: &Keys) -> [__m512i; 2] {
    let sign = _mm512_set1_epi32(SIGN as i32);
    // SAFETY: the first half of the 32 keys is read, then the second.
    [0, 16].map(|from| _mm512_xor_si512(unsafe { _mm512_loadu_si512(keys.0[from..].as_ptr().cast()) }, sign))
}

/// # Safety
/// The processor must have AVX-512F.
#[cfg(avx512)]
#[inline]
#[target_feature(enable = "avx512f")]
#[allow(clippy::incompatible_msrv, reason = "the build script leaves this out before Rust 1.89")]
unsafe fn pass_16(row: &[__m512i; 2], block: &Block) -> Passed {
    // SAFETY: exactly the sixteen words are read.
    let nodes = unsafe { _mm512_loadu_si512(block.0.as_ptr().cast()) };
    let keys = _mm512_permutex2var_epi32(row[0], nodes, row[1]);
    let passed = _mm512_cmpgt_epi32_mask(keys, nodes);
    let bits: u32;
    // SAFETY: a move between registers. The compiler alone would move the mask twice and extend both, which costs a
    // sixth of the time.
    unsafe {
        asm!("kmovw {0:e}, {1}", out(reg) bits, in(kreg) passed, options(pure, nomem, nostack, preserves_flags));
    }
    Passed { upper: bits as u8, fourth: bits, exits: &FROM_8 }
}
