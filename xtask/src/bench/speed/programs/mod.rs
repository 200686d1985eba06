//! Programs that people use, as servers and clients of a measurement: processes in its namespaces, ended with it.

mod http;
mod iperf3;

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::room::{Room, Server};
use crate::shell::Outcome;
pub use http::{build_sockeye, requests, start_nginx, start_sockeye};
pub use iperf3::{bulk, start as start_iperf3};

/// How long a server may take until it accepts.
const PATIENCE: Duration = Duration::from_secs(5);

/// A directory of its own for all that a process reads and writes, deleted with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sockeye-bench-{}-{number}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can't be deleted is in a directory for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server that is a process of its own. Told to end, and waited for, when dropped.
struct Process {
    child: Child,
    scratch: Scratch,
}

impl Process {
    /// Starts `command` where the server is, and gives it back once something listens at the room's address.
    fn start(room: &Room, scratch: Scratch, mut command: Command) -> Outcome<Server> {
        let said = fs::File::create(scratch.path().join("said"))?;
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
        let child = room.serve(move || command.spawn())??;
        let mut process = Self { child, scratch };
        process.wait_until_it_listens(room.server())?;
        let (end, ended) = mpsc::channel::<()>();
        let server = Server::spawn(room, move |_stop| {
            // Nothing is ever sent: this ends when the other side is dropped.
            let _ = ended.recv();
            drop(process);
            Ok(())
        })?;
        Ok(server.unblocked_by(move || drop(end)))
    }

    fn wait_until_it_listens(&mut self, address: SocketAddr) -> Outcome {
        let began = Instant::now();
        while TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
            if self.child.try_wait()?.is_some() || began.elapsed() > PATIENCE {
                let said = fs::read_to_string(self.scratch.path().join("said")).unwrap_or_default();
                return Err(format!("nobody listens on {address}: {said}").into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // One that can't be told has ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

/// Runs a client where clients are; gives its standard output.
fn output_of(room: &Room, mut command: Command) -> Outcome<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = room.client(move || command.stdin(Stdio::null()).output());
    let output = output.join().map_err(|_| "the client has panicked")??;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    Err(format!("{program}: {}: {said}{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}
