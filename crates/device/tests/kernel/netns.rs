use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sockeye_device::netlink::links;
use sockeye_device::netns::{self, Namespace, Settings, describe, sysctl};
use sockeye_device::{Error, TunConfig};

use crate::host::{apply_defaults, in_namespace, tun};

/// Which namespace the calling thread is in.
fn here() -> PathBuf {
    fs::read_link("/proc/thread-self/ns/net").expect("/proc is there")
}

#[test]
fn a_new_namespace_has_loopback_and_nothing_else() {
    in_namespace("netns::a_new_namespace_has_loopback_and_nothing_else", || {
        let links = links().expect("links can be listed");
        assert_eq!(links.iter().map(|(_, info)| info.name.as_str()).collect::<Vec<_>>(), ["lo"]);
        assert!(!links[0].1.up);
        apply_defaults();
        assert!(links[0].0.info().expect("lo stays").up);
    });
}

#[test]
fn work_runs_inside_and_leaves_the_caller_where_it_was() {
    in_namespace("netns::work_runs_inside_and_leaves_the_caller_where_it_was", || {
        let before = here();
        let namespace = Namespace::create().expect("a second namespace");
        let inside = namespace.run(here).expect("it can be entered");
        assert_ne!(inside, before);
        assert_eq!(here(), before);
        assert_eq!(namespace.run(here).ok(), Some(inside), "it is the same one each time");
        let current = Namespace::current().expect("/proc is there");
        assert_eq!(current.run(here).ok(), Some(before));
    });
}

#[test]
fn a_process_started_in_a_namespace_is_in_it() {
    in_namespace("netns::a_process_started_in_a_namespace_is_in_it", || {
        let namespace = Namespace::create().expect("a second namespace");
        let inside = namespace.run(here).expect("it can be entered");
        let mut command = Command::new("readlink");
        let child = namespace.spawn(command.arg("/proc/self/ns/net").stdout(Stdio::piped()));
        let output = child.and_then(std::process::Child::wait_with_output).expect("readlink is everywhere");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), inside.to_string_lossy());
    });
}

#[test]
fn a_panic_inside_goes_on_outside() {
    in_namespace("netns::a_panic_inside_goes_on_outside", || {
        let namespace = Namespace::create().expect("a second namespace");
        let caught = std::panic::catch_unwind(|| namespace.run(|| panic!("as the test wants it")));
        assert_eq!(caught.err().and_then(|panic| panic.downcast_ref::<&str>().copied()), Some("as the test wants it"));
    });
}

#[test]
fn what_is_set_is_read_back_and_described_with_the_links() {
    in_namespace("netns::what_is_set_is_read_back_and_described_with_the_links", || {
        let settings = Settings {
            congestion_control: "reno".to_owned(),
            ecn: 1,
            rmem: [4096, 65_536, 1_000_000],
            wmem: [4096, 32_768, 2_000_000],
        };
        settings.apply().expect("parameters of a new namespace can be set");
        assert_eq!(Settings::read().ok(), Some(settings));
        let config = TunConfig { name: "t0".to_owned(), mtu: 1400, tx_queue_len: 77, ..TunConfig::default() };
        let Some(_tun) = tun(&config) else { return };
        assert_eq!(
            describe().expect("it can be read"),
            "reno, tcp_ecn 1, tcp_rmem up to 1000000, tcp_wmem up to 2000000; t0 mtu 1400 txqueuelen 77"
        );
    });
}

#[test]
fn a_congestion_control_that_the_host_does_not_allow_is_replaced() {
    in_namespace("netns::a_congestion_control_that_the_host_does_not_allow_is_replaced", || {
        let settings = Settings { congestion_control: "no-such-thing".to_owned(), ..Settings::default() };
        settings.apply().expect("the rest can be set");
        assert_eq!(sysctl("net.ipv4.tcp_congestion_control").ok().as_deref(), Some(Settings::ALWAYS_ALLOWED));
    });
}

#[test]
fn an_unknown_parameter_is_named_in_the_error() {
    let error = sysctl("net.ipv4.no_such_thing").expect_err("there is none");
    assert!(error.to_string().contains("net.ipv4.no_such_thing"), "{error}");
    assert!(matches!(error, Error::Sysctl(..)));
}

#[test]
fn a_process_with_threads_is_told_why_it_cannot_move_into_a_user_namespace() {
    std::thread::scope(|scope| {
        let (end, wait) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || wait.recv());
        let refused = netns::enter_user_namespace();
        drop(end);
        assert!(matches!(refused, Err(Error::HasThreads(2..))), "{refused:?}");
    });
}

#[test]
fn a_process_can_be_started_as_root_of_its_own_user_namespace() {
    let before = here();
    let mut command = Command::new("sh");
    command.args(["-c", "id -u; readlink /proc/self/ns/net"]);
    match netns::in_user_namespace(&mut command).output() {
        Err(why) => println!("skipped: {}", Error::NoUserNamespaces(why)),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            let mut lines = text.lines();
            assert_eq!(lines.next(), Some("0"));
            assert_ne!(lines.next(), before.to_str());
        }
    }
}
