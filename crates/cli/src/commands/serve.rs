//! `sockeye serve`: a server on a host of ours.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use sockeye::{ChunkPool, TcpListener, TcpStream};

use crate::failure::{Failure, OrFail, unopened};
use crate::http::Files;
use crate::interrupt::Interrupt;
use crate::link::{DeviceArgs, Link};
use crate::services::{self, Characters, Places};
use crate::shelf::Shelf;

/// What to serve, and where.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  sudo sockeye serve echo                  then, elsewhere: nc 10.9.0.2 7
  sudo sockeye serve http /usr/share/doc   then, elsewhere: curl http://10.9.0.2/
  sudo sockeye serve file some.iso         then, elsewhere: nc 10.9.0.2 9000 > some.iso
  sudo sockeye serve http . --xdp eth1 --addr 192.0.2.7/24 --gateway 192.0.2.1   on an interface, past the kernel
  sudo sockeye serve discard --dev sock0 --addr 192.168.77.2/24 --pcap discard.pcapng

RUST_LOG=info shows each connection, on standard error. Ctrl-C closes all connections and ends.")]
pub struct ServeArgs {
    /// What to serve
    service: Service,
    /// The directory (http) or the file (file)
    #[arg(required_if_eq_any([("service", "http"), ("service", "file")]))]
    path: Option<PathBuf>,
    /// The port [default: 7 for echo, 9 for discard, 19 for chargen, 80 for http, 9000 for file]
    #[arg(long, short, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Connections that are served at a time, each by a thread; others wait
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    max_connections: usize,
    #[command(flatten)]
    device: DeviceArgs,
}

/// What to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Service {
    /// Return all that comes (RFC 862)
    Echo,
    /// Take all that comes (RFC 863)
    Discard,
    /// Send characters without end (RFC 864)
    Chargen,
    /// Serve the files below a directory: GET and HEAD
    Http,
    /// Send one file to whoever connects
    File,
}

impl Service {
    const fn port(self) -> u16 {
        match self {
            Self::Echo => 7,
            Self::Discard => 9,
            Self::Chargen => 19,
            Self::Http => 80,
            Self::File => 9000,
        }
    }

    /// What a user may type to try it.
    fn example(self, server: SocketAddr) -> String {
        match self {
            Self::Http => format!("curl http://{server}/"),
            _ => format!("nc {} {}", server.ip(), server.port()),
        }
    }
}

/// Serves until Ctrl-C.
///
/// # Errors
/// When there is no device, or not what is to be served.
pub fn run(args: &ServeArgs) -> Result<(), Failure> {
    let server = Server::new(Content::new(args.service, args.path.as_deref())?);
    let link = args.device.link()?;
    let host = link.host.clone();
    let interrupt = Interrupt::install(move || host.shutdown())?;
    interrupt.unless(server.run(&link, args.port.unwrap_or(args.service.port()), &Places::new(args.max_connections)))
}

/// Serves connections.
#[derive(Debug)]
struct Server {
    content: Content,
    /// Where what is made to be sent is put.
    chunks: ChunkPool,
    /// How long a client may take nothing of what is sent to it.
    patience: Duration,
}

/// What each connection gets.
#[derive(Debug)]
enum Content {
    Echo,
    Discard,
    Chargen,
    Http(Files),
    File(PathBuf, Shelf),
}

impl Server {
    fn new(content: Content) -> Self {
        Self { content, chunks: ChunkPool::default(), patience: services::PATIENCE }
    }

