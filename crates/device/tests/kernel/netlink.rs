use std::net::UdpSocket;
use std::os::fd::AsFd;

use sockeye_device::Error;
use sockeye_device::netlink::{Link, LinkSettings, addresses, create_veth, links};
use sockeye_device::netns::Namespace;

use crate::host::{cidr, in_namespace, socket};

const UP: LinkSettings = LinkSettings { mtu: None, tx_queue_len: None, up: Some(true), gso_max_segs: None };

fn link(name: &str) -> Link {
    Link::by_name(name).expect("the test has made it")
}

#[test]
fn two_namespaces_joined_by_a_veth_pair_exchange_datagrams_in_both_families() {
    in_namespace("netlink::two_namespaces_joined_by_a_veth_pair_exchange_datagrams_in_both_families", || {
        let other = Namespace::create().expect("a second namespace");
        create_veth("left", "right").expect("a pair");
        link("right").move_to(other.as_fd()).expect("it can move");
        assert!(matches!(Link::by_name("right"), Err(Error::NoSuchDevice(_))), "it is gone from here");
        let configure = |name, addresses: [&str; 2]| {
            link(name).set(UP).expect("up");
            addresses.into_iter().for_each(|address| link(name).add_address(cidr(address)).expect("an address"));
        };
        configure("left", ["10.1.0.1/24", "fd01::1/64"]);
        other.run(|| configure("right", ["10.1.0.2/24", "fd01::2/64"])).expect("it can be entered");
        for (here, there) in [("10.1.0.1:0", "10.1.0.2:7000"), ("[fd01::1]:0", "[fd01::2]:7000")] {
            let theirs = other.run(|| socket(there)).expect("it can be entered");
            let ours = socket(here);
            ours.send_to(b"ping", there).expect("it is routed");
            let mut text = [0; 9];
            assert_eq!(theirs.recv(&mut text).ok(), Some(4), "{there}");
            assert_eq!(&text[..4], b"ping");
        }
    });
}

//= rfc1122#3.3.3-5
#[test]
fn what_is_set_of_a_link_is_what_the_kernel_says_of_it() {
    in_namespace("netlink::what_is_set_of_a_link_is_what_the_kernel_says_of_it", || {
        create_veth("a", "b").expect("a pair");
        let a = link("a");
        a.set(LinkSettings { mtu: Some(1400), tx_queue_len: Some(123), up: Some(true), gso_max_segs: None })
            .expect("it can be set");
        let info = a.info().expect("it is there");
        assert_eq!((info.name.as_str(), info.mtu, info.tx_queue_len, info.up), ("a", 1400, 123, true));
        assert_eq!(info.hardware_address.len(), 6);
        a.set(LinkSettings { up: Some(false), ..LinkSettings::default() }).expect("down");
        assert!(!a.info().expect("it is there").up);
        a.delete().expect("it can be deleted");
        assert!(matches!(a.info(), Err(Error::NoSuchDevice(_))));
        assert_eq!(links().map(|links| links.len()).ok(), Some(1), "its peer went with it");
    });
}

#[test]
fn addresses_are_listed_with_their_link() {
    in_namespace("netlink::addresses_are_listed_with_their_link", || {
        create_veth("a", "b").expect("a pair");
        for address in ["10.1.0.1/24", "fd01::1/64"].map(cidr) {
            link("a").add_address(address).expect("an address");
            assert!(addresses().expect("a list").contains(&(link("a"), address)), "{address}");
        }
    });
}

#[test]
fn a_route_through_a_gateway_makes_a_network_reachable() {
    in_namespace("netlink::a_route_through_a_gateway_makes_a_network_reachable", || {
        create_veth("a", "b").expect("a pair");
        let a = link("a");
        a.set(UP).and_then(|()| a.add_address(cidr("10.1.0.1/24"))).expect("it can be set");
        let connect = || UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.connect("192.0.2.7:9"));
        assert!(connect().is_err(), "there is no route yet");
        let gateway = "10.1.0.2".parse().ok();
        a.add_route(cidr("192.0.2.0/24"), gateway).expect("a route");
        assert!(connect().is_ok());
        assert!(a.add_route(cidr("192.0.2.0/24"), gateway).is_err(), "it is there already");
        a.add_route(cidr("0.0.0.0/0"), gateway).expect("a default route");
    });
}

#[test]
fn each_refusal_has_its_own_error() {
    in_namespace("netlink::each_refusal_has_its_own_error", || {
        assert!(matches!(Link::by_name("nobody"), Err(Error::NoSuchDevice(name)) if name == "nobody"));
        create_veth("a", "b").expect("a pair");
        assert!(matches!(create_veth("a", "c"), Err(Error::NameInUse(name)) if name == "a"));
        let a = link("a");
        let mtu = |mtu| a.set(LinkSettings { mtu: Some(mtu), ..LinkSettings::default() });
        assert!(matches!(mtu(67), Err(Error::MtuOutOfRange(67))));
        assert!(matches!(mtu(70_000), Err(Error::MtuOutOfRange(70_000))));
        a.add_address(cidr("10.1.0.1/24")).expect("an address");
        assert!(matches!(a.add_address(cidr("10.1.0.1/24")), Err(Error::AddressTaken(_))));
        let gone = Link::numbered(9999);
        assert!(matches!(gone.set(UP), Err(Error::NoSuchDevice(_))));
        assert!(matches!(gone.add_address(cidr("10.1.0.9/24")), Err(Error::NoSuchDevice(_))));
        assert!(matches!(gone.add_route(cidr("192.0.2.0/24"), None), Err(Error::NoSuchDevice(_))));
        assert!(matches!(gone.delete(), Err(Error::NoSuchDevice(_))));
    });
}

#[test]
fn ipv6_switched_off_is_told_as_such() {
    in_namespace("netlink::ipv6_switched_off_is_told_as_such", || {
        create_veth("a", "b").expect("a pair");
        sockeye_device::netns::set_sysctl("net.ipv6.conf.a.disable_ipv6", "1").expect("it can be set");
        let refused = link("a").add_address(cidr("fd01::1/64"));
        assert!(matches!(refused, Err(Error::Ipv6Off(_))), "{refused:?}");
    });
}
