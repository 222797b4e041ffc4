//! From an input to blocks of lines, in constant memory.

use std::io::Read;

use crate::{Block, Error, Input};

/// How to read.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// The stream that is wanted, such as `conn`: a TSV log of another is an error, a JSON row of another is told apart
    /// ([`Parsed::OtherStream`](crate::Parsed::OtherStream)). `None` takes any.
    pub path: Option<String>,
    /// Names of the columns of TSV rows that come without a header. A log's own header has precedence.
    pub fields: Option<Vec<String>>,
    /// About how many bytes a block has. A block is longer where a single line is.
    pub block_size: usize,
    /// The longest line that is read, in bytes; a longer one is a bad row.
    pub max_line: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { path: None, fields: None, block_size: 256 << 10, max_line: 16 << 20 }
    }
}

/// Reads one input block by block.
#[derive(Debug)]
pub struct Reader {}

impl Reader {
    /// Opens an input; compression is told by its first bytes.
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub fn open(input: &Input, options: &ReadOptions) -> Result<Self, Error> {
        let _ = (input, options);
        todo!()
    }

    /// Reads from any source of bytes; `name` stands for it in messages.
    ///
    /// # Errors
    /// When its first bytes cannot be read.
    pub fn from_read(name: &str, source: impl Read + Send + 'static, options: &ReadOptions) -> Result<Self, Error> {
        let _ = (name, source, options);
        todo!()
    }

    /// Fills `block` with the next lines; `false` when there are no more.
    ///
    /// # Errors
    /// When the input is no Zeek log, of another stream, damaged or unreadable from here on. All lines before that have
    /// been delivered, and there are none after it.
    pub fn next_block(&mut self, block: &mut Block) -> Result<bool, Error> {
        let _ = block;
        todo!()
    }

    /// Bytes taken from the input so far, before decompression: what a progress bar compares to the file's size.
    pub fn bytes_read(&self) -> u64 {
        0
    }
}
