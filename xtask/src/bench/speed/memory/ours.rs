//! Our polling skin, twice.

use std::hint::black_box;
use std::io;

use bytes::Bytes;
use sockeye::{CallError, Config, ConnectOptions, ConnectionId, Direct, ListenOptions, StackConfig, StackEvent};
use sockeye_device::memory::{self, MemoryDevice};

use super::super::room::Task;
use super::{BLOCK, BUFFER, until_moved};

/// Two hosts with a connection from one to the other.
pub struct Ends {
    client: Direct<MemoryDevice>,
    server: Direct<MemoryDevice>,
    sends: ConnectionId,
    receives: ConnectionId,
    /// What is sent again and again.
    block: Bytes,
    /// What is left of the block that is being sent.
    left: Bytes,
    /// What is read is copied here.
    room: Vec<u8>,
    /// Text is handed over and taken as it is: no copy at either end.
    chunks: bool,
}

impl Ends {
    /// Segments of 1500 octets with checksums, or of 64 KiB without if the devices are to `offload`.
    pub fn connected(offload: bool, task: Task) -> io::Result<Self> {
        let (left, right) = if offload { memory::pair_offloading(1500, memory::QUEUE) } else { memory::pair(1500) };
        let mut tcp = Config { nodelay: true, ..Config::default() };
        (tcp.receive_buffer, tcp.send_buffer) = (BUFFER.into(), BUFFER.into());
        let config = |seed| StackConfig { tcp: tcp.clone().into(), ..StackConfig::new([seed; 32]) };
        let (mut client, mut server) = (Direct::new(left, config(1)), Direct::new(right, config(2)));
        let address = |text: &str| text.parse().map_err(io::Error::other);
        client.stack().add_address(address("10.0.0.1/24")?);
        server.stack().add_address(address("10.0.0.2/24")?);
        let to = ([10, 0, 0, 2], 9).into();
        server.stack().listen(to, &ListenOptions::default())?;
        let now = client.now();
        let sends = client.stack().connect(now, to, &ConnectOptions::default())?;
        let listener = loop {
            client.poll()?;
            server.poll()?;
            if let Some(StackEvent::Incoming(listener)) = server.poll_event() {
                break listener;
            }
        };
        let (receives, _) = server.stack().accept(listener).ok_or_else(|| io::Error::other("nobody has come"))?;
        let block = Bytes::from(vec![7; BLOCK]);
        let chunks = matches!(task, Task::Sink { chunks: true } | Task::Source { chunks: true });
        let left = Bytes::new();
        Ok(Self { client, server, sends, receives, block, left, room: vec![0; BLOCK], chunks })
    }

    /// Writes what there is room for, moves packets both ways, reads what has come. Says how many octets were read.
    pub fn turn(&mut self) -> io::Result<usize> {
        until_moved(|| {
            self.write()?;
            self.client.poll()?;
            self.server.poll()?;
            let read = self.read()?;
            self.server.flush()?;
            while self.client.poll_event().or_else(|| self.server.poll_event()).is_some() {}
            Ok(read)
        })
    }

    fn write(&mut self) -> io::Result<()> {
        let now = self.client.now();
        loop {
            if self.left.is_empty() {
                if self.client.stack().send_room(self.sends) == 0 {
                    return Ok(());
                }
                self.left = if self.chunks { self.block.clone() } else { Bytes::copy_from_slice(&self.block) };
            }
            match self.client.stack().send(now, self.sends, &mut self.left) {
                Ok(_) if self.left.is_empty() => {}
                Ok(_) | Err(CallError::WouldBlock) => return Ok(()),
                Err(error) => return Err(io::Error::other(error.to_string())),
            }
        }
    }

    fn read(&mut self) -> io::Result<usize> {
        let (now, mut octets) = (self.server.now(), 0);
        loop {
            match self.server.stack().recv(now, self.receives, BLOCK) {
                Ok(chunk) => {
                    octets += chunk.len();
                    if !self.chunks {
                        self.room[..chunk.len()].copy_from_slice(&chunk);
                    }
                    black_box(&chunk);
                }
                Err(CallError::WouldBlock) => return Ok(octets),
                Err(error) => return Err(io::Error::other(error.to_string())),
            }
        }
    }
}
