//! An echo server on an interface that is taken over from the kernel, by `AF_XDP`:
//! `cargo run --example xdp eth1 192.0.2.7/24`, as root, and then, from another machine, `nc 192.0.2.7 7`. Without arguments it
//! says how to try it on this one.

use sockeye::{Host, TcpListener};
use sockeye_device::{Cidr, Xdp, XdpConfig};
use std::{env, error::Error, io, thread};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(interface), Some(address)) = (arguments.next(), arguments.next()) else {
        println!(
            "two arguments: an interface, as veth1 of `ip link add veth0 type veth peer name veth1 netns red`, and our address"
        );
        return Ok(());
    };
    let address: Cidr = address.parse()?;
    let own_addresses = vec![address];
    let device = Xdp::open(&XdpConfig { interface, own_addresses, ..XdpConfig::default() })?;
    println!(
        "we are {}, {}",
        device.hardware_address(),
        if device.is_zero_copy() { "without copies" } else { "with copies" }
    );
    let host = Host::builder().device(device).address(address).start()?;
    for stream in TcpListener::bind(&host, (address.address(), 7))?.incoming() {
        let stream = stream?;
        thread::spawn(move || io::copy(&mut &stream, &mut &stream));
    }
    Ok(())
}
