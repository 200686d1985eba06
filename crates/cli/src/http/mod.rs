//! A small HTTP/1.1 server for files (RFC 9110, RFC 9112): GET and HEAD, keep-alive, ranges.
//!
//! Knows nothing of networks: a connection is anything that can be read and takes what is written. What a client sends is
//! bounded in size, never trusted as a path, and answered with a status that says what was wrong with it.

mod files;
mod range;
mod request;
mod response;

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
pub fn serve_connection<S: Read + Sink>(stream: &mut S, files: &Files) -> io::Result<()> {
    let mut reader = Reader::default();
    loop {
        let (response, method, keep_alive) = match reader.next(stream) {
            Ok(Received::End) => return Ok(()),
            Ok(Received::Refused(status)) => (Response::error(status), Method::Get, false),
            Ok(Received::Request(request)) => (files.answer(&request), request.method, request.keep_alive),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(()),
            Err(error) => return Err(error),
        };
        log::info!("{} {}", response.status.0, response.status.1);
        response.write(stream, files.shelf().chunks(), method == Method::Head, keep_alive)?;
        if !keep_alive {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
