use std::collections::VecDeque;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sockeye_device::netlink::{Link, LinkSettings, addresses};
use sockeye_device::{Counter, Device, Error, Slices, Tun, TunConfig};
use sockeye_wire::Instant;

use crate::host::{
    alone, cidr, config, datagram, datagram_for, in_namespace, send, socket, tun, wait, wait_until_gone,
};

fn at(text: &str) -> SocketAddr {
    text.parse().expect("the test writes it right")
}

//= rfc1122#3.3.3-5
#[test]
fn creating_sets_addresses_mtu_queue_and_state() {
    in_namespace("tun::creating_sets_addresses_mtu_queue_and_state", || {
        let config = TunConfig { name: "fifteen-octets.".to_owned(), mtu: 1380, tx_queue_len: 333, ..config() };
        let Some(tun) = tun(&config) else { return };
        assert_eq!(tun.name(), "fifteen-octets.");
        assert_eq!(tun.capabilities().mtu, 1380);
        let link = Link::by_name(tun.name()).expect("it is there");
        let info = link.info().expect("it is there");
        assert_eq!((info.mtu, info.tx_queue_len, info.up), (1380, 333, true));
        let there = addresses().expect("a list");
        assert!(config.addresses.iter().all(|address| there.contains(&(link, *address))), "{there:?}");
        drop(tun);
        wait_until_gone(link);
    });
}

#[test]
fn the_kernel_chooses_a_name_or_a_number() {
    in_namespace("tun::the_kernel_chooses_a_name_or_a_number", || {
        let Some(first) = tun(&TunConfig::default()) else { return };
        assert_eq!(first.name(), "tun0");
        let numbered = TunConfig { name: "wire%d".to_owned(), ..TunConfig::default() };
        assert_eq!(tun(&numbered).map(|tun| tun.name().to_owned()).as_deref(), Some("wire0"));
    });
}

#[test]
fn datagrams_pass_both_ways_in_both_families() {
    in_namespace("tun::datagrams_pass_both_ways_in_both_families", || {
        for offload in [true, false] {
            let Some(tun) = tun(&TunConfig { offload, ..config() }) else { return };
            for (kernel, ours) in [("10.9.0.1:7000", "10.9.0.2:9000"), ("[fd09::1]:7000", "[fd09::2]:9000")] {
                let socket = socket(kernel);
                socket.send_to(b"from the kernel", ours).expect("it is routed");
                assert_eq!(datagram_for(&tun, 9000), b"from the kernel");
                send(&tun, datagram(at(ours), at(kernel), b"from us"));
                let mut text = [0; 100];
                let (length, from) = socket.recv_from(&mut text).expect("it arrives");
                assert_eq!((&text[..length], from), (&b"from us"[..], at(ours)));
            }
            assert!(tun.counters().get(Counter::Received) >= 2);
            assert_eq!(tun.counters().get(Counter::Sent), 2);
        }
    });
}

#[test]
fn the_largest_packets_pass_whole() {
    in_namespace("tun::the_largest_packets_pass_whole", || {
        let Some(tun) = tun(&TunConfig { mtu: 65_535, ..config() }) else { return };
        let socket = socket("10.9.0.1:7000");
        let text: Vec<u8> = (0..65_507_u32).map(|octet| octet.to_le_bytes()[0]).collect();
        socket.send_to(&text, "10.9.0.2:9000").expect("it is routed");
        assert_eq!(datagram_for(&tun, 9000), text);
        send(&tun, datagram(at("10.9.0.2:9000"), at("10.9.0.1:7000"), &text));
        let mut arrived = vec![0; 65_536];
        assert_eq!(socket.recv(&mut arrived).ok(), Some(text.len()));
        assert_eq!(arrived[..text.len()], text);
    });
}

#[test]
fn more_slices_than_the_kernel_takes_in_one_write_are_joined() {
    in_namespace("tun::more_slices_than_the_kernel_takes_in_one_write_are_joined", || {
        let Some(tun) = tun(&config()) else { return };
        let socket = socket("10.9.0.1:7000");
        let mut packet = datagram(at("10.9.0.2:9000"), at("10.9.0.1:7000"), &[b'x'; 1400]);
        let whole = packet.payload.concat();
        packet.payload = whole.iter().map(|octet| Bytes::copy_from_slice(&[*octet])).collect::<Slices>();
        send(&tun, packet);
        let mut text = [0; 1500];
        assert_eq!(socket.recv(&mut text).ok(), Some(1400));
        assert_eq!(text[..1400], [b'x'; 1400]);
    });
}

#[test]
fn receiving_stops_at_the_number_asked_for_and_the_rest_waits() {
    in_namespace("tun::receiving_stops_at_the_number_asked_for_and_the_rest_waits", || {
        let Some(tun) = tun(&TunConfig { addresses: vec![cidr("10.9.0.1/24")], ..TunConfig::default() }) else {
            return;
        };
        let socket = socket("10.9.0.1:7000");
        for _ in 0..10 {
            socket.send_to(b"text", "10.9.0.2:9000").expect("it is routed");
        }
        let mut batch = Vec::new();
        assert_eq!(tun.receive(Instant::from_millis(3), &mut batch, 4).ok(), Some(4));
        assert!(wait(&tun, Duration::ZERO));
        tun.receive(Instant::from_millis(4), &mut batch, 1000).expect("the device is there");
        assert!(batch.len() >= 10);
        assert_eq!(tun.receive(Instant::from_millis(5), &mut batch, 1000).ok(), Some(0), "never blocks");
        assert_eq!((batch[3].arrived_at.as_millis(), batch[4].arrived_at.as_millis()), (3, 4));
    });
}

