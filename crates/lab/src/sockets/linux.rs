//! Numbers of Linux that the libc crate lacks: `linux/sockios.h`, `linux/socket.h`, `linux/tcp.h`, `asm-generic/socket.h`,
//! `linux/errqueue.h`, `linux/net_tstamp.h`. They are for the calls of [`Sockets`](super::Sockets), whoever makes them.

use libc::c_int;

/// Octets that wait to be read.
pub const SIOCINQ: c_int = 0x541b;
/// Octets that were written and not acknowledged.
pub const SIOCOUTQ: c_int = 0x5411;
/// Octets that were written and not sent.
pub const SIOCOUTQNSD: c_int = 0x894b;
/// Whether the urgent octet comes next.
pub const SIOCATMARK: c_int = 0x8905;

/// The octets are not copied, and a report on the error queue says when they are free.
pub const MSG_ZEROCOPY: c_int = 0x400_0000;

/// What the congestion control tells.
pub const TCP_CC_INFO: c_int = 26;
/// What the socket's buffers hold.
pub const SO_MEMINFO: c_int = 55;

/// Whence a report on the error queue is: a timestamp.
pub const SO_EE_ORIGIN_TIMESTAMPING: u8 = 4;
/// An end of `MSG_ZEROCOPY`.
pub const SO_EE_ORIGIN_ZEROCOPY: u8 = 5;

/// The control message with a timestamp.
pub const SCM_TIMESTAMPING: c_int = libc::SO_TIMESTAMPING;
/// It says when the octet left for the device.
pub const SCM_TSTAMP_SND: u32 = 0;
/// It says when the octet left for the queue before that.
pub const SCM_TSTAMP_SCHED: u32 = 1;
/// It says when the octet was acknowledged.
pub const SCM_TSTAMP_ACK: u32 = 2;

/// Bits of `SO_TIMESTAMPING`: timestamps of leaving for the device.
pub const SOF_TIMESTAMPING_TX_SOFTWARE: c_int = 2;
/// Tell timestamps that software took.
pub const SOF_TIMESTAMPING_SOFTWARE: c_int = 16;
/// Tell which octet a timestamp is of.
pub const SOF_TIMESTAMPING_OPT_ID: c_int = 128;
/// Timestamps of leaving for the queue.
pub const SOF_TIMESTAMPING_TX_SCHED: c_int = 256;
/// Timestamps of being acknowledged.
pub const SOF_TIMESTAMPING_TX_ACK: c_int = 512;
/// Control messages with every timestamp: there are anyway.
pub const SOF_TIMESTAMPING_OPT_CMSG: c_int = 1024;
/// The timestamp alone, without the packet.
pub const SOF_TIMESTAMPING_OPT_TSONLY: c_int = 2048;
