//! The settings of a stack in Linux's words: those behind `defaults.sh` of the public scripts, and `net.ipv4.*`.

use std::sync::Arc;
use std::time::Duration;

use sockeye::{Buffer, Config, EcnPolicy, MtuProbing, StackConfig};

use super::options::handshake_timeout;

/// What the profile of the public scripts sets: the window scale of 8 comes from Linux's largest receive buffer.
const RECEIVE_BUFFER: Buffer = Buffer::Auto { initial: 540_000, limit: 15 << 20 };
const SEND_BUFFER: Buffer = Buffer::Auto { initial: 256 << 10, limit: 4 << 20 };

/// Settings of a host, of its queues and offloads, which say nothing to a stack of its own; and `tcp_fack`, which Linux
/// takes and ignores since 4.15 (`Documentation/networking/ip-sysctl.rst`).
const WITHOUT_EFFECT: [&str; 7] = [
    "tcp_autocorking",
    "tcp_fack",
    "tcp_min_tso_segs",
    "tcp_no_metrics_save",
    "tcp_pacing_ca_ratio",
    "tcp_pacing_ss_ratio",
    "tcp_tso_win_divisor",
];

/// Settings that this stack has, but can't change: with the values that say what it does. For each a script in `tests/scripts`
/// shows it, with this setting in its first command.
const FIXED: [(&str, &[u64]); 7] = [
    ("tcp_dsack", &[1]),
    ("tcp_early_retrans", &[3, 4]), // both: tail loss probes
    ("tcp_frto", &[1, 2]),
    ("tcp_recovery", &[1]),
    ("tcp_reordering", &[3]),
    ("tcp_syncookies", &[0]),
    ("tcp_thin_dupack", &[0]),
];

/// Three numbers: the least, which no buffer here falls below anyway, what it begins with, and the most.
fn buffer(value: &str) -> Option<Buffer> {
    let mut numbers = value.split_whitespace().skip(1).map(|number| number.parse().ok());
    Some(Buffer::Auto { initial: numbers.next()??, limit: numbers.next()?? })
}

/// How often a SYN, or SYN-ACK, is sent again.
const SYN_RETRIES: u32 = 5;

/// What `defaults.sh` of packetdrill's public scripts sets, as far as it is a matter of TCP: no ECN, no pacing, no
/// path MTU probing, large buffers, five SYNs more at most, no restart of the congestion window after idleness. Two things it
/// sets that this stack doesn't have: Fast Open, and SYN cookies where the backlog overflows. Secrets and numbers are the same
/// in each run.
pub fn linux_profile() -> StackConfig {
    let tcp = Config {
        receive_buffer: RECEIVE_BUFFER,
        send_buffer: SEND_BUFFER,
        ecn: EcnPolicy::Off,
        pacing: false,
        mtu_probing: MtuProbing::Off,
        handshake_timeout: handshake_timeout(SYN_RETRIES),
        restart_after_idle: false,
        ..Config::default()
    };
    StackConfig { tcp: Arc::new(tcp), ..StackConfig::new([7; 32]) }
}

/// Sets what Linux calls `net.ipv4.NAME`, with that prefix or that of `/proc/sys`, or without; or `net.core.default_qdisc`, of which
/// `fq` paces.
///
/// # Errors
/// The setting, if this stack doesn't have it, or not with this value.
pub fn set_sysctl(stack: &mut StackConfig, name: &str, value: &str) -> Result<(), String> {
    let name = name.trim_start_matches("/proc/sys/net/ipv4/").trim_start_matches("net.ipv4.");
    set(stack, name, value).ok_or_else(|| format!("net.ipv4.{name}={value}"))
}

/// `None` for what this stack doesn't have.
fn set(stack: &mut StackConfig, name: &str, value: &str) -> Option<()> {
    let config = Arc::make_mut(&mut stack.tcp);
    let last = value.split_whitespace().next_back().unwrap_or_default();
    match name {
        "tcp_congestion_control" => config.congestion = last.parse().ok()?,
        // In Linux it is this that paces TCP, but for BBR.
        "net.core.default_qdisc" => config.pacing = last == "fq",
        "tcp_rmem" => config.receive_buffer = buffer(value)?,
        "tcp_wmem" => config.send_buffer = buffer(value)?,
        _ => {
            let number = last.parse().ok()?;
            return set_connection(config, name, number).or_else(|| set_host(stack, name, number));
        }
    }
    Some(())
}

