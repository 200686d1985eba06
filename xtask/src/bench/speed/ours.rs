//! Sockeye as the server: the blocking skin with a thread for each connection at a time, and the polling skin.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use sockeye::{
    ConnectionId, Contention, Direct, Host, ListenOptions, Meetings, StackConfig, StackEvent, TcpListener, TcpStream,
};
use sockeye_device::Tun;

use super::room::{PEER, PORT, Room, Server, Task};
use crate::shell::Outcome;

/// How long a thread spins where nobody is to sleep.
const SPIN: Duration = Duration::from_secs(60);
const BACKLOG: usize = 4096;

/// Starts blocking listeners and streams in `room`, on so many shards.
pub fn start(room: &Room, task: Task, shards: usize) -> Outcome<Server> {
    let queues = room.queues(shards)?;
    let spin = if room.plan.spins { SPIN } else { Duration::ZERO };
    let address = format!("{PEER}/24").parse()?;
    // On a thread that is where the server is, so that the driver is there too.
    let host =
        room.serve(|| Host::builder().queues(queues).address(address).linger(Duration::ZERO).busy_poll(spin).start())??;
    let options = ListenOptions { backlog: BACKLOG, ..ListenOptions::default() };
    let listener = TcpListener::bind_with(&host, (PEER, PORT).into(), &options)?;
    let workers = room.plan.connections;
    let server = Server::spawn(room, move |stop| {
        thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| work(&listener, task, stop));
            }
        });
        Ok(())
    })?;
    Ok(server.unblocked_by(move || {
        tell_contention(&host);
        host.shutdown();
    }))
}

/// Says, for who wants to hear it (`RUST_LOG=info`), how often threads have met.
fn tell_contention(host: &Host) {
    let Contention { lock, seat, token } = host.contention();
    let [lock, seat, token] =
        [lock, seat, token].map(|Meetings { wanted, taken }| format!("{taken} of {wanted} times"));
    log::info!("found taken: the lock {lock}, the seat {seat}, the transmit token {token}");
}

fn work(listener: &TcpListener, task: Task, stop: &AtomicBool) {
    let mut block = vec![7; 256 << 10];
    while !stop.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else { return };
        // A connection ends as its client pleases.
        let _ = serve(&stream, task, &mut block);
    }
}

fn serve(mut stream: &TcpStream, task: Task, block: &mut [u8]) -> io::Result<()> {
    stream.set_nodelay(task == Task::Echo)?;
    match task {
        Task::Sink { chunks: false } => while stream.read(block)? > 0 {},
        Task::Sink { chunks: true } => while !stream.read_chunk(usize::MAX)?.is_empty() {},
        Task::Source { chunks: false } => loop {
            stream.write_all(block)?;
        },
        Task::Source { chunks: true } => {
            let block = Bytes::copy_from_slice(block);
            loop {
                stream.write_chunk(&mut block.clone())?;
            }
        }
        Task::Echo => {
            let mut octet = [0];
            while stream.read(&mut octet)? > 0 {
                stream.write_all(&octet)?;
            }
        }
    }
    Ok(())
}

/// Starts one thread that polls in `room`.
pub fn start_polling(room: &Room, task: Task) -> Outcome<Server> {
    let mut direct = Direct::new(room.tun()?, StackConfig::new([7; 32]));
    let address = format!("{PEER}/24").parse()?;
    direct.stack().add_address(address);
    let options = ListenOptions { backlog: BACKLOG, ..ListenOptions::default() };
    direct.stack().listen((PEER, PORT).into(), &options)?;
    let spins = room.plan.spins;
    Server::spawn(room, move |stop| {
        let mut connections = HashMap::new();
        while !stop.load(Ordering::Relaxed) {
            if spins {
                direct.poll()?;
            } else {
                direct.wait(Duration::from_millis(50))?;
            }
            while let Some(event) = direct.poll_event() {
                on_event(&mut direct, &mut connections, task, event);
            }
        }
        let now = direct.now();
        direct.stack().abort_all(now);
        direct.flush()
    })
}

/// What a connection has left to send.
type Connections = HashMap<ConnectionId, Bytes>;

fn on_event(direct: &mut Direct<Tun>, connections: &mut Connections, task: Task, event: StackEvent) {
    let id = match event {
        StackEvent::Incoming(listener) => {
            let Some((id, _)) = direct.stack().accept(listener) else { return };
            let now = direct.now();
            direct.stack().configure(now, id, |config| config.nodelay = task == Task::Echo);
            connections.insert(id, Bytes::new());
            id
        }
        StackEvent::Connection(id, _) => id,
    };
    let done = match task {
        Task::Source { .. } => fill(direct, connections, id),
        Task::Sink { .. } | Task::Echo => drain(direct, connections, task, id),
    };
    if done && connections.remove(&id).is_some() {
        let now = direct.now();
        direct.stack().close(now, id);
    }
}

/// Hands over text until the connection takes no more; true if it is gone.
fn fill(direct: &mut Direct<Tun>, connections: &mut Connections, id: ConnectionId) -> bool {
    static BLOCK: [u8; 65_536] = [7; 65_536];
    let now = direct.now();
    let Some(left) = connections.get_mut(&id) else { return true };
    loop {
        if left.is_empty() {
            *left = Bytes::from_static(&BLOCK);
        }
        match direct.stack().send(now, id, left) {
            Ok(_) if left.is_empty() => {}
            Ok(_) | Err(sockeye::CallError::WouldBlock) => return false,
            Err(_) => return true,
        }
    }
}

/// Reads what there is; true at the end of the stream.
fn drain(direct: &mut Direct<Tun>, connections: &mut Connections, task: Task, id: ConnectionId) -> bool {
    let now = direct.now();
    if !connections.contains_key(&id) {
        return true;
    }
    loop {
        match direct.stack().recv(now, id, usize::MAX) {
            Ok(mut text) if task == Task::Echo => {
                // An octet always finds room.
                let _ = direct.stack().send(now, id, &mut text);
            }
            Ok(_) => {}
            Err(sockeye::CallError::WouldBlock) => return false,
            Err(_) => return true,
        }
    }
}
