//! Standard input to a connection, the connection to standard output: what `connect` and `listen` have in common.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, select};

use crate::failure::{Failure, OrFail, written};
use crate::services::PIECE;
use crate::socket::Socket;

/// What is read of the input, piece by piece; disconnected at its end.
pub type Input = Receiver<Vec<u8>>;

/// When a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// When the input has ended and the peer has closed its direction.
    WithBoth,
    /// When the peer has closed its direction: the next one may want the input.
    WithPeer,
}

/// Reads `source` on a thread of its own: a read of a terminal can't be called off, so nobody waits for that thread.
///
/// # Errors
/// When the process has no threads left.
pub fn read_in_background(mut source: impl Read + Send + 'static) -> Result<Input, Failure> {
    let (pieces, input) = bounded(1);
    let read = move || {
        let mut buffer = vec![0; PIECE];
        loop {
            match source.read(&mut buffer) {
                Ok(0) => return,
                Ok(octets) => {
                    let piece = buffer.get(..octets).unwrap_or_default().to_vec();
                    if pieces.send(piece).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    log::error!("reading standard input failed: {error}");
                    return;
                }
            }
        }
    };
    thread::Builder::new().name("input".to_owned()).spawn(read).or_fail("starting a thread")?;
    Ok(input)
}

/// Moves octets both ways until the connection is over, or `stop` is disconnected. At the end of the input it closes our
/// direction, and goes on reading.
///
/// # Errors
/// When the connection breaks; when the output can't be written.
pub fn relay<S: Socket>(
    mut socket: S,
    input: &Input,
    output: &mut impl Write,
    over: Over,
    stop: &Receiver<Infallible>,
) -> Result<(), Failure> {
    let outgoing = socket.another().or_fail("sharing the connection")?;
    let (peer_is_there, peer_ended) = bounded(0);
    thread::scope(|scope| {
        let sender = scope.spawn(move || send(outgoing, input, &peer_ended, stop));
        let received = receive(&mut socket, output);
        // Dropping it ends the sender, which otherwise ends with the input.
        let kept: Option<Sender<Infallible>> =
            Some(peer_is_there).filter(|_| over == Over::WithBoth && received.is_ok());
        let sent = sender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        drop(kept);
        received.and(sent.or_fail("sending to the peer"))
    })
}

fn send<S: Socket>(
    mut socket: S,
    input: &Input,
    peer_ended: &Receiver<Infallible>,
    stop: &Receiver<Infallible>,
) -> io::Result<()> {
    loop {
        let piece = select! {
            recv(input) -> piece => piece.ok(),
            recv(peer_ended) -> _ => None,
            recv(stop) -> _ => None,
        };
        match piece {
            Some(piece) => socket.write_all(&piece)?,
            None => return socket.finish(),
        }
    }
}