/// Settings of each connection that are a number.
fn set_connection(config: &mut Config, name: &str, number: u64) -> Option<()> {
    match name {
        "tcp_timestamps" => config.timestamps = number != 0,
        "tcp_sack" => config.sack = number != 0,
        "tcp_window_scaling" => config.window_scaling = number != 0,
        "tcp_moderate_rcvbuf" if number == 0 => {
            config.receive_buffer = Buffer::Fixed(config.receive_buffer.initial());
        }
        "tcp_moderate_rcvbuf" => {}
        "tcp_syn_retries" | "tcp_synack_retries" => {
            config.handshake_timeout = handshake_timeout(u32::try_from(number).ok()?);
        }
        "tcp_slow_start_after_idle" => config.restart_after_idle = number != 0,
        "tcp_mtu_probing" => config.mtu_probing = mtu_probing(number)?,
        "tcp_base_mss" => config.base_mss = u16::try_from(number).ok()?,
        "tcp_notsent_lowat" => config.unsent_limit = u32::try_from(number).ok()?,
        "tcp_fin_timeout" => config.orphan_timeout = Duration::from_secs(number),
        "tcp_thin_linear_timeouts" => config.thin_linear_timeouts = number != 0,
        "tcp_ecn" => config.ecn = ecn_policy(number)?,
        _ => return None,
    }
    Some(())
}

/// Settings of all connections together, and those that can't be changed.
fn set_host(stack: &mut StackConfig, name: &str, number: u64) -> Option<()> {
    let is_so = FIXED.iter().any(|(fixed, values)| *fixed == name && values.contains(&number));
    match name {
        // The last of three numbers of pages: those before it follow from it here.
        "tcp_mem" => stack.memory_limit = usize::try_from(number).ok()?.saturating_mul(4096),
        "tcp_no_ssthresh_metrics_save" => stack.remember.ssthresh = number == 0,
        "tcp_fastopen" if number == 0 => {}
        _ if is_so || WITHOUT_EFFECT.contains(&name) => {}
        _ => return None,
    }
    Some(())
}

const fn mtu_probing(number: u64) -> Option<MtuProbing> {
    Some(match number {
        0 => MtuProbing::Off,
        1 => MtuProbing::OnBlackHole,
        2 => MtuProbing::Always,
        _ => return None,
    })
}

const fn ecn_policy(number: u64) -> Option<EcnPolicy> {
    Some(match number {
        0 => EcnPolicy::Off,
        1 => EcnPolicy::Request,
        2 => EcnPolicy::Accept,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_cannot_be_changed_is_taken_only_with_the_value_that_it_has() {
        let mut config = linux_profile();
        for (name, values) in FIXED {
            for value in 0..9 {
                let outcome = set_sysctl(&mut config, name, &value.to_string());
                assert_eq!(outcome.is_ok(), values.contains(&value), "{name}={value}");
            }
        }
        assert_eq!(set_sysctl(&mut config, "tcp_recovery", "0"), Err("net.ipv4.tcp_recovery=0".into()));
        assert_eq!(format!("{config:?}"), format!("{:?}", linux_profile()));
    }

    #[test]
    fn what_cannot_be_changed_is_shown_by_a_script() {
        let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/scripts");
        let folders = fs::read_dir(scripts).unwrap().map(|folder| folder.unwrap().path());
        let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
        let texts: Vec<String> = files.map(|file| fs::read_to_string(file).unwrap()).collect();
        for (name, values) in FIXED {
            let sets = |text: &String| values.iter().any(|value| text.contains(&format!("net.ipv4.{name}={value}`")));
            assert!(texts.iter().any(sets), "no script has {name} in its first command");
        }
    }

    #[test]
    fn as_many_syns_are_sent_again_as_linux_would() {
        let mut config = linux_profile();
        for (retries, seconds) in [(0, 1), (1, 3), (5, 63), (6, 127), (7, 247), (8, 367), (127, 127 + 121 * 120)] {
            set_sysctl(&mut config, "tcp_syn_retries", &retries.to_string()).unwrap();
            assert_eq!(config.tcp.handshake_timeout, Duration::from_secs(seconds), "{retries}");
        }
    }

    #[test]
    fn the_profile_does_not_probe_for_the_path_mtu_as_linux_does_not() {
        assert_eq!(linux_profile().tcp.mtu_probing, MtuProbing::Off);
    }
}
