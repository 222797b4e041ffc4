//! Builder of the options of a [`Reader`](crate::Reader).

/// How to read a log. Each method returns the changed options.
///
/// ```
/// use zeek_log::{ReadOptions, Reader};
///
/// let options = ReadOptions::new().stream("conn").max_line(64 << 10);
/// let reader = Reader::from_read("conn.log", &b"#path\tconn\n#fields\tts\n1.5\n"[..], &options)?;
/// # Ok::<(), zeek_log::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ReadOptions {
    pub(crate) stream: Option<String>,
    pub(crate) fields: Option<Vec<String>>,
    pub(crate) block_size: usize,
    pub(crate) max_line: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { stream: None, fields: None, block_size: 256 << 10, max_line: 1 << 20 }
    }
}

/// Largest size of a block or line in bytes, because positions in a block have 32 bits.
const MAX_SIZE: usize = 1 << 30;

impl ReadOptions {
    /// The default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts rows of one stream, such as `conn`, only. Default: any stream.
    ///
    /// A TSV log of another stream is an error. Single rows of another stream, in JSON or under a later header, parse
    /// as [`Parsed::OtherStream`](crate::Parsed::OtherStream).
    ///
    /// ```
    /// use zeek_log::{Block, ReadOptions, Reader};
    ///
    /// let options = ReadOptions::new().stream("conn");
    /// let mut reader = Reader::from_read("dns.log", &b"#path\tdns\n#fields\tts\n1.5\n"[..], &options)?;
    /// let error = reader.next_block(&mut Block::new()).unwrap_err();
    /// assert_eq!(error.to_string(), "dns.log:1: the stream is dns, not conn; give a conn.log");
    /// # Ok::<(), zeek_log::Error>(())
    /// ```
    #[must_use]
    pub fn stream(mut self, stream: impl Into<String>) -> Self {
        self.stream = Some(stream.into());
        self
    }

    /// Names the columns of TSV rows without a header. A `#fields` line in the log has precedence. Default: none.
    ///
    /// ```
    /// use zeek_log::{Block, ReadOptions, Reader};
    ///
    /// let options = ReadOptions::new().fields(["ts", "uid"]);
    /// let mut reader = Reader::from_read("conn.log", &b"1.5\tC1\n"[..], &options)?;
    /// let mut block = Block::new();
    /// reader.next_block(&mut block)?;
    /// assert_eq!(block.layout().position("uid"), Some(1));
    /// # Ok::<(), zeek_log::Error>(())
    /// ```
    #[must_use]
    pub fn fields<S: Into<String>>(mut self, fields: impl IntoIterator<Item = S>) -> Self {
        self.fields = Some(fields.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the approximate size of a block in bytes, 1 to 2^30. Default: 256 KiB.
    ///
    /// A block contains at least one line, however long.
    ///
    /// ```
    /// use zeek_log::{Block, ReadOptions, Reader};
    ///
    /// let options = ReadOptions::new().block_size(10);
    /// let mut reader = Reader::from_read("conn.json", &b"{\"ts\":1.5}\n{\"ts\":2.5}\n"[..], &options)?;
    /// let mut block = Block::new();
    /// reader.next_block(&mut block)?;
    /// assert_eq!(block.len(), 1);
    /// # Ok::<(), zeek_log::Error>(())
    /// ```
    #[must_use]
    pub fn block_size(mut self, bytes: usize) -> Self {
        self.block_size = bytes.clamp(1, MAX_SIZE);
        self
    }

    /// Sets the length in bytes from which a line is a bad row, 1 to 2^30. Default: 1 MiB.
    ///
    /// ```
    /// use zeek_log::{Block, LineKind, ReadOptions, Reader};
    ///
    /// let options = ReadOptions::new().max_line(12);
    /// let mut reader = Reader::from_read("conn.json", &b"{\"ts\":1.5}\n{\"ts\":2.123456}\n"[..], &options)?;
    /// let mut block = Block::new();
    /// reader.next_block(&mut block)?;
    /// let kinds: Vec<_> = block.lines().map(|line| line.kind()).collect();
    /// assert_eq!(kinds, [LineKind::Row, LineKind::TooLong]);
    /// # Ok::<(), zeek_log::Error>(())
    /// ```
    #[must_use]
    pub fn max_line(mut self, bytes: usize) -> Self {
        self.max_line = bytes.clamp(1, MAX_SIZE);
        self
    }
}
