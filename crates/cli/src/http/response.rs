//! Responses.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::iter;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use sockeye::ChunkPool;

use crate::shelf::KeptFile;
use crate::socket::Sink;

/// A status code and its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16, pub &'static str);

impl Status {
    /// 200.
    pub const OK: Self = Self(200, "OK");
    /// 206: the range that was asked for.
    pub const PARTIAL_CONTENT: Self = Self(206, "Partial Content");
    /// 301: it is elsewhere, for good.
    pub const MOVED_PERMANENTLY: Self = Self(301, "Moved Permanently");
    /// 304: it is as the client has it.
    pub const NOT_MODIFIED: Self = Self(304, "Not Modified");
    /// 400.
    pub const BAD_REQUEST: Self = Self(400, "Bad Request");
    /// 403: it is there, and we can't read it.
    pub const FORBIDDEN: Self = Self(403, "Forbidden");
    /// 404.
    pub const NOT_FOUND: Self = Self(404, "Not Found");
    /// 405: not with this method.
    pub const METHOD_NOT_ALLOWED: Self = Self(405, "Method Not Allowed");
    /// 412: it is not what the client takes it for.
    pub const PRECONDITION_FAILED: Self = Self(412, "Precondition Failed");
    /// 414.
    pub const URI_TOO_LONG: Self = Self(414, "URI Too Long");
    /// 416: there is nothing in this range.
    pub const RANGE_NOT_SATISFIABLE: Self = Self(416, "Range Not Satisfiable");
    /// 431.
    pub const HEADERS_TOO_LARGE: Self = Self(431, "Request Header Fields Too Large");
    /// 500: reading it failed.
    pub const INTERNAL_ERROR: Self = Self(500, "Internal Server Error");
    /// 505: neither HTTP/1.0 nor HTTP/1.1.
    pub const VERSION_NOT_SUPPORTED: Self = Self(505, "HTTP Version Not Supported");
}

/// What follows the headers.
#[derive(Debug)]
pub enum Body {
    /// Nothing, not even a length of 0 (304).
    None,
    /// A text.
    Text(String),
    /// These octets of a file.
    File(Arc<KeptFile>, Range<u64>),
}

/// A response to be written.
#[derive(Debug)]
pub struct Response {
    /// Its status.
    pub status: Status,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

impl Response {
    /// A response with this body, which is of this type.
    pub fn new(status: Status, content_type: &str, body: Body) -> Self {
        Self { status, headers: vec![("Content-Type", content_type.to_owned())], body }
    }

    /// A response without content.
    pub fn empty(status: Status) -> Self {
        Self { status, headers: Vec::new(), body: Body::None }
    }

    /// A response that says only its status.
    pub fn error(status: Status) -> Self {
        Self::new(status, "text/plain; charset=utf-8", Body::Text(format!("{} {}\n", status.0, status.1)))
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Writes it, put together in a chunk of `pool`; without what follows the headers if `head_only`.
    ///
    /// # Errors
    /// What writing returns, or reading the file: the response is incomplete then and the connection can't go on.
    pub fn write(self, stream: &mut impl Sink, pool: &ChunkPool, head_only: bool, keep_alive: bool) -> io::Result<()> {
        let head = self.head(keep_alive);
        match self.body {
            Body::Text(text) if !head_only => stream.write_all((head + &text).as_bytes())?,
            Body::File(file, range) if !head_only => give(&head, &file, range, pool, stream)?,
            Body::None | Body::Text(_) | Body::File(..) => stream.write_all(head.as_bytes())?,
        }
        stream.flush()
    }

    fn head(&self, keep_alive: bool) -> String {
        let Status(code, words) = self.status;
        let mut head = format!("HTTP/1.1 {code} {words}\r\nServer: sockeye\r\n");
        let mut add = |name: &str, value: &str| {
            // Writing to a string doesn't fail.
            let _ = write!(head, "{name}: {value}\r\n");
        };
        add("Date", &httpdate::fmt_http_date(SystemTime::now()));
        add("Connection", if keep_alive { "keep-alive" } else { "close" });
        match &self.body {
            Body::None => {}
            Body::Text(text) => add("Content-Length", &text.len().to_string()),
            Body::File(_, range) => add("Content-Length", &(range.end - range.start).to_string()),
        }
        self.headers.iter().for_each(|(name, value)| add(name, value));
        head + "\r\n"
    }
}

/// Writes `head` and exactly these octets of the file, which may have become shorter since its length was promised. The head
/// leaves with as many of them as a chunk has room for, a copy: alone it would be a packet more. The others leave as they lie.
fn give(head: &str, file: &KeptFile, range: Range<u64>, pool: &ChunkPool, stream: &mut impl Sink) -> io::Result<()> {
    let mut pieces = file.part(range);
    let mut first = pieces.next().transpose()?.unwrap_or_default();
    let beside = first.split_to(first.len().min(ChunkPool::CHUNK.saturating_sub(head.len())));
    let both = pool.fill(head.len() + beside.len(), |mut buffer| {
        let (head, beside) = (buffer.write(head.as_bytes())?, buffer.write(&beside)?);
        Ok::<_, io::Error>(head + beside)
    })?;
    stream.hand_over(both)?;
    iter::once(Ok(first)).chain(pieces).try_for_each(|piece| stream.hand_over(piece?))
}
