//! `sockeye connect`: a client on standard input and output.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use clap::Args;
use sockeye::{Host, TcpStream};

use super::relay::{Over, read_in_background, relay};
use crate::failure::{Failure, OrFail};
use crate::interrupt::Interrupt;
use crate::link::DeviceArgs;
use crate::times::millis;

/// Where to, and from where.
#[derive(Args, Debug)]
#[command(after_help = "\
Standard input goes to the server; at its end our direction is closed. What the server says goes to standard output. \
The command ends when both directions have.

Only this machine's kernel is at the other end of the device: other hosts can be reached if it forwards (and \
translates) our packets.

Examples:
  nc -l 8000 &  sudo sockeye connect 10.9.0.1 8000
  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | sudo sockeye connect 10.9.0.1 80")]
pub struct ConnectArgs {
    /// Name or address of the server
    host: String,
    /// Its port
    port: u16,
    /// Seconds to wait for the connection
    #[arg(long, short = 'w', value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Say on standard error when the connection is there
    #[arg(long, short)]
    verbose: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Connects and carries.
///
/// # Errors
/// When there is no device, no connection, or it breaks.
pub fn run(args: &ConnectArgs) -> Result<(), Failure> {
    let server = format!("{} port {}", args.host, args.port);
    let candidates = (args.host.as_str(), args.port).to_socket_addrs().or_fail(format!("looking up {}", args.host))?;
    let link = args.device.link()?;
    let host = link.host.clone();
    let interrupt = Interrupt::install(move || host.shutdown())?;
    let started = Instant::now();
    let stream = connect(&link.host, candidates, Duration::from_secs(args.timeout));
    let stream = interrupt.unless(stream.map_err(|why| {
        let advice = match why.kind() {
            // The machine's own loopback is not ours.
            io::ErrorKind::InvalidInput => "give the address of another host, such as the kernel's",
            io::ErrorKind::NetworkUnreachable => "give us an address of that family (--addr)",
            _ => "check that a server listens there",
        };
        Failure::new(format!("connecting to {server}"), why).advice(format!("{advice}; {link}"))
    }))?;
    if args.verbose {
        tell!("sockeye: connected to {server} in {:.3} ms; {link}", millis(started.elapsed()));
    }
    let input = read_in_background(io::stdin())?;
    interrupt.unless(relay(stream, &input, &mut io::stdout(), Over::WithBoth, interrupt.bell()))
}

/// The first of `candidates` that answers; else the last one's error.
fn connect(host: &Host, candidates: impl Iterator<Item = SocketAddr>, timeout: Duration) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for candidate in candidates {
        match TcpStream::connect_timeout(host, &candidate, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}
