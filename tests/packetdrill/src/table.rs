//! The functions that packetdrill calls, and the table that it finds them in (`packetdrill_interface` of its `so_testing.h`).
//!
//! Each turns C's arguments into those of [`Host`] and an error into `errno`. All pointers are packetdrill's and live for
//! the call; `host` is what [`Table::new`] put into the table.

use std::ffi::{c_int, c_long, c_longlong, c_uint, c_ulong, c_void};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use libc::{cmsghdr, epoll_event, iovec, msghdr, pollfd, sockaddr, socklen_t, timeval};
use sockeye_lab::sockets::{Errno, Message, Watch, Writing};

use crate::host::{Host, State};
use crate::memory::{answer, answer_int, array, fill, gather, octets, put, scatter};
use crate::{address, guarded};

/// The first argument of every function.
type User = *mut c_void;

/// The table; every field is a pointer.
#[repr(C)]
pub struct Table {
    userdata: User,
    free: unsafe extern "C" fn(User),
    socket: unsafe extern "C" fn(User, c_int, c_int, c_int) -> c_int,
    bind: unsafe extern "C" fn(User, c_int, *const sockaddr, socklen_t) -> c_int,
    listen: unsafe extern "C" fn(User, c_int, c_int) -> c_int,
    accept: unsafe extern "C" fn(User, c_int, *mut sockaddr, *mut socklen_t) -> c_int,
    connect: unsafe extern "C" fn(User, c_int, *const sockaddr, socklen_t) -> c_int,
    read: unsafe extern "C" fn(User, c_int, *mut c_void, usize) -> isize,
    readv: unsafe extern "C" fn(User, c_int, *const iovec, c_int) -> isize,
    recv: unsafe extern "C" fn(User, c_int, *mut c_void, usize, c_int) -> isize,
    recvfrom: unsafe extern "C" fn(User, c_int, *mut c_void, usize, c_int, *mut sockaddr, *mut socklen_t) -> isize,
    recvmsg: unsafe extern "C" fn(User, c_int, *mut msghdr, c_int) -> isize,
    write: unsafe extern "C" fn(User, c_int, *const c_void, usize) -> isize,
    writev: unsafe extern "C" fn(User, c_int, *const iovec, c_int) -> isize,
    send: unsafe extern "C" fn(User, c_int, *const c_void, usize, c_int) -> isize,
    sendto: unsafe extern "C" fn(User, c_int, *const c_void, usize, c_int, *const sockaddr, socklen_t) -> isize,
    sendmsg: unsafe extern "C" fn(User, c_int, *const msghdr, c_int) -> isize,
    fcntl: unsafe extern "C" fn(User, c_int, c_int, c_long) -> c_int,
    ioctl: unsafe extern "C" fn(User, c_int, c_ulong, *mut c_int) -> c_int,
    close: unsafe extern "C" fn(User, c_int) -> c_int,
    shutdown: unsafe extern "C" fn(User, c_int, c_int) -> c_int,
    getsockopt: unsafe extern "C" fn(User, c_int, c_int, c_int, *mut c_void, *mut socklen_t) -> c_int,
    setsockopt: unsafe extern "C" fn(User, c_int, c_int, c_int, *const c_void, socklen_t) -> c_int,
    poll: unsafe extern "C" fn(User, *mut pollfd, c_ulong, c_int) -> c_int,
    netdev_send: unsafe extern "C" fn(User, *const c_void, usize) -> c_int,
    netdev_receive: unsafe extern "C" fn(User, *mut c_void, *mut usize, *mut c_longlong) -> c_int,
    usleep: unsafe extern "C" fn(User, c_uint) -> c_int,
    gettimeofday: unsafe extern "C" fn(User, *mut timeval, *mut c_void) -> c_int,
    epoll_create: unsafe extern "C" fn(User, c_int) -> c_int,
    epoll_ctl: unsafe extern "C" fn(User, c_int, c_int, c_int, *mut epoll_event) -> c_int,
    epoll_wait: unsafe extern "C" fn(User, c_int, *mut epoll_event, c_int, c_int) -> c_int,
    pipe: unsafe extern "C" fn(User, *mut c_int) -> c_int,
    splice: unsafe extern "C" fn(User, c_int, *mut i64, c_int, *mut i64, usize, c_uint) -> c_int,
}

const _: () = assert!(size_of::<Table>() == 264, "as packetdrill's structure");

