//! Drives the shared object through its C interface, as packetdrill does.
#![expect(unsafe_code, reason = "C's functions are called here")]

mod interface;
mod peer;

use std::ffi::c_int;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

use interface::{Tool, sockaddr};
use libc::{AF_INET, AF_INET6, IPPROTO_TCP, SOL_SOCKET};
use peer::Peer;
use sockeye_wire::tcp::{Flags, Options, Timestamps};

const OURS: &str = "192.0.2.1:40000";
const STACK: &str = "192.168.0.1:8080";
const OURS_V6: &str = "[2001:db8::1]:40000";
const STACK_V6: &str = "[fd3d:fa7b:d17d::9]:8080";
const PSH_ACK: Flags = Flags { psh: true, ..Flags::ACK };

/// A listener at `address`.
fn listener(tool: &Tool, domain: c_int, address: &str) -> c_int {
    let fd = tool.socket(domain);
    assert_eq!(tool.bind(fd, &sockaddr(address.parse().unwrap())), Ok(0));
    assert_eq!(tool.listen(fd), Ok(0));
    fd
}

fn int(bytes: &[u8]) -> i32 {
    i32::from_ne_bytes(bytes.try_into().unwrap())
}

/// Open, text both ways, close, on sockets that never block.
fn serves(domain: c_int, ours: &str, stack: &str) {
    let tool = Tool::load(None);
    let listener = listener(&tool, domain, stack);
    tool.never_block(listener);
    assert_eq!(tool.accept(listener).unwrap_err(), libc::EAGAIN);
    let mut peer = Peer::new(&tool, ours, stack);
    peer.connect();
    let (fd, address) = tool.accept(listener).unwrap();
    assert_eq!(address, sockaddr(ours.parse().unwrap()), "packetdrill asserts that it is the one it injected from");
    tool.never_block(fd);
    assert_eq!(tool.fcntl(fd, libc::F_GETFL, 0x7777), Ok(libc::O_RDWR | libc::O_NONBLOCK));

    assert_eq!(tool.read(fd, 100), Err(libc::EAGAIN));
    peer.send(PSH_ACK, 300);
    assert_eq!(tool.ioctl(fd, 0x541b), Ok(300), "SIOCINQ");
    assert_eq!(tool.read(fd, 100), Ok(vec![0; 100]));
    assert_eq!(tool.readv(fd, &[150, 100]).unwrap()[1], [vec![0; 50], vec![0xee; 50]].concat());
    assert_eq!(peer.receive().flags, Flags::ACK);

    assert_eq!(tool.writev(fd, &[&[0; 100], &[0; 50]]), Ok(150));
    let seen = peer.receive();
    assert_eq!((seen.flags, seen.len), (PSH_ACK, 150));
    assert_eq!(tool.ioctl(fd, 0x5411), Ok(150), "SIOCOUTQ");
    peer.send(Flags::ACK, 0);
    assert_eq!(tool.ioctl(fd, 0x5411), Ok(0));

    peer.send(Flags::FIN_ACK, 0);
    assert_eq!(peer.receive().flags, Flags::ACK);
    assert_eq!(tool.read(fd, 100), Ok(Vec::new()));
    assert_eq!(tool.shutdown(fd, libc::SHUT_WR), Ok(0));
    assert_eq!(peer.receive().flags, Flags::FIN_ACK);
    assert_eq!(tool.write(fd, &[0]), Err(libc::EPIPE));
    assert_eq!((tool.close(fd), tool.close(listener)), (Ok(0), Ok(0)));
    assert_eq!(tool.close(fd), Err(libc::EBADF));
}

#[test]
fn a_server_over_ipv4_is_served_without_blocking() {
    serves(AF_INET, OURS, STACK);
}

#[test]
fn a_server_over_ipv6_is_served_without_blocking() {
    serves(AF_INET6, OURS_V6, STACK_V6);
}

#[test]
fn an_ipv6_socket_sees_an_ipv4_peer_as_a_mapped_address() {
    let tool = Tool::load(None);
    let listener = listener(&tool, AF_INET6, "[::ffff:192.168.0.1]:8080");
    let mut peer = Peer::new(&tool, OURS, STACK);
    peer.connect();
    let (_, address) = tool.accept(listener).unwrap();
    assert_eq!(address, sockaddr("[::ffff:192.0.2.1]:40000".parse().unwrap()));
}