    fn run(&self, link: &Link, port: u16, places: &Places) -> Result<(), Failure> {
        let bind = |address: &_| {
            let listener = TcpListener::bind(&link.host, (*address, port));
            listener.or_fail(format!("listening on {address} port {port}"))
        };
        let listeners = link.ours.iter().map(bind).collect::<Result<Vec<_>, _>>()?;
        self.announce(link, &listeners);
        let reasons: Vec<_> = thread::scope(|scope| {
            let threads = listeners.iter().map(|listener| {
                scope.spawn(|| services::accept_each(listener, places, |stream, peer| self.serve(stream, peer)))
            });
            let threads: Vec<_> = threads.collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        let why = reasons.into_iter().next().unwrap_or_else(|| io::ErrorKind::NotConnected.into());
        Err(Failure::new("serving", why))
    }

    fn announce(&self, link: &Link, listeners: &[TcpListener]) {
        let addresses: Vec<_> = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let list: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let service = self.content.service();
        let name = service.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        tell!("sockeye: {name} at {}; {link}", list.join(" and "));
        if let Some(first) = addresses.first() {
            tell!("sockeye: try `{}`; Ctrl-C ends", service.example(*first));
        }
    }

    fn serve(&self, mut stream: TcpStream, peer: SocketAddr) {
        log::info!("{peer} is connected");
        match self.content_for(&mut stream, peer) {
            Ok(()) => log::info!("{peer} has ended"),
            Err(error) => {
                // The client is not to take what it has got for the whole, nor is what it doesn't take to be kept for it.
                stream.abort();
                log::info!("{peer} has ended: {error}");
            }
        }
    }

    fn content_for(&self, stream: &mut TcpStream, peer: SocketAddr) -> io::Result<()> {
        stream.set_write_timeout(Some(self.patience))?;
        match &self.content {
            Content::Echo => services::echo(stream).map(drop),
            Content::Discard => services::discard(stream, &mut io::sink()).map(drop),
            Content::Chargen => services::supply(stream, &mut Characters::default(), &self.chunks).map(drop),
            Content::Http(files) => services::http(stream, files, peer),
            Content::File(path, shelf) => {
                let file = shelf.open(path, &fs::metadata(path)?)?;
                services::supply_chunks(stream, file.all()).map(drop)
            }
        }
    }
}

impl Content {
    fn new(service: Service, path: Option<&Path>) -> Result<Self, Failure> {
        Ok(match (service, path) {
            (Service::Http, Some(root)) => Self::Http(Files::new(root).map_err(|why| unopened(root, why))?),
            (Service::File, Some(path)) => {
                File::open(path).map_err(|why| unopened(path, why))?;
                Self::File(path.to_owned(), Shelf::default())
            }
            (Service::Echo, None) => Self::Echo,
            (Service::Discard, None) => Self::Discard,
            (Service::Chargen, None) => Self::Chargen,
            _ => return Err(Failure::usage("serving", "only http and file take a path").advice("leave it out")),
        })
    }

    const fn service(&self) -> Service {
        match self {
            Self::Echo => Service::Echo,
            Self::Discard => Service::Discard,
            Self::Chargen => Service::Chargen,
            Self::Http(_) => Service::Http,
            Self::File(..) => Service::File,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::IpAddr;

    use sockeye::Host;

    use super::*;

    /// Shuts a host down, also if the test fails.
    struct Ends<'a>(&'a Host);

    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            self.0.shutdown();
        }
    }

    /// A server on the second host of a pair, one client at a time; `clients` gets the first host.
    fn with_server(server: &Server, clients: impl FnOnce(&Host, SocketAddr)) {
        let (here, there) = Host::pair().expect("there are threads");
        let listener = TcpListener::bind(&there, "10.0.0.2:9000").expect("the port is free");
        thread::scope(|scope| {
            scope
                .spawn(|| services::accept_each(&listener, &Places::new(1), |stream, peer| server.serve(stream, peer)));
            let _ends = Ends(&there);
            clients(&here, SocketAddr::new(IpAddr::from([10, 0, 0, 2]), 9000));
        });
    }

    #[test]
    fn who_reads_nothing_leaves_its_place_to_the_next() {
        let server = Server { patience: Duration::from_millis(50), ..Server::new(Content::Chargen) };
        with_server(&server, |host, address| {
            let _silent = TcpStream::connect(host, address).expect("it listens");
            let mut next = TcpStream::connect(host, address).expect("it listens");
            next.set_read_timeout(Some(Duration::from_secs(60))).expect("above zero");
            next.read_exact(&mut [0; 1000]).expect("it is served");
        });
    }

    #[test]
    fn what_can_not_be_read_to_its_end_does_not_end_as_if_it_had_been() {
        // A directory opens like a file, but can't be read.
        let server = Server::new(Content::File(std::env::temp_dir(), Shelf::default()));
        with_server(&server, |host, address| {
            // The reset may come before the client has woken up to its connection.
            let heard = TcpStream::connect(host, address).and_then(|mut client| client.read(&mut [0; 1]));
            assert_eq!(heard.expect_err("it isn't the end").kind(), io::ErrorKind::ConnectionReset);
        });
    }
}
