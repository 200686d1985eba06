//! What packetdrill does with the shared object: loads it, has its table filled, calls through it.
//!
//! The table's layout is written down here a second time, by offsets, so that a field in the wrong place is seen.

use std::ffi::{CString, c_char, c_int, c_long, c_longlong, c_uint, c_ulong, c_void};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use libloading::Library;

/// Where the members are, in octets: section 2 of the interface's description.
pub const FREE: usize = 8;
pub const SOCKET: usize = 16;
pub const BIND: usize = 24;
pub const LISTEN: usize = 32;
pub const ACCEPT: usize = 40;
pub const CONNECT: usize = 48;
pub const READ: usize = 56;
pub const READV: usize = 64;
pub const RECVMSG: usize = 88;
pub const WRITE: usize = 96;
pub const WRITEV: usize = 104;
pub const SENDTO: usize = 120;
pub const FCNTL: usize = 136;
pub const IOCTL: usize = 144;
pub const CLOSE: usize = 152;
pub const SHUTDOWN: usize = 160;
pub const GETSOCKOPT: usize = 168;
pub const SETSOCKOPT: usize = 176;
pub const POLL: usize = 184;
pub const NETDEV_SEND: usize = 192;
pub const NETDEV_RECEIVE: usize = 200;
pub const USLEEP: usize = 208;
pub const GETTIMEOFDAY: usize = 216;
pub const EPOLL_CREATE: usize = 224;
pub const EPOLL_CTL: usize = 232;
pub const EPOLL_WAIT: usize = 240;
pub const SPLICE: usize = 256;

/// The loaded object and its table.
pub struct Tool {
    table: Box<[usize; 33]>,
    library: &'static Library,
}

// SAFETY: the table's functions may be called from any thread, which is what is tested.
unsafe impl Sync for Tool {}

fn object() -> PathBuf {
    let beside = std::env::current_exe().unwrap().parent().unwrap().join("libsockeye_packetdrill.so");
    assert!(beside.exists(), "cargo has not built {}", beside.display());
    beside
}

/// A function of the table, called with the user's data first.
macro_rules! call {
    ($tool:expr, $offset:expr, $result:ty $(, $argument:expr => $kind:ty)*) => {{
        let function = $tool.table[$offset / 8];
        assert_ne!(function, 0, "no function at {}", $offset);
        // SAFETY: the interface says what stands there.
        unsafe {
            let function: unsafe extern "C" fn(*mut c_void $(, $kind)*) -> $result = std::mem::transmute(function);
            function($tool.table[0] as *mut c_void $(, $argument)*)
        }
    }};
}

