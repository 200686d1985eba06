//! System calls of a script, made on [`Sockets`](crate::sockets::Sockets).

use std::time::Duration;

use bytes::Bytes;
use libc::c_int;

use super::super::program::{Call, Value};
use super::message::Wanted;
use super::waiting::{Polled, Task};
use super::{Run, Step, Stop, differs, mismatch};
use crate::sockets::{Errno, Family, Fd, Watch, Writing, linux};

/// Flags of calls that read, and of those that write, which do here what they do in Linux.
const READ_FLAGS: c_int = libc::MSG_PEEK
    | libc::MSG_DONTWAIT
    | libc::MSG_TRUNC
    | libc::MSG_NOSIGNAL
    | libc::MSG_CMSG_CLOEXEC
    | libc::MSG_ERRQUEUE;
const WRITE_FLAGS: c_int =
    libc::MSG_OOB | libc::MSG_DONTWAIT | libc::MSG_MORE | libc::MSG_NOSIGNAL | linux::MSG_ZEROCOPY;

/// Octets that one call may write: a script's text is in memory whole.
const LONGEST_WRITE: usize = 256 << 20;

impl Call {
    fn argument(&self, at: usize) -> Step<&Value> {
        match self.arguments.get(at) {
            Some(value) => Ok(value),
            None => mismatch(format!("{} has {} arguments, too few", self.name, self.arguments.len())),
        }
    }

    fn integer(&self, at: usize) -> Step<i64> {
        match self.argument(at)?.integer() {
            Some(value) => Ok(value),
            None => mismatch(format!("argument {} of {} is no number", at + 1, self.name)),
        }
    }

    fn int(&self, at: usize) -> Step<c_int> {
        let value = self.integer(at)?;
        // As C converts: 0x80000000 is a bit, not a number.
        #[expect(clippy::cast_possible_truncation, reason = "as C converts")]
        Ok(value as c_int)
    }

    fn length(&self, at: usize) -> Step<usize> {
        match usize::try_from(self.integer(at)?) {
            Ok(length) => Ok(length),
            Err(_) => mismatch(format!("argument {} of {} is negative", at + 1, self.name)),
        }
    }
}

impl<'a> Run<'a> {
    /// Makes a call; `end` is when it is to return if it may sleep.
    pub(super) fn call(&mut self, call: &'a Call, end: Option<Duration>) -> Step {
        if self.waiting.is_some() {
            // The reference waits a second for the call that sleeps; nothing can wake it here meanwhile but time.
            self.advance(self.sockets.now() + Duration::from_secs(1))?;
            if self.waiting.is_some() {
                return mismatch("another call sleeps still");
            }
        }
        match call.name.as_str() {
            "socket" => self.socket(call),
            "accept" => {
                let task = Task::Accept(self.fd(call, 0)?);
                self.begin(call, task, end, None)
            }
            "connect" => self.connect(call, end),
            "read" | "recv" | "recvfrom" | "readv" | "recvmsg" => self.read(call, end),
            "write" | "send" | "sendto" | "writev" | "sendmsg" => self.write(call, end),
            "poll" => self.poll(call, end),
            "epoll_create" => {
                let epoll = self.sockets.epoll_create();
                let name = self.name(call, epoll);
                self.returned(call, Ok(name))
            }
            "epoll_wait" => self.epoll_wait(call, end),
            "pipe" | "splice" | "sendfile" | "open" | "cap_set" => {
                Err(Stop::Beyond(format!("{}, which is for the kernel", call.name)))
            }
            _ => self.simple(call),
        }
    }

