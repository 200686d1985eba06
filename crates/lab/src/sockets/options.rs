//! `setsockopt()` and `getsockopt()`.

use std::collections::BTreeMap;
use std::time::Duration;

use libc::c_int;
use sockeye::{Algorithm, Buffer, Config, KeepAlive};

use super::linux::{SO_MEMINFO, SOF_TIMESTAMPING_OPT_ID, TCP_CC_INFO};
use super::{Errno, Fd, Role, Sockets};

/// What `TCP_MAXSEG` may be told: `TCP_MIN_MSS` and `MAX_TCP_WINDOW` of Linux.
const MAX_SEGMENT: std::ops::RangeInclusive<u16> = 88..=32_767;
/// Octets of the answer to `SO_MEMINFO`.
const MEMINFO_LEN: usize = 36;

/// Options that change nothing here and are only remembered: a stack in virtual time has no ports to share, no marks and no
/// priorities.
const REMEMBERED: [(c_int, c_int); 7] = [
    (libc::SOL_SOCKET, libc::SO_REUSEADDR),
    (libc::SOL_SOCKET, libc::SO_REUSEPORT),
    (libc::SOL_SOCKET, libc::SO_PRIORITY),
    (libc::SOL_SOCKET, libc::SO_MARK),
    (libc::SOL_SOCKET, libc::SO_BUSY_POLL),
    (libc::IPPROTO_IP, libc::IP_FREEBIND),
    (libc::IPPROTO_IP, libc::IP_TRANSPARENT),
];

/// Options that this stack has with one value alone, which says what it does: urgent text stays in the stream (RFC 6093
/// section 3), an ACK completes the handshake whether text comes with it or not, and a socket has the addresses it is bound
/// to.
const FIXED: [(c_int, c_int, c_int); 3] = [
    (libc::SOL_SOCKET, libc::SO_OOBINLINE, 1),
    (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0),
    (libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, 0),
];

/// Options that are on or off.
const SWITCHES: [(c_int, c_int); 2] = [(libc::SOL_SOCKET, libc::SO_ZEROCOPY), (libc::IPPROTO_TCP, libc::TCP_INQ)];

/// What a socket was told and a connection's configuration doesn't hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    remembered: BTreeMap<(c_int, c_int), c_int>,
    /// `SO_LINGER`: on or off, and seconds.
    linger: (c_int, c_int),
    keep_alive: bool,
    probes: KeepAlive,
    hop_limit: Option<u8>,
    traffic_class: u8,
}

impl Settings {
    pub(super) const fn resets_on_close(&self) -> bool {
        self.linger.0 != 0 && self.linger.1 == 0
    }

    fn is_on(&self, level: c_int, name: c_int) -> bool {
        self.remembered.get(&(level, name)).is_some_and(|value| *value != 0)
    }

    /// `TCP_INQ`.
    pub(super) fn tells_unread(&self) -> bool {
        self.is_on(libc::IPPROTO_TCP, libc::TCP_INQ)
    }

    /// `SO_ZEROCOPY`.
    pub(super) fn may_send_without_copy(&self) -> bool {
        self.is_on(libc::SOL_SOCKET, libc::SO_ZEROCOPY)
    }
}

/// The most that Linux lets a SYN be sent again (`MAX_TCP_SYNCNT`).
const MOST_RETRIES: u32 = 127;

/// How many SYNs Linux sends again in this time, after 1, 3, 7, 15 s and so on.
fn syn_retries(time: Duration) -> c_int {
    let fit = (0..MOST_RETRIES).take_while(|retries| handshake_timeout(retries + 1) <= time).count();
    c_int::try_from(fit).unwrap_or(c_int::MAX)
}

/// How long it takes until a SYN that was sent again so often goes unanswered: each wait is twice as long as the one before,
/// up to two minutes.
pub(super) fn handshake_timeout(retries: u32) -> Duration {
    let waits = (0..=retries.min(MOST_RETRIES)).map(|wait| Duration::from_secs(1 << wait.min(7)));
    waits.map(|wait| wait.min(Config::default().max_rto)).sum()
}

fn seconds(value: c_int) -> Result<Duration, Errno> {
    u64::try_from(value).ok().filter(|value| *value > 0).map(Duration::from_secs).ok_or(Errno(libc::EINVAL))
}