/// What a call returned, or its errno.
fn checked(result: isize) -> Result<usize, c_int> {
    usize::try_from(result).map_err(|_| std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

fn checked_int(result: c_int) -> Result<c_int, c_int> {
    checked(result as isize).map(|_| result)
}

impl Tool {
    /// Loads the object; `flags` is `--so_flags`, if it was given.
    pub fn load(flags: Option<&str>) -> Self {
        // SAFETY: loading it runs no code but Rust's own.
        let library = unsafe { Library::new(object()) }.unwrap();
        // Never unloaded, as packetdrill has it (RTLD_NODELETE).
        let library = &*Box::leak(Box::new(library));
        let mut table = Box::new([0; 33]);
        let flags = flags.map(|flags| CString::new(flags).unwrap());
        {
            // SAFETY: the symbol's type is what the interface says.
            let init = unsafe {
                library.get::<unsafe extern "C" fn(*const c_char, *mut usize)>(b"packetdrill_interface_init\0")
            };
            // SAFETY: a C string that outlives the call, and a table of the right size.
            unsafe {
                init.unwrap()(flags.as_ref().map_or(std::ptr::null(), |flags| flags.as_ptr()), table.as_mut_ptr());
            };
        }
        assert!(table.iter().all(|member| *member != 0), "every member is filled");
        Self { table, library }
    }

    pub fn socket(&self, domain: c_int) -> c_int {
        checked_int(call!(self, SOCKET, c_int, domain => c_int, libc::SOCK_STREAM => c_int, libc::IPPROTO_TCP => c_int))
            .unwrap()
    }

    fn with_address(&self, offset: usize, fd: c_int, address: &[u8]) -> Result<c_int, c_int> {
        let len = u32::try_from(address.len()).unwrap();
        checked_int(call!(self, offset, c_int, fd => c_int, address.as_ptr() => *const u8, len => c_uint))
    }

    pub fn bind(&self, fd: c_int, address: &[u8]) -> Result<c_int, c_int> {
        self.with_address(BIND, fd, address)
    }

    pub fn connect(&self, fd: c_int, address: &[u8]) -> Result<c_int, c_int> {
        self.with_address(CONNECT, fd, address)
    }

    pub fn listen(&self, fd: c_int) -> Result<c_int, c_int> {
        checked_int(call!(self, LISTEN, c_int, fd => c_int, 5 => c_int))
    }

    /// The new socket and the peer's address as it stands in memory.
    pub fn accept(&self, fd: c_int) -> Result<(c_int, Vec<u8>), c_int> {
        let (mut address, mut len) = ([0_u8; 128], 128_u32);
        let result =
            call!(self, ACCEPT, c_int, fd => c_int, address.as_mut_ptr() => *mut u8, &raw mut len => *mut c_uint);
        checked_int(result).map(|fd| (fd, address[..len as usize].to_vec()))
    }

    pub fn read(&self, fd: c_int, max: usize) -> Result<Vec<u8>, c_int> {
        let mut buffer = vec![0xee; max];
        let result = call!(self, READ, isize, fd => c_int, buffer.as_mut_ptr() => *mut u8, max => usize);
        checked(result).map(|len| {
            buffer.truncate(len);
            buffer
        })
    }

    pub fn readv(&self, fd: c_int, sizes: &[usize]) -> Result<Vec<Vec<u8>>, c_int> {
        let mut buffers: Vec<Vec<u8>> = sizes.iter().map(|size| vec![0xee; *size]).collect();
        let vectors: Vec<libc::iovec> = buffers
            .iter_mut()
            .map(|buffer| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() })
            .collect();
        let count = c_int::try_from(vectors.len()).unwrap();
        let result = call!(self, READV, isize, fd => c_int, vectors.as_ptr() => *const libc::iovec, count => c_int);
        checked(result).map(|_| buffers)
    }

    /// The octets, `msg_flags`, and what was written of `room` octets for control messages.
    pub fn recvmsg(&self, fd: c_int, max: usize, flags: c_int, room: usize) -> Result<(usize, c_int, Vec<u8>), c_int> {
        let (mut text, mut control) = (vec![0xee_u8; max], vec![0_u64; room.div_ceil(8)]);
        let mut buffer = libc::iovec { iov_base: text.as_mut_ptr().cast(), iov_len: max };
        // SAFETY: all of it are numbers and pointers, for which zero is a value.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        (message.msg_iov, message.msg_iovlen) = (&raw mut buffer, 1);
        (message.msg_control, message.msg_controllen) = (control.as_mut_ptr().cast(), room);
        let result = call!(self, RECVMSG, isize, fd => c_int, &raw mut message => *mut libc::msghdr, flags => c_int);
        let octets = control.iter().flat_map(|word| word.to_ne_bytes()).take(message.msg_controllen).collect();
        checked(result).map(|len| (len, message.msg_flags, octets))
    }

    pub fn write(&self, fd: c_int, text: &[u8]) -> Result<usize, c_int> {
        checked(call!(self, WRITE, isize, fd => c_int, text.as_ptr() => *const u8, text.len() => usize))
    }

    pub fn writev(&self, fd: c_int, texts: &[&[u8]]) -> Result<usize, c_int> {
        let vectors: Vec<libc::iovec> = texts
            .iter()
            .map(|text| libc::iovec { iov_base: text.as_ptr().cast_mut().cast(), iov_len: text.len() })
            .collect();
        let count = c_int::try_from(vectors.len()).unwrap();
        checked(call!(self, WRITEV, isize, fd => c_int, vectors.as_ptr() => *const libc::iovec, count => c_int))
    }

    pub fn sendto(&self, fd: c_int, text: &[u8], flags: c_int, remote: &[u8]) -> Result<usize, c_int> {
        let len = u32::try_from(remote.len()).unwrap();
        checked(call!(self, SENDTO, isize, fd => c_int, text.as_ptr() => *const u8, text.len() => usize,
            flags => c_int, remote.as_ptr() => *const u8, len => c_uint))
    }

    pub fn fcntl(&self, fd: c_int, command: c_int, argument: c_long) -> Result<c_int, c_int> {
        checked_int(call!(self, FCNTL, c_int, fd => c_int, command => c_int, argument => c_long))
    }

    pub fn never_block(&self, fd: c_int) {
        let flags = c_long::from(libc::O_RDWR | libc::O_NONBLOCK);
        assert_eq!(self.fcntl(fd, libc::F_SETFL, flags), Ok(0));
    }

    pub fn ioctl(&self, fd: c_int, request: c_ulong) -> Result<c_int, c_int> {
        let mut value = 0x5555;
        checked_int(call!(self, IOCTL, c_int, fd => c_int, request => c_ulong, &raw mut value => *mut c_int))
            .map(|_| value)
    }

    pub fn close(&self, fd: c_int) -> Result<c_int, c_int> {
        checked_int(call!(self, CLOSE, c_int, fd => c_int))
    }

    pub fn shutdown(&self, fd: c_int, how: c_int) -> Result<c_int, c_int> {
        checked_int(call!(self, SHUTDOWN, c_int, fd => c_int, how => c_int))
    }

    pub fn set(&self, fd: c_int, level: c_int, name: c_int, value: &[u8]) -> Result<c_int, c_int> {
        let len = u32::try_from(value.len()).unwrap();
        checked_int(call!(self, SETSOCKOPT, c_int, fd => c_int, level => c_int, name => c_int,
            value.as_ptr() => *const u8, len => c_uint))
    }

    pub fn get(&self, fd: c_int, level: c_int, name: c_int, room: usize) -> Result<Vec<u8>, c_int> {
        let (mut value, mut len) = (vec![0xee; room], u32::try_from(room).unwrap());
        let result = call!(self, GETSOCKOPT, c_int, fd => c_int, level => c_int, name => c_int,
            value.as_mut_ptr() => *mut u8, &raw mut len => *mut c_uint);
        checked_int(result).map(|_| value[..len as usize].to_vec())
    }

    /// The same through the symbol that `LD_PRELOAD` puts in front of the C library's.
    pub fn get_preloaded(&self, fd: c_int, level: c_int, name: c_int, room: usize) -> Result<Vec<u8>, c_int> {
        type GetSockOpt = unsafe extern "C" fn(c_int, c_int, c_int, *mut u8, *mut c_uint) -> c_int;
        let (mut value, mut len) = (vec![0xee; room], u32::try_from(room).unwrap());
        // SAFETY: the symbol is getsockopt, and there is room for as much as it is told.
        let result = unsafe {
            let function = self.library.get::<GetSockOpt>(b"getsockopt\0").unwrap();
            function(fd, level, name, value.as_mut_ptr(), &raw mut len)
        };
        checked_int(result).map(|_| value[..len as usize].to_vec())
    }

    pub fn poll(&self, fd: c_int, events: i16, timeout: c_int) -> Result<i16, c_int> {
        let mut polled = libc::pollfd { fd, events, revents: 0x55 };
        checked_int(call!(self, POLL, c_int, &raw mut polled => *mut libc::pollfd, 1 => c_ulong, timeout => c_int))
            .map(|_| polled.revents)
    }

    pub fn epoll_create(&self) -> c_int {
        checked_int(call!(self, EPOLL_CREATE, c_int, 1 => c_int)).unwrap()
    }

    pub fn epoll_add(&self, epoll: c_int, fd: c_int, events: u32, data: u64) -> Result<c_int, c_int> {
        let mut event = libc::epoll_event { events, u64: data };
        checked_int(call!(self, EPOLL_CTL, c_int, epoll => c_int, libc::EPOLL_CTL_ADD => c_int, fd => c_int,
            &raw mut event => *mut libc::epoll_event))
    }

    pub fn epoll_wait(&self, epoll: c_int, timeout: c_int) -> Result<Vec<(u32, u64)>, c_int> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 4];
        let result = call!(self, EPOLL_WAIT, c_int, epoll => c_int, events.as_mut_ptr() => *mut libc::epoll_event,
            4 => c_int, timeout => c_int);
        checked(result as isize).map(|count| events[..count].iter().map(|event| (event.events, event.u64)).collect())
    }

    pub fn splice(&self, fd: c_int) -> Result<c_int, c_int> {
        let mut offset = 0_i64;
        checked_int(call!(self, SPLICE, c_int, fd => c_int, &raw mut offset => *mut i64, fd => c_int,
            &raw mut offset => *mut i64, 10 => usize, 0 => c_uint))
    }

    pub fn netdev_send(&self, packet: &[u8]) {
        assert_eq!(call!(self, NETDEV_SEND, c_int, packet.as_ptr() => *const u8, packet.len() => usize), 0);
    }

    /// A packet and when it left; none if the stack has nothing more to send.
    pub fn netdev_receive(&self) -> Option<(Vec<u8>, Duration)> {
        let (mut packet, mut len, mut micros) = (vec![0; 65_536], 65_536_usize, 0_i64);
        let result = call!(self, NETDEV_RECEIVE, c_int, packet.as_mut_ptr() => *mut u8, &raw mut len => *mut usize,
            &raw mut micros => *mut c_longlong);
        assert_eq!(result, 0);
        packet.truncate(len);
        (len > 0).then(|| (packet, Duration::from_micros(micros.unsigned_abs())))
    }

    pub fn usleep(&self, micros: u32) {
        assert_eq!(call!(self, USLEEP, c_int, micros => c_uint), 0);
    }

    pub fn now(&self) -> Duration {
        let mut time = [0_i64; 2];
        let null = std::ptr::null_mut();
        assert_eq!(call!(self, GETTIMEOFDAY, c_int, time.as_mut_ptr() => *mut i64, null => *mut c_void), 0);
        Duration::from_secs(time[0].unsigned_abs()) + Duration::from_micros(time[1].unsigned_abs())
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        call!(self, FREE, ());
    }
}

/// `sockaddr_in` or `sockaddr_in6`, by hand.
pub fn sockaddr(address: SocketAddr) -> Vec<u8> {
    let port = address.port().to_be_bytes();
    match address {
        SocketAddr::V4(v4) => [&[2, 0][..], &port, &v4.ip().octets(), &[0; 8]].concat(),
        SocketAddr::V6(v6) => [&[10, 0][..], &port, &[0; 4], &v6.ip().octets(), &[0; 4]].concat(),
    }
}