#[test]
fn calls_that_block_return_at_the_time_of_what_they_waited_for() {
    let tool = Tool::load(None);
    let listener = listener(&tool, AF_INET, STACK);
    let caller = Caller::default();
    thread::scope(|scope| {
        let server = scope.spawn(|| {
            caller.begins();
            let (fd, _) = tool.accept(listener).unwrap();
            let accepted = tool.now();
            let text = tool.read(fd, 1000).unwrap();
            (accepted, text, tool.now())
        });
        let mut peer = Peer::new(&tool, OURS, STACK);
        tool.usleep(10_000);
        peer.send(Flags::SYN, 0);
        peer.receive();
        tool.usleep(20_000);
        caller.await_sleep();
        let before = tool.now();
        peer.send(Flags::ACK, 0);
        tool.usleep(500_000);
        caller.await_sleep();
        peer.send(PSH_ACK, 100);
        tool.usleep(500_000);
        let (accepted, text, read) = server.join().unwrap();
        assert_eq!(text.len(), 100);
        let micros = Duration::from_micros;
        assert!(accepted >= before && accepted <= before + micros(10), "{before:?} {accepted:?}");
        assert!(read.abs_diff(accepted + micros(500_000)) < micros(10), "{accepted:?} {read:?}");
    });
}

/// A thread that makes calls that may block, and how to know that it sleeps: as packetdrill does, by its state.
#[derive(Default)]
struct Caller(AtomicI32);

impl Caller {
    /// The thread says who it is.
    fn begins(&self) {
        // SAFETY: it only asks.
        self.0.store(unsafe { libc::gettid() }, Ordering::SeqCst);
    }

    /// Waits until the thread sleeps, or has ended.
    fn await_sleep(&self) {
        loop {
            let thread = self.0.load(Ordering::SeqCst);
            let state = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat"));
            let asleep = |stat: String| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" S"));
            if thread != 0 && state.map_or(true, asleep) {
                return;
            }
            thread::yield_now();
        }
    }
}

#[test]
fn a_poll_with_a_timeout_returns_when_it_is_over() {
    let tool = Tool::load(None);
    let listener = listener(&tool, AF_INET, STACK);
    let caller = Caller::default();
    thread::scope(|scope| {
        let poller = scope.spawn(|| {
            caller.begins();
            (tool.poll(listener, libc::POLLIN, 250), tool.now())
        });
        caller.await_sleep();
        let before = tool.now();
        tool.usleep(1_000_000);
        let (found, at) = poller.join().unwrap();
        assert_eq!(found, Ok(0));
        assert!(at.abs_diff(before + Duration::from_millis(250)) < Duration::from_millis(1), "{before:?} {at:?}");
    });
}

#[test]
fn a_call_that_nothing_could_wake_fails() {
    let tool = Tool::load(None);
    let listener = listener(&tool, AF_INET, STACK);
    assert_eq!(tool.accept(listener).unwrap_err(), libc::EDEADLK);
}

#[test]
fn a_client_connects_without_blocking_and_learns_of_a_refusal() {
    let tool = Tool::load(None);
    let remote = sockaddr("192.0.2.1:8080".parse().unwrap());
    for refuses in [false, true] {
        let fd = tool.socket(AF_INET);
        tool.never_block(fd);
        assert_eq!(tool.connect(fd, &remote), Err(libc::EINPROGRESS));
        assert_eq!(tool.connect(fd, &remote), Err(libc::EALREADY));
        let mut peer = Peer::new(&tool, "192.0.2.1:8080", STACK);
        let syn = peer.receive();
        assert_eq!((syn.flags, syn.from.ip()), (Flags::SYN, "192.168.0.1".parse::<std::net::IpAddr>().unwrap()));
        if refuses {
            peer.send(Flags::RST_ACK, 0);
            assert_eq!(int(&tool.get(fd, SOL_SOCKET, libc::SO_ERROR, 4).unwrap()), libc::ECONNREFUSED);
        } else {
            peer.send(Flags::SYN_ACK, 0);
            assert_eq!(peer.receive().flags, Flags::ACK);
            assert_eq!(tool.poll(fd, libc::POLLOUT, 0), Ok(libc::POLLOUT));
            assert_eq!(tool.connect(fd, &remote), Err(libc::EISCONN));
            assert_eq!(tool.sendto(fd, &[0; 10], 0, &remote), Ok(10));
            assert_eq!(peer.receive().len, 10);
        }
    }
}

#[test]
fn a_client_connects_over_ipv6_and_blocks_until_it_is_there() {
    let tool = Tool::load(Some("local=fd3d:fa7b:d17d::9,mtu=1520"));
    let fd = tool.socket(AF_INET6);
    let caller = Caller::default();
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            caller.begins();
            (tool.connect(fd, &sockaddr("[2001:db8::1]:8080".parse().unwrap())), tool.now()).0
        });
        caller.await_sleep();
        let mut peer = Peer::new(&tool, "[2001:db8::1]:8080", STACK_V6);
        assert_eq!(peer.receive().options.mss, Some(1460), "the MTU is that of the flags");
        peer.send(Flags::SYN_ACK, 0);
        assert_eq!(client.join().unwrap(), Ok(0));
    });
}