    /// Calls that never sleep and return a number.
    fn simple(&mut self, call: &'a Call) -> Step {
        let fd = self.fd(call, 0)?;
        let result = match call.name.as_str() {
            "bind" => self.sockets.bind(fd, (self.local, self.script.options.bind_port).into()).map(|()| 0),
            "listen" => {
                self.flow = None;
                self.sockets.listen(fd, call.int(1)?).map(|()| 0)
            }
            "close" => self.sockets.close(fd).map(|()| 0),
            "shutdown" => self.sockets.shutdown(fd, call.int(1)?).map(|()| 0),
            "fcntl" => self.fcntl(call, fd)?,
            "ioctl" => self.ioctl(call, fd)?,
            "setsockopt" => {
                let value = option_bytes(call.argument(3)?)?;
                self.sockets.set_option(fd, call.int(1)?, call.int(2)?, &value).map(|()| 0)
            }
            "getsockopt" => self.getsockopt(call, fd)?,
            "epoll_ctl" => self.epoll_ctl(call, fd)?,
            name => return mismatch(format!("the call {name} isn't understood")),
        };
        if matches!(result, Err(Errno(libc::ENOPROTOOPT))) && call.errno.as_deref() != Some("ENOPROTOOPT") {
            return Err(Stop::Beyond(format!("{call}: a socket option that this stack doesn't have")));
        }
        self.returned(call, result)
    }

    /// Our number of the socket that the script has a number for.
    fn fd(&self, call: &Call, at: usize) -> Step<Fd> {
        let script = call.integer(at)?;
        match self.fds.get(&script) {
            Some(fd) => Ok(*fd),
            None => mismatch(format!("{script} is no socket of this script")),
        }
    }

    fn socket(&mut self, call: &Call) -> Step {
        let kind = call.int(1)?;
        let protocol = call.int(2)?;
        if kind & 0xf != libc::SOCK_STREAM || !matches!(protocol, 0 | libc::IPPROTO_TCP) {
            return Err(Stop::Beyond("sockets of another protocol than TCP".into()));
        }
        let fd = self.sockets.socket(kind & libc::SOCK_NONBLOCK != 0);
        (self.under_test, self.connecting, self.flow) = (Some(fd), false, None);
        let name = self.name(call, fd);
        self.returned(call, Ok(name))
    }

    /// What the script calls a socket that was made: the result that it expects, if it expects success.
    pub(super) fn name(&mut self, call: &Call, fd: Fd) -> i64 {
        if call.result < 0 {
            return i64::from(fd);
        }
        self.fds.insert(call.result, fd);
        call.result
    }

    fn connect(&mut self, call: &'a Call, end: Option<Duration>) -> Step {
        let fd = self.fd(call, 0)?;
        if call.argument(1)?.integer() == Some(i64::from(libc::AF_UNSPEC)) {
            let result = self.sockets.disconnect(fd).map(|()| 0);
            return self.returned(call, result);
        }
        self.connecting = self.flow.is_none();
        match self.sockets.connect(fd, (self.remote, self.script.options.connect_port).into()) {
            std::task::Poll::Ready(result) => self.returned(call, result.map(|()| 0)),
            std::task::Poll::Pending => self.begin(call, Task::Connect(fd), end, None),
        }
    }

    fn read(&mut self, call: &'a Call, end: Option<Duration>) -> Step {
        let fd = self.fd(call, 0)?;
        let (max, flags) = match call.name.as_str() {
            "readv" => (vector_len(call.argument(1)?)?, 0),
            "recvmsg" => (vector_len(call.argument(1)?.field("msg_iov").unwrap_or(&Value::Ellipsis))?, call.int(2)?),
            "read" => (call.length(2)?, 0),
            _ => (call.length(2)?, call.int(3)?),
        };
        check_flags(call, flags, READ_FLAGS)?;
        let task = if call.name == "recvmsg" {
            let has_room_for_packet = max > 0;
            let wanted = Wanted::new(call.argument(1)?, self.script.options.family != Family::V4, has_room_for_packet);
            Task::Receive { fd, max, flags, wanted }
        } else if flags & libc::MSG_ERRQUEUE != 0 {
            return Err(Stop::Beyond(format!("MSG_ERRQUEUE of {}, which would lose what recvmsg tells", call.name)));
        } else {
            Task::Read { fd, max, flags }
        };
        self.begin(call, task, end, None)
    }

