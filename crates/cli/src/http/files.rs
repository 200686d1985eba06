//! From a request's target to a file below the root, and nothing outside it.

use std::fmt::Write as _;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::condition::is_our_version;
use super::range::Range;
use super::request::{Method, Request};
use super::response::{Body, Response, Status};
use crate::shelf::Shelf;

const HTML: &str = "text/html; charset=utf-8";
/// What a directory is shown with, if it has one.
const INDEX: &str = "index.html";

/// A directory whose files are served.
#[derive(Clone, Debug)]
pub struct Files {
    /// Absolute, without symbolic links.
    root: PathBuf,
    shelf: Arc<Shelf>,
}

impl Files {
    /// Serves what is in `root` and below. Symbolic links are followed if they stay below it.
    ///
    /// # Errors
    /// When there is no such directory.
    pub fn new(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { root, shelf: Arc::default() })
    }

    /// Where files lie that were read.
    pub(super) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// The answer to a request.
    pub fn answer(&self, request: &Request) -> Response {
        if request.method == Method::Other {
            return Response::error(Status::METHOD_NOT_ALLOWED).header("Allow", "GET, HEAD");
        }
        let Some(path) = path_of(&request.target) else {
            return Response::error(Status::BAD_REQUEST);
        };
        self.find(&path, request).unwrap_or_else(|error| {
            Response::error(match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput => {
                    Status::NOT_FOUND
                }
                io::ErrorKind::PermissionDenied => Status::FORBIDDEN,
                _ => Status::INTERNAL_ERROR,
            })
        })
    }

    /// `path` is decoded and absolute.
    fn find(&self, path: &str, request: &Request) -> io::Result<Response> {
        let Some(below) = below_root(path) else {
            return Ok(Response::error(Status::NOT_FOUND));
        };
        let Some((file, meta)) = self.inside(&self.root.join(&below))? else {
            return Ok(Response::error(Status::NOT_FOUND));
        };
        if meta.is_dir() {
            if !path.ends_with('/') {
                // Not `path`: what begins with two slashes would name another host.
                let there = format!("/{}/", encode(&below.to_string_lossy()));
                return Ok(Response::error(Status::MOVED_PERMANENTLY).header("Location", there));
            }
            return match self.inside(&file.join(INDEX)) {
                Ok(Some((index, meta))) if meta.is_file() => self.file_response(&index, &meta, request),
                _ => Ok(Response::new(Status::OK, HTML, Body::Text(listing(path, &file)?))),
            };
        }
        // A device or a pipe might never end, or never begin.
        if !meta.is_file() || path.ends_with('/') {
            return Ok(Response::error(Status::NOT_FOUND));
        }
        self.file_response(&file, &meta, request)
    }

    fn file_response(&self, path: &Path, meta: &Metadata, request: &Request) -> io::Result<Response> {
        let written = meta.modified().ok().map(whole_seconds);
        let modified = written.filter(|second| is_over(*second, SystemTime::now()));
        match request.conditions.judge(written, modified) {
            Some(Status::NOT_MODIFIED) => return Ok(Response::empty(Status::NOT_MODIFIED)),
            Some(status) => return Ok(Response::error(status)),
            None => {}
        }
        let file = self.shelf.open(path, meta)?;
        let length = file.octets();
        let is_same = request.if_range.as_deref().is_none_or(|version| is_our_version(version, modified));
        let range = request.range.as_deref().filter(|_| request.method == Method::Get && is_same);
        let content_type = content_type(path);
        let response = match Range::parse(range, length) {
            Range::Whole => Response::new(Status::OK, content_type, Body::File(file, 0..length)),
            Range::Part { start, length: part } => {
                Response::new(Status::PARTIAL_CONTENT, content_type, Body::File(file, start..start + part))
                    .header("Content-Range", format!("bytes {start}-{}/{length}", start + part - 1))
            }
            Range::Unsatisfiable => {
                Response::error(Status::RANGE_NOT_SATISFIABLE).header("Content-Range", format!("bytes */{length}"))
            }
        };
        let response = response.header("Accept-Ranges", "bytes");
        Ok(match modified {
            Some(modified) => response.header("Last-Modified", httpdate::fmt_http_date(modified)),
            None => response,
        })
    }

    /// Where `path` leads, symbolic links followed, and what is there; `None` if that is not below the root.
    fn inside(&self, path: &Path) -> io::Result<Option<(PathBuf, Metadata)>> {
        let file = path.canonicalize()?;
        if !file.starts_with(&self.root) {
            return Ok(None);
        }
        let meta = fs::metadata(&file)?;
        Ok(Some((file, meta)))
    }
}

