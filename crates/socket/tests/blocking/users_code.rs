//! What users hand over may run code of theirs, and that may use the host.

use std::io::Read;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use sockeye::{Buffer, Host, TcpStream};

use crate::{Watchdog, connect, connected, text};

/// Text whose owner, once nobody needs it any more, uses the host and closes a stream.
struct Owner {
    text: Vec<u8>,
    /// Given back, so that the last handle of the host goes where it was made.
    uses: Option<(Host, TcpStream)>,
    gone: Sender<Host>,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let (host, stream) = self.uses.take().unwrap();
        assert!(host.counters().packets_in > 0);
        drop(stream);
        self.gone.send(host).unwrap();
    }
}

#[test]
fn an_owner_may_use_the_host_when_its_text_is_let_go_of() {
    let _watchdog = Watchdog::new("an_owner_may_use_the_host_when_its_text_is_let_go_of");
    let ([here, there], client, mut server) = connected();
    let (gone, is_gone) = mpsc::channel();
    let lend = |octets| {
        let (text, uses) = (text(1, octets), Some((here.clone(), connect(&here, &there).0)));
        Bytes::from_owner(Owner { text, uses, gone: gone.clone() })
    };
    for octets in [10, 100_000] {
        client.write_chunk(&mut lend(octets)).unwrap();
        server.read_exact(&mut vec![0; octets]).unwrap();
        drop(is_gone.recv().unwrap());
    }
    // Nobody reads it: it is let go of as the connection ends.
    client.write_chunk(&mut lend(100_000)).unwrap();
    client.abort();
    drop(is_gone.recv().unwrap());
}

#[test]
fn a_thread_that_waits_to_read_lets_go_of_what_was_acknowledged() {
    let _watchdog = Watchdog::new("a_thread_that_waits_to_read_lets_go_of_what_was_acknowledged");
    let ([here, there], client, mut server) = connected();
    let (gone, is_gone) = mpsc::channel();
    let uses = Some((here.clone(), connect(&here, &there).0));
    thread::scope(|scope| {
        scope.spawn(|| (&client).read(&mut [0]));
        client.write_chunk(&mut Bytes::from_owner(Owner { text: text(2, 5000), uses, gone })).unwrap();
        server.read_exact(&mut [0; 5000]).unwrap();
        drop(is_gone.recv().unwrap());
        drop(server);
    });
}

#[test]
fn a_change_of_settings_may_ask_the_stream() {
    let _watchdog = Watchdog::new("a_change_of_settings_may_ask_the_stream");
    let (_hosts, client, _server) = connected();
    client.configure(|config| config.user_timeout = Some(client.info().unwrap().rto)).unwrap();
    assert!(client.user_timeout().unwrap().is_some());
}

/// Text whose owner uses the host under a lock of its own, and counts those that are gone.
struct Pooled {
    text: Vec<u8>,
    host: Host,
    gone: Arc<Mutex<usize>>,
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let mut gone = self.gone.lock().unwrap();
        assert!(self.host.counters().packets_in > 0);
        *gone += 1;
    }
}

/// One end of a connection lets go of thousands at once: one after the other, not one within the other.
#[test]
fn owners_whose_texts_are_let_go_of_together_go_one_by_one() {
    const TEXTS: usize = 3_000;
    let _watchdog = Watchdog::new("owners_whose_texts_are_let_go_of_together_go_one_by_one");
    let ([here, _there], client, _server) = connected();
    client.configure(|config| config.send_buffer = Buffer::Fixed(8_000_000)).unwrap();
    let gone = Arc::new(Mutex::new(0));
    for _ in 0..TEXTS {
        let (host, gone) = (here.clone(), Arc::clone(&gone));
        client.write_chunk(&mut Bytes::from_owner(Pooled { text: text(1, 1_500), host, gone })).unwrap();
    }
    client.abort();
    while *gone.lock().unwrap() < TEXTS {
        thread::yield_now();
    }
}