    fn write(&mut self, call: &'a Call, end: Option<Duration>) -> Step {
        let fd = self.fd(call, 0)?;
        let (len, flags) = match call.name.as_str() {
            "write" => (call.length(2)?, 0),
            "writev" => (vector_len(call.argument(1)?)?, 0),
            "sendmsg" => (vector_len(call.argument(1)?.field("msg_iov").unwrap_or(&Value::Ellipsis))?, call.int(2)?),
            _ => (call.length(2)?, call.int(3)?),
        };
        check_flags(call, flags, WRITE_FLAGS)?;
        if call.name == "sendmsg" && call.argument(1)?.field("msg_control").is_some() {
            return Err(Stop::Beyond("control messages of sendmsg".into()));
        }
        if len > LONGEST_WRITE {
            return Err(Stop::Beyond(format!("a write of {len} octets, more than {LONGEST_WRITE}")));
        }
        let writing = Writing::new(Bytes::from(vec![0; len]), flags);
        self.begin(call, Task::Write(fd, writing), end, None)
    }

    fn poll(&mut self, call: &'a Call, end: Option<Duration>) -> Step {
        let Value::List(polled) = call.argument(0)? else {
            return mismatch("poll takes a list of sockets");
        };
        let polled = polled.iter().map(|polled| {
            let number = |name| polled.field(name).and_then(Value::integer);
            let Some(fd) = number("fd").and_then(|fd| self.fds.get(&fd)).copied() else {
                return mismatch("poll of no socket of this script");
            };
            let bits = |name| number(name).and_then(|bits| u32::try_from(bits).ok()).unwrap_or(0);
            Ok(Polled { fd, events: bits("events"), expected: bits("revents") })
        });
        let polled = polled.collect::<Step<Vec<_>>>()?;
        if call.length(1)? != polled.len() {
            return mismatch(format!("poll of {} sockets, of which {} are told", call.length(1)?, polled.len()));
        }
        self.begin(call, Task::Poll(polled), end, patience(call.integer(2)?))
    }

    fn epoll_ctl(&mut self, call: &Call, epoll: Fd) -> Step<Result<i64, Errno>> {
        let event = call.argument(3)?;
        let watch = Watch::new(events_of(event), data_of(event));
        let fd = self.fd(call, 2)?;
        Ok(self.sockets.epoll_ctl(epoll, call.int(1)?, fd, watch).map(|()| 0))
    }

    fn epoll_wait(&mut self, call: &'a Call, end: Option<Duration>) -> Step {
        let event = call.argument(1)?;
        let expected = (call.result > 0).then(|| (events_of(event), data_of(event)));
        let task = Task::EpollWait { epoll: self.fd(call, 0)?, max: call.length(2)?, expected };
        self.begin(call, task, end, patience(call.integer(3)?))
    }

    fn fcntl(&mut self, call: &Call, fd: Fd) -> Step<Result<i64, Errno>> {
        Ok(match call.int(1)? {
            libc::F_GETFL => self
                .sockets
                .is_nonblocking(fd)
                .map(|is_nonblocking| i64::from(libc::O_RDWR | if is_nonblocking { libc::O_NONBLOCK } else { 0 })),
            libc::F_SETFL => self.sockets.set_nonblocking(fd, call.int(2)? & libc::O_NONBLOCK != 0).map(|()| 0),
            _ => Err(Errno(libc::EINVAL)),
        })
    }

    fn ioctl(&mut self, call: &Call, fd: Fd) -> Step<Result<i64, Errno>> {
        let expected = call.argument(2)?.integer();
        match self.sockets.ioctl(fd, call.int(1)?) {
            Ok(value) if expected != Some(i64::from(value)) => differs("the ioctl's value differs", call, &value),
            value => Ok(value.map(|_| 0)),
        }
    }

