//! The link emulator between two kernels, and a path measured.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use sockeye::Algorithm;
use sockeye_device::netlink::{Link, LinkSettings, create_veth};
use sockeye_device::netns::{Namespace, Settings};
use sockeye_device::{Clock, Device, Interface, Tun, TunConfig};
use sockeye_lab::link::Emulator;
use sockeye_lab::probe::{Plan, measure};

use super::bench::{Bench, FAMILIES, PATIENCE, expect, kernel_connect, read_hashed, write_hashed};
use crate::shell::Outcome;

/// Octets that are moved.
const TEXT: u64 = 2_000_000;
/// What 20 Mbit/s need for them, headers left out.
const AT_LEAST: Duration = Duration::from_millis(800);
/// Frames, of full length, that wait in front of the link.
const QUEUE: u32 = 10_000;
/// The addresses of this end and of the far one.
const HERE: &str = "10.8.0.1/24";
const THERE: &str = "10.8.0.2/24";
const UP: LinkSettings = LinkSettings { up: Some(true), mtu: None, tx_queue_len: None, gso_max_segs: None };

//= rfc2398#2.2-1
/// Case: see the table.
pub fn a_link_between_two_kernels_is_as_asked(_: &Bench) -> Outcome {
    let far = Namespace::create()?;
    let end = |address: &str| -> Result<Tun, String> {
        Settings::default().apply().map_err(|error| error.to_string())?;
        let addresses = vec![address.parse().map_err(|_| "no address")?];
        let config = TunConfig { addresses, offload: false, ..TunConfig::default() };
        Tun::create(&config).map_err(|error| error.to_string())
    };
    let ends = [end(HERE)?, far.run(|| end(THERE))??];
    let emulator = is_as_asked(ends, &far)?;
    emulator.stop()?;
    Ok(())
}

/// Case: see the table.
pub fn a_link_between_two_veth_ends_is_as_asked(_: &Bench) -> Outcome {
    let (far, middle) = (Namespace::create()?, Namespace::create()?);
    veth("here", HERE, &middle)?;
    far.run(|| veth("there", THERE, &middle).map_err(|error| error.to_string()))??;
    let open = |name: &str| middle.run(|| Interface::open(name, QUEUE));
    let emulator = is_as_asked([open("to-here")??, open("to-there")??], &far)?;

    // What is damaged on the way is found at its end, though veth ends leave checksums to each other.
    emulator.set_config("rate 100mbit delay 1ms corrupt 0.5%".parse()?, "delay 1ms".parse()?);
    transfer(&far)?;
    expect("packets were damaged", emulator.counters()[0].corrupted > 0, true)?;

    Link::by_name("here")?.delete()?;
    let start = Instant::now();
    while !emulator.has_failed() && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(10));
    }
    expect("the link ends with its interface", emulator.has_failed(), true)
}

//= rfc2398#2.10-1
/// Case: see the table.
pub fn a_path_is_measured_by_echoes(_: &Bench) -> Outcome {
    let addresses = FAMILIES.map(|(kernel, _)| if kernel.is_ipv4() { "10.9.0.1/24" } else { "fd09::1/64" });
    let addresses = addresses.into_iter().map(str::parse).collect::<Result<Vec<_>, _>>()?;
    let tun = Tun::create(&TunConfig { addresses, ..TunConfig::default() })?;
    for (host, source) in FAMILIES {
        let plan = Plan { source, host, mtu: 1500, algorithm: Algorithm::CUBIC, seed: 7 };
        let report = measure(&tun, Clock::start(), &plan, Duration::from_millis(500), || false)?;
        eprintln!("{host}: {:.0} Mbit/s, {report:?}", report.goodput_bps() / 1e6);
        expect("an error came back", report.error, None)?;
        let came_back = report.replies > 100 && report.octets > 100_000 && report.replies <= report.requests;
        expect("the kernel's echoes are counted", came_back, true)?;
    }
    Ok(())
}

/// A veth pair: one end with this name and address here, the other, `to-` it, in `middle`.
fn veth(name: &str, address: &str, middle: &Namespace) -> Outcome {
    Settings::default().apply()?;
    let peer = format!("to-{name}");
    create_veth(name, &peer)?;
    Link::by_name(&peer)?.move_to(middle.as_fd())?;
    middle.run(|| Link::by_name(&peer)?.set(UP))??;
    let link = Link::by_name(name)?;
    link.set(UP)?;
    link.add_address(address.parse()?)?;
    Ok(())
}

/// Moves octets to `far` over a link of 20 Mbit/s and 40 ms between these ends, and sees that it takes its time.
fn is_as_asked(ends: [impl Device + 'static; 2], far: &Namespace) -> Outcome<Emulator> {
    let config = "rate 20mbit delay 20ms limit 200";
    let emulator = Emulator::start(ends, config.parse()?, config.parse()?, 7)?;
    let (round_trip, took) = transfer(far)?;
    let [there, back] = emulator.counters();
    eprintln!("round trip {round_trip:?}; {TEXT} octets in {took:?}; {there:?}");
    let as_asked = round_trip >= Duration::from_millis(40) && round_trip < Duration::from_secs(1);
    expect("a round trip takes 40 ms and not much more", as_asked, true)?;
    expect("the rate isn't exceeded, and is used", took >= AT_LEAST && took < AT_LEAST * 5, true)?;
    let passed = there.delivered_octets > TEXT && back.delivered > 0;
    expect("all of it passed the link", passed, true)?;
    expect("each segment by itself", there.delivered_octets / there.delivered <= 1500, true)?;
    Ok(emulator)
}

/// Moves octets, and compares what arrives; how long connecting took, and all of them.
fn transfer(far: &Namespace) -> Outcome<(Duration, Duration)> {
    let listener = far.run(|| TcpListener::bind("10.8.0.2:7"))??;
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let read = read_hashed(&mut stream)?;
        stream.write_all(&[1]).map(|()| read)
    });
    let start = Instant::now();
    let mut stream = kernel_connect(([10, 8, 0, 2], 7).into())?;
    let round_trip = start.elapsed();
    let start = Instant::now();
    let hash = write_hashed(&mut stream, TEXT)?;
    stream.shutdown(Shutdown::Write)?;
    stream.read_exact(&mut [0])?;
    let took = start.elapsed();
    let read = server.join().map_err(|_| "the server has panicked")??;
    expect("what arrives is what was sent", read, (TEXT, hash))?;
    Ok((round_trip, took))
}
