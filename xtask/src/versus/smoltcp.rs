//! smoltcp as the sender: one thread that polls, CUBIC, buffers of 4 MiB as the kernel's grow to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, Ipv4Address};
use sockeye_device::Device;

use crate::shell::Outcome;
use crate::smoltcp_device::Adapter;

/// Octets of the socket's buffers, each way.
const BUFFER: usize = 4 << 20;
/// The longest sleep.
const ATTENTION: Duration = Duration::from_millis(10);

/// Connects to that address and port, and sends as much as it can until it is done.
pub fn send(device: impl Device, ([a, b, c, d], port): ([u8; 4], u16), done: &AtomicBool) -> Outcome {
    let mut device = Adapter::new(device);
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = 7;
    let mut interface = Interface::new(config, &mut device, smoltcp::time::Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        // There is room for one address.
        let _ = addresses.push(IpCidr::new(IpAddress::v4(10, 8, 0, 1), 24));
    });
    let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    socket.set_congestion_control(tcp::CongestionControl::Cubic);
    socket.connect(interface.context(), (Ipv4Address::new(a, b, c, d), port), 40_000)?;
    let mut sockets = SocketSet::new(vec![]);
    let handle = sockets.add(socket);
    let start = Instant::now();
    while !done.load(Ordering::Relaxed) {
        let now = smoltcp::time::Instant::from_micros(i64::try_from(start.elapsed().as_micros())?);
        interface.poll(now, &mut device, &mut sockets);
        let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
        // What the buffer doesn't take is offered again; before it is connected it takes nothing.
        let _ = socket.send(|room| {
            room.fill(7);
            (room.len(), ())
        });
        if device.is_drained() {
            let delay = interface.poll_delay(now, &sockets);
            wait(device.device(), delay.map_or(ATTENTION, Into::into));
        }
    }
    Ok(())
}

/// Sleeps until a packet comes or the time has passed.
fn wait(device: &impl Device, time: Duration) {
    let Some(fd) = device.as_fd() else { return };
    let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(time.min(ATTENTION).subsec_nanos()) };
    // A wait that was cut short is as good.
    let _ = poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout));
}
