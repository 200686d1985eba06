//! `AF_XDP` beside the kernel: a veth pair, of which the kernel has the one end and we take the other.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use sockeye_device::netlink::{Link, LinkSettings, create_veth};
use sockeye_device::netns::Namespace;
use sockeye_device::{Counter, Device, Error, Xdp, XdpConfig, XdpMode};
use sockeye_wire::Instant;

use crate::host::{cidr, datagram, datagram_for, in_namespace, send, socket, wait};

fn at(text: &str) -> SocketAddr {
    text.parse().expect("the test writes it right")
}

/// The kernel here has 10.9.0.1 and `fd09::1` on `left`; `right` is in the namespace given back.
fn joined() -> Namespace {
    let up = LinkSettings { up: Some(true), ..LinkSettings::default() };
    let other = Namespace::create().expect("a second namespace");
    create_veth("left", "right").expect("a pair");
    let [left, right] = ["left", "right"].map(|name| Link::by_name(name).expect("it has just been made"));
    right.move_to(other.as_fd()).expect("it can move");
    other.run(|| Link::by_name("right").and_then(|right| right.set(up)).expect("up")).expect("it can be entered");
    left.set(up).expect("up");
    for address in ["10.9.0.1/24", "fd09::1/64"] {
        left.add_address(cidr(address)).expect("an address");
    }
    other
}

fn config(mode: XdpMode) -> XdpConfig {
    XdpConfig {
        interface: "right".to_owned(),
        own_addresses: vec![cidr("10.9.0.2/24"), cidr("fd09::2/64")],
        mode,
        ..XdpConfig::default()
    }
}

/// The device; `None`, said aloud, where the kernel or the machine lets nobody have one.
fn open(other: &Namespace, config: &XdpConfig) -> Option<Xdp> {
    match other.run(|| Xdp::open(config)).expect("it can be entered") {
        Err(why @ (Error::NotPermitted(_) | Error::Io(..))) => {
            println!("skipped: {why}");
            None
        }
        made => Some(made.expect("the interface is there")),
    }
}

#[test]
fn datagrams_pass_both_ways_in_either_mode() {
    in_namespace("xdp::datagrams_pass_both_ways_in_either_mode", || {
        for mode in [XdpMode::Driver, XdpMode::Generic, XdpMode::Best] {
            let other = joined();
            let Some(xdp) = open(&other, &config(mode)) else { return };
            for (kernel, ours) in [("10.9.0.1:7000", "10.9.0.2:9000"), ("[fd09::1]:7000", "[fd09::2]:9000")] {
                let socket = socket(kernel);
                for length in [1, 500, 1452] {
                    let text: Vec<u8> = (0..length).map(|at: usize| at.to_le_bytes()[0]).collect();
                    socket.send_to(&text, ours).expect("it is routed");
                    assert_eq!(datagram_for(&xdp, 9000), text, "{mode:?}");
                    send(&xdp, datagram(at(ours), at(kernel), &text));
                    let mut heard = [0; 1500];
                    let (length, from) = socket.recv_from(&mut heard).expect("it arrives");
                    assert_eq!((&heard[..length], from), (&text[..], at(ours)), "{mode:?}");
                }
            }
            assert!(!xdp.is_zero_copy(), "a veth pair has no memory of its own");
            drop(xdp);
            Link::by_name("left").and_then(Link::delete).expect("it can be deleted");
        }
    });
}

#[test]
fn who_comes_second_hears_that_somebody_has_the_interface() {
    in_namespace("xdp::who_comes_second_hears_that_somebody_has_the_interface", || {
        let other = joined();
        let Some(_first) = open(&other, &config(XdpMode::Best)) else { return };
        for mode in [XdpMode::Driver, XdpMode::Generic, XdpMode::Best] {
            let second = other.run(|| Xdp::open(&config(mode))).expect("it can be entered");
            assert!(matches!(&second, Err(Error::XdpInUse(name)) if name == "right"), "{mode:?}: {second:?}");
        }
    });
}

#[test]
fn an_mtu_that_frames_have_no_room_for_is_refused_with_the_limit() {
    in_namespace("xdp::an_mtu_that_frames_have_no_room_for_is_refused_with_the_limit", || {
        let other = joined();
        let wide = LinkSettings { mtu: Some(9000), ..LinkSettings::default() };
        let opened = other.run(|| {
            Link::by_name("right").and_then(|right| right.set(wide)).expect("it can be wide");
            Xdp::open(&config(XdpMode::Best))
        });
        let why = opened.expect("it can be entered").expect_err("it is too wide").to_string();
        assert!(why.contains("MTU of 9000") && why.contains("3826"), "{why}");
    });
}

/// The kernel's socket, and the addresses of ours and of that, once both ends have found each other.
fn acquainted(xdp: &Xdp) -> (UdpSocket, SocketAddr, SocketAddr) {
    let socket = socket("10.9.0.1:7000");
    let (ours, kernel) = (at("10.9.0.2:9000"), at("10.9.0.1:7000"));
    send(xdp, datagram(ours, kernel, b"find the kernel first"));
    socket.send_to(b"and it us", ours).expect("it is routed");
    assert_eq!(datagram_for(xdp, 9000), b"and it us");
    socket.recv(&mut [0; 30]).expect("it arrives");
    (socket, ours, kernel)
}

