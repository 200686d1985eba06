use std::net::SocketAddr;

use sockeye_device::{Counter, Device, Error, Tap, TapConfig};
use sockeye_wire::ethernet::MacAddr;

use crate::host::{cidr, datagram, datagram_for, in_namespace, send, socket};

/// The kernel's end has 10.9.0.1 and `fd09::1`, we 10.9.0.2 and `fd09::2`.
fn config() -> TapConfig {
    TapConfig {
        addresses: vec![cidr("10.9.0.1/24"), cidr("fd09::1/64")],
        own_addresses: vec![cidr("10.9.0.2/24"), cidr("fd09::2/64")],
        ..TapConfig::default()
    }
}

/// The device; `None`, said aloud, where the machine lets nobody have one.
fn tap(config: &TapConfig) -> Option<Tap> {
    match Tap::create(config) {
        Err(why @ (Error::NoTunDevice | Error::TunNotAccessible)) => {
            println!("skipped: {why}");
            None
        }
        made => Some(made.expect("a TAP device can be made here")),
    }
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("the test writes it right")
}

#[test]
fn the_kernel_finds_us_and_we_answer() {
    in_namespace("tap::the_kernel_finds_us_and_we_answer", || {
        for offload in [true, false] {
            let Some(tap) = tap(&TapConfig { offload, ..config() }) else { return };
            for (kernel, ours) in [("10.9.0.1:7000", "10.9.0.2:9000"), ("[fd09::1]:7000", "[fd09::2]:9000")] {
                let socket = socket(kernel);
                socket.send_to(b"from the kernel", ours).expect("it is routed");
                assert_eq!(datagram_for(&tap, 9000), b"from the kernel");
                send(&tap, datagram(at(ours), at(kernel), b"from us"));
                let mut text = [0; 100];
                let (length, from) = socket.recv_from(&mut text).expect("it arrives");
                assert_eq!((&text[..length], from), (&b"from us"[..], at(ours)));
            }
        }
    });
}

#[test]
fn we_find_the_kernel_before_it_knows_of_us() {
    in_namespace("tap::we_find_the_kernel_before_it_knows_of_us", || {
        let Some(tap) = tap(&config()) else { return };
        for (kernel, ours) in [("10.9.0.1:7000", "10.9.0.2:9000"), ("[fd09::1]:7000", "[fd09::2]:9000")] {
            let socket = socket(kernel);
            send(&tap, datagram(at(ours), at(kernel), b"from us"));
            // The packet waits for the kernel's answer, which the next look at the device takes.
            socket.send_to(b"from the kernel", ours).expect("it is routed");
            assert_eq!(datagram_for(&tap, 9000), b"from the kernel");
            let mut text = [0; 100];
            let (length, from) = socket.recv_from(&mut text).expect("it arrives");
            assert_eq!((&text[..length], from), (&b"from us"[..], at(ours)));
        }
        assert_eq!(tap.counters().get(Counter::Unresolved), 0);
    });
}

#[test]
fn addresses_and_sizes_that_cannot_be_are_refused() {
    let refused = |config| Tap::create(&config).expect_err("it can't be");
    let group = MacAddr([0x33, 0x33, 0, 0, 0, 1]);
    let with_group = TapConfig { hardware_address: Some(group), ..config() };
    assert!(matches!(refused(with_group), Error::HardwareAddress(address) if address == group));
    assert!(matches!(refused(TapConfig { mtu: 65_522, ..config() }), Error::MtuOutOfRange(65_522)));
    assert!(matches!(refused(TapConfig { mtu: 1279, ..config() }), Error::MtuOutOfRange(1279)));
}
