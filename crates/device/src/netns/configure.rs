//! What a namespace's own TCP is to be like, so that figures don't depend on the host's defaults.

use std::fmt::{self, Write as _};

use super::{set_sysctl, sysctl};
use crate::Error;
use crate::netlink::{Link, LinkSettings, links};

/// The kernel's settings that a figure depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `net.ipv4.tcp_congestion_control`. A host lets its namespaces choose only among those in its own
    /// `tcp_allowed_congestion_control`; where this one isn't there, [`apply`](Self::apply) sets
    /// [`Self::ALWAYS_ALLOWED`]. (A socket may still choose any, by `TCP_CONGESTION`.)
    pub congestion_control: String,
    /// `net.ipv4.tcp_ecn`: 0 never, 1 ask for it, 2 only when asked.
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

const CONGESTION_CONTROL: &str = "net.ipv4.tcp_congestion_control";
const ECN: &str = "net.ipv4.tcp_ecn";
const RMEM: &str = "net.ipv4.tcp_rmem";
const WMEM: &str = "net.ipv4.tcp_wmem";

impl Settings {
    /// The congestion control that every kernel has and lets every namespace have.
    pub const ALWAYS_ALLOWED: &str = "reno";

    /// Makes the namespace of the calling thread so, and sets its loopback up.
    ///
    /// # Errors
    /// [`Error::NotPermitted`], [`Error::Sysctl`], [`Error::Io`].
    pub fn apply(&self) -> Result<(), Error> {
        Link::by_name("lo")?.set(LinkSettings { up: Some(true), ..LinkSettings::default() })?;
        if let Err(error) = set_sysctl(CONGESTION_CONTROL, &self.congestion_control) {
            log::info!("{} instead of {}: {error}", Self::ALWAYS_ALLOWED, self.congestion_control);
            set_sysctl(CONGESTION_CONTROL, Self::ALWAYS_ALLOWED)?;
        }
        let triple = |[least, default, most]: [u32; 3]| format!("{least} {default} {most}");
        set_sysctl(ECN, &self.ecn.to_string())?;
        set_sysctl(RMEM, &triple(self.rmem))?;
        set_sysctl(WMEM, &triple(self.wmem))
    }

    /// What the namespace of the calling thread is like in fact.
    ///
    /// # Errors
    /// [`Error::Sysctl`].
    pub fn read() -> Result<Self, Error> {
        Ok(Self {
            congestion_control: sysctl(CONGESTION_CONTROL)?,
            ecn: number(ECN, &sysctl(ECN)?)?,
            rmem: triple(RMEM)?,
            wmem: triple(WMEM)?,
        })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { congestion_control, ecn, rmem: [.., rmem], wmem: [.., wmem] } = self;
        write!(f, "{congestion_control}, tcp_ecn {ecn}, tcp_rmem up to {rmem}, tcp_wmem up to {wmem}")
    }
}

/// A line that says under which conditions a figure was measured in the calling thread's namespace: what is set in fact,
/// and each link that is up with its MTU and queue.
///
/// # Errors
/// [`Error::Sysctl`], [`Error::Io`].
pub fn describe() -> Result<String, Error> {
    let mut line = Settings::read()?.to_string();
    for (_, link) in links()?.into_iter().filter(|(_, link)| link.up && link.name != "lo") {
        // Writing to a string doesn't fail.
        let _ = write!(line, "; {} mtu {} txqueuelen {}", link.name, link.mtu, link.tx_queue_len);
    }
    Ok(line)
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, Error> {
    let odd = || std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{text:?} is no number"));
    text.parse().map_err(|_| Error::Sysctl(name.to_owned(), odd()))
}

fn triple(name: &str) -> Result<[u32; 3], Error> {
    let text = sysctl(name)?;
    let mut numbers = text.split_whitespace();
    let mut next = || number(name, numbers.next().unwrap_or_default());
    Ok([next()?, next()?, next()?])
}