/// Until the peer has closed its direction, or nobody reads the output any more.
fn receive(socket: &mut impl Socket, output: &mut impl Write) -> Result<(), Failure> {
    let mut buffer = vec![0; PIECE];
    loop {
        let octets = match socket.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::new("receiving from the peer", error)),
        };
        let piece = buffer.get(..octets).unwrap_or_default();
        if !written(output.write_all(piece).and_then(|()| output.flush()))? {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::socket::Sink;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let one = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
        (one, listener.accept().expect("the client is there").0)
    }

    fn relay_all(socket: TcpStream, input: &'static [u8], over: Over) -> (Result<(), Failure>, Vec<u8>) {
        let input = read_in_background(input).expect("there are threads");
        let mut output = Vec::new();
        let outcome = relay(socket, &input, &mut output, over, &crossbeam_channel::never());
        (outcome, output)
    }

    #[test]
    fn the_end_of_the_input_closes_one_direction_and_the_other_goes_on() {
        let (ours, mut peers) = pair();
        let peer = thread::spawn(move || {
            let mut heard = String::new();
            peers.read_to_string(&mut heard).expect("the end comes");
            peers.write_all(b"an answer to all of it").expect("the other direction is open");
            heard
        });
        let (outcome, output) = relay_all(ours, b"a question", Over::WithBoth);
        outcome.expect("nothing breaks");
        assert_eq!(output, b"an answer to all of it");
        assert_eq!(peer.join().expect("it doesn't panic"), "a question");
    }

    #[test]
    fn the_peers_end_alone_ends_it_only_if_asked() {
        let (ours, peers) = pair();
        peers.shutdown(Shutdown::Write).expect("the connection is there");
        let (pieces, input) = bounded(1);
        relay(ours, &input, &mut Vec::new(), Over::WithPeer, &crossbeam_channel::never()).expect("nothing breaks");
        drop(pieces);

        let (ours, mut peers) = pair();
        peers.shutdown(Shutdown::Write).expect("the connection is there");
        let (pieces, input) = bounded(1);
        let relayed = thread::spawn(move || {
            relay(ours, &input, &mut Vec::new(), Over::WithBoth, &crossbeam_channel::never()).is_ok()
        });
        pieces.send(b"still here".to_vec()).expect("it still reads the input");
        drop(pieces);
        let mut heard = String::new();
        peers.read_to_string(&mut heard).expect("the end comes");
        assert_eq!(heard, "still here");
        assert!(relayed.join().expect("it doesn't panic"));
    }

    /// A peer that has half closed, or takes what it is sent at its own pace; and what was asked of it.
    #[derive(Clone, Default)]
    struct Peer {
        /// What it sends, piece by piece; nothing any more once that is disconnected.
        sends: Option<Receiver<Vec<u8>>>,
        /// It takes a piece for each that it is let.
        takes: Option<Receiver<()>>,
        reads: Arc<AtomicUsize>,
        writes: Arc<AtomicUsize>,
    }

    impl Read for Peer {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let piece = self.sends.as_ref().and_then(|sends| sends.recv().ok()).unwrap_or_default();
            buffer[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    impl Write for Peer {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            self.writes.fetch_add(1, Ordering::Relaxed);
            let waits = self.takes.as_ref().map(Receiver::recv);
            waits.map_or(Ok(buffer.len()), |waits| waits.map(|()| buffer.len()).map_err(io::Error::other))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink for Peer {}

    impl Socket for Peer {
        fn another(&self) -> io::Result<Self> {
            Ok(self.clone())
        }

        fn finish(&self) -> io::Result<()> {
            Ok(())
        }

        fn set_patience(&self, _: Option<Duration>) -> io::Result<()> {
            Ok(())
        }

        fn send_at_once(&self) -> io::Result<()> {
            Ok(())
        }

        fn statistics(&self) -> Option<(u64, Duration)> {
            None
        }
    }

    /// FIELD D47: one direction is closed, the other slow: nobody asks again and again. Each call has something to do, but the
    /// one that hears of the end.
    #[test]
    fn a_direction_that_is_closed_costs_nothing_while_the_other_is_slow() {
        const PIECES: usize = 100;
        // The peer has half closed, and takes what we send a piece at a time.
        let (lets, takes) = bounded(0);
        let peer = Peer { takes: Some(takes), ..Peer::default() };
        let (reads, writes) = (Arc::clone(&peer.reads), Arc::clone(&peer.writes));
        let (pieces, input) = bounded(1);
        thread::scope(|scope| {
            let relayed = scope
                .spawn(|| relay(peer, &input, &mut Vec::new(), Over::WithBoth, &crossbeam_channel::never()).is_ok());
            scope.spawn(move || (0..PIECES).for_each(|_| pieces.send(vec![1; 10]).expect("it still reads the input")));
            (0..PIECES).for_each(|_| lets.send(()).expect("it still writes"));
            assert!(relayed.join().expect("it doesn't panic"));
        });
        assert_eq!([reads, writes].map(|calls| calls.load(Ordering::Relaxed)), [1, PIECES]);

        // Our input has ended, and the peer sends a piece at a time.
        let (sends, sent) = bounded(0);
        let peer = Peer { sends: Some(sent), ..Peer::default() };
        let (reads, writes) = (Arc::clone(&peer.reads), Arc::clone(&peer.writes));
        let (_, no_input) = bounded(1);
        let mut output = Vec::new();
        thread::scope(|scope| {
            let output = &mut output;
            let relayed =
                scope.spawn(|| relay(peer, &no_input, output, Over::WithBoth, &crossbeam_channel::never()).is_ok());
            (0..PIECES).for_each(|_| sends.send(vec![1; 10]).expect("it still reads"));
            drop(sends);
            assert!(relayed.join().expect("it doesn't panic"));
        });
        assert_eq!([reads, writes].map(|calls| calls.load(Ordering::Relaxed)), [PIECES + 1, 0]);
        assert_eq!(output.len(), 10 * PIECES);
    }

    #[test]
    fn a_stop_ends_what_waits_for_input() {
        let (ours, peers) = pair();
        let (go_on, stop) = bounded(0);
        let (_pieces, input) = bounded(1);
        let relayed = thread::spawn(move || relay(ours, &input, &mut Vec::new(), Over::WithBoth, &stop).is_ok());
        drop(go_on);
        peers.shutdown(Shutdown::Write).expect("the connection is there");
        assert!(relayed.join().expect("it doesn't panic"));
    }
}