impl Table {
    /// The table for a host, which lives until `free` is called.
    pub fn new(host: Arc<Host>) -> Self {
        Self {
            userdata: Arc::into_raw(host).cast_mut().cast(),
            free,
            socket,
            bind,
            listen,
            accept,
            connect,
            read,
            readv,
            recv,
            recvfrom,
            recvmsg,
            write,
            writev,
            send,
            sendto,
            sendmsg,
            fcntl,
            ioctl,
            close,
            shutdown,
            getsockopt,
            setsockopt,
            poll,
            netdev_send,
            netdev_receive,
            usleep,
            gettimeofday,
            epoll_create,
            epoll_ctl,
            epoll_wait,
            pipe,
            splice,
        }
    }
}

/// The host behind the first argument.
///
/// # Safety
/// `user` is what the table has, and `free` wasn't called.
unsafe fn host<'a>(user: User) -> &'a Host {
    // SAFETY: it comes from `Arc::into_raw`, and the host lives until `free`.
    unsafe { &*user.cast::<Host>() }
}

unsafe extern "C" fn free(user: User) {
    // SAFETY: the one reference that the table held; packetdrill calls this once, and nothing after it.
    guarded(|| drop(unsafe { Arc::from_raw(user.cast::<Host>()) }));
}

unsafe extern "C" fn socket(user: User, domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    // SAFETY: packetdrill passes what the table has.
    let host = unsafe { host(user) };
    let is_tcp = kind & 0xf == libc::SOCK_STREAM && matches!(protocol, 0 | libc::IPPROTO_TCP);
    guarded(|| {
        answer_int(host.call(|state| match domain {
            _ if !is_tcp => Err(Errno(libc::EPROTONOSUPPORT)),
            libc::AF_INET | libc::AF_INET6 => {
                let fd = state.sockets.socket(kind & libc::SOCK_NONBLOCK != 0);
                state.open(fd, domain == libc::AF_INET6)
            }
            _ => Err(Errno(libc::EAFNOSUPPORT)),
        }))
    })
}

/// The address that a call is given.
///
/// # Safety
/// `len` octets at `pointer` are readable, or it is null.
unsafe fn address_at(pointer: *const sockaddr, len: socklen_t) -> Result<std::net::SocketAddr, Errno> {
    // SAFETY: as the caller promises.
    address::read(unsafe { octets(pointer.cast(), len as usize) }).ok_or(Errno(libc::EAFNOSUPPORT))
}

unsafe extern "C" fn bind(user: User, fd: c_int, local: *const sockaddr, len: socklen_t) -> c_int {
    // SAFETY: packetdrill passes what the table has, and an address of so many octets.
    let (host, local) = unsafe { (host(user), address_at(local, len)) };
    guarded(|| answer_int(local.and_then(|local| host.call(|state| state.bind(fd, local))).map(|()| 0)))
}

unsafe extern "C" fn listen(user: User, fd: c_int, backlog: c_int) -> c_int {
    // SAFETY: packetdrill passes what the table has.
    let host = unsafe { host(user) };
    guarded(|| answer_int(host.call(|state| state.sockets.listen(state.fd(fd)?, backlog)).map(|()| 0)))
}

unsafe extern "C" fn accept(user: User, fd: c_int, peer: *mut sockaddr, len: *mut socklen_t) -> c_int {
    // SAFETY: packetdrill passes what the table has.
    let host = unsafe { host(user) };
    let accepted = guarded(|| {
        let listener = host.call(|state| state.fd(fd))?;
        let (accepted, remote) = host.sleep(None, move |sockets, _| sockets.accept(listener))?;
        let number = host.call(|state| state.open(accepted, state.is_v6(fd)))?;
        Ok((number, address::write(remote, host.call(|state| state.is_v6(fd)))))
    });
    answer_int(accepted.map(|(number, remote)| {
        // SAFETY: `peer` has room for `*len` octets, which packetdrill sets; both may be null.
        unsafe { give_address(&remote, peer, len) };
        number
    }))
}

/// Gives an address back as C does: as much as there is room for, and how long it is.
///
/// # Safety
/// `to` has room for `*len` octets, or one of them is null.
unsafe fn give_address(bytes: &[u8], to: *mut sockaddr, len: *mut socklen_t) {
    if to.is_null() || len.is_null() {
        return;
    }
    // SAFETY: as the caller promises.
    unsafe {
        fill(to.cast(), *len as usize, bytes);
        put(len, socklen_t::try_from(bytes.len()).unwrap_or_default());
    }
}

