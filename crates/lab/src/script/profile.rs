//! The settings of the stack: those behind `defaults.sh`, changed by what a script's first command says.

use sockeye::StackConfig;

use super::program::Script;
use crate::sockets::{linux_profile, set_sysctl};

/// The stack's settings for a script.
///
/// # Errors
/// What the script asks for that this stack doesn't have.
pub(super) fn stack_config(script: &Script) -> Result<StackConfig, String> {
    let mut config = linux_profile();
    let command = script.init.as_deref().unwrap_or_default();
    for line in command.split(['\n', ';']).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        command_line(&mut config, line.trim_end_matches('\\'))?;
    }
    config.mtu = script.options.mtu;
    Ok(config)
}

fn command_line(config: &mut StackConfig, line: &str) -> Result<(), String> {
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
    all.iter().try_for_each(|(name, value)| set_sysctl(config, name, value.trim_matches(['"', '\''])))
}

#[cfg(test)]
mod tests {
    use sockeye::{Buffer, MtuProbing};

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
            let buffer = Buffer::Auto { initial: 8_192, limit: 16_384 };
            assert_eq!((tcp.timestamps, tcp.receive_buffer, tcp.sack), (false, buffer, true), "{command}");
        }
    }

    #[test]
    fn path_mtu_probing_is_set_in_linuxs_numbers() {
        for (number, probing) in [(0, MtuProbing::Off), (1, MtuProbing::OnBlackHole), (2, MtuProbing::Always)] {
            let command = format!("sysctl -q net.ipv4.tcp_mtu_probing={number} net.ipv4.tcp_base_mss=900");
            let tcp = config(&command).unwrap().tcp;
            assert_eq!((tcp.mtu_probing, tcp.base_mss), (probing, 900));
        }
    }

    #[test]
    fn what_is_for_the_kernel_is_refused_by_name() {
        assert_eq!(
            config("tc qdisc add dev tun0 root fq").unwrap_err(),
            "the command `tc qdisc add dev tun0 root fq`, which is for the kernel"
        );
        assert_eq!(config("sysctl -q net.ipv4.tcp_adv_win_scale=1").unwrap_err(), "net.ipv4.tcp_adv_win_scale=1");
        assert_eq!(config("sysctl -q net.ipv4.tcp_sack=maybe").unwrap_err(), "net.ipv4.tcp_sack=maybe");
    }
}