/// More than the rings hold, several times over: frames come back, and none is lost on our side.
#[test]
fn frames_go_round() {
    in_namespace("xdp::frames_go_round", || {
        let other = joined();
        let Some(xdp) = open(&other, &config(XdpMode::Best)) else { return };
        let (socket, ours, kernel) = acquainted(&xdp);
        for round in 0..200_u32 {
            let texts: Vec<String> = (0..50).map(|number| format!("{round} {number}")).collect();
            let mut batch = texts.iter().map(|text| datagram(ours, kernel, text.as_bytes())).collect();
            while xdp.transmit(&mut batch).expect("the device is there") == 0 && !batch.is_empty() {
                wait(&xdp, Duration::from_millis(1));
            }
            for text in &texts {
                let mut heard = [0; 20];
                let length = socket.recv(&mut heard).expect("it arrives");
                assert_eq!(&heard[..length], text.as_bytes());
                socket.send_to(text.as_bytes(), ours).expect("it is routed");
            }
            for text in &texts {
                assert_eq!(datagram_for_next(&xdp), text.as_bytes());
            }
        }
        assert_eq!(xdp.counters().get(Counter::QueueFull), 0);
    });
}

/// The text of the next datagram, one at a time.
fn datagram_for_next(xdp: &Xdp) -> Vec<u8> {
    let one = |batch: &mut Vec<_>| xdp.receive(Instant::ZERO, batch, 1).expect("the device is there");
    for _ in 0..5000 {
        let mut batch = Vec::new();
        if one(&mut batch) == 1 {
            let view = sockeye_wire::ip::IpView::parse(&batch[0].bytes).expect("a packet");
            if let Some(udp) = sockeye_wire::udp::UdpView::parse(view.payload()).ok().filter(|_| view.protocol() == 17)
            {
                return udp.payload().to_vec();
            }
        } else {
            wait(xdp, Duration::from_millis(1));
        }
    }
    panic!("no datagram within five seconds")
}

#[test]
fn an_interface_deleted_under_our_feet_is_an_error_and_no_panic() {
    in_namespace("xdp::an_interface_deleted_under_our_feet_is_an_error_and_no_panic", || {
        let other = joined();
        let Some(xdp) = open(&other, &config(XdpMode::Best)) else { return };
        Link::by_name("left").and_then(Link::delete).expect("it can be deleted");
        // What the kernel itself had sent before (it looks for neighbours) is read first.
        let ends = (0..1000).any(|_| {
            assert!(wait(&xdp, Duration::from_secs(5)), "whoever waits for it must wake up");
            xdp.receive(Instant::ZERO, &mut Vec::new(), 10).is_err()
        });
        assert!(ends, "the device goes on as if its interface were there");
    });
}

#[test]
fn what_was_taken_is_given_back() {
    in_namespace("xdp::what_was_taken_is_given_back", || {
        let other = joined();
        let Some(xdp) = open(&other, &config(XdpMode::Best)) else { return };
        let taken = other.run(|| Xdp::open(&config(XdpMode::Best))).expect("it can be entered");
        assert!(taken.is_err(), "one at a time");
        drop(xdp);
        assert!(open(&other, &config(XdpMode::Best)).is_some(), "the first was dropped");
        let gone = other.run(|| Xdp::open(&XdpConfig { interface: "nobody".to_owned(), ..config(XdpMode::Best) }));
        assert!(matches!(gone.expect("it can be entered"), Err(Error::NoSuchDevice(name)) if name == "nobody"));
    });
}

/// The kernel tells of a frame that it has to drop, here because the other end wouldn't take it, and stops there.
#[test]
fn a_frame_that_is_dropped_holds_up_none_behind_it() {
    in_namespace("xdp::a_frame_that_is_dropped_holds_up_none_behind_it", || {
        let other = joined();
        let shorter = LinkSettings { mtu: Some(1000), ..LinkSettings::default() };
        Link::by_name("left").and_then(|left| left.set(shorter)).expect("an MTU");
        let Some(xdp) = open(&other, &config(XdpMode::Best)) else { return };
        let (socket, ours, kernel) = acquainted(&xdp);

        let short = (0..9).map(|number: u8| datagram(ours, kernel, &[number; 100]));
        let mut batch = [datagram(ours, kernel, &[0xff; 1400])].into_iter().chain(short).collect();
        assert_eq!(xdp.transmit(&mut batch).expect("the device is there"), 10);
        for number in 0..9 {
            let mut heard = [0; 100];
            assert_eq!(socket.recv(&mut heard).expect("it arrives"), 100);
            assert_eq!(heard, [number; 100]);
        }
        assert_eq!(xdp.counters().get(Counter::LinkDown), 1);
    });
}
