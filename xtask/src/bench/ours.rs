//! Sockeye at the other end: the blocking skin, reads and writes of 256 KiB.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use sockeye::{Host, TcpListener, TcpStream};
use sockeye_device::Tun;

use super::{Direction, KERNEL, PEER, PORT, count_for, gbit_per_s, kernel_receives, kernel_sends};
use crate::shell::Outcome;

pub fn measure(tun: Tun, direction: Direction, time: Duration) -> Outcome<f64> {
    let host = Host::builder().device(tun).address("10.9.0.2/24".parse()?).linger(Duration::ZERO).start()?;
    match direction {
        Direction::FromKernel => {
            let listener = TcpListener::bind(&host, (PEER, PORT))?;
            let sender = kernel_sends();
            let (stream, _) = listener.accept()?;
            let mut block = vec![0; 256 << 10];
            let (octets, took) = count_for(time, || (&stream).read(&mut block))?;
            stream.abort();
            drop((stream, listener));
            sender.join().map_err(|_| "the sender has panicked")?;
            Ok(gbit_per_s(octets, took))
        }
        Direction::ToKernel => {
            let receiver = kernel_receives(std::net::TcpListener::bind((KERNEL, PORT))?, time);
            let stream = TcpStream::connect(&host, (KERNEL, PORT))?;
            let block = vec![7; 256 << 10];
            // Ends when the receiver has seen enough and closes.
            while !receiver.is_finished() && (&stream).write_all(&block).is_ok() {}
            // It may be gone already.
            let _ = stream.shutdown(Shutdown::Both);
            let (octets, took) = receiver.join().map_err(|_| "the receiver has panicked")??;
            Ok(gbit_per_s(octets, took))
        }
    }
}
