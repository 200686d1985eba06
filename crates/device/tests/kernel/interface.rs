//! An interface of the kernel's, heard and spoken on: a veth pair, of which the kernel uses the one end and we the other.

use std::net::SocketAddr;
use std::os::fd::AsFd;

use sockeye_device::netlink::{Link, LinkSettings, create_veth};
use sockeye_device::netns::Namespace;
use sockeye_device::{Counter, Device, Error, Interface, LinkHeader, Outgoing, TunConfig};
use sockeye_wire::Instant;

use crate::host::{cidr, datagram, in_namespace, send, socket, tun, wait_for};

/// The kernel's address, one that nobody has, and that of our frames.
const KERNEL: &str = "10.9.0.1:7000";
const NOBODY: &str = "10.9.0.2:9000";
const OURS: [u8; 6] = [2, 0, 0, 0, 0, 7];
/// The last octets of the header of an ARP frame, and of one with IPv4.
const ARP: [u8; 2] = [8, 6];
const IPV4: [u8; 2] = [8, 0];

/// The kernel here has 10.9.0.1 on `left`; `right` is in the namespace given back.
fn joined() -> Namespace {
    let other = Namespace::create().expect("a second namespace");
    create_veth("left", "right").expect("a pair");
    let [left, right] = ["left", "right"].map(|name| Link::by_name(name).expect("it has just been made"));
    right.move_to(other.as_fd()).expect("it can move");
    set_up(&other, true);
    left.set(LinkSettings { up: Some(true), ..LinkSettings::default() }).expect("up");
    left.add_address(cidr("10.9.0.1/24")).expect("an address");
    other
}

fn set_up(other: &Namespace, up: bool) {
    let settings = LinkSettings { up: Some(up), ..LinkSettings::default() };
    other.run(|| Link::by_name("right").and_then(|right| right.set(settings))).expect("entered").expect("set");
}

fn open(other: &Namespace, queue: u32) -> Interface {
    other.run(|| Interface::open("right", queue)).expect("it can be entered").expect("the interface is there")
}

/// A datagram to the kernel, in a frame from us.
fn framed(text: &[u8]) -> Outgoing {
    let [from, to]: [SocketAddr; 2] = [NOBODY, KERNEL].map(|at| at.parse().expect("the test writes it right"));
    let kernels = Link::by_name("left").and_then(Link::info).expect("it is there").hardware_address;
    let header: Option<LinkHeader> = [&kernels[..], &OURS, &IPV4].concat().first_chunk().copied();
    let mut packet = datagram(from, to, text);
    packet.link_header = header;
    packet
}

#[test]
fn frames_of_every_kind_pass_as_they_are_and_our_own_are_not_heard() {
    in_namespace("interface::frames_of_every_kind_pass_as_they_are_and_our_own_are_not_heard", || {
        let other = joined();
        let interface = open(&other, 1000);
        let socket = socket(KERNEL);
        socket.send_to(b"anybody?", NOBODY).expect("it is routed");
        let asks = wait_for(&interface, |packet| {
            let header = packet.link_header.expect("each has one");
            (header.ends_with(&ARP) && header.starts_with(&[0xff; 6])).then(|| packet.bytes.clone())
        });
        let asks = asks.expect("the kernel asks who has the address");
        assert!(asks.windows(4).any(|octets| octets == [10, 9, 0, 2]), "{asks:?}");

        send(&interface, framed(b"hello"));
        let mut heard = [0; 100];
        let (length, from) = socket.recv_from(&mut heard).expect("it arrives");
        assert_eq!((&heard[..length], from), (&b"hello"[..], NOBODY.parse().expect("an address")));
        let mut batch = Vec::new();
        interface.receive(Instant::ZERO, &mut batch, 64).expect("the interface is there");
        assert!(batch.iter().all(|packet| packet.link_header.is_some_and(|header| header[6..12] != OURS)), "{batch:?}");

        let mut bare = framed(b"without a header");
        bare.link_header = None;
        assert_eq!(interface.transmit(&mut [bare].into()).expect("the interface is there"), 0);
        assert_eq!(interface.counters().get(Counter::Refused), 1);
    });
}

#[test]
fn what_waits_too_long_is_counted() {
    in_namespace("interface::what_waits_too_long_is_counted", || {
        let other = joined();
        let (few, many) = (open(&other, 2), open(&other, 1000));
        let left = Interface::open("left", 1000).expect("this end can be opened, too");
        for _ in 0..100 {
            let mut frame = framed(&[7; 1000]);
            frame.link_header = Some([0xff; 14]);
            send(&left, frame);
        }
        assert!(wait_for(&many, |packet| packet.link_header.filter(|header| *header == [0xff; 14])).is_some());
        assert!(few.counters().get(Counter::Overrun) > 50, "{}", few.counters());
        assert_eq!(many.counters().get(Counter::Overrun), 0, "{}", many.counters());
    });
}

#[test]
fn one_that_is_down_is_silent_and_one_that_is_gone_is_an_error() {
    in_namespace("interface::one_that_is_down_is_silent_and_one_that_is_gone_is_an_error", || {
        let other = joined();
        let interface = open(&other, 1000);
        let receive = || interface.receive(Instant::ZERO, &mut Vec::new(), 64);
        set_up(&other, false);
        for _ in 0..3 {
            receive().expect("it may come up again");
        }
        assert_eq!(interface.transmit(&mut [framed(b"lost")].into()).expect("it may come up again"), 0);
        assert_eq!(interface.counters().get(Counter::LinkDown), 1);
        set_up(&other, true);
        send(&interface, framed(b"on its way"));
        Link::by_name("left").and_then(Link::delete).expect("it is there");
        let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while receive().is_ok() {
            assert!(std::time::Instant::now() < end, "gone, and nobody says so");
        }
    });
}

#[test]
fn what_is_no_such_interface_is_refused_by_name() {
    in_namespace("interface::what_is_no_such_interface_is_refused_by_name", || {
        assert!(matches!(Interface::open("nobody", 10), Err(Error::NoSuchDevice(name)) if name == "nobody"));
        let other = joined();
        set_up(&other, false);
        let down = other.run(|| Interface::open("right", 10)).expect("it can be entered");
        assert!(matches!(down, Err(Error::DeviceDown(name)) if name == "right"));
        let Some(tun) = tun(&TunConfig::default()) else { return };
        assert!(matches!(Interface::open(tun.name(), 10), Err(Error::NotEthernet(_))));
    });
}
