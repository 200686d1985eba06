//! The settings of a stack in Linux's words: those behind `defaults.sh` of the public scripts, and `net.ipv4.*`.

use std::time::Duration;

use sockeye::{Buffer, Config, EcnPolicy, MtuProbing};

use super::options::handshake_timeout;

/// What the profile of the public scripts sets: the window scale of 8 comes from Linux's largest receive buffer.
const RECEIVE_BUFFER: Buffer = Buffer::Auto { initial: 540_000, limit: 15 << 20 };
const SEND_BUFFER: Buffer = Buffer::Auto { initial: 256 << 10, limit: 4 << 20 };

/// Settings that the profile has anyway, or that say nothing to a stack of its own.
const WITHOUT_EFFECT: [&str; 18] = [
    "tcp_autocorking",
    "tcp_dsack",
    "tcp_early_retrans",
    "tcp_fack",
    "tcp_frto",
    "tcp_recovery",
    "tcp_reordering",
    "tcp_mem",
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

/// Three numbers: the least, which no buffer here falls below anyway, what it begins with, and the most.
fn buffer(value: &str) -> Option<Buffer> {
    let mut numbers = value.split_whitespace().skip(1).map(|number| number.parse().ok());
    Some(Buffer::Auto { initial: numbers.next()??, limit: numbers.next()?? })
}

/// What `defaults.sh` of packetdrill's public scripts sets, as far as it is a matter of TCP: no ECN, no pacing, large
/// buffers.
pub fn linux_profile() -> Config {
    Config {
        receive_buffer: RECEIVE_BUFFER,
        send_buffer: SEND_BUFFER,
        ecn: EcnPolicy::Off,
        pacing: false,
        ..Config::default()
    }
}

/// Sets what Linux calls `net.ipv4.NAME`, with that prefix or that of `/proc/sys`, or without.
///
/// # Errors
/// The setting, if this stack doesn't have it.
pub fn set_sysctl(config: &mut Config, name: &str, value: &str) -> Result<(), String> {
    let name = name.trim_start_matches("/proc/sys/net/ipv4/").trim_start_matches("net.ipv4.");
    let last = value.split_whitespace().next_back().unwrap_or_default();
    let unsupported = || format!("net.ipv4.{name}={value}");
    if name == "tcp_congestion_control" {
        config.congestion = last.parse().map_err(|_| unsupported())?;
        return Ok(());
    }
    let number: u64 = last.parse().map_err(|_| unsupported())?;
    let seconds = Duration::from_secs(number);
    match name {
        "tcp_timestamps" => config.timestamps = number != 0,
        "tcp_sack" => config.sack = number != 0,
        "tcp_window_scaling" => config.window_scaling = number != 0,
        "tcp_rmem" => config.receive_buffer = buffer(value).ok_or_else(unsupported)?,
        "tcp_wmem" => config.send_buffer = buffer(value).ok_or_else(unsupported)?,
        "tcp_moderate_rcvbuf" if number == 0 => {
            config.receive_buffer = Buffer::Fixed(config.receive_buffer.initial());
        }
        "tcp_moderate_rcvbuf" => {}
        "tcp_syn_retries" | "tcp_synack_retries" => {
            config.handshake_timeout = handshake_timeout(u32::try_from(number).map_err(|_| unsupported())?);
        }
        "tcp_mtu_probing" => {
            config.mtu_probing = match number {
                0 => MtuProbing::Off,
                1 => MtuProbing::OnBlackHole,
                2 => MtuProbing::Always,
                _ => return Err(unsupported()),
            }
        }
        "tcp_base_mss" => config.base_mss = u16::try_from(number).map_err(|_| unsupported())?,
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
