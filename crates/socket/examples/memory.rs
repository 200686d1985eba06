//! Two hosts in one process, joined in memory: one asks, the other answers, and both look at what it took.

use std::error::Error;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;

use sockeye::{Host, TcpListener, TcpStream};

fn main() -> Result<(), Box<dyn Error>> {
    let (here, there) = Host::pair()?;
    let listener = TcpListener::bind(&there, "[fd00::2]:80")?;

    let server = thread::spawn(move || {
        let (mut stream, peer) = listener.accept()?;
        let mut question = String::new();
        stream.read_to_string(&mut question)?;
        println!("{peer} asks for {question} octets");
        stream.write_all(&vec![b'x'; question.parse().unwrap_or(0)])
    });

    let mut stream = TcpStream::connect(&here, "[fd00::2]:80")?;
    stream.write_all(b"1000000")?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    server.join().expect("the server doesn't panic")?;

    let info = stream.info()?;
    println!("{} octets came, in {} segments; we sent {}", answer.len(), info.segments_in, info.segments_out);
    assert_eq!(answer.len(), 1_000_000);
    Ok(())
}
