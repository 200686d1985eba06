//! Requests: out of the stream, checked, and no more kept of them than the answer depends on.

use std::fmt;
use std::io::{self, Read};

use super::response::Status;

/// Octets of a request's line and headers, at most.
const MAX_HEAD: usize = 16 * 1024;
/// Octets of a request's target, at most.
const MAX_TARGET: usize = 4096;
/// Headers of a request, at most.
const MAX_HEADERS: usize = 64;

/// What is to be done with the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Hand it over.
    Get,
    /// Say what GET would, without the content.
    Head,
    /// Anything else, which files don't offer.
    Other,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Other => "another method",
        })
    }
}

/// The values of the headers of these names (RFC 9110 section 13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// If-Unmodified-Since.
    pub unmodified_since: Option<String>,
    /// If-None-Match.
    pub none_match: Option<String>,
    /// If-Modified-Since.
    pub modified_since: Option<String>,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path and query that are asked for, still encoded.
    pub target: String,
    /// The value of the Range header.
    pub range: Option<String>,
    /// The value of the If-Range header.
    pub if_range: Option<String>,
    /// What the client makes the answer depend on.
    pub conditions: Conditions,
    /// The connection may go on after the answer.
    pub keep_alive: bool,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.target.escape_default())
    }
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// The client has closed its direction.
    End,
    /// A request.
    Request(Request),
    /// Something that isn't one, or not one for us: to be answered so. What follows can't be trusted.
    Refused(Status),
}

/// Cuts a stream into requests.
#[derive(Debug, Default)]
pub struct Reader {
    /// Read and not yet used: the start of a request, or of some.
    buffer: Vec<u8>,
}

impl Reader {
    /// Reads on until a request is complete.
    ///
    /// # Errors
    /// What reading returns; `UnexpectedEof` if the stream ends within a request.
    pub fn next(&mut self, stream: &mut impl Read) -> io::Result<Received> {
        loop {
            match parse(&self.buffer) {
                Some((Received::Request(request), used)) => {
                    self.buffer.drain(..used);
                    return Ok(Received::Request(request));
                }
                Some((other, _)) => return Ok(other),
                None => {}
            }
            let mut piece = [0; 4096];
            match stream.read(&mut piece) {
                Ok(0) if self.buffer.is_empty() => return Ok(Received::End),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(octets) => self.buffer.extend(piece.iter().take(octets)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The request at the start of `head` and its length; `None` if it isn't complete yet.
fn parse(head: &[u8]) -> Option<(Received, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let refused = |status| Some((Received::Refused(status), 0));
    match request.parse(head) {
        Ok(httparse::Status::Complete(used)) => Some((check(&request), used)),
        Ok(httparse::Status::Partial) if head.len() < MAX_HEAD => {
            let line_goes_on = !head.contains(&b'\n');
            if line_goes_on && head.len() > MAX_TARGET + 64 { refused(Status::URI_TOO_LONG) } else { None }
        }
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => refused(Status::HEADERS_TOO_LARGE),
        Err(httparse::Error::Version) => refused(Status::VERSION_NOT_SUPPORTED),
        Err(_) => refused(Status::BAD_REQUEST),
    }
}

fn check(request: &httparse::Request<'_, '_>) -> Received {
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Received::Refused(Status::BAD_REQUEST);
    };
    if target.len() > MAX_TARGET {
        return Received::Refused(Status::URI_TOO_LONG);
    }
    // RFC 9112 section 3.2: exactly one Host in HTTP/1.1.
    let hosts = values(request, "host").count();
    if hosts > 1 || (hosts == 0 && minor >= 1) {
        return Received::Refused(Status::BAD_REQUEST);
    }
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        _ => Method::Other,
    };
    // A body means nothing to us (RFC 9110 section 9.3.1). Not reading it, we can't find what follows it.
    let has_body = values(request, "transfer-encoding").next().is_some()
        || values(request, "content-length").any(|length| length != "0");
    let asks = |what: &str| values(request, "connection").any(|value| has_token(value, what));
    let persists = if minor >= 1 { !asks("close") } else { asks("keep-alive") };
    let first = |name| values(request, name).next().map(str::to_owned);
    Received::Request(Request {
        method,
        target: target.to_owned(),
        range: first("range"),
        if_range: first("if-range"),
        conditions: Conditions {
            unmodified_since: first("if-unmodified-since"),
            none_match: first("if-none-match"),
            modified_since: first("if-modified-since"),
        },
        keep_alive: persists && !has_body,
    })
}

/// The values of all headers of this name; what isn't text counts as an empty one.
fn values<'a>(request: &'a httparse::Request<'_, '_>, name: &'a str) -> impl Iterator<Item = &'a str> {
    let named = request.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    named.map(|header| str::from_utf8(header.value).unwrap_or_default().trim())
}

fn has_token(list: &str, token: &str) -> bool {
    list.split(',').any(|item| item.trim().eq_ignore_ascii_case(token))
}