fn whole_seconds(time: Duration) -> c_int {
    c_int::try_from(time.as_secs()).unwrap_or(c_int::MAX)
}

/// The first word of a value.
fn integer(value: &[u8]) -> Result<c_int, Errno> {
    value.first_chunk().map(|octets| c_int::from_ne_bytes(*octets)).ok_or(Errno(libc::EINVAL))
}

/// A buffer of so many octets.
fn fixed(value: &[u8]) -> Result<Buffer, Errno> {
    Ok(Buffer::Fixed(integer(value)?.max(1).cast_unsigned()))
}

impl Sockets {
    /// `setsockopt()`; values as Linux has them in memory.
    ///
    /// # Errors
    /// `EBADF`, `EINVAL`; `ENOPROTOOPT` for an option that this stack doesn't have; `ENOENT` for a congestion control that
    /// it doesn't have.
    pub fn set_option(&mut self, fd: Fd, level: c_int, name: c_int, value: &[u8]) -> Result<(), Errno> {
        let socket = self.get_mut(fd)?;
        let mut config = socket.config.clone();
        match level {
            libc::SOL_SOCKET => self.set_socket_option(fd, name, value, &mut config)?,
            libc::IPPROTO_TCP => self.set_tcp_option(fd, name, value, &mut config)?,
            _ => self.set_ip_option(fd, level, name, integer(value)?)?,
        }
        self.reconfigure(fd, &config);
        Ok(())
    }

    fn set_socket_option(&mut self, fd: Fd, name: c_int, value: &[u8], config: &mut Config) -> Result<(), Errno> {
        let socket = self.get_mut(fd)?;
        match name {
            // Linux doubles what it is told, because headers count too; here text alone counts.
            libc::SO_SNDBUF | libc::SO_SNDBUFFORCE => config.send_buffer = fixed(value)?,
            libc::SO_RCVBUF | libc::SO_RCVBUFFORCE => config.receive_buffer = fixed(value)?,
            libc::SO_KEEPALIVE => {
                socket.settings.keep_alive = integer(value)? != 0;
                config.keep_alive = socket.settings.keep_alive.then_some(socket.settings.probes);
            }
            libc::SO_TIMESTAMPING => self.set_timestamping(fd, integer(value)?)?,
            libc::SO_LINGER => socket.settings.linger = (integer(value)?, integer(value.get(4..).unwrap_or_default())?),
            _ => self.remember(fd, libc::SOL_SOCKET, name, integer(value)?)?,
        }
        Ok(())
    }

    /// `SO_TIMESTAMPING`: as in Linux it needs a connection if it is to tell octets apart.
    fn set_timestamping(&mut self, fd: Fd, flags: c_int) -> Result<(), Errno> {
        let unacked = match self.connection(fd)? {
            Some(_) => self.unacked(fd)? as u64,
            None if flags & SOF_TIMESTAMPING_OPT_ID != 0 => return Err(Errno(libc::EINVAL)),
            None => 0,
        };
        let is_known = self.get_mut(fd)?.errors.set_timestamping(flags, unacked);
        if is_known { Ok(()) } else { Err(Errno(libc::ENOPROTOOPT)) }
    }

