//! The kernel as the server: blocking sockets, a thread for each connection at a time.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::net::Shutdown;

use super::room::{Room, Server, Task};
use crate::shell::Outcome;

/// Starts one in `room`.
pub fn start(room: &Room, task: Task) -> Outcome<Server> {
    let (address, workers, spins) = (room.server(), room.plan.connections, room.plan.spins);
    let listener = room.serve(|| TcpListener::bind(address))??;
    let handle = listener.try_clone()?;
    let server = Server::spawn(room, move |stop| {
        thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| work(&listener, task, spins, stop));
            }
        });
        Ok(())
    })?;
    Ok(server.unblocked_by(move || {
        // Accepting then fails, which ends the workers.
        let _ = rustix::net::shutdown(&handle, Shutdown::Both);
    }))
}

fn work(listener: &TcpListener, task: Task, spins: bool, stop: &AtomicBool) {
    let mut block = vec![7; 256 << 10];
    while !stop.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else { return };
        // A connection ends as its client pleases.
        let _ = serve(stream, task, &mut block, spins, stop);
    }
}

fn serve(mut stream: TcpStream, task: Task, block: &mut [u8], spins: bool, stop: &AtomicBool) -> io::Result<()> {
    stream.set_nodelay(task == Task::Echo)?;
    stream.set_nonblocking(spins)?;
    match task {
        Task::Sink { .. } => while stream.read(block)? > 0 {},
        Task::Source { .. } => loop {
            stream.write_all(block)?;
        },
        Task::Echo => {
            let mut octet = [0];
            while !stop.load(Ordering::Relaxed) {
                match stream.read(&mut octet) {
                    Ok(0) => return Ok(()),
                    Ok(_) => stream.write_all(&octet)?,
                    Err(error) if spins && error.kind() == io::ErrorKind::WouldBlock => std::hint::spin_loop(),
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(())
}
