//! The server over a connection in memory.

use std::fs;
use std::io::{self, Cursor, Read, Write};
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::request::{Reader, Received};
use super::{Files, serve_connection};
use crate::socket::Sink;

/// What the client sends, in pieces of `step` octets, and what it gets.
struct Duplex {
    sent: Cursor<Vec<u8>>,
    step: usize,
    got: Vec<u8>,
    writes: usize,
}

impl Read for Duplex {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let step = self.step.min(buffer.len());
        self.sent.read(&mut buffer[..step])
    }
}

impl Write for Duplex {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.writes += 1;
        self.got.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Duplex {}

/// A directory with some files, and beside it one that is nobody's business.
fn site() -> (TempDir, Files) {
    let place = TempDir::new().expect("there is room for temporary files");
    let root = place.path().join("root");
    fs::create_dir_all(root.join("sub dir")).expect("a new directory");
    fs::write(place.path().join("secret"), "secret").expect("a new file");
    fs::write(root.join("a.txt"), "0123456789").expect("a new file");
    let file = fs::File::options().write(true).open(root.join("a.txt")).expect("it was written");
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).expect("it is ours");
    fs::write(root.join("sub dir/<b>.bin"), [0, 255, 13, 10]).expect("a new file");
    symlink(place.path().join("secret"), root.join("link_out")).expect("a new link");
    symlink("a.txt", root.join("link_in")).expect("a new link");
    let files = Files::new(&root).expect("the directory is there");
    (place, files)
}

fn duplex(sent: &str, step: usize) -> Duplex {
    Duplex { sent: Cursor::new(sent.as_bytes().to_vec()), step, got: Vec::new(), writes: 0 }
}

fn exchange_in_steps(files: &Files, sent: &str, step: usize) -> io::Result<String> {
    let mut duplex = duplex(sent, step);
    let outcome = serve_connection(&mut duplex, files, "client");
    outcome.map(|()| String::from_utf8_lossy(&duplex.got).into_owned())
}

/// What the server says to `sent`.
fn exchange(sent: &str) -> String {
    let (_place, files) = site();
    exchange_in_steps(&files, sent, usize::MAX).expect("memory doesn't break")
}

