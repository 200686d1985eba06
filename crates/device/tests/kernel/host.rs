//! A namespace for a test, and what its kernel's sockets and our packets have in common.

use std::collections::VecDeque;
use std::env;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant as Time};

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sockeye_device::netlink::Link;
use sockeye_device::netns::{self, Namespace, Settings};
use sockeye_device::{Cidr, Device, Error, Outgoing, Packet, Slices, Tun, TunConfig};
use sockeye_wire::Instant;
use sockeye_wire::ip::{IpView, protocol, v4::Ipv4Header, v6::Ipv6Header};
use sockeye_wire::udp::{self, UdpView};

/// Set in a process that runs but one test, in a namespace already.
const ALONE: &str = "SOCKEYE_TEST_ALONE";

/// Runs `work` on a thread in a new network namespace. `test` is the test's path, as in `tun::a_packet_arrives`.
pub fn in_namespace(test: &str, work: impl FnOnce() + Send) {
    if netns::may_create() {
        let namespace = Namespace::create().expect("it has just been possible");
        return namespace.run(work).expect("a new namespace can be entered");
    }
    if env::var_os(ALONE).is_some() {
        println!("{test} is skipped: a user namespace without the right to make network namespaces");
        return;
    }
    match again(test, netns::in_user_namespace) {
        Ok(passed) => assert!(passed, "{test} failed in a user namespace; its output is above"),
        Err(why) => println!("{test} is skipped: not root, and no user namespace can be made: {why}"),
    }
}

/// As [`in_namespace`], in a process in which nothing else runs, so that it may count what belongs to the process.
pub fn alone(test: &str, work: impl FnOnce() + Send) {
    if env::var_os(ALONE).is_some() || !netns::may_create() {
        return in_namespace(test, work);
    }
    let passed = again(test, |command| command).expect("the test can run again");
    assert!(passed, "{test} failed in its own process; its output is above");
}

fn again(test: &str, prepare: impl FnOnce(&mut Command) -> &mut Command) -> std::io::Result<bool> {
    let mut command = Command::new(env::current_exe()?);
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(ALONE, "1");
    Ok(prepare(&mut command).status()?.success())
}

/// A TUN device; `None`, said aloud, where the machine lets nobody have one.
pub fn tun(config: &TunConfig) -> Option<Tun> {
    match Tun::create(config) {
        Err(why @ (Error::NoTunDevice | Error::TunNotAccessible)) => {
            println!("skipped: {why}");
            None
        }
        made => Some(made.expect("a TUN device can be made here")),
    }
}

/// The kernel's end has 10.9.0.1 and `fd09::1`.
pub fn config() -> TunConfig {
    TunConfig { addresses: vec![cidr("10.9.0.1/24"), cidr("fd09::1/64")], ..TunConfig::default() }
}

pub fn cidr(text: &str) -> Cidr {
    text.parse().expect("the test writes it right")
}

/// A namespace's TCP made so that nothing depends on the host.
pub fn apply_defaults() {
    Settings::default().apply().expect("parameters of a new namespace can be set");
}

/// A UDP socket of the kernel, which waits no longer than five seconds.
pub fn socket(at: &str) -> UdpSocket {
    let socket = UdpSocket::bind(at).expect("the address is the kernel's");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out can be set");
    socket
}

/// A UDP datagram from us, its text as a payload of its own.
pub fn datagram(from: SocketAddr, to: SocketAddr, text: &[u8]) -> Outgoing {
    let mut whole = vec![0; text.len() + udp::HEADER_LEN];
    udp::emit((from.ip(), from.port()), (to.ip(), to.port()), text, &mut whole).expect("there is room");
    let payload = Bytes::from(whole);
    let payload_len = payload.len();
    Outgoing::build(Slices::from_iter([payload]), |head| {
        match (from.ip(), to.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Ipv4Header {
                source,
                destination,
                protocol: protocol::UDP,
                payload_len,
                ttl: 64,
                traffic_class: 0,
                identification: 1,
                dont_fragment: false,
            }
            .emit(head),
            (IpAddr::V6(source), IpAddr::V6(destination)) => Ipv6Header {
                source,
                destination,
                protocol: protocol::UDP,
                payload_len,
                hop_limit: 64,
                traffic_class: 0,
            }
            .emit(head),
            _ => panic!("{from} and {to} are of two families"),
        }
        .expect("there is room")
    })
}

/// Sends one packet, which the device takes.
pub fn send(device: &impl Device, packet: Outgoing) {
    let mut batch = VecDeque::from([packet]);
    assert_eq!(device.transmit(&mut batch).expect("the device is there"), 1, "{}", device.counters());
    assert!(batch.is_empty());
}

/// Receives until a UDP datagram for `port` comes, and returns its text; other packets (the kernel's own) are dropped.
pub fn datagram_for(device: &impl Device, port: u16) -> Vec<u8> {
    let packet = wait_for(device, |packet| {
        let view = IpView::parse(&packet.bytes).ok()?;
        let udp = UdpView::parse(view.payload()).ok().filter(|_| view.protocol() == protocol::UDP)?;
        (udp.destination_port() == port).then(|| udp.payload().to_vec())
    });
    packet.unwrap_or_else(|| panic!("no datagram for port {port} within five seconds"))
}

/// The first packet of which `wanted` makes something, within five seconds.
pub fn wait_for<T>(device: &impl Device, mut wanted: impl FnMut(&Packet) -> Option<T>) -> Option<T> {
    let end = Time::now() + Duration::from_secs(5);
    while Time::now() < end {
        wait(device, Duration::from_millis(200));
        let mut batch = Vec::new();
        device.receive(Instant::ZERO, &mut batch, 64).expect("the device is there");
        if let Some(found) = batch.iter().find_map(&mut wanted) {
            return Some(found);
        }
    }
    None
}

/// Waits until the device's descriptor is readable, or for that long.
pub fn wait(device: &impl Device, timeout: Duration) -> bool {
    let fd = device.as_fd().expect("these devices can be waited for");
    let timeout = Timespec { tv_sec: timeout.as_secs().cast_signed(), tv_nsec: timeout.subsec_nanos().into() };
    poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&timeout)).expect("poll works") > 0
}

/// The link goes within five seconds. Not at once, if another test was just starting a process, which has a copy of the
/// device's descriptor until it runs its program.
pub fn wait_until_gone(link: Link) {
    let end = Time::now() + Duration::from_secs(5);
    while !matches!(link.info(), Err(Error::NoSuchDevice(_))) {
        assert!(Time::now() < end, "dropped, yet still there");
        std::thread::sleep(Duration::from_millis(1));
    }
}