    fn set_tcp_option(&mut self, fd: Fd, name: c_int, value: &[u8], config: &mut Config) -> Result<(), Errno> {
        let socket = self.get_mut(fd)?;
        match name {
            libc::TCP_NODELAY => config.nodelay = integer(value)? != 0,
            libc::TCP_MAXSEG => {
                let octets = u16::try_from(integer(value)?).ok().filter(|octets| MAX_SEGMENT.contains(octets));
                let octets = octets.ok_or(Errno(libc::EINVAL))?;
                config.max_mss = Some(octets);
            }
            libc::TCP_NOTSENT_LOWAT => {
                // 0 stands for the sysctl's default, which is no limit.
                let octets = integer(value)?.cast_unsigned();
                config.unsent_limit = if octets == 0 { u32::MAX } else { octets };
            }
            libc::TCP_CORK => {
                socket.is_corked = integer(value)? != 0;
                config.cork = socket.is_corked;
            }
            libc::TCP_KEEPIDLE => socket.settings.probes.idle = seconds(integer(value)?)?,
            libc::TCP_KEEPINTVL => socket.settings.probes.interval = seconds(integer(value)?)?,
            libc::TCP_KEEPCNT => {
                socket.settings.probes.count = u8::try_from(integer(value)?).map_err(|_| Errno(libc::EINVAL))?;
            }
            libc::TCP_SYNCNT => {
                let retries =
                    u32::try_from(integer(value)?).ok().filter(|retries| (1..=MOST_RETRIES).contains(retries));
                config.handshake_timeout = handshake_timeout(retries.ok_or(Errno(libc::EINVAL))?);
            }
            libc::TCP_LINGER2 => config.orphan_timeout = seconds(integer(value)?)?,
            libc::TCP_USER_TIMEOUT => {
                let millis = u64::try_from(integer(value)?).map_err(|_| Errno(libc::EINVAL))?;
                config.user_timeout =
                    if millis == 0 { Config::default().user_timeout } else { Some(Duration::from_millis(millis)) };
            }
            libc::TCP_CONGESTION => {
                let name = String::from_utf8_lossy(value);
                let name = name.trim_end_matches('\0');
                config.congestion = name.parse::<Algorithm>().map_err(|_| Errno(libc::ENOENT))?;
            }
            _ => self.remember(fd, libc::IPPROTO_TCP, name, integer(value)?)?,
        }
        let socket = self.get(fd)?;
        config.keep_alive = socket.settings.keep_alive.then_some(socket.settings.probes);
        Ok(())
    }