/// The path in a request's target, decoded, without its query; `None` if it is malformed. Both `/path` and
/// `http://host/path` are to be understood (RFC 9112 section 3.2).
fn path_of(target: &str) -> Option<String> {
    let path = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        _ => target,
    };
    let path = path.split(['?', '#']).next()?;
    decode(path).filter(|path| path.starts_with('/') && !path.contains('\0'))
}

/// The same path, relative; `None` if a part of it leads upwards.
fn below_root(path: &str) -> Option<PathBuf> {
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    parts.map(|part| (part != "..").then_some(part)).collect()
}

/// Decodes `%41`; `None` if that is malformed, or not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            octets.push(*first);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        rest = after;
        let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
        octets.push(u8::try_from(high? * 16 + low?).ok()?);
    }
    String::from_utf8(octets).ok()
}

/// Encodes what may not stand in a path.
fn encode(path: &str) -> String {
    path.bytes().fold(String::new(), |mut text, octet| {
        if octet.is_ascii_alphanumeric() || b"/-._~".contains(&octet) {
            text.push(char::from(octet));
        } else {
            // Writing to a string doesn't fail.
            let _ = write!(text, "%{octet:02X}");
        }
        text
    })
}

/// A page with the names in a directory.
fn listing(path: &str, directory: &Path) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let slash = if entry.path().is_dir() { "/" } else { "" };
        // A name that isn't text couldn't be asked for.
        names.extend(entry.file_name().to_str().map(|name| format!("{name}{slash}")));
    }
    names.sort();
    let title = escape(path);
    let mut page =
        format!("<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<h1>{title}</h1>\n<ul>\n");
    for name in names {
        // Writing to a string doesn't fail.
        let _ = writeln!(page, "<li><a href=\"./{}\">{}</a></li>", encode(&name), escape(&name));
    }
    Ok(page + "</ul>\n")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// HTTP's dates have no fractions of a second.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// True if nothing can change any more within this second of modification: else what changes in the rest of it would pass for
/// not modified (RFC 9110 section 8.8.2.2).
fn is_over(second: SystemTime, now: SystemTime) -> bool {
    now.duration_since(second).is_ok_and(|age| age >= Duration::from_secs(1))
}

fn content_type(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" => HTML,
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "txt" | "md" | "log" | "rs" | "toml" | "tsv" => "text/plain; charset=utf-8",
        "json" => "application/json",
        "xml" => "application/xml",
        "pdf" => "application/pdf",
        "wasm" => "application/wasm",
        "zip" => "application/zip",
        "gz" | "tgz" => "application/gzip",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/vnd.microsoft.icon",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_above_the_root() {
        assert_eq!(below_root("/a/./b//c"), Some(PathBuf::from("a/b/c")));
        assert_eq!(below_root("/"), Some(PathBuf::new()));
        assert_eq!(below_root("/.."), None);
        assert_eq!(below_root("/a/../b"), None);
    }

    #[test]
    fn targets_are_decoded_once_and_without_their_query() {
        assert_eq!(path_of("/a%20b?x=/../y").as_deref(), Some("/a b"));
        assert_eq!(path_of("/%2e%2e/x").as_deref(), Some("/../x"));
        assert_eq!(path_of("/%252e").as_deref(), Some("/%2e"));
        assert_eq!(path_of("http://host:80/a").as_deref(), Some("/a"));
        assert_eq!(path_of("http://host").as_deref(), Some("/"));
        for malformed in ["*", "a", "/%", "/%4", "/%zz", "/%ff", "/%00", ""] {
            assert_eq!(path_of(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        let odd = "/ä b%?#\"<>&'/";
        assert_eq!(decode(&encode(odd)).as_deref(), Some(odd));
        assert_eq!(escape("<a&\">"), "&lt;a&amp;&quot;&gt;");
    }
}
