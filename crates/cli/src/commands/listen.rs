//! `sockeye listen`: a server on standard input and output.

use std::io;
use std::net::SocketAddr;
use std::thread;

use clap::Args;
use crossbeam_channel::{Receiver, bounded, select};
use sockeye::{TcpListener, TcpStream};

use super::relay::{Over, read_in_background, relay};
use crate::failure::{Failure, OrFail};
use crate::interrupt::Interrupt;
use crate::link::{DeviceArgs, Link};

/// Where.
#[derive(Args, Debug)]
#[command(after_help = "\
Standard input goes to the client; at its end our direction is closed. What the client says goes to standard output. \
The command ends when both directions have.

Examples:
  sudo sockeye listen 7000          then, elsewhere: nc 10.9.0.2 7000
  sudo sockeye listen 7000 > file   then, elsewhere: nc -N 10.9.0.2 7000 < file")]
pub struct ListenArgs {
    /// The port to listen on, on all addresses of ours
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Go on with the next client when one has ended, until Ctrl-C
    #[arg(long, short)]
    keep: bool,
    /// Say on standard error who comes
    #[arg(long, short)]
    verbose: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Listens and carries.
///
/// # Errors
/// When there is no device, or a connection breaks and there is no other.
pub fn run(args: &ListenArgs) -> Result<(), Failure> {
    let link = args.device.link()?;
    let host = link.host.clone();
    let interrupt = Interrupt::install(move || host.shutdown())?;
    interrupt.unless(serve(args, &link, &interrupt))
}

fn serve(args: &ListenArgs, link: &Link, interrupt: &Interrupt) -> Result<(), Failure> {
    let clients = clients(link, args.port)?;
    tell!("sockeye: listening on port {}; {link}", args.port);
    let input = read_in_background(io::stdin())?;
    let over = if args.keep { Over::WithPeer } else { Over::WithBoth };
    loop {
        let client = select! {
            recv(clients) -> client => client,
            recv(interrupt.bell()) -> _ => return Err(Failure::interrupted()),
        };
        let (stream, peer) = client.or_fail("waiting for a client")?;
        if args.verbose {
            tell!("sockeye: {peer} is connected");
        }
        let outcome = relay(stream, &input, &mut io::stdout(), over, interrupt.bell());
        if !args.keep || interrupt.happened() {
            return outcome;
        }
        if let Err(failure) = outcome {
            tell!("sockeye: {peer}: {failure}");
        }
    }
}

/// Clients on any of our addresses, handed over one at a time: who comes when nobody takes them any more is disconnected.
fn clients(link: &Link, port: u16) -> Result<Receiver<(TcpStream, SocketAddr)>, Failure> {
    let (hand_over, clients) = bounded(0);
    for address in &link.ours {
        let listener = TcpListener::bind(&link.host, (*address, port));
        let listener = listener.or_fail(format!("listening on {address} port {port}"))?;
        let hand_over = hand_over.clone();
        let accept = move || {
            while let Ok(client) = listener.accept()
                && hand_over.send(client).is_ok()
            {}
        };
        thread::Builder::new().name("accept".to_owned()).spawn(accept).or_fail("starting a thread")?;
    }
    Ok(clients)
}