/// The response to a GET with these headers, and what follows its head.
fn get(target: &str, headers: &str) -> (String, String) {
    let got = exchange(&format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n"));
    let (head, body) = got.split_once("\r\n\r\n").expect("a head ends");
    (head.to_owned(), body.to_owned())
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn a_file_comes_whole_with_its_length_and_type() {
    let (head, body) = get("/a.txt?query", "");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    for header in ["Content-Length: 10", "Content-Type: text/plain; charset=utf-8", "Date: ", "Last-Modified: "] {
        assert!(head.contains(&format!("\r\n{header}")), "{header} is missing in {head}");
    }
    assert_eq!(body, "0123456789");
    assert_eq!(get("/link_in", "").1, "0123456789");
    assert_eq!(get("/sub%20dir/%3cb%3e.bin", "").1.chars().count(), 4);
}

#[test]
fn head_says_what_get_would_without_the_content() {
    let got = exchange("HEAD /a.txt HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(got.starts_with("HTTP/1.1 200 OK\r\n") && got.contains("\r\nContent-Length: 10\r\n"), "{got}");
    assert!(got.ends_with("\r\n\r\n"), "{got}");
}

#[test]
fn a_connection_carries_requests_however_they_are_cut() {
    let request = "GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n";
    let (_place, files) = site();
    for step in [1, 3, 1000] {
        let got = exchange_in_steps(&files, &request.repeat(3), step).expect("memory doesn't break");
        assert_eq!(got.matches("200 OK").count(), 3, "step {step}");
        assert_eq!(got.matches("Connection: keep-alive").count(), 3, "step {step}");
    }
}

#[test]
fn a_client_that_asks_for_it_gets_one_answer_only() {
    for request in [
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n",
        "GET /a.txt HTTP/1.0\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n",
    ] {
        let got = exchange(&request.repeat(2));
        assert_eq!(got.matches("200 OK").count(), 1, "{request}");
        assert!(got.contains("\r\nConnection: close\r\n"), "{request}");
    }
    let old = "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(exchange(&old.repeat(2)).matches("200 OK").count(), 2);
}

#[test]
fn what_is_wrong_with_a_request_has_its_status() {
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(5000));
    let endless = format!("GET /{}", "a".repeat(20_000));
    let heavy = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(20_000));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(70));
    for (request, expected) in [
        ("GET /none HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
        ("GET /a.txt/ HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
        ("POST /a.txt HTTP/1.1\r\nHost: x\r\n\r\n", "405"),
        ("GET /a.txt HTTP/1.1\r\n\r\n", "400"),
        ("GET /a.txt HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400"),
        ("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
        ("nonsense\r\n\r\n", "400"),
        ("\u{16}\u{3}\u{1}", "400"),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", "505"),
        (long.as_str(), "414"),
        (endless.as_str(), "414"),
        (heavy.as_str(), "431"),
        (many.as_str(), "431"),
    ] {
        let got = exchange(request);
        assert_eq!(status(&got), expected, "{request}: {got}");
    }
    assert!(exchange("POST / HTTP/1.1\r\nHost: x\r\n\r\n").contains("\r\nAllow: GET, HEAD\r\n"));
}

#[test]
fn nothing_outside_the_directory_is_served() {
    for target in
        ["/../secret", "/%2e%2e/secret", "/sub%20dir/../../secret", "/..%2fsecret", "/link_out", "//../secret"]
    {
        let (head, body) = get(target, "");
        assert_eq!(status(&head), "404", "{target}");
        assert_ne!(body, "secret", "{target}");
    }
}

#[test]
fn a_directory_shows_its_names_and_wants_a_slash() {
    let (head, body) = get("/", "");
    assert!(head.contains("Content-Type: text/html"), "{head}");
    assert!(body.contains("<a href=\"./sub%20dir/\">sub dir/</a>"), "{body}");
    let (_, body) = get("/sub%20dir/", "");
    assert!(body.contains("<a href=\"./%3Cb%3E.bin\">&lt;b&gt;.bin</a>"), "{body}");
    let (head, _) = get("/sub%20dir", "");
    assert!(head.starts_with("HTTP/1.1 301 ") && head.contains("\r\nLocation: /sub%20dir/"), "{head}");
    for target in ["//sub%20dir", "/.//sub%20dir"] {
        let (head, _) = get(target, "");
        assert!(head.contains("\r\nLocation: /sub%20dir/"), "{target} would lead to another host: {head}");
    }
}

#[test]
fn an_index_outside_the_directory_is_not_served() {
    let (place, files) = site();
    symlink(place.path().join("secret"), place.path().join("root/index.html")).expect("a new link");
    let got = exchange_in_steps(&files, "GET / HTTP/1.0\r\n\r\n", usize::MAX).expect("memory doesn't break");
    assert!(!got.ends_with("secret"), "{got}");
}

#[test]
fn a_directory_with_an_index_shows_that() {
    let (place, files) = site();
    fs::write(place.path().join("root/index.html"), "<p>hello").expect("a new file");
    let got = exchange_in_steps(&files, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 100).expect("memory doesn't break");
    assert!(got.ends_with("\r\n\r\n<p>hello"), "{got}");
}

#[test]
fn a_part_of_a_file_can_be_asked_for() {
    let (head, body) = get("/a.txt", "Range: bytes=2-4\r\n");
    assert_eq!(status(&head), "206");
    assert!(head.contains("\r\nContent-Range: bytes 2-4/10") && head.contains("\r\nContent-Length: 3"), "{head}");
    assert_eq!(body, "234");
    let (head, _) = get("/a.txt", "Range: bytes=10-\r\n");
    assert_eq!(status(&head), "416");
    assert!(head.contains("\r\nContent-Range: bytes */10"), "{head}");
}

#[test]
fn an_unchanged_file_is_not_sent_again() {
    let (head, _) = get("/a.txt", "");
    let modified = head.lines().find_map(|line| line.strip_prefix("Last-Modified: ")).expect("it says when");
    let (_place, files) = site();
    let later = "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n";
    let request = format!("GET /a.txt HTTP/1.1\r\nHost: x\r\n{later}\r\n");
    let got = exchange_in_steps(&files, &request, 100).expect("memory doesn't break");
    assert_eq!(status(&got), "304");
    assert!(!got.contains("Content-Length"), "{got}");
    assert!(modified.ends_with(" GMT"), "{modified}");
}

/// The file was modified at 01:46:40.
#[test]
fn a_part_is_for_who_has_the_rest_of_this_version() {
    for (version, expected) in [
        ("Sun, 09 Sep 2001 01:46:40 GMT", "206"),
        ("Sun, 09 Sep 2001 01:46:39 GMT", "200"),
        ("Sun, 09 Sep 2001 01:46:41 GMT", "200"),
        ("\"tag\"", "200"),
        ("W/\"tag\"", "200"),
        ("yesterday", "200"),
    ] {
        let (head, body) = get("/a.txt", &format!("Range: bytes=2-4\r\nIf-Range: {version}\r\n"));
        assert_eq!(status(&head), expected, "{version}");
        assert_eq!(body, if expected == "206" { "234" } else { "0123456789" }, "{version}");
    }
}

#[test]
fn conditions_are_judged_in_their_order() {
    let (before, then) = ("Sun, 09 Sep 2001 01:46:39 GMT", "Sun, 09 Sep 2001 01:46:40 GMT");
    for (conditions, expected) in [
        ("If-None-Match: *\r\n".to_owned(), "304"),
        ("If-None-Match: \"tag\"\r\n".to_owned(), "200"),
        (format!("If-None-Match: \"tag\"\r\nIf-Modified-Since: {then}\r\n"), "200"),
        (format!("If-Modified-Since: {before}\r\n"), "200"),
        (format!("If-Unmodified-Since: {before}\r\n"), "412"),
        (format!("If-Unmodified-Since: {then}\r\n"), "200"),
        (format!("If-Unmodified-Since: {before}\r\nIf-None-Match: *\r\n"), "412"),
        ("If-Unmodified-Since: yesterday\r\n".to_owned(), "200"),
    ] {
        assert_eq!(status(&get("/a.txt", &conditions).0), expected, "GET {conditions}");
        let head = exchange(&format!("HEAD /a.txt HTTP/1.1\r\nHost: x\r\n{conditions}\r\n"));
        assert_eq!(status(&head), expected, "HEAD {conditions}");
    }
    assert_eq!(status(&get("/none", "If-None-Match: *\r\n").0), "404");
}

#[test]
fn a_file_that_became_shorter_meanwhile_is_named() {
    /// Cuts the file as soon as the head has left.
    struct Cutting(Duplex, std::path::PathBuf);
    impl Read for Cutting {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }
    impl Write for Cutting {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            fs::File::options().write(true).open(&self.1)?.set_len(1)?;
            self.0.write(buffer)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Sink for Cutting {}

    let (place, files) = site();
    let path = place.path().join("root/large");
    fs::write(&path, vec![7; 300_000]).expect("there is room");
    let mut client = Cutting(duplex("GET /large HTTP/1.1\r\nHost: x\r\n\r\n", usize::MAX), path);
    let error = serve_connection(&mut client, &files, "client").expect_err("it is incomplete");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert!(error.to_string().starts_with("GET /large: "), "{error}");
}

/// Who was told of a time within which the file changed once more would never hear of that.
#[test]
fn a_file_that_has_just_changed_has_no_time_to_ask_by() {
    let (place, files) = site();
    let file = fs::File::options().write(true).open(place.path().join("root/a.txt")).expect("it is there");
    file.set_modified(SystemTime::now() + Duration::from_secs(3600)).expect("it is ours");
    let later = "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n";
    let request = format!("GET /a.txt HTTP/1.1\r\nHost: x\r\n{later}\r\n");
    let got = exchange_in_steps(&files, &request, 100).expect("memory doesn't break");
    assert_eq!(status(&got), "200");
    assert!(!got.contains("Last-Modified"), "{got}");
}

#[test]
fn a_client_that_goes_away_in_mid_request_is_an_error() {
    let (_place, files) = site();
    let cut = exchange_in_steps(&files, "GET /a.txt HT", 100).map_err(|error| error.kind());
    assert_eq!(cut, Err(io::ErrorKind::UnexpectedEof));
    assert_eq!(exchange_in_steps(&files, "", 100).ok().as_deref(), Some(""));
}

#[test]
fn the_head_leaves_with_the_file() {
    let (_place, files) = site();
    let mut duplex = duplex("GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n", usize::MAX);
    serve_connection(&mut duplex, &files, "client").expect("memory doesn't break");
    assert!(duplex.got.ends_with(b"\r\n\r\n0123456789"));
    assert_eq!(duplex.writes, 1);
}

/// What follows the head lies in the same memory for whoever asks, but for what left with the head.
#[test]
fn a_file_of_many_chunks_is_handed_over_as_it_lies() {
    /// Takes what it is given, and remembers where that was.
    #[derive(Default)]
    struct Places(Vec<(*const u8, Vec<u8>)>);
    impl Write for Places {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            self.0.push((buffer.as_ptr(), buffer.to_vec()));
            Ok(buffer.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Sink for Places {}

    let (place, files) = site();
    let path = place.path().join("root/large");
    let text: Vec<u8> = (0..3 * 65_536_u32 + 7).map(|at| at.to_le_bytes()[1]).collect();
    fs::write(&path, &text).expect("there is room");
    let path = path.canonicalize().expect("it is there");
    let metadata = fs::metadata(&path).expect("it is there");
    files.shelf().open_at(&path, &metadata, SystemTime::now() + Duration::from_secs(3600)).expect("it can be opened");
    let ask = |headers: &str| {
        let mut reader = Reader::default();
        let request = format!("GET /large HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        let Ok(Received::Request(request)) = reader.next(&mut request.as_bytes()) else { panic!("it is a request") };
        let mut places = Places::default();
        files.answer(&request).write(&mut places, files.shelf().chunks(), false, true).expect("memory takes it");
        let (at, got): (Vec<_>, Vec<_>) = places.0.into_iter().unzip();
        let got = got.concat();
        let head = got.windows(4).position(|octets| octets == b"\r\n\r\n").expect("a head ends") + 4;
        (at[1..].to_vec(), got[head..].to_vec())
    };
    let (first, second) = (ask(""), ask(""));
    assert!(first.1 == text);
    assert!(first == second && first.0.len() == 4, "{:?} and {:?}", first.0, second.0);
    let (_, part) = ask("Range: bytes=65535-131072\r\n");
    assert!(part == text[65_535..=131_072]);
}