unsafe extern "C" fn connect(user: User, fd: c_int, remote: *const sockaddr, len: socklen_t) -> c_int {
    // SAFETY: packetdrill passes what the table has, and an address of so many octets.
    let (host, bytes) = unsafe { (host(user), octets(remote.cast(), len as usize)) };
    guarded(|| answer_int(connect_to(host, fd, bytes).map(|()| 0)))
}

fn connect_to(host: &Host, fd: c_int, bytes: &[u8]) -> Result<(), Errno> {
    if address::family(bytes) == Some(libc::AF_UNSPEC) {
        return host.call(|state| state.sockets.disconnect(state.fd(fd)?));
    }
    let remote = address::read(bytes).ok_or(Errno(libc::EAFNOSUPPORT))?;
    let connect = |state: &mut State| {
        state.own_default(remote.ip());
        state.fd(fd).map(|fd| (fd, state.sockets.connect(fd, remote)))
    };
    match host.call(connect)? {
        (_, Poll::Ready(result)) => result,
        (fd, Poll::Pending) => host.sleep(None, move |sockets, _| sockets.connected(fd)),
    }
}

fn receive(host: &Host, fd: c_int, max: usize, flags: c_int) -> Result<Vec<u8>, Errno> {
    let fd = host.call(|state| state.fd(fd))?;
    host.sleep(None, move |sockets, _| sockets.read(fd, max, flags))
}

unsafe extern "C" fn read(user: User, fd: c_int, buffer: *mut c_void, count: usize) -> isize {
    // SAFETY: the same arguments.
    unsafe { recv(user, fd, buffer, count, 0) }
}

unsafe extern "C" fn recv(user: User, fd: c_int, buffer: *mut c_void, count: usize, flags: c_int) -> isize {
    // SAFETY: packetdrill passes what the table has.
    let host = unsafe { host(user) };
    let received = guarded(|| receive(host, fd, count, flags));
    // SAFETY: the buffer has room for `count` octets, and no more were asked for.
    answer(received.map(|text| unsafe { fill(buffer, count, &text) }))
}

unsafe extern "C" fn recvfrom(
    user: User,
    fd: c_int,
    buffer: *mut c_void,
    count: usize,
    flags: c_int,
    _peer: *mut sockaddr,
    len: *mut socklen_t,
) -> isize {
    // TCP tells no address here, as Linux doesn't.
    // SAFETY: null, or packetdrill's.
    unsafe { put(len, 0) };
    // SAFETY: the same arguments.
    unsafe { recv(user, fd, buffer, count, flags) }
}

fn receive_into(host: &Host, fd: c_int, buffers: &[iovec], flags: c_int) -> Result<Vec<u8>, Errno> {
    receive(host, fd, buffers.iter().map(|buffer| buffer.iov_len).sum(), flags)
}

unsafe extern "C" fn readv(user: User, fd: c_int, buffers: *const iovec, count: c_int) -> isize {
    // SAFETY: packetdrill passes what the table has, and so many buffers.
    let (host, buffers) = unsafe { (host(user), array(buffers, usize::try_from(count).unwrap_or(0))) };
    let received = guarded(|| receive_into(host, fd, buffers, 0));
    answer(received.map(|text| {
        // SAFETY: each buffer is writable for its length.
        unsafe { scatter(buffers, &text) };
        text.len()
    }))
}

unsafe extern "C" fn recvmsg(user: User, fd: c_int, message: *mut msghdr, flags: c_int) -> isize {
    // SAFETY: packetdrill passes what the table has, and a message with so many buffers.
    let (host, message) = unsafe { (host(user), &mut *message) };
    // SAFETY: as above.
    let buffers = unsafe { array(message.msg_iov, message.msg_iovlen) };
    let room = buffers.iter().map(|buffer| buffer.iov_len).sum();
    let received = guarded(|| {
        let (fd, is_v6) = host.call(|state| state.fd(fd).map(|socket| (socket, state.is_v6(fd))))?;
        let received = host.sleep(None, move |sockets, _| sockets.receive(fd, room, flags))?;
        Ok((received, is_v6))
    });
    answer(received.map(|(received, is_v6)| {
        // SAFETY: each buffer is writable for its length, and so are the octets for control messages.
        unsafe {
            scatter(buffers, &received.octets);
            give_control(message, &received, is_v6);
        }
        message.msg_namelen = 0;
        received.octets.len()
    }))
}

