//! smoltcp, twice: MTU 1500, both checksums, CUBIC, packets handed over in buffers that are used again.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Instant;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use super::{BLOCK, BUFFER, until_moved};

/// One direction of a cable: packets under way, and buffers that are free.
#[derive(Default)]
struct Lane {
    packets: VecDeque<Vec<u8>>,
    free: Vec<Vec<u8>>,
}

type Shared = Rc<RefCell<Lane>>;

/// One end of it.
struct Cable {
    inbound: Shared,
    outbound: Shared,
}

struct Arrived(Vec<u8>, Shared);
struct Leaving(Shared);

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, work: F) -> R {
        let result = work(&self.0);
        self.1.borrow_mut().free.push(self.0);
        result
    }
}

impl TxToken for Leaving {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, work: F) -> R {
        let mut packet = self.0.borrow_mut().free.pop().unwrap_or_default();
        packet.resize(length, 0);
        let result = work(&mut packet);
        self.0.borrow_mut().packets.push_back(packet);
        result
    }
}

impl Device for Cable {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Leaving;

    fn receive(&mut self, _now: smoltcp::time::Instant) -> Option<(Arrived, Leaving)> {
        let packet = self.inbound.borrow_mut().packets.pop_front()?;
        Some((Arrived(packet, Rc::clone(&self.inbound)), Leaving(Rc::clone(&self.outbound))))
    }

    fn transmit(&mut self, _now: smoltcp::time::Instant) -> Option<Leaving> {
        Some(Leaving(Rc::clone(&self.outbound)))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1500;
        capabilities
    }
}

/// One host with one socket.
struct End {
    cable: Cable,
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
}

impl End {
    fn new(mut cable: Cable, last: u8) -> Self {
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = last.into();
        let mut interface = Interface::new(config, &mut cable, smoltcp::time::Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            // There is room for one address.
            let _ = addresses.push(IpCidr::new(IpAddress::v4(10, 0, 0, last), 24));
        });
        let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER as usize]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_congestion_control(tcp::CongestionControl::Cubic);
        socket.set_nagle_enabled(false);
        let mut sockets = SocketSet::new(vec![]);
        let socket = sockets.add(socket);
        Self { cable, interface, sockets, socket }
    }

    fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.socket)
    }

    fn poll(&mut self, now: smoltcp::time::Instant) {
        self.interface.poll(now, &mut self.cable, &mut self.sockets);
    }
}

/// Two hosts with a connection from one to the other.
pub struct Ends {
    client: End,
    server: End,
    began: Instant,
    block: Vec<u8>,
    room: Vec<u8>,
}

impl Ends {
    pub fn new() -> Self {
        let [there, back] = [(); 2].map(|()| Shared::default());
        let mut client = End::new(Cable { inbound: Rc::clone(&back), outbound: Rc::clone(&there) }, 1);
        let mut server = End::new(Cable { inbound: there, outbound: back }, 2);
        // Fresh sockets, and ports that are ports: neither fails.
        let _ = server.socket().listen(9);
        let End { interface, sockets, socket, .. } = &mut client;
        let _ = sockets.get_mut::<tcp::Socket<'_>>(*socket).connect(
            interface.context(),
            (IpAddress::v4(10, 0, 0, 2), 9),
            40_000,
        );
        Self { client, server, began: Instant::now(), block: vec![7; BLOCK], room: vec![0; BLOCK] }
    }

    /// Writes what there is room for, moves packets both ways, reads what has come. Says how many octets were read.
    pub fn turn(&mut self) -> std::io::Result<usize> {
        until_moved(|| {
            while let Ok(1..) = self.client.socket().send_slice(&self.block) {}
            let micros = i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX);
            let now = smoltcp::time::Instant::from_micros(micros);
            self.client.poll(now);
            self.server.poll(now);
            let mut octets = 0;
            while let Ok(count @ 1..) = self.server.socket().recv_slice(&mut self.room) {
                octets += count;
                black_box(&self.room);
            }
            Ok(octets)
        })
    }
}
