//! Parameters of the kernel, those of the network being a namespace's own.

use std::fs;
use std::path::PathBuf;

use crate::Error;

/// `net.ipv4.tcp_ecn` as a file. A name with slashes is taken as it is: names of links may have dots in them.
fn file(name: &str) -> PathBuf {
    let name = if name.contains('/') { name.to_owned() } else { name.replace('.', "/") };
    PathBuf::from("/proc/sys").join(name)
}

/// The value of a parameter in the calling thread's namespace, without the blanks around it.
///
/// # Errors
/// [`Error::Sysctl`].
///
/// ```
/// # use sockeye_device::netns::sysctl;
/// assert!(!sysctl("net.ipv4.tcp_congestion_control")?.is_empty());
/// # Ok::<(), sockeye_device::Error>(())
/// ```
pub fn sysctl(name: &str) -> Result<String, Error> {
    let value = fs::read_to_string(file(name)).map_err(|error| Error::Sysctl(name.to_owned(), error))?;
    Ok(value.trim().to_owned())
}

/// Sets a parameter in the calling thread's namespace.
///
/// # Errors
/// [`Error::Sysctl`].
pub fn set_sysctl(name: &str, value: &str) -> Result<(), Error> {
    fs::write(file(name), value).map_err(|error| Error::Sysctl(name.to_owned(), error))
}
