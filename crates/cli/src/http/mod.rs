//! A small HTTP/1.1 server for files (RFC 9110, RFC 9112): GET and HEAD, keep-alive, ranges.
//!
//! Knows nothing of networks: a connection is anything that can be read and takes what is written. What a client sends is
//! bounded in size, never trusted as a path, and answered with a status that says what was wrong with it.

mod condition;
mod files;
mod range;
mod request;
mod response;

use std::fmt;
use std::io::{self, ErrorKind, Read};

use crate::socket::Sink;
pub use files::Files;
use request::{Method, Reader, Received};
use response::Response;

/// Answers the requests of one connection until the client has had enough, asks for something after which the
/// connection can't go on, or is silent for longer than a read may wait.
///
/// # Errors
/// What reading and writing return.
pub fn serve_connection<S: Read + Sink>(stream: &mut S, files: &Files, client: impl fmt::Display) -> io::Result<()> {
    let mut reader = Reader::default();
    loop {
        let (response, request) = match reader.next(stream) {
            Ok(Received::End) => return Ok(()),
            Ok(Received::Refused(status)) => (Response::error(status), None),
            Ok(Received::Request(request)) => (files.answer(&request), Some(request)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(()),
            Err(error) => return Err(error),
        };
        let what = request.as_ref().map_or_else(|| "what is no request of ours".to_owned(), ToString::to_string);
        log::info!("{client}: {what}: {} {}", response.status.0, response.status.1);
        let head_only = request.as_ref().is_some_and(|request| request.method == Method::Head);
        let keep_alive = request.is_some_and(|request| request.keep_alive);
        response
            .write(stream, files.shelf().chunks(), head_only, keep_alive)
            .map_err(|error| io::Error::new(error.kind(), format!("{what}: {error}")))?;
        if !keep_alive {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