/// Gives flags and control messages back, as many of these as there is room for.
///
/// # Safety
/// `msg_controllen` octets at `msg_control` are writable.
unsafe fn give_control(to: &mut msghdr, message: &Message, is_v6: bool) {
    let mut flags = message.flags;
    let mut used = 0;
    // SAFETY: the first is null if there is no room for a header.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(to) };
    for control in &message.control {
        let data = control.to_bytes();
        let len = c_uint::try_from(data.len()).unwrap_or(c_uint::MAX);
        // SAFETY: it only adds up.
        let (header, space) = unsafe { (libc::CMSG_LEN(len) as usize, libc::CMSG_SPACE(len) as usize) };
        if next.is_null() || used + header > to.msg_controllen {
            flags |= libc::MSG_CTRUNC;
            break;
        }
        let (cmsg_level, cmsg_type) = control.kind(is_v6);
        // SAFETY: there is room for the header and the data, as was just seen.
        unsafe {
            put(next, cmsghdr { cmsg_len: header as _, cmsg_level, cmsg_type });
            fill(libc::CMSG_DATA(next).cast(), data.len(), &data);
            used = (used + space).min(to.msg_controllen);
            next = libc::CMSG_NXTHDR(to, next);
        }
    }
    (to.msg_flags, to.msg_controllen) = (flags, used);
}

fn transmit(host: &Host, fd: c_int, text: &[u8], flags: c_int) -> Result<usize, Errno> {
    let fd = host.call(|state| state.fd(fd))?;
    let mut writing = Writing::new(Bytes::copy_from_slice(text), flags);
    host.sleep(None, move |sockets, _| sockets.write(fd, &mut writing))
}

unsafe extern "C" fn write(user: User, fd: c_int, text: *const c_void, count: usize) -> isize {
    // SAFETY: the same arguments.
    unsafe { send(user, fd, text, count, 0) }
}

unsafe extern "C" fn send(user: User, fd: c_int, text: *const c_void, count: usize, flags: c_int) -> isize {
    // SAFETY: packetdrill passes what the table has, and so many octets.
    let (host, text) = unsafe { (host(user), octets(text, count)) };
    answer(guarded(|| transmit(host, fd, text, flags)))
}

unsafe extern "C" fn sendto(
    user: User,
    fd: c_int,
    text: *const c_void,
    count: usize,
    flags: c_int,
    _remote: *const sockaddr,
    _len: socklen_t,
) -> isize {
    // The address only matters to Fast Open, which `send` refuses.
    // SAFETY: the same arguments.
    unsafe { send(user, fd, text, count, flags) }
}

unsafe extern "C" fn writev(user: User, fd: c_int, buffers: *const iovec, count: c_int) -> isize {
    // SAFETY: packetdrill passes what the table has, and so many buffers, each readable.
    let (host, text) = unsafe { (host(user), gather(array(buffers, usize::try_from(count).unwrap_or(0)))) };
    answer(guarded(|| transmit(host, fd, &text, 0)))
}

unsafe extern "C" fn sendmsg(user: User, fd: c_int, message: *const msghdr, flags: c_int) -> isize {
    // SAFETY: packetdrill passes what the table has, and a message.
    let (host, message) = unsafe { (host(user), &*message) };
    // SAFETY: it has so many buffers, each readable.
    let text = unsafe { gather(array(message.msg_iov, message.msg_iovlen)) };
    answer(guarded(|| transmit(host, fd, &text, flags)))
}

/// Variadic in C; on the platforms that Rust runs on under Linux the argument comes in the same register.
unsafe extern "C" fn fcntl(user: User, fd: c_int, command: c_int, argument: c_long) -> c_int {
    // SAFETY: packetdrill passes what the table has.
    let host = unsafe { host(user) };
    guarded(|| {
        answer_int(host.call(|state| {
            let fd = state.fd(fd)?;
            match command {
                libc::F_GETFL => {
                    let nonblocking = if state.sockets.is_nonblocking(fd)? { libc::O_NONBLOCK } else { 0 };
                    Ok(usize::try_from(libc::O_RDWR | nonblocking).unwrap_or(0))
                }
                libc::F_SETFL => {
                    let is_nonblocking = argument & c_long::from(libc::O_NONBLOCK) != 0;
                    state.sockets.set_nonblocking(fd, is_nonblocking).map(|()| 0)
                }
                _ => Err(Errno(libc::EINVAL)),
            }
        }))
    })
}

