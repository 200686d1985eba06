//! An echo server on a TUN device: `cargo run --example echo sockeye0`, and then `nc 10.9.0.2 7`. Without the name of a
//! device it serves one client, in memory. For one on an interface that is taken over from the kernel see `xdp`.

use sockeye::{Host, TcpListener, TcpStream};
use std::io::{self, Read, Write};
use std::{env, error::Error, thread};

fn main() -> Result<(), Box<dyn Error>> {
    let Some(name) = env::args().nth(1) else {
        return try_it_in_memory();
    };
    let host = Host::builder().tun(&name).address("10.9.0.2/24".parse()?).start()?;
    for stream in TcpListener::bind(&host, "10.9.0.2:7")?.incoming() {
        let stream = stream?;
        thread::spawn(move || echo(&stream));
    }
    Ok(())
}

fn echo(mut stream: &TcpStream) -> io::Result<u64> {
    io::copy(&mut { stream }, &mut stream)
}

fn try_it_in_memory() -> Result<(), Box<dyn Error>> {
    let (here, there) = Host::pair()?;
    let listener = TcpListener::bind(&there, "10.0.0.2:7")?;
    let server = thread::spawn(move || echo(&listener.accept()?.0));
    let mut client = TcpStream::connect(&here, "10.0.0.2:7")?;
    client.write_all(b"Is there anybody?")?;
    let mut answer = [0; 17];
    client.read_exact(&mut answer)?;
    println!("{}", String::from_utf8_lossy(&answer));
    drop(client);
    server.join().expect("the echo doesn't panic")?;
    Ok(())
}
