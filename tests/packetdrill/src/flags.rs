//! `--so_flags`: what the stack can't learn from the calls.
//!
//! Pairs `name=value` with commas between: `mtu=1500`, `local=10.0.0.1` (the stack's address before anybody binds;
//! packetdrill's default, 192.168.0.1 or `fd3d:a0b:17d6::1`, if not said), `sysctl.NAME=VALUE` (a setting of `net.ipv4`;
//! the value may have blanks). `mode`, `remote` and `cookie` are known and say nothing to this stack.

use std::net::IpAddr;

use sockeye::StackConfig;
use sockeye_lab::sockets::{linux_profile, set_sysctl};

/// What the flags say.
#[derive(Debug)]
pub struct Flags {
    /// The stack's settings.
    pub config: StackConfig,
    /// Its address, if it is told.
    pub local: Option<IpAddr>,
}

/// Reads the flags.
///
/// # Errors
/// The pair that isn't understood.
pub fn parse(text: &str) -> Result<Flags, String> {
    let mut flags = Flags { config: linux_profile(), local: None };
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let wrong = || format!("--so_flags: `{pair}` is not understood");
        let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
        match name {
            "mtu" => flags.config.mtu = value.parse().map_err(|_| wrong())?,
            "local" => flags.local = Some(value.parse().map_err(|_| wrong())?),
            "mode" | "remote" | "cookie" => {}
            _ => {
                let setting = name.strip_prefix("sysctl.").ok_or_else(wrong)?;
                set_sysctl(&mut flags.config, setting, value)
                    .map_err(|what| format!("--so_flags: this stack has no {what}"))?;
            }
        }
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_and_addresses_are_taken() {
        let flags = parse("mode=ipv4,local=10.0.0.1,mtu=1280,sysctl.tcp_timestamps=0,sysctl.tcp_wmem=4096 50000 90000")
            .unwrap();
        assert_eq!((flags.config.mtu, flags.local), (1280, Some("10.0.0.1".parse().unwrap())));
        assert_eq!((flags.config.tcp.timestamps, flags.config.tcp.send_buffer.limit()), (false, 90_000));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert_eq!(parse("mtu=big").unwrap_err(), "--so_flags: `mtu=big` is not understood");
        assert_eq!(
            parse("sysctl.tcp_nonsense=1").unwrap_err(),
            "--so_flags: this stack has no net.ipv4.tcp_nonsense=1"
        );
    }
}
