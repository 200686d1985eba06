//! The settings of the stack: those behind `defaults.sh`, changed by what a script's first command says.

use std::sync::Arc;
use std::time::Duration;

use sockeye::{Config, EcnPolicy, StackConfig};

use super::program::Script;
use crate::sockets::handshake_timeout;

/// What the profile of the public scripts sets: the window scale of 8 comes from Linux's largest receive buffer.
const RECEIVE_BUFFER: u32 = 15 << 20;
const SEND_BUFFER: u32 = 4 << 20;

/// Settings that the profile has anyway, or that say nothing to a stack of its own.
const WITHOUT_EFFECT: [&str; 19] = [
    "tcp_autocorking",
    "tcp_dsack",
    "tcp_early_retrans",
    "tcp_fack",
    "tcp_frto",
    "tcp_recovery",
    "tcp_reordering",
    "tcp_mem",
    "tcp_moderate_rcvbuf",
    "tcp_min_tso_segs",
    "tcp_tso_win_divisor",
    "tcp_no_metrics_save",
    "tcp_pacing_ca_ratio",
    "tcp_pacing_ss_ratio",
    "tcp_slow_start_after_idle",
    "tcp_notsent_lowat",
    "tcp_syncookies",
    "tcp_thin_dupack",
    "tcp_abc",
];

/// The stack's settings for a script.
///
/// # Errors
/// What the script asks for that this stack doesn't have.
pub(super) fn stack_config(script: &Script) -> Result<StackConfig, String> {
    let mut config = Config {
        receive_buffer: RECEIVE_BUFFER,
        send_buffer: SEND_BUFFER,
        ecn: EcnPolicy::Off,
        pacing: false,
        ..Config::default()
    };
    let command = script.init.as_deref().unwrap_or_default();
    for line in command.split(['\n', ';']).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        command_line(&mut config, line.trim_end_matches('\\'))?;
    }
    let mtu = script.options.mtu;
    Ok(StackConfig { mtu, tcp: Arc::new(config), ..StackConfig::new([7; 32]) })
}

fn command_line(config: &mut Config, line: &str) -> Result<(), String> {
    let mut words = line.split("&&").flat_map(str::split_whitespace);
    let command = words.next().unwrap_or_default();
    let known = command.ends_with("defaults.sh") || command == "true" || command.contains("/sysctl_restore_");
    let sets = command == "sysctl" || command.ends_with("set_sysctls.py") || command.contains('=');
    if !known && !sets {
        return Err(format!("the command `{line}`, which is for the kernel"));
    }
    // A value may have several words: `net.ipv4.tcp_rmem="4096 87380 6291456"`.
    let settings = if sets && command.contains('=') { line } else { line.strip_prefix(command).unwrap_or_default() };
    let mut name = None;
    let mut value = String::new();
    let mut all = Vec::new();
    let words = settings.split_whitespace().take_while(|word| !word.starts_with('>'));
    for word in words.filter(|word| !word.starts_with('-')) {
        match word.split_once('=') {
            Some((next, first)) => {
                all.extend(name.replace(next).map(|name| (name, std::mem::take(&mut value))));
                first.clone_into(&mut value);
            }
            None => value = format!("{value} {word}"),
        }
    }
    all.extend(name.map(|name| (name, value)));
    all.iter().try_for_each(|(name, value)| set(config, name, value.trim_matches(['"', '\''])))
}

fn set(config: &mut Config, name: &str, value: &str) -> Result<(), String> {
    let name = name.trim_start_matches("/proc/sys/net/ipv4/").trim_start_matches("net.ipv4.");
    let last = value.split_whitespace().next_back().unwrap_or_default();
    let unsupported = || format!("net.ipv4.{name}={value}");
    let number: u64 = last.parse().unwrap_or_default();
    let seconds = Duration::from_secs(number);
    match name {
        "tcp_timestamps" => config.timestamps = number != 0,
        "tcp_sack" => config.sack = number != 0,
        "tcp_window_scaling" => config.window_scaling = number != 0,
        "tcp_rmem" => config.receive_buffer = u32::try_from(number).map_err(|_| unsupported())?,
        "tcp_wmem" => config.send_buffer = u32::try_from(number).map_err(|_| unsupported())?,
        "tcp_syn_retries" | "tcp_synack_retries" => {
            config.handshake_timeout = handshake_timeout(u32::try_from(number).map_err(|_| unsupported())?);
        }
        "tcp_congestion_control" => config.congestion = last.parse().map_err(|_| unsupported())?,
        "tcp_fin_timeout" => config.orphan_timeout = seconds,
        "tcp_thin_linear_timeouts" => config.thin_linear_timeouts = number != 0,
        "tcp_ecn" => {
            config.ecn = match number {
                0 => EcnPolicy::Off,
                1 => EcnPolicy::Request,
                2 => EcnPolicy::Accept,
                _ => return Err(unsupported()),
            }
        }
        "tcp_fastopen" if number == 0 => {}
        _ if WITHOUT_EFFECT.contains(&name) => {}
        _ => return Err(unsupported()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Overrides;
    use super::*;

    fn config(command: &str) -> Result<StackConfig, String> {
        let text = format!("`{command}`\n0 close(3) = 0");
        stack_config(&Script::parse("test", &text, &Overrides::default()).unwrap())
    }

    #[test]
    fn settings_are_found_however_they_are_written() {
        for command in [
            "./defaults.sh\nsysctl -q net.ipv4.tcp_timestamps=0 net.ipv4.tcp_rmem=\"4096 8192 16384\"",
            "../common/defaults.sh; ../common/set_sysctls.py /proc/sys/net/ipv4/tcp_timestamps=0 /proc/sys/net/ipv4/tcp_rmem='4096 8192 16384'",
        ] {
            let tcp = config(command).unwrap().tcp;
            assert_eq!((tcp.timestamps, tcp.receive_buffer, tcp.sack), (false, 16_384, true), "{command}");
        }
    }

    #[test]
    fn what_is_for_the_kernel_is_refused_by_name() {
        assert_eq!(
            config("tc qdisc add dev tun0 root fq").unwrap_err(),
            "the command `tc qdisc add dev tun0 root fq`, which is for the kernel"
        );
        assert_eq!(config("sysctl -q net.ipv4.tcp_mtu_probing=1").unwrap_err(), "net.ipv4.tcp_mtu_probing=1");
    }
}
