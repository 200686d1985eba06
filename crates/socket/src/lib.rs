//! TCP in user space: listeners and streams over any packet device.
//!
//! A [`Host`] is an IP host inside this process. It has addresses of its own on a device that carries packets: a TUN
//! device, which joins it to the kernel's network, or one in memory, which joins it to another host in the same process.
//! On it [`TcpListener`] and [`TcpStream`] are what their namesakes in [`std::net`] are on the kernel.
//!
//! ```
//! use std::io::{Read, Write};
//! use sockeye::{Host, TcpListener, TcpStream};
//!
//! # fn main() -> std::io::Result<()> {
//! let (here, there) = Host::pair()?; // or Host::builder().tun("sockeye0") …
//! let listener = TcpListener::bind(&there, "10.0.0.2:7")?;
//! let mut client = TcpStream::connect(&here, "10.0.0.2:7")?;
//! client.write_all(b"hello")?;
//!
//! let (mut server, _peer) = listener.accept()?;
//! let mut heard = [0; 5];
//! server.read_exact(&mut heard)?;
//! assert_eq!(&heard, b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! # A tour
//!
//! - [`Stack`] is the host itself, without threads and without input and output: packets, calls and the
//!   time go in; packets, events and the next deadline come out. It runs in a simulation as well as here.
//! - `shard` puts one `Stack` behind one mutex, with a device and a driver thread that sleeps until a packet arrives or a
//!   deadline passes. Who writes also transmits: there is no hand-over to another thread on the way out.
//! - `blocking` is the skin: listeners and streams whose calls wait.
//! - [`Direct`] is another: a stack and its device in the hands of one thread that polls.
//! - `error` is where the reasons that TCP has become the errors that the kernel's sockets would give.
#![forbid(unsafe_code)]

mod blocking;
mod checksum;
mod chunk_pool;
mod direct;
mod error;
mod gather;
mod host;
mod scatter;
mod shard;
mod stack;

pub use blocking::{Incoming, TcpListener, TcpStream};
pub use chunk_pool::ChunkPool;
pub use direct::Direct;
pub use error::ConnectionError;
pub use host::{ConnectionSummary, Host, HostBuilder};
pub use shard::{Contention, Meetings};
pub use sockeye_device::{Cidr, Device};
pub use sockeye_tcb::congestion::{self, Algorithm};
pub use sockeye_tcb::{
    Buffer, CallError, ClosedBecause, Config, EcnPolicy, Event, KeepAlive, LossPhase, MtuProbing, State, TcpInfo,
    Vitals,
};
pub use sockeye_wire::Instant;
pub use stack::{
    ConnectOptions, ConnectionId, Copied, Counters, Drop, ListenOptions, ListenerId, Remember, Stack, StackConfig,
    StackError, StackEvent, Usage,
};
