//! Names of Linux that scripts use, and the numbers they stand for.

use crate::sockets::{Errno, linux};

/// A table of names and their values in the libc crate.
macro_rules! table {
    ($($name:ident)*) => { [$((stringify!($name), libc::$name as i64)),*] };
}

#[expect(clippy::cast_possible_wrap, reason = "the constants have various types")]
const CALLS: [(&str, i64); 106] = table! {
    AF_INET AF_INET6 AF_UNSPEC PF_INET PF_INET6 SOCK_STREAM SOCK_DGRAM SOCK_NONBLOCK SOCK_CLOEXEC IPPROTO_TCP IPPROTO_UDP IPPROTO_IP
    IPPROTO_IPV6 SOL_SOCKET SOL_TCP SOL_IP SOL_IPV6 SO_REUSEADDR SO_REUSEPORT SO_ERROR SO_KEEPALIVE SO_LINGER SO_SNDBUF SO_RCVBUF
    SO_SNDBUFFORCE SO_RCVBUFFORCE SO_TYPE SO_DOMAIN SO_PROTOCOL SO_ACCEPTCONN SO_OOBINLINE SO_PRIORITY SO_MARK SO_RCVLOWAT
    SO_RCVTIMEO SO_SNDTIMEO SO_TIMESTAMP SO_TIMESTAMPNS SO_TIMESTAMPING SO_ZEROCOPY SO_BUSY_POLL SO_MAX_PACING_RATE
    SO_INCOMING_CPU SO_BINDTODEVICE SO_DONTROUTE SO_BROADCAST
    TCP_NODELAY TCP_MAXSEG TCP_CORK TCP_KEEPIDLE TCP_KEEPINTVL TCP_KEEPCNT TCP_SYNCNT TCP_LINGER2 TCP_DEFER_ACCEPT
    TCP_WINDOW_CLAMP TCP_INFO TCP_QUICKACK TCP_CONGESTION TCP_MD5SIG TCP_USER_TIMEOUT TCP_FASTOPEN TCP_FASTOPEN_CONNECT
    TCP_TIMESTAMP TCP_NOTSENT_LOWAT TCP_REPAIR TCP_THIN_LINEAR_TIMEOUTS TCP_CM_INQ TCP_INQ
    IP_TOS IP_TTL IP_MTU_DISCOVER IP_MTU IP_RECVERR IP_FREEBIND IP_TRANSPARENT IPV6_RECVERR IPV6_TCLASS IPV6_UNICAST_HOPS
    IPV6_V6ONLY IPV6_MTU IP_PMTUDISC_DONT IP_PMTUDISC_WANT IP_PMTUDISC_DO IP_PMTUDISC_PROBE
    MSG_OOB MSG_PEEK MSG_DONTWAIT MSG_MORE MSG_EOR MSG_NOSIGNAL MSG_TRUNC MSG_CTRUNC MSG_WAITALL MSG_ERRQUEUE MSG_FASTOPEN
    O_RDONLY O_WRONLY O_RDWR O_NONBLOCK F_GETFL F_SETFL SHUT_RD SHUT_WR SHUT_RDWR FIONREAD
};

const READINESS: [(&str, i64); 21] = table! {
    POLLIN POLLOUT POLLPRI POLLERR POLLHUP POLLNVAL POLLRDHUP EPOLLIN EPOLLOUT EPOLLPRI EPOLLERR EPOLLHUP EPOLLRDHUP EPOLLET
    EPOLLONESHOT EPOLL_CTL_ADD EPOLL_CTL_MOD EPOLL_CTL_DEL POLLRDNORM POLLWRNORM SIGPIPE
};

/// A table of names and their values in [`linux`].
macro_rules! ours {
    ($($name:ident)*) => { [$((stringify!($name), linux::$name as i64)),*] };
}

const OURS: [(&str, i64); 20] = ours! {
    SIOCINQ SIOCOUTQ SIOCOUTQNSD SIOCATMARK MSG_ZEROCOPY TCP_CC_INFO SO_MEMINFO SO_EE_ORIGIN_TIMESTAMPING SO_EE_ORIGIN_ZEROCOPY
    SCM_TIMESTAMPING SCM_TSTAMP_SND SCM_TSTAMP_SCHED SCM_TSTAMP_ACK SOF_TIMESTAMPING_TX_SOFTWARE SOF_TIMESTAMPING_SOFTWARE
    SOF_TIMESTAMPING_OPT_ID SOF_TIMESTAMPING_TX_SCHED SOF_TIMESTAMPING_TX_ACK SOF_TIMESTAMPING_OPT_CMSG
    SOF_TIMESTAMPING_OPT_TSONLY
};