#[test]
fn flags_are_settings_of_the_stack() {
    let syn = Options {
        mss: Some(1000),
        sack_permitted: true,
        window_scale: Some(7),
        timestamps: Some(Timestamps { value: 7, echo: 0 }),
        ..Options::NONE
    };
    for (flags, expected) in [
        (None, (true, true, Some(8))),
        (Some("mode=ipv4,sysctl.tcp_timestamps=0,sysctl.tcp_sack=0"), (false, false, Some(8))),
        (Some("sysctl.tcp_rmem=4096 8192 60000,remote=192.0.2.1"), (true, true, Some(0))),
    ] {
        let tool = Tool::load(flags);
        listener(&tool, AF_INET, STACK);
        let mut peer = Peer::new(&tool, OURS, STACK);
        peer.send_with(Flags::SYN, 0, syn);
        let Options { timestamps, sack_permitted, window_scale, .. } = peer.receive().options;
        assert_eq!((timestamps.is_some(), sack_permitted, window_scale), expected, "{flags:?}");
    }
}

#[test]
fn options_are_set_and_told() {
    let tool = Tool::load(None);
    let fd = tool.socket(AF_INET);
    let one = 1_i32.to_ne_bytes();
    for (level, name) in
        [(SOL_SOCKET, libc::SO_REUSEADDR), (SOL_SOCKET, libc::SO_KEEPALIVE), (IPPROTO_TCP, libc::TCP_NODELAY)]
    {
        assert_eq!(int(&tool.get(fd, level, name, 4).unwrap()), 0);
        assert_eq!(tool.set(fd, level, name, &one), Ok(0));
        assert_eq!(int(&tool.get(fd, level, name, 4).unwrap()), 1);
    }
    assert_eq!(tool.set(fd, IPPROTO_TCP, libc::TCP_CONGESTION, b"cubic"), Ok(0));
    assert_eq!(&tool.get(fd, IPPROTO_TCP, libc::TCP_CONGESTION, 16).unwrap()[..6], b"cubic\0");
    assert_eq!(tool.set(fd, IPPROTO_TCP, libc::TCP_CONGESTION, b"nonsense"), Err(libc::ENOENT));
    assert_eq!(tool.set(fd, IPPROTO_TCP, 9999, &one), Err(libc::ENOPROTOOPT));
    assert_eq!(tool.set(-1, IPPROTO_TCP, libc::TCP_NODELAY, &one), Err(libc::EBADF));
    assert_eq!(tool.splice(fd), Err(libc::ENOSYS));
}

#[test]
fn tcp_info_is_told_in_the_kernels_layout_also_to_whom_preloads_the_object() {
    let tool = Tool::load(None);
    let listener = listener(&tool, AF_INET, STACK);
    let mut peer = Peer::new(&tool, OURS, STACK);
    peer.send(Flags::SYN, 0);
    peer.receive();
    tool.usleep(50_000);
    peer.send(Flags::ACK, 0);
    let (fd, _) = tool.accept(listener).unwrap();
    assert_eq!(tool.write(fd, &[0; 2500]), Ok(2500));
    let info = tool.get(fd, IPPROTO_TCP, libc::TCP_INFO, 280).unwrap();
    let word = |at: usize| u32::from_ne_bytes(info[at..at + 4].try_into().unwrap());
    assert_eq!(info.len(), 280);
    assert_eq!((info[0], word(16), word(80)), (1, 1000, 10), "state, MSS, congestion window");
    assert!(word(68).abs_diff(50_000) < 100, "a round-trip time of {} us", word(68));
    assert_eq!(tool.get_preloaded(fd, IPPROTO_TCP, libc::TCP_INFO, 280), Ok(info));
    assert_eq!(tool.get_preloaded(fd, IPPROTO_TCP, 26, 20), Ok(Vec::new()), "TCP_CC_INFO: CUBIC has nothing to tell");
    assert_eq!(tool.set(fd, IPPROTO_TCP, libc::TCP_CONGESTION, b"bbr"), Ok(0));
    let control = tool.get_preloaded(fd, IPPROTO_TCP, 26, 20).unwrap();
    let gain = u32::from_ne_bytes(control[12..16].try_into().unwrap());
    assert_eq!((control.len(), gain), (20, 277 * 256 / 100), "BBR's pacing gain in startup");
    assert_eq!(tool.get_preloaded(fd, SOL_SOCKET, 55, 36).map(|info| info.len()), Ok(36), "SO_MEMINFO");
    // What is none of the stack's sockets is the kernel's.
    let kernels = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&kernels);
    assert_eq!(tool.get_preloaded(number, SOL_SOCKET, libc::SO_ACCEPTCONN, 4).map(|on| int(&on)), Ok(1));
}