    fn getsockopt(&mut self, call: &Call, fd: Fd) -> Step<Result<i64, Errno>> {
        let value = match self.sockets.option(fd, call.int(1)?, call.int(2)?) {
            Ok(value) => value,
            Err(errno) => return Ok(Err(errno)),
        };
        let expected = call.argument(3)?;
        let (alike, got) = match (expected, value.first_chunk()) {
            (Value::Text(text), _) => {
                let name = String::from_utf8_lossy(&value);
                let name = name.trim_end_matches('\0').to_owned();
                (*text == name, name)
            }
            (Value::List(_), Some(octets)) => {
                let number = c_int::from_ne_bytes(*octets);
                let name = if call.int(2)? == libc::SO_ERROR { format!(" {}", Errno(number)) } else { String::new() };
                (expected.integer() == Some(i64::from(number)), format!("[{number}]{name}"))
            }
            (Value::Struct(_), _) => {
                let words =
                    value.chunks_exact(4).filter_map(|word| word.first_chunk().copied()).map(c_int::from_ne_bytes);
                (value.starts_with(&option_bytes(expected)?), format!("{:?}", words.collect::<Vec<_>>()))
            }
            _ => (true, String::new()),
        };
        if alike { Ok(Ok(0)) } else { differs("the option's value differs", call, &got) }
    }
}

/// Flags that a call can't do here are not passed over.
fn check_flags(call: &Call, flags: c_int, known: c_int) -> Step {
    let others = flags & !known;
    if others & libc::MSG_FASTOPEN != 0 {
        return Err(Stop::Beyond("MSG_FASTOPEN".into()));
    }
    if others != 0 {
        return Err(Stop::Beyond(format!("flags of {} that this stack doesn't have: {others:#x}", call.name)));
    }
    Ok(())
}

/// Milliseconds of patience; negative ones are for ever.
fn patience(millis: i64) -> Option<Duration> {
    u64::try_from(millis).ok().map(Duration::from_millis)
}

fn events_of(event: &Value) -> u32 {
    let bits = event.field("events").and_then(Value::integer).unwrap_or(0);
    // EPOLLET is the sign bit of C's int.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as C converts")]
    {
        bits as u32
    }
}

fn data_of(event: &Value) -> u64 {
    ["fd", "ptr", "u32", "u64"].iter().find_map(|name| event.field(name)?.integer()).map_or(0, i64::cast_unsigned)
}

/// Octets in a list of buffers: the last field of each is its length.
fn vector_len(vector: &Value) -> Step<usize> {
    let Value::List(buffers) = vector else {
        return mismatch("a list of buffers is `[{..., length}, …]`");
    };
    let mut lengths = buffers.iter().map(|buffer| match buffer {
        Value::Struct(fields) => fields.last().and_then(|(_, value)| value.integer()),
        _ => None,
    });
    let add = |sum: usize, length: Option<i64>| sum.checked_add(usize::try_from(length?).ok()?);
    match lengths.try_fold(0, add) {
        Some(sum) => Ok(sum),
        None => mismatch("a buffer is `{..., length}`"),
    }
}

/// The value of a socket option as C has it in memory.
fn option_bytes(value: &Value) -> Step<Vec<u8>> {
    let int = |value: i64| {
        #[expect(clippy::cast_possible_truncation, reason = "as C converts")]
        (value as c_int).to_ne_bytes()
    };
    Ok(match value {
        Value::Integer(value) => int(*value).to_vec(),
        Value::Text(text) => text.as_bytes().to_vec(),
        Value::List(values) => values.iter().filter_map(Value::integer).flat_map(int).collect(),
        Value::Struct(fields) => fields.iter().filter_map(|(_, value)| value.integer()).flat_map(int).collect(),
        Value::Ellipsis | Value::Function(..) => return mismatch("the value of a socket option is missing"),
    })
}