/// Those that neither has, because no call here understands them: `linux/tcp.h`, `linux/errqueue.h`, `linux/net_tstamp.h`.
const OTHERS: [(&str, i64); 20] = [
    ("NULL", 0),
    ("TCP_SAVE_SYN", 27),
    ("TCP_SAVED_SYN", 28),
    ("TCP_FASTOPEN_KEY", 33),
    ("TCP_FASTOPEN_NO_COOKIE", 34),
    ("TCP_ZEROCOPY_RECEIVE", 35),
    ("TCP_TX_DELAY", 37),
    ("SO_EE_ORIGIN_NONE", 0),
    ("SO_EE_ORIGIN_LOCAL", 1),
    ("SO_EE_ORIGIN_ICMP", 2),
    ("SO_EE_ORIGIN_ICMP6", 3),
    ("SO_EE_CODE_ZEROCOPY_COPIED", 1),
    ("SOF_TIMESTAMPING_TX_HARDWARE", 1),
    ("SOF_TIMESTAMPING_RX_HARDWARE", 4),
    ("SOF_TIMESTAMPING_RX_SOFTWARE", 8),
    ("SOF_TIMESTAMPING_RAW_HARDWARE", 64),
    ("SOF_TIMESTAMPING_OPT_STATS", 4096),
    ("TCP_NLA_BUSY", 1),
    ("SPLICE_F_NONBLOCK", 2),
    ("SPLICE_F_MOVE", 1),
];

/// What a symbol in the arguments of a call stands for.
pub(super) fn value(name: &str) -> Option<i64> {
    let all = CALLS.iter().chain(&READINESS).chain(&OURS).chain(&OTHERS);
    all.clone()
        .find(|(known, _)| *known == name)
        .map(|(_, value)| *value)
        .or_else(|| Errno::by_name(name).map(|Errno(number)| number.into()))
}

/// States and other names that code in `%{ }%` may use (`linux/tcp.h`, `net/tcp_states.h`).
pub(super) const IN_CODE: [(&str, i64); 27] = [
    ("TCP_ESTABLISHED", 1),
    ("TCP_SYN_SENT", 2),
    ("TCP_SYN_RECV", 3),
    ("TCP_FIN_WAIT1", 4),
    ("TCP_FIN_WAIT2", 5),
    ("TCP_TIME_WAIT", 6),
    ("TCP_CLOSE", 7),
    ("TCP_CLOSE_WAIT", 8),
    ("TCP_LAST_ACK", 9),
    ("TCP_LISTEN", 10),
    ("TCP_CLOSING", 11),
    ("TCP_CA_Open", 0),
    ("TCP_CA_Disorder", 1),
    ("TCP_CA_CWR", 2),
    ("TCP_CA_Recovery", 3),
    ("TCP_CA_Loss", 4),
    ("TCPI_OPT_TIMESTAMPS", 1),
    ("TCPI_OPT_SACK", 2),
    ("TCPI_OPT_WSCALE", 4),
    ("TCPI_OPT_ECN", 8),
    ("TCPI_OPT_ECN_SEEN", 16),
    ("TCPI_OPT_SYN_DATA", 32),
    ("TCPI_OPT_USEC_TS", 64),
    ("TCPI_OPT_TFO_CHILD", 128),
    ("TCP_INFINITE_SSTHRESH", 0x7fff_ffff),
    ("True", 1),
    ("False", 0),
];

const ICMP_V4: [(&str, u8); 13] = [
    ("echo_reply", 0),
    ("unreachable", 3),
    ("source_quench", 4),
    ("redirect", 5),
    ("echo_request", 8),
    ("time_exceeded", 11),
    ("parameter_problem", 12),
    ("timestamp_request", 13),
    ("timestamp_reply", 14),
    ("information_request", 15),
    ("information_reply", 16),
    ("address_mask_request", 17),
    ("address_mask_reply", 18),
];

const ICMP_V6: [(&str, u8); 6] = [
    ("unreachable", 1),
    ("packet_too_big", 2),
    ("time_exceeded", 3),
    ("parameter_problem", 4),
    ("echo_request", 128),
    ("echo_reply", 129),
];

const UNREACHABLE_V4: [&str; 16] = [
    "net_unreachable",
    "host_unreachable",
    "protocol_unreachable",
    "port_unreachable",
    "frag_needed",
    "source_route_failed",
    "net_unknown",
    "host_unknown",
    "source_host_isolated",
    "net_prohibited",
    "host_prohibited",
    "net_unreachable_for_tos",
    "host_unreachable_for_tos",
    "packet_filtered",
    "precedence_violation",
    "precedence_cutoff",
];

const UNREACHABLE_V6: [&str; 5] =
    ["no_route", "admin_prohibited", "not_neighbour", "address_unreachable", "port_unreachable"];
const TIME_EXCEEDED_V6: [&str; 2] = ["exceeded_hop_limit", "exceeded_frag_time"];
const PARAMETER_PROBLEM_V6: [&str; 3] = ["header_field", "unknown_next_header", "unknown_option"];

/// The number of an ICMP type.
pub(super) fn icmp_type(name: &str, v6: bool) -> Option<u8> {
    if let Some(number) = name.strip_prefix("type_") {
        return number.parse().ok();
    }
    let table = if v6 { &ICMP_V6[..] } else { &ICMP_V4[..] };
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// The number of a code of an ICMP type.
pub(super) fn icmp_code(kind: u8, name: &str, v6: bool) -> Option<u8> {
    if let Some(number) = name.strip_prefix("code_") {
        return number.parse().ok();
    }
    let table = match (v6, kind) {
        (false, 3) => &UNREACHABLE_V4[..],
        (true, 1) => &UNREACHABLE_V6,
        (true, 3) => &TIME_EXCEEDED_V6,
        (true, 4) => &PARAMETER_PROBLEM_V6,
        _ => &[],
    };
    table.iter().position(|known| *known == name).and_then(|code| u8::try_from(code).ok())
}