#[test]
fn a_link_that_is_down_loses_packets_but_not_the_device() {
    in_namespace("tun::a_link_that_is_down_loses_packets_but_not_the_device", || {
        let Some(tun) = tun(&config()) else { return };
        let link = Link::by_name(tun.name()).expect("it is there");
        let up = |up| link.set(LinkSettings { up: Some(up), ..LinkSettings::default() }).expect("it can be set");
        let packet = || datagram(at("10.9.0.2:9000"), at("10.9.0.1:7000"), b"text");
        up(false);
        let mut batch = VecDeque::from([packet(), packet()]);
        assert_eq!(tun.transmit(&mut batch).ok(), Some(0));
        assert!(batch.is_empty(), "lost, as on any wire");
        assert_eq!(tun.counters().get(Counter::LinkDown), 2);
        up(true);
        let socket = socket("10.9.0.1:7000");
        send(&tun, packet());
        assert_eq!(socket.recv(&mut [0; 10]).ok(), Some(4));
    });
}

#[test]
fn packets_that_cannot_be_sent_are_lost_alone() {
    in_namespace("tun::packets_that_cannot_be_sent_are_lost_alone", || {
        let Some(tun) = tun(&config()) else { return };
        let socket = socket("10.9.0.1:7000");
        let (from, to) = (at("10.9.0.2:9000"), at("10.9.0.1:7000"));
        let nonsense = sockeye_device::Outgoing::build(Slices::new(), |head| {
            head.fill(0xff); // IP version 15
            40
        });
        let long = datagram(from, to, &[0; 1473]);
        let mut batch = VecDeque::from([nonsense, long, datagram(from, to, b"text")]);
        assert_eq!(tun.transmit(&mut batch).ok(), Some(1));
        assert_eq!(socket.recv(&mut [0; 10]).ok(), Some(4));
        assert_eq!((tun.counters().get(Counter::Refused), tun.counters().get(Counter::TooLong)), (1, 1));
    });
}

#[test]
fn a_device_deleted_under_our_feet_is_an_error_and_no_panic() {
    in_namespace("tun::a_device_deleted_under_our_feet_is_an_error_and_no_panic", || {
        let Some(tun) = tun(&config()) else { return };
        Link::by_name(tun.name()).and_then(Link::delete).expect("it can be deleted");
        assert!(wait(&tun, Duration::from_secs(5)), "whoever waits for it must wake up");
        assert!(tun.receive(Instant::ZERO, &mut Vec::new(), 10).is_err());
        let mut batch = VecDeque::from([datagram(at("10.9.0.2:9000"), at("10.9.0.1:7000"), b"text")]);
        assert!(tun.transmit(&mut batch).is_err());
    });
}

#[test]
fn a_name_in_use_is_told_whoever_uses_it() {
    in_namespace("tun::a_name_in_use_is_told_whoever_uses_it", || {
        let named = |name: &str| TunConfig { name: name.to_owned(), ..TunConfig::default() };
        let Some(_tun) = tun(&named("mine")) else { return };
        assert!(matches!(Tun::create(&named("mine")), Err(Error::NameInUse(name)) if name == "mine"));
        assert!(matches!(Tun::create(&named("lo")), Err(Error::NameInUse(name)) if name == "lo"));
        assert!(matches!(Tun::create(&named("a%s")), Err(Error::NameInvalid(_))));
        let long = Tun::create(&named("sixteen-octets..")).expect_err("too long");
        assert!(matches!(long, Error::NameTooLong(_)), "{long}");
    });
}

#[test]
fn an_address_that_another_link_has_is_taken() {
    in_namespace("tun::an_address_that_another_link_has_is_taken", || {
        let Some(_tun) = tun(&config()) else { return };
        for taken in ["10.9.0.1/16", "fd09::1/48"].map(cidr) {
            let second = Tun::create(&TunConfig { addresses: vec![taken], ..TunConfig::default() });
            assert!(matches!(second, Err(Error::AddressTaken(address)) if address == taken), "{second:?}");
        }
        assert!(matches!(Link::by_name("tun1"), Err(Error::NoSuchDevice(_))), "what failed is gone");
    });
}

#[test]
fn no_descriptor_is_left_behind() {
    alone("tun::no_descriptor_is_left_behind", || {
        let descriptors = || fs::read_dir("/proc/self/fd").map(Iterator::count).expect("/proc is there");
        let Some(first) = tun(&config()) else { return };
        drop(first);
        let before = descriptors();
        for _ in 0..20 {
            let tun = tun(&config()).expect("the first could be made");
            assert!(Tun::create(&config()).is_err(), "the address is taken");
            drop(tun);
        }
        assert_eq!(descriptors(), before);
    });
}
