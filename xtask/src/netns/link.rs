//! The link emulator between two kernels.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use sockeye_device::netns::{Namespace, Settings};
use sockeye_device::{Tun, TunConfig};
use sockeye_lab::link::Emulator;

use super::bench::{Bench, PATIENCE, expect, kernel_connect};
use crate::shell::Outcome;

/// Octets that are moved.
const TEXT: usize = 2_000_000;
/// What 20 Mbit/s need for them, headers left out.
const AT_LEAST: Duration = Duration::from_millis(800);

/// Case: see the table.
pub fn a_link_between_two_kernels_is_as_asked(_: &Bench) -> Outcome {
    let far = Namespace::create()?;
    let end = |address: &str| -> Result<Tun, String> {
        Settings::default().apply().map_err(|error| error.to_string())?;
        let addresses = vec![address.parse().map_err(|_| "no address")?];
        let config = TunConfig { addresses, offload: false, ..TunConfig::default() };
        Tun::create(&config).map_err(|error| error.to_string())
    };
    let ends = [end("10.8.0.1/24")?, far.run(|| end("10.8.0.2/24"))??];
    let config = "rate 20mbit delay 20ms limit 200";
    let emulator = Emulator::start(ends, config.parse()?, config.parse()?, 7)?;
    let listener = far.run(|| TcpListener::bind("10.8.0.2:7"))??;
    let server = thread::spawn(move || serve(&listener));

    let start = Instant::now();
    let mut stream = kernel_connect(([10, 8, 0, 2], 7).into())?;
    let round_trip = start.elapsed();
    let start = Instant::now();
    stream.write_all(&vec![7; TEXT])?;
    stream.shutdown(Shutdown::Write)?;
    let mut octet = [0];
    stream.read_exact(&mut octet)?;
    let took = start.elapsed();
    server.join().map_err(|_| "the server has panicked")??;

    let [there, back] = emulator.stop()?;
    eprintln!("round trip {round_trip:?}; {TEXT} octets in {took:?}; {:?}", there.counters);
    let as_asked = round_trip >= Duration::from_millis(40) && round_trip < Duration::from_secs(1);
    expect("a round trip takes 40 ms and not much more", as_asked, true)?;
    expect("the rate isn't exceeded, and is used", took >= AT_LEAST && took < AT_LEAST * 5, true)?;
    let passed = there.counters.delivered_octets > TEXT as u64 && back.counters.delivered > 0;
    expect("all of it passed the link", passed, true)
}

/// Reads to the end, then says so with an octet.
fn serve(listener: &TcpListener) -> std::io::Result<()> {
    let (mut stream, _): (TcpStream, _) = listener.accept()?;
    stream.set_read_timeout(Some(PATIENCE))?;
    std::io::copy(&mut stream, &mut std::io::sink())?;
    stream.write_all(&[1])
}