    fn set_ip_option(&mut self, fd: Fd, level: c_int, name: c_int, value: c_int) -> Result<(), Errno> {
        let settings = &mut self.get_mut(fd)?.settings;
        let octet = u8::try_from(value).map_err(|_| Errno(libc::EINVAL));
        match (level, name) {
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS) => {
                settings.hop_limit = Some(octet?);
            }
            (libc::IPPROTO_IP, libc::IP_TOS) | (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                settings.traffic_class = octet?;
            }
            _ => return self.remember(fd, level, name, value),
        }
        self.apply_ip_settings(fd);
        Ok(())
    }

    /// Tells the connection what the socket was told of its IP header.
    pub(super) fn apply_ip_settings(&mut self, fd: Fd) {
        let Some((Role::Connection(id), settings)) =
            self.table.get(&fd).map(|socket| (socket.role, socket.settings.clone()))
        else {
            return;
        };
        self.stack.set_dscp(id, settings.traffic_class >> 2);
        if let Some(hop_limit) = settings.hop_limit {
            self.stack.set_hop_limit(id, hop_limit);
        }
    }

    fn remember(&mut self, fd: Fd, level: c_int, name: c_int, value: c_int) -> Result<(), Errno> {
        if FIXED.contains(&(level, name, value)) {
            return Ok(());
        }
        let is_switch = SWITCHES.contains(&(level, name));
        if is_switch && !(0..=1).contains(&value) {
            return Err(Errno(libc::EINVAL));
        }
        if !is_switch && !REMEMBERED.contains(&(level, name)) {
            return Err(Errno(libc::ENOPROTOOPT));
        }
        self.get_mut(fd)?.settings.remembered.insert((level, name), value);
        Ok(())
    }

    /// `getsockopt()`: the value as Linux has it in memory.
    ///
    /// # Errors
    /// `EBADF`; `ENOPROTOOPT` for an option that this stack doesn't have.
    pub fn option(&mut self, fd: Fd, level: c_int, name: c_int) -> Result<Vec<u8>, Errno> {
        let value = match (level, name) {
            (libc::SOL_SOCKET, libc::SO_LINGER) => {
                let (on, seconds) = self.get(fd)?.settings.linger;
                return Ok([on.to_ne_bytes(), seconds.to_ne_bytes()].concat());
            }
            (libc::SOL_SOCKET, SO_MEMINFO) => return Ok(vec![0; MEMINFO_LEN]),
            (libc::IPPROTO_TCP, TCP_CC_INFO) => return Ok(self.tcp_info(fd)?.control_to_bytes()),
            (libc::IPPROTO_TCP, libc::TCP_INFO) => return Ok(self.tcp_info(fd)?.to_bytes()),
            (libc::IPPROTO_TCP, libc::TCP_CONGESTION) => {
                let mut name = self.get(fd)?.config.congestion.name().as_bytes().to_vec();
                name.resize(16, 0);
                return Ok(name);
            }
            (libc::SOL_SOCKET, _) => self.socket_option(fd, name)?,
            (libc::IPPROTO_TCP, _) => self.tcp_option(fd, name)?,
            _ => self.ip_option(fd, level, name)?,
        };
        Ok(value.to_ne_bytes().to_vec())
    }

    fn socket_option(&mut self, fd: Fd, name: c_int) -> Result<c_int, Errno> {
        let info = self.connection(fd)?.and_then(|id| self.stack.info(self.now, id));
        let socket = self.get_mut(fd)?;
        let doubled = |octets: u32| c_int::try_from(octets.saturating_mul(2)).unwrap_or(c_int::MAX);
        Ok(match name {
            libc::SO_ERROR => socket.error.take().map_or(0, |error| error.0),
            libc::SO_SNDBUF => doubled(info.map_or(socket.config.send_buffer.initial(), |info| info.send_buffer)),
            libc::SO_RCVBUF => doubled(info.map_or(socket.config.receive_buffer.initial(), |info| info.receive_buffer)),
            libc::SO_KEEPALIVE => c_int::from(socket.settings.keep_alive),
            libc::SO_TIMESTAMPING => socket.errors.timestamping(),
            libc::SO_TYPE => libc::SOCK_STREAM,
            libc::SO_PROTOCOL => libc::IPPROTO_TCP,
            libc::SO_ACCEPTCONN => c_int::from(matches!(socket.role, Role::Listening(_))),
            _ => return self.remembered(fd, libc::SOL_SOCKET, name),
        })
    }

    fn tcp_option(&self, fd: Fd, name: c_int) -> Result<c_int, Errno> {
        let socket = self.get(fd)?;
        let info = self.connection(fd)?.and_then(|id| self.stack.info(self.now, id));
        let config = &socket.config;
        Ok(match name {
            libc::TCP_NODELAY => c_int::from(config.nodelay),
            libc::TCP_CORK => c_int::from(socket.is_corked),
            libc::TCP_MAXSEG => {
                let told = config.max_mss.unwrap_or(config.default_peer_mss);
                i32::from(info.map_or(told, |info| info.snd_mss))
            }
            libc::TCP_NOTSENT_LOWAT if config.unsent_limit == u32::MAX => 0,
            libc::TCP_NOTSENT_LOWAT => config.unsent_limit.cast_signed(),
            libc::TCP_KEEPIDLE => whole_seconds(socket.settings.probes.idle),
            libc::TCP_KEEPINTVL => whole_seconds(socket.settings.probes.interval),
            libc::TCP_KEEPCNT => c_int::from(socket.settings.probes.count),
            libc::TCP_SYNCNT => syn_retries(config.handshake_timeout),
            libc::TCP_LINGER2 => whole_seconds(config.orphan_timeout),
            libc::TCP_USER_TIMEOUT if config.user_timeout == Config::default().user_timeout => 0,
            libc::TCP_USER_TIMEOUT => {
                config.user_timeout.map_or(0, |time| c_int::try_from(time.as_millis()).unwrap_or(c_int::MAX))
            }
            _ => return self.remembered(fd, libc::IPPROTO_TCP, name),
        })
    }

    fn ip_option(&self, fd: Fd, level: c_int, name: c_int) -> Result<c_int, Errno> {
        let settings = &self.get(fd)?.settings;
        Ok(match (level, name) {
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS) => {
                settings.hop_limit.map_or(64, c_int::from)
            }
            (libc::IPPROTO_IP, libc::IP_TOS) | (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                c_int::from(settings.traffic_class)
            }
            _ => return self.remembered(fd, level, name),
        })
    }

    fn remembered(&self, fd: Fd, level: c_int, name: c_int) -> Result<c_int, Errno> {
        if let Some((.., value)) = FIXED.iter().find(|(of, fixed, _)| (*of, *fixed) == (level, name)) {
            return Ok(*value);
        }
        if !SWITCHES.contains(&(level, name)) && !REMEMBERED.contains(&(level, name)) {
            return Err(Errno(libc::ENOPROTOOPT));
        }
        Ok(self.get(fd)?.settings.remembered.get(&(level, name)).copied().unwrap_or(0))
    }
}
