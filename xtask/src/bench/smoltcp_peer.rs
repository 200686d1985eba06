//! smoltcp at the other end, on the same device: one thread that polls, buffers of 1 MiB.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use sockeye_device::{Device, Outgoing, Packet, Tun};

use super::{Direction, KERNEL, PEER, PORT, gbit_per_s, kernel_receives, kernel_sends};
use crate::shell::Outcome;

const BUFFER: usize = 1 << 20;

/// Our TUN device as smoltcp wants one.
struct Adapter {
    tun: Tun,
    received: VecDeque<Packet>,
    batch: Vec<Packet>,
}

struct Received(Bytes);

struct Sender<'a>(&'a Tun);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, work: F) -> R {
        work(&self.0)
    }
}

impl phy::TxToken for Sender<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, work: F) -> R {
        let mut packet = vec![0; length];
        let result = work(&mut packet);
        let outgoing = Outgoing::build([Bytes::from(packet)].into_iter().collect(), |_| 0);
        // A packet that the device doesn't take is lost, as on any wire.
        let _ = self.0.transmit(&mut VecDeque::from([outgoing]));
        result
    }
}

impl phy::Device for Adapter {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sender<'a>;

    fn receive(&mut self, _now: smoltcp::time::Instant) -> Option<(Received, Sender<'_>)> {
        if self.received.is_empty() {
            self.tun.receive(sockeye_wire::Instant::ZERO, &mut self.batch, 64).ok()?;
            self.received.extend(self.batch.drain(..));
        }
        Some((Received(self.received.pop_front()?.bytes), Sender(&self.tun)))
    }

    fn transmit(&mut self, _now: smoltcp::time::Instant) -> Option<Sender<'_>> {
        Some(Sender(&self.tun))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1500;
        capabilities
    }
}

pub fn measure(tun: Tun, direction: Direction, time: Duration) -> Outcome<f64> {
    let start = Instant::now();
    let mut device = Adapter { tun, received: VecDeque::new(), batch: Vec::new() };
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = 7;
    let mut interface = Interface::new(config, &mut device, smoltcp::time::Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        // There is room for one address.
        let _ = addresses.push(IpCidr::new(IpAddress::Ipv4(PEER), 24));
    });
    let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    socket.set_congestion_control(tcp::CongestionControl::Cubic);
    let mut sockets = SocketSet::new(vec![]);
    let peers = Peers::start(direction, time, &mut socket, &mut interface)?;
    let handle = sockets.add(socket);
    let mut octets = 0_u64;
    let mut counted: Option<(u64, Instant)> = None;
    loop {
        let now = smoltcp::time::Instant::from_micros(i64::try_from(start.elapsed().as_micros())?);
        interface.poll(now, &mut device, &mut sockets);
        let socket = sockets.get_mut::<tcp::Socket>(handle);
        match direction {
            Direction::FromKernel => {
                while let Ok(length) = socket.recv(|data| (data.len(), data.len())) {
                    if length == 0 {
                        break;
                    }
                    octets += length as u64;
                }
                if octets > 0 && counted.is_none() && start.elapsed() > Duration::from_millis(500) {
                    counted = Some((octets, Instant::now()));
                }
                if let Some((before, since)) = counted
                    && since.elapsed() >= time
                {
                    drop(device);
                    return Ok(gbit_per_s(octets - before, since.elapsed()));
                }
            }
            Direction::ToKernel => {
                // What the buffer doesn't take is offered again.
                let _ = socket.send(|room| {
                    room.fill(7);
                    (room.len(), ())
                });
                if peers.is_finished() {
                    return peers.figure();
                }
            }
        }
        if device.received.is_empty() {
            wait(&device.tun, interface.poll_delay(now, &sockets));
        }
    }
}

/// The kernel's end.
enum Peers {
    Sends,
    Receives(std::thread::JoinHandle<super::Counted>),
}

impl Peers {
    fn start(
        direction: Direction,
        time: Duration,
        socket: &mut tcp::Socket<'_>,
        interface: &mut Interface,
    ) -> Outcome<Self> {
        match direction {
            Direction::FromKernel => {
                socket.listen(PORT).map_err(|error| error.to_string())?;
                kernel_sends();
                Ok(Self::Sends)
            }
            Direction::ToKernel => {
                let receiver = kernel_receives(std::net::TcpListener::bind((KERNEL, PORT))?, time);
                let kernel = IpAddress::Ipv4(KERNEL);
                socket.connect(interface.context(), (kernel, PORT), 49_152).map_err(|error| error.to_string())?;
                Ok(Self::Receives(receiver))
            }
        }
    }

    fn is_finished(&self) -> bool {
        matches!(self, Self::Receives(receiver) if receiver.is_finished())
    }

    fn figure(self) -> Outcome<f64> {
        let Self::Receives(receiver) = self else { return Err("nobody has counted".into()) };
        let (octets, took) = receiver.join().map_err(|_| "the receiver has panicked")??;
        Ok(gbit_per_s(octets, took))
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