/// Variadic in C, as above.
unsafe extern "C" fn ioctl(user: User, fd: c_int, request: c_ulong, argument: *mut c_int) -> c_int {
    // SAFETY: packetdrill passes what the table has.
    let host = unsafe { host(user) };
    let value = guarded(|| {
        let request = c_int::try_from(request).map_err(|_| Errno(libc::EINVAL))?;
        host.call(|state| state.sockets.ioctl(state.fd(fd)?, request))
    });
    answer_int(value.map(|value| {
        // SAFETY: these requests come with a pointer to an int.
        unsafe { put(argument, value) };
        0
    }))
}

unsafe extern "C" fn close(user: User, fd: c_int) -> c_int {
    // SAFETY: packetdrill passes what the table has.
    let host = unsafe { host(user) };
    guarded(|| answer_int(host.call(|state| state.close(fd)).map(|()| 0)))
}

unsafe extern "C" fn shutdown(user: User, fd: c_int, how: c_int) -> c_int {
    // SAFETY: packetdrill passes what the table has.
    let host = unsafe { host(user) };
    guarded(|| answer_int(host.call(|state| state.sockets.shutdown(state.fd(fd)?, how)).map(|()| 0)))
}

unsafe extern "C" fn getsockopt(
    user: User,
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    // SAFETY: packetdrill passes what the table has, and room for `*len` octets.
    guarded(|| unsafe { get_option(host(user), fd, level, name, value, len) })
}

/// `getsockopt` on a host.
///
/// # Safety
/// `value` has room for `*len` octets.
pub unsafe fn get_option(
    host: &Host,
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    let option = host.call(|state| state.sockets.option(state.fd(fd)?, level, name));
    answer_int(option.map(|option| {
        // SAFETY: as the caller promises.
        unsafe {
            let given = fill(value, if len.is_null() { 0 } else { *len as usize }, &option);
            put(len, socklen_t::try_from(given).unwrap_or_default());
        }
        0
    }))
}

unsafe extern "C" fn setsockopt(
    user: User,
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    len: socklen_t,
) -> c_int {
    // SAFETY: packetdrill passes what the table has, and so many octets.
    let (host, value) = unsafe { (host(user), octets(value, len as usize)) };
    guarded(|| answer_int(host.call(|state| state.sockets.set_option(state.fd(fd)?, level, name, value)).map(|()| 0)))
}

/// Milliseconds of patience; negative ones are for ever.
fn patience(millis: c_int) -> Option<Duration> {
    u64::try_from(millis).ok().map(Duration::from_millis)
}

unsafe extern "C" fn poll(user: User, polled: *mut pollfd, count: c_ulong, timeout: c_int) -> c_int {
    // SAFETY: packetdrill passes what the table has.
    let host = unsafe { host(user) };
    // SAFETY: there are so many elements, or it is null.
    let asked = unsafe { array(polled.cast_const(), usize::try_from(count).unwrap_or(0)) };
    let wanted: Vec<_> = asked.iter().map(|asked| (asked.fd, u32::from(asked.events.cast_unsigned()))).collect();
    let found = guarded(|| {
        let wanted = host.call(|state| {
            wanted.iter().map(|(fd, events)| Ok((state.fd(*fd)?, *events))).collect::<Result<Vec<_>, Errno>>()
        })?;
        host.sleep(patience(timeout), move |sockets, over| {
            let found: Result<Vec<u32>, Errno> = wanted.iter().map(|(fd, events)| sockets.poll(*fd, *events)).collect();
            match found {
                Ok(found) if found.iter().all(|bits| *bits == 0) && !over => Poll::Pending,
                found => Poll::Ready(found),
            }
        })
    });
    answer_int(found.map(|found| {
        for (at, bits) in found.iter().enumerate() {
            // SAFETY: there are as many elements as were asked for, and nobody else uses them.
            unsafe { (&raw mut (*polled.add(at)).revents).write(i16::try_from(*bits).unwrap_or(0)) };
        }
        found.iter().filter(|bits| **bits != 0).count()
    }))
}

unsafe extern "C" fn netdev_send(user: User, packet: *const c_void, count: usize) -> c_int {
    // SAFETY: packetdrill passes what the table has, and so many octets.
    let (host, packet) = unsafe { (host(user), octets(packet, count)) };
    guarded(|| host.inject(packet));
    0
}

