//! What a namespace's own TCP is to be like, so that figures don't depend on the host's defaults.

use std::fmt;
use std::fs;
use std::io;

use crate::Error;
use crate::netlink::{Link, LinkSettings};

/// The kernel's settings that a figure depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `net.ipv4.tcp_congestion_control`.
    pub congestion_control: String,
    /// `net.ipv4.tcp_ecn`.
    pub ecn: u8,
    /// `net.ipv4.tcp_rmem`: least, default and most octets of a receive buffer.
    pub rmem: [u32; 3],
    /// `net.ipv4.tcp_wmem`: the same of a send buffer.
    pub wmem: [u32; 3],
}

impl Default for Settings {
    /// What a Linux of today starts with on a machine with some memory.
    fn default() -> Self {
        Self {
            congestion_control: "cubic".to_owned(),
            ecn: 2,
            rmem: [4096, 131_072, 6_291_456],
            wmem: [4096, 16_384, 4_194_304],
        }
    }
}

const SYSCTL: &str = "/proc/sys/net/ipv4";

impl Settings {
    /// Makes the namespace of the calling thread so, and sets its loopback up.
    ///
    /// # Errors
    /// [`Error::NotPermitted`], [`Error::Io`].
    pub fn apply(&self) -> Result<(), Error> {
        Link::by_name("lo")?.set(LinkSettings { up: Some(true), ..LinkSettings::default() })?;
        let triple = |[least, default, most]: [u32; 3]| format!("{least} {default} {most}");
        let write = || -> io::Result<()> {
            put("tcp_congestion_control", &self.congestion_control)?;
            put("tcp_ecn", &self.ecn.to_string())?;
            put("tcp_rmem", &triple(self.rmem))?;
            put("tcp_wmem", &triple(self.wmem))
        };
        write().map_err(Error::io("setting the kernel's TCP parameters"))
    }

    /// What the namespace of the calling thread is like in fact.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read() -> Result<Self, Error> {
        let read = || -> io::Result<Self> {
            Ok(Self {
                congestion_control: get("tcp_congestion_control")?,
                ecn: get("tcp_ecn")?.parse().map_err(io::Error::other)?,
                rmem: triple(&get("tcp_rmem")?)?,
                wmem: triple(&get("tcp_wmem")?)?,
            })
        };
        read().map_err(Error::io("reading the kernel's TCP parameters"))
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { congestion_control, ecn, rmem, wmem } = self;
        write!(f, "{congestion_control}, tcp_ecn {ecn}, tcp_rmem up to {}, tcp_wmem up to {}", rmem[2], wmem[2])
    }
}

fn put(name: &str, value: &str) -> io::Result<()> {
    fs::write(format!("{SYSCTL}/{name}"), value)
}

fn get(name: &str) -> io::Result<String> {
    Ok(fs::read_to_string(format!("{SYSCTL}/{name}"))?.trim().to_owned())
}

fn triple(text: &str) -> io::Result<[u32; 3]> {
    let numbers: Vec<u32> = text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    numbers.try_into().map_err(|_| io::Error::other(format!("three numbers were expected, not {text:?}")))
}
