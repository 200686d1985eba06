//! smoltcp as the server: one thread that polls, as many sockets as connections at a time, each listening again when its
//! connection has ended; buffers of 1 MiB where bytes are moved, CUBIC.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use sockeye_device::{Device, Tun};

use super::room::{PEER, PORT, Room, Server, Task};
use crate::shell::Outcome;
use crate::smoltcp_device::Adapter;

/// Octets of a socket's buffers, each way.
const BULK_BUFFER: usize = 1 << 20;
const ECHO_BUFFER: usize = 4096;

/// Starts one in `room`.
pub fn start(room: &Room, task: Task) -> Outcome<Server> {
    let device = Adapter::new(room.tun()?);
    // As many again listen while others are closing.
    let count = 2 * room.plan.connections;
    Server::spawn(room, move |stop| {
        run(device, task, count, stop);
        Ok(())
    })
}

fn run(mut device: Adapter<Tun>, task: Task, count: usize, stop: &AtomicBool) {
    let start = Instant::now();
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = 7;
    let mut interface = Interface::new(config, &mut device, smoltcp::time::Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        // There is room for one address.
        let _ = addresses.push(IpCidr::new(IpAddress::Ipv4(PEER), 24));
    });
    let mut sockets = SocketSet::new(vec![]);
    let octets = if task == Task::Echo { ECHO_BUFFER } else { BULK_BUFFER };
    let handles: Vec<SocketHandle> = (0..count)
        .map(|_| {
            let buffer = || tcp::SocketBuffer::new(vec![0; octets]);
            let mut socket = tcp::Socket::new(buffer(), buffer());
            socket.set_congestion_control(tcp::CongestionControl::Cubic);
            socket.set_nagle_enabled(false);
            sockets.add(socket)
        })
        .collect();
    while !stop.load(Ordering::Relaxed) {
        let now = smoltcp::time::Instant::from_micros(i64::try_from(start.elapsed().as_micros()).unwrap_or(i64::MAX));
        interface.poll(now, &mut device, &mut sockets);
        for &handle in &handles {
            serve(sockets.get_mut(handle), task);
        }
        if device.is_drained() {
            wait(device.device(), interface.poll_delay(now, &sockets));
        }
    }
}

fn serve(socket: &mut tcp::Socket<'_>, task: Task) {
    if !socket.is_open() {
        // Port 9 is a port, and the socket is closed.
        let _ = socket.listen(PORT);
    }
    match task {
        Task::Sink { .. } => while let Ok(1..) = socket.recv(|data| (data.len(), data.len())) {},
        Task::Source { .. } => {
            // What the buffer doesn't take is offered again.
            let _ = socket.send(|room| {
                room.fill(7);
                (room.len(), ())
            });
        }
        Task::Echo => {
            let mut octet = [0];
            while let Ok(1) = socket.recv_slice(&mut octet) {
                // An octet always finds room.
                let _ = socket.send_slice(&octet);
            }
            if socket.may_send() && !socket.may_recv() && !socket.is_listening() {
                socket.close();
            }
        }
    }
}

/// Sleeps until a packet comes or `delay` has passed.
fn wait(tun: &Tun, delay: Option<smoltcp::time::Duration>) {
    let Some(fd) = tun.as_fd() else { return };
    let micros = delay.map_or(10_000, |delay| delay.total_micros().min(10_000));
    let timeout = Timespec { tv_sec: 0, tv_nsec: i64::try_from(micros * 1000).unwrap_or(0) };
    // A wait that was cut short is as good.
    let _ = poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout));
}
