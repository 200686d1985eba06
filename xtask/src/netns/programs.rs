//! Programs that people use, as peers.

use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use sockeye::TcpStream;

use super::bench::{Bench, Ended, FAMILIES, PATIENCE, expect, filter, text};
use super::kernel_peers::serve_echo;
use crate::shell::Outcome;

/// FIELD D1: `nc -N` closes its direction when its input ends, and still reads.
//= rfc9293#3.6-2
/// Case: see the table.
pub fn openbsd_netcat_half_closes_both_ways(bench: &Bench) -> Outcome {
    netcat(bench, "nc.openbsd", &["-N"], &["-N", "-l"])
}

/// Case: see the table.
pub fn ncat_half_closes_both_ways(bench: &Bench) -> Outcome {
    netcat(bench, "ncat", &[], &["-l"])
}

fn netcat(bench: &Bench, program: &str, client: &[&str], server: &[&str]) -> Outcome {
    let host = bench.host()?;
    serve_echo(&host, 7)?;
    for (kernel, ours) in FAMILIES {
        let sent = text(300_000);
        let address = ours.to_string();
        let received = filter(Command::new(program).args(client).args([&address, "7"]), sent.clone())?;
        expect("what our echo gave the client", received == sent, true)?;

        let address = kernel.to_string();
        let mut listening = Command::new(program);
        listening.args(server).args([&address, "8"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = Ended(listening.spawn()?);
        let stream = connect_patiently(&host, (kernel, 8).into())?;
        let from_server = child.0.stdin.take().ok_or("no standard input")?;
        let received = while_writing(from_server, &sent, |mut stdin| stdin.flush(), || read_all(&stream))?;
        expect("what the server gave our client", received == sent, true)?;
        let at_server = child.0.stdout.take().ok_or("no standard output")?;
        let shut = |stream: &TcpStream| stream.shutdown(Shutdown::Write);
        let at_server = while_writing(&stream, &sent, shut, || read_all(at_server))?;
        expect("what our client gave the server after its end", at_server == sent, true)?;
    }
    Ok(())
}

/// What `read` reads while `sent` is written, and then the writer brought to its `end`: neither waits for buffers on the way
/// that hold all of it.
fn while_writing<W: Write + Send>(
    mut writer: W,
    sent: &[u8],
    end: impl FnOnce(W) -> io::Result<()> + Send,
    read: impl FnOnce() -> io::Result<Vec<u8>>,
) -> Outcome<Vec<u8>> {
    thread::scope(|scope| {
        let written = scope.spawn(move || writer.write_all(sent).and_then(|()| end(writer)));
        let received = read()?;
        written.join().map_err(|_| "the writer has panicked")??;
        Ok(received)
    })
}

fn read_all(mut from: impl Read) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    from.read_to_end(&mut all)?;
    Ok(all)
}

/// Connects to a server that may need a moment to listen.
fn connect_patiently(host: &sockeye::Host, to: std::net::SocketAddr) -> Outcome<TcpStream> {
    let tries = PATIENCE.as_millis() / 20;
    for _ in 0..tries {
        match TcpStream::connect(host, to) {
            Ok(stream) => return Ok(stream),
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
    Err(format!("nobody listens on {to}").into())
}

/// Case: see the table.
pub fn curl_fetches_a_hundred_files(_bench: &Bench) -> Outcome {
    let directory = std::env::temp_dir().join(format!("sockeye-http-{}", std::process::id()));
    let outcome = curl(&directory);
    fs::remove_dir_all(&directory)?;
    outcome
}

fn curl(directory: &std::path::Path) -> Outcome {
    let (site, fetched) = (directory.join("site"), directory.join("fetched"));
    fs::create_dir_all(&site)?;
    fs::create_dir_all(&fetched)?;
    let all = text(100 << 20);
    for number in 0..100_usize {
        fs::write(site.join(format!("{number}.bin")), &all[number * 1000..number * 1000 + number * 997])?;
    }
    fs::write(site.join("large.bin"), &all)?;
    let mut server = Bench::sockeye()?;
    server.args(["serve", "http"]).arg(&site).args(["--port", "80", "--dev", "sockeye0", "--addr", "10.9.0.2/24"]);
    let _server = Ended(server.stdin(Stdio::null()).spawn()?);
    let base = "http://10.9.0.2";
    let curl = || {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--max-time", "60"]);
        curl.args(["--retry", "20", "--retry-connrefused", "--retry-delay", "1", "--connect-timeout", "2"]);
        curl
    };
    let one = filter(curl().arg(format!("{base}/1.bin")), Vec::new())?;
    expect("one file", one == all[1000..1997], true)?;
    Bench::say_settings()?;
    let output = fetched.join("#1.bin");
    filter(curl().args(["--parallel", "-o"]).arg(&output).arg(format!("{base}/[0-99].bin")), Vec::new())?;
    for number in 0..100_usize {
        let file = fs::read(fetched.join(format!("{number}.bin")))?;
        expect("a file", file == all[number * 1000..number * 1000 + number * 997], true)?;
    }
    // One after the other over a connection that is kept: curl tells how many it opened.
    let format = ["--write-out", "%{num_connects}\n", "-o", "/dev/null"];
    let urls: Vec<_> = (0..10).map(|number| format!("{base}/{number}.bin")).collect();
    let mut kept = curl();
    for url in &urls {
        kept.args(format).arg(url);
    }
    let opened = String::from_utf8(filter(&mut kept, Vec::new())?)?;
    expect(
        "connections opened for ten files",
        opened.lines().filter_map(|count| count.parse::<u32>().ok()).sum::<u32>(),
        1,
    )?;
    let large = filter(curl().arg(format!("{base}/large.bin")), Vec::new())?;
    expect("100 MiB", large == all, true)
}

/// A client that sends and receives at once, and checks what comes back.
const PYTHON: &str = r"
import hashlib, socket, sys, threading
host, port, length = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = socket.create_connection((host, port), timeout=30)
block = bytes(range(256)) * 1024
def send():
    for _ in range(length // len(block)):
        s.sendall(block)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
h, n = hashlib.sha256(), 0
while data := s.recv(1 << 18):
    h.update(data); n += len(data)
e = hashlib.sha256()
for _ in range(length // len(block)):
    e.update(block)
assert n == length, n
assert h.digest() == e.digest()
print(n)
";

/// Case: see the table.
pub fn python_moves_bulk_both_ways(bench: &Bench) -> Outcome {
    let host = bench.host()?;
    serve_echo(&host, 7)?;
    let length = (64 << 20).to_string();
    for (_, ours) in FAMILIES {
        let mut python = Command::new("python3");
        python.args(["-c", PYTHON, &ours.to_string(), "7", &length]);
        let said = String::from_utf8(filter(&mut python, Vec::new())?)?;
        expect("octets echoed", said.split_whitespace().next().unwrap_or_default().to_owned(), length.clone())?;
    }
    Ok(())
}