/// `cmsg_level`, `cmsg_type` and the data, of a message that is alone.
fn control(octets: &[u8]) -> (c_int, c_int, &[u8]) {
    let len = usize::from_ne_bytes(octets[..8].try_into().unwrap());
    (int(&octets[8..12]), int(&octets[12..16]), &octets[16..len])
}

#[test]
fn what_waits_to_be_read_is_told_with_a_message_if_somebody_asked() {
    let tool = Tool::load(None);
    let listener = listener(&tool, AF_INET, STACK);
    let mut peer = Peer::new(&tool, OURS, STACK);
    peer.connect();
    let (fd, _) = tool.accept(listener).unwrap();
    peer.send(PSH_ACK, 300);
    assert_eq!(tool.recvmsg(fd, 100, 0, 64), Ok((100, 0, Vec::new())));
    assert_eq!(tool.set(fd, IPPROTO_TCP, libc::TCP_INQ, &1_i32.to_ne_bytes()), Ok(0));
    let (len, flags, octets) = tool.recvmsg(fd, 150, 0, 64).unwrap();
    assert_eq!((len, flags), (150, 0));
    assert_eq!(control(&octets), (libc::SOL_TCP, libc::TCP_CM_INQ, &50_i32.to_ne_bytes()[..]));
    assert_eq!(tool.recvmsg(fd, 10, 0, 16), Ok((10, libc::MSG_CTRUNC, Vec::new())), "no room for it");
}

#[test]
fn the_error_queue_tells_what_was_not_copied_and_is_free() {
    let tool = Tool::load(None);
    let remote = sockaddr(OURS.parse().unwrap());
    let listener = listener(&tool, AF_INET, STACK);
    let mut peer = Peer::new(&tool, OURS, STACK);
    peer.connect();
    let (fd, _) = tool.accept(listener).unwrap();
    assert_eq!(tool.set(fd, SOL_SOCKET, libc::SO_ZEROCOPY, &1_i32.to_ne_bytes()), Ok(0));
    assert_eq!(tool.sendto(fd, &[0; 100], 0x400_0000, &remote), Ok(100));
    assert_eq!(tool.recvmsg(fd, 0, libc::MSG_ERRQUEUE, 64), Err(libc::EAGAIN));
    peer.receive();
    peer.send(Flags::ACK, 0);
    assert_eq!(tool.poll(fd, libc::POLLIN, 0), Ok(libc::POLLERR));
    let (len, flags, octets) = tool.recvmsg(fd, 0, libc::MSG_ERRQUEUE, 64).unwrap();
    assert_eq!((len, flags), (0, libc::MSG_ERRQUEUE));
    // SO_EE_ORIGIN_ZEROCOPY, from call 0 to call 0.
    let error = [0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(control(&octets), (libc::SOL_IP, libc::IP_RECVERR, &error[..]));
}

#[test]
fn an_epoll_tells_who_is_ready() {
    let tool = Tool::load(None);
    let listener = listener(&tool, AF_INET, STACK);
    let epoll = tool.epoll_create();
    let readable = libc::EPOLLIN.cast_unsigned();
    assert_eq!(tool.epoll_add(epoll, listener, readable, 7), Ok(0));
    assert_eq!(tool.epoll_add(epoll, listener, readable, 7), Err(libc::EEXIST));
    assert_eq!(tool.epoll_wait(epoll, 0), Ok(Vec::new()));
    Peer::new(&tool, OURS, STACK).connect();
    assert_eq!(tool.epoll_wait(epoll, 0), Ok(vec![(readable, 7)]));
}

#[test]
fn timers_run_while_packets_are_waited_for_and_time_never_stands_still() {
    let tool = Tool::load(None);
    listener(&tool, AF_INET, STACK);
    let mut peer = Peer::new(&tool, OURS, STACK);
    peer.send(Flags::SYN, 0);
    let first = peer.receive().at;
    let second = peer.receive().at;
    assert!(second.abs_diff(first + Duration::from_secs(1)) < Duration::from_millis(1), "{first:?} {second:?}");
    let (before, after) = (tool.now(), tool.now());
    assert!(after > before);
}

#[test]
fn when_nothing_more_comes_the_packet_is_empty() {
    let tool = Tool::load(None);
    assert!(tool.netdev_receive().is_none());
    // A stray gets its RST, from whatever address it was for.
    let mut peer = Peer::new(&tool, OURS, "192.168.77.7:1");
    peer.send(Flags::ACK, 0);
    assert!(peer.receive().flags.rst);
    assert!(tool.netdev_receive().is_none());
}