unsafe extern "C" fn netdev_receive(
    user: User,
    buffer: *mut c_void,
    count: *mut usize,
    micros: *mut c_longlong,
) -> c_int {
    // SAFETY: packetdrill passes what the table has.
    let host = unsafe { host(user) };
    let sent = guarded(|| host.next_sent());
    if sent.is_none() {
        eprintln!("sockeye-packetdrill: the stack has nothing more to send");
    }
    // An empty packet is how packetdrill learns of it.
    let (bytes, at) = sent.map_or((Bytes::new(), 0), |sent| (sent.bytes, sent.at.as_nanos() / 1000));
    // SAFETY: the buffer has room for `*count` octets; the other two are packetdrill's own.
    unsafe {
        let copied = fill(buffer, *count, &bytes);
        put(count, copied);
        put(micros, c_longlong::try_from(at).unwrap_or(c_longlong::MAX));
    }
    0
}

unsafe extern "C" fn usleep(user: User, micros: c_uint) -> c_int {
    // SAFETY: packetdrill passes what the table has.
    let host = unsafe { host(user) };
    guarded(|| host.wait(Duration::from_micros(u64::from(micros))));
    0
}

unsafe extern "C" fn gettimeofday(user: User, time: *mut timeval, _zone: *mut c_void) -> c_int {
    // SAFETY: packetdrill passes what the table has.
    let host = unsafe { host(user) };
    let now = guarded(|| host.look_at_clock());
    let seconds = libc::time_t::try_from(now.as_secs()).unwrap_or(libc::time_t::MAX);
    let micros = libc::suseconds_t::from(now.subsec_micros());
    // SAFETY: null, or packetdrill's.
    unsafe { put(time, timeval { tv_sec: seconds, tv_usec: micros }) };
    0
}

unsafe extern "C" fn epoll_create(user: User, _size: c_int) -> c_int {
    // SAFETY: packetdrill passes what the table has.
    let host = unsafe { host(user) };
    guarded(|| {
        answer_int(host.call(|state| {
            let epoll = state.sockets.epoll_create();
            state.open(epoll, false)
        }))
    })
}

unsafe extern "C" fn epoll_ctl(
    user: User,
    epoll: c_int,
    operation: c_int,
    fd: c_int,
    event: *mut epoll_event,
) -> c_int {
    // SAFETY: packetdrill passes what the table has, and an event, or none when it is to be removed.
    let (host, event) = unsafe { (host(user), event.as_ref().copied()) };
    let watch = event.map_or(Watch::new(0, 0), |event| Watch::new(event.events, event.u64));
    guarded(|| {
        answer_int(
            host.call(|state| state.sockets.epoll_ctl(state.fd(epoll)?, operation, state.fd(fd)?, watch).map(|()| 0)),
        )
    })
}

unsafe extern "C" fn epoll_wait(
    user: User,
    epoll: c_int,
    events: *mut epoll_event,
    max: c_int,
    timeout: c_int,
) -> c_int {
    // SAFETY: packetdrill passes what the table has.
    let host = unsafe { host(user) };
    let ready = guarded(|| {
        let epoll = host.call(|state| state.fd(epoll))?;
        let max = usize::try_from(max).map_err(|_| Errno(libc::EINVAL))?;
        host.sleep(patience(timeout), move |sockets, over| match sockets.epoll_wait(epoll, max) {
            Ok(ready) if ready.is_empty() && !over => Poll::Pending,
            ready => Poll::Ready(ready),
        })
    });
    answer_int(ready.map(|ready| {
        for (at, (bits, data)) in ready.iter().enumerate() {
            // SAFETY: there is room for `max` events, and no more were asked for.
            unsafe { put(events.add(at), epoll_event { events: *bits, u64: *data }) };
        }
        ready.len()
    }))
}

unsafe extern "C" fn pipe(_user: User, _fds: *mut c_int) -> c_int {
    answer_int(Err(Errno(libc::ENOSYS)))
}

unsafe extern "C" fn splice(
    _user: User,
    _from: c_int,
    _from_offset: *mut i64,
    _to: c_int,
    _to_offset: *mut i64,
    _len: usize,
    _flags: c_uint,
) -> c_int {
    answer_int(Err(Errno(libc::ENOSYS)))
}
