//! What the interpreter sees, and above all that it sees what is wrong.

use super::*;

/// A connection that the peer opened: fd 4.
const ESTABLISHED: &str = "
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+.1 < S 0:0(0) win 8000 <mss 1000,nop,wscale 4>
+0 > S. 0:0(0) ack 1 <mss 1460,nop,wscale 8>
+.1 < . 1:1(0) ack 1 win 500
+0 accept(3, ..., ...) = 4
";

fn run_with(text: &str, overrides: &Overrides) -> Outcome {
    Script::parse("test", text, overrides).unwrap().run(overrides)
}

fn after_open(text: &str) -> Outcome {
    run_with(&format!("{ESTABLISHED}{text}"), &Overrides::default())
}

fn mismatch(text: &str) -> Mismatch {
    match after_open(text) {
        Outcome::Failed(mismatch) => *mismatch,
        other => panic!("{other:?}"),
    }
}

fn passes(text: &str) {
    match after_open(text) {
        Outcome::Passed => {}
        Outcome::Failed(mismatch) => panic!("{mismatch}"),
        Outcome::ToCome(what) => panic!("{what}"),
    }
}

#[test]
fn a_failure_shows_line_expected_got_and_the_ladder() {
    let text = mismatch("+0 write(4, ..., 50) = 50\n+0 > P. 1:51(50) ack 2").to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "10: the acknowledgment number differs");
    assert_eq!(lines[1], "  expected  P. 1:51(50) ack 2");
    assert!(lines[2].starts_with("  got       P. 1:51(50) ack 1 win "), "{text}");
    assert_eq!(lines[3], "  so far:");
    assert!(lines[7].contains("0.100000  |-- S 0:0(0) win 8000 <mss 1000,nop,wscale 4> ---"), "{text}");
    assert!(lines[8].contains("0.100000  |<- S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 8> ---"), "{text}");
    assert!(lines[11].contains("0.200000  |") && lines[11].ends_with("| write(…) = 50"), "{text}");
}

//= rfc2398#2.6-1
#[test]
fn every_field_is_compared() {
    for (expected, what) in [
        ("> P. 1:50(49) ack 1", "the length differs"),
        ("> P. 2:52(50) ack 1", "the sequence number differs"),
        ("> . 1:51(50) ack 1", "the set of flags differs"),
        ("> P. 1:51(50) ack 1 win 7", "the window differs"),
        ("> P. 1:51(50) ack 1 urg 1", "the urgent pointer differs"),
        ("> P. 1:51(50) ack 1 <nop,nop,TS val 1 ecr 1>", "the set of options differs"),
        ("> [ect0] P. 1:51(50) ack 1", "the IP header differs"),
        ("> [ttl 63] P. 1:51(50) ack 1", "the IP header differs"),
        ("> icmp echo_reply", "the protocol differs"),
        ("> nothing", "the stack sends something at 0.200000 s"),
    ] {
        assert_eq!(mismatch(&format!("+0 write(4, ..., 50) = 50\n+0 {expected}")).what, what, "{expected}");
    }
}

#[test]
fn what_comes_too_early_or_too_late_is_told() {
    let early = mismatch("+0 write(4, ..., 50) = 50\n+.1 > P. 1:51(50) ack 1");
    assert_eq!(early.what, "the time differs");
    assert_eq!(early.expected.as_deref(), Some("P. 1:51(50) ack 1 at 0.300000 s, give or take 0.001"));
    assert_eq!(early.got.as_deref(), Some("it at 0.200000 s"));
    let tolerant = "--tolerance_usecs=100000\n";
    let text = format!("{tolerant}{ESTABLISHED}+0 write(4, ..., 50) = 50\n+.1 > P. 1:51(50) ack 1");
    assert_eq!(run_with(&text, &Overrides::default()), Outcome::Passed);
    assert_eq!(mismatch("+0 > . 1:1(0) ack 1").got.as_deref(), Some("nothing, and no timer is armed"));
}

#[test]
fn segments_in_a_row_make_up_what_is_expected_unless_it_is_to_be_strict() {
    let text = format!("{ESTABLISHED}+0 write(4, ..., 2000) = 2000\n+0 > P. 1:2001(2000) ack 1");
    assert_eq!(run_with(&text, &Overrides::default()), Outcome::Passed);
    let strict = Overrides { options: vec!["--strict_segments".into()], ..Overrides::default() };
    assert!(matches!(run_with(&text, &strict), Outcome::Failed(_)));
    let longer = mismatch("+0 write(4, ..., 2000) = 2000\n+0 > P. 1:2502(2501) ack 1");
    assert_eq!(longer.what, "a segment that doesn't continue the one before");
}

#[test]
fn a_call_that_sleeps_returns_when_it_should() {
    passes("+0...0.3 read(4, ..., 100) = 100\n+.3 < P. 1:101(100) ack 1 win 500");
    let late = mismatch("+0...0.2 read(4, ..., 100) = 100\n+.3 < P. 1:101(100) ack 1 win 500");
    assert_eq!(late.got.as_deref(), Some("read returns at 0.500000 s"));
    assert_eq!(mismatch("+0...0.2 read(4, ..., 100) = 100").what, "read still sleeps");
    assert_eq!(mismatch("+0 read(4, ..., 100) = 100").what, "read blocks, and the script doesn't say that it may");
    passes("+0...0.25 poll([{fd=4, events=POLLIN, revents=0}], 1, 250) = 0");
}

#[test]
fn results_and_errors_of_calls_are_compared() {
    let nonblocking = "+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n";
    passes(&format!("{nonblocking}+0 read(4, ..., 1) = -1 EAGAIN (nothing yet)"));
    let wrong = mismatch(&format!("{nonblocking}+0 read(4, ..., 1) = -1 EPIPE"));
    assert_eq!((wrong.what.as_str(), wrong.got.as_deref()), ("the result differs", Some("read(…) = -1 EAGAIN")));
    assert_eq!(mismatch("+0 write(5, ..., 1) = 1").what, "5 is no socket of this script");
}

#[test]
fn a_call_that_makes_a_socket_is_not_to_succeed_where_it_should_fail() {
    for call in ["socket(..., SOCK_STREAM, IPPROTO_TCP) = -1", "epoll_create(1) = -1"] {
        let wrong = mismatch(&format!("+0 {call}"));
        assert_eq!(wrong.what, "the result differs", "{call}");
    }
    let second = "+0 < S 0:0(0) win 8000 +0 > S. 0:0(0) ack 1 <...> +0 < . 1:1(0) ack 1 win 500";
    let again = "
        +0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 5
        +0 setsockopt(5, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
        +0 close(3) = 0
        +0 bind(5, ..., ...) = 0
        +0 listen(5, 1) = 0";
    passes(&format!("{again}\n{second}\n+0 accept(5, ..., ...) = 6"));
    assert_eq!(mismatch(&format!("{again}\n{second}\n+0 accept(5, ..., ...) = -1 EAGAIN")).what, "the result differs");
}

const INQ: &str = "+0 setsockopt(4, SOL_TCP, TCP_INQ, [1], 4) = 0\n+0 < P. 1:101(100) ack 1 win 500\n";

#[test]
fn flags_and_control_messages_are_compared() {
    let read = |flags: &str, control: &str| {
        format!("+0 recvmsg(4, {{msg_name(...)=..., msg_iov(1)=[{{..., 10}}], msg_flags={flags}{control}}}, 0) = 10")
    };
    let unread =
        |octets: i32| format!(", msg_control=[{{cmsg_level=SOL_TCP, cmsg_type=TCP_CM_INQ, cmsg_data={octets}}}]");
    let text = "+0 < P. 1:101(100) ack 1 win 500\n";
    passes(&format!("{text}{}", read("0", "")));
    passes(&format!("{INQ}{}", read("0", &unread(90))));
    passes(&format!("{INQ}{}", read("MSG_CTRUNC", "")));
    assert_eq!(mismatch(&format!("{text}{}", read("MSG_TRUNC", ""))).what, "msg_flags differ");
    assert_eq!(mismatch(&format!("{INQ}{}", read("0", ""))).what, "msg_flags differ");
    let wrong = mismatch(&format!("{INQ}{}", read("0", &unread(91))));
    assert_eq!(
        (wrong.what.as_str(), wrong.got.as_deref()),
        ("a control message differs", Some("{cmsg_level=6, cmsg_type=36, cmsg_data=90}"))
    );
    let unasked = mismatch(&format!("{text}{}", read("0", &unread(90))));
    assert_eq!((unasked.what.as_str(), unasked.got.as_deref()), ("a control message differs", Some("none")));
}

#[test]
fn the_end_of_the_stream_counts_as_one_octet_to_read() {
    passes(&format!(
        "{INQ}+0 < F. 101:101(0) ack 1 win 500
        +0 recvmsg(4, {{msg_name(...)=..., msg_iov(1)=[{{..., 1000}}], msg_flags=0,
            msg_control=[{{cmsg_level=SOL_TCP, cmsg_type=TCP_CM_INQ, cmsg_data=1}}]}}, 0) = 100"
    ));
}

/// A report of `MSG_ZEROCOPY`, read from the error queue.
fn free(calls: std::ops::RangeInclusive<u32>) -> String {
    let (first, last) = calls.into_inner();
    format!(
        "+0 recvmsg(4, {{msg_name(...)=..., msg_iov(1)=[{{..., 0}}], msg_flags=MSG_ERRQUEUE,
            msg_control=[{{cmsg_level=SOL_IP, cmsg_type=IP_RECVERR, cmsg_data={{ee_errno=0,
                ee_origin=SO_EE_ORIGIN_ZEROCOPY, ee_type=0, ee_code=0, ee_info={first}, ee_data={last}}}}}]}},
            MSG_ERRQUEUE) = 0\n"
    )
}

#[test]
fn what_was_not_copied_is_free_when_it_is_acknowledged() {
    let sent = "+0 setsockopt(4, SOL_SOCKET, SO_ZEROCOPY, [1], 4) = 0
        +0 send(4, ..., 1000, MSG_ZEROCOPY) = 1000
        +0 > P. 1:1001(1000) ack 1
        +0 send(4, ..., 1000, MSG_ZEROCOPY) = 1000
        +0 > P. 1001:2001(1000) ack 1\n";
    let none = "+0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 0}], msg_flags=0}, MSG_ERRQUEUE) = -1 EAGAIN\n";
    let ack = |to| format!("+.01 < . 1:1(0) ack {to} win 500\n");
    let error = "+0 poll([{fd=4, events=POLLIN, revents=POLLERR}], 1, 0) = 1\n";
    passes(&[sent, none, &ack(1001), error, &free(0..=0), none, &ack(2001), &free(1..=1), none].concat());
    passes(&[sent, &ack(2001), &free(0..=1), none].concat());
    assert_eq!(mismatch(&[sent, &ack(2001), &free(0..=0)].concat()).what, "a control message differs");
    let copied = sent.replace("SO_ZEROCOPY, [1]", "SO_ZEROCOPY, [0]");
    passes(&[&copied, &ack(2001), none].concat());
}

#[test]
fn timestamps_tell_when_text_left_and_when_it_arrived() {
    let read = |what: &str, nanos: u64| {
        format!(
            "+0 recvmsg(4, {{msg_name(...)=..., msg_iov(1)=[{{..., 0}}], msg_flags=MSG_ERRQUEUE|MSG_TRUNC, msg_control=[
                {{cmsg_level=SOL_SOCKET, cmsg_type=SCM_TIMESTAMPING, cmsg_data={{scm_sec=0, scm_nsec={nanos}}}}},
                {{cmsg_level=SOL_IP, cmsg_type=IP_RECVERR, cmsg_data={{ee_errno=ENOMSG,
                    ee_origin=SO_EE_ORIGIN_TIMESTAMPING, ee_type=0, ee_code=0, ee_info={what}, ee_data=999}}}}]}},
                MSG_ERRQUEUE) = 0\n"
        )
    };
    let sent = "+0 setsockopt(4, SOL_SOCKET, SO_TIMESTAMPING, [SOF_TIMESTAMPING_TX_SCHED|SOF_TIMESTAMPING_TX_SOFTWARE
            |SOF_TIMESTAMPING_TX_ACK|SOF_TIMESTAMPING_SOFTWARE|SOF_TIMESTAMPING_OPT_ID], 4) = 0
        +0 write(4, ..., 1000) = 1000
        +0 > P. 1:1001(1000) ack 1
        +.01 < . 1:1(0) ack 1001 win 500\n";
    let [scheduled, left] = ["SCM_TSTAMP_SCHED", "SCM_TSTAMP_SND"].map(|what| read(what, 200_000_000));
    passes(&[sent, &scheduled, &left, &read("SCM_TSTAMP_ACK", 210_000_000)].concat());
    passes(&[sent, &scheduled, &left, &read("SCM_TSTAMP_ACK", 0)].concat());
    let late = [sent, &scheduled, &left, &read("SCM_TSTAMP_ACK", 220_000_000)].concat();
    assert_eq!(mismatch(&late).what, "a control message differs");
}

#[test]
fn several_sockets_are_polled_at_once() {
    let both = |second: &str, result: i32| {
        format!("+0 poll([{{fd=3, events=POLLIN}}, {{fd=4, events=POLLIN, revents={second}}}], 2, 0) = {result}")
    };
    passes(&both("0", 0));
    let text = "+0 < P. 1:101(100) ack 1 win 500\n";
    passes(&format!("{text}{}", both("POLLIN", 1)));
    let wrong = mismatch(&format!("{text}{}", both("0", 0)));
    assert_eq!((wrong.what.as_str(), wrong.got.as_deref()), ("revents differ", Some("0x0, 0x1")));
}

#[test]
fn a_structure_that_an_option_gives_is_compared() {
    let set = "+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=7}, 8) = 0\n";
    passes(&format!("{set}+0 getsockopt(4, SOL_SOCKET, SO_LINGER, {{onoff=1, linger=7}}, [8]) = 0"));
    let wrong = mismatch(&format!("{set}+0 getsockopt(4, SOL_SOCKET, SO_LINGER, {{onoff=1, linger=8}}, [8]) = 0"));
    assert_eq!((wrong.what.as_str(), wrong.got.as_deref()), ("the option's value differs", Some("[1, 7]")));
}

#[test]
fn what_is_not_done_as_linux_does_it_is_not_passed_over() {
    for call in [
        "setsockopt(4, SOL_SOCKET, SO_OOBINLINE, [0], 4) = 0",
        "setsockopt(3, SOL_TCP, TCP_DEFER_ACCEPT, [5], 4) = 0",
        "setsockopt(4, IPPROTO_IPV6, IPV6_V6ONLY, [1], 4) = 0",
        "setsockopt(4, SOL_SOCKET, SO_TIMESTAMPING, [SOF_TIMESTAMPING_RX_SOFTWARE], 4) = 0",
        "recv(4, ..., 100, MSG_WAITALL) = 100",
        "recv(4, ..., 1, MSG_OOB) = 1",
        "send(4, ..., 100, MSG_EOR) = 100",
        "recv(4, ..., 1, MSG_ERRQUEUE) = 0",
    ] {
        assert!(matches!(after_open(&format!("+0 {call}")), Outcome::ToCome(_)), "{call}");
    }
    passes("+0 setsockopt(4, SOL_SOCKET, SO_OOBINLINE, [1], 4) = 0");
    passes("+0 setsockopt(3, SOL_TCP, TCP_DEFER_ACCEPT, [0], 4) = 0");
}

#[test]
fn a_syn_is_sent_again_as_often_as_in_the_public_scripts() {
    let connects = |seconds: u32| {
        let syns: String = [0, 1, 2, 4, 8, 16].map(|after| format!("+{after} > S 0:0(0) <...>\n")).concat();
        format!(
            "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0...{seconds} connect(3, ..., ...) = -1 ETIMEDOUT\n{syns}"
        )
    };
    assert_eq!(run_with(&connects(63), &Overrides::default()), Outcome::Passed);
    assert!(matches!(run_with(&connects(127), &Overrides::default()), Outcome::Failed(_)));
}

#[test]
fn code_sees_the_connection_as_it_is_then() {
    passes(
        "+0 write(4, ..., 500) = 500\n+0 %{ a = tcpi_bytes_sent }%\n+0 %{ assert a == 500 and tcpi_state == TCP_ESTABLISHED }%",
    );
    let failed = mismatch("+0 %{ assert tcpi_snd_mss == 7, 'mss' }%");
    assert_eq!(failed.expected.as_deref(), Some("tcpi_snd_mss == 7, mss"));
    assert_eq!(failed.got.as_deref(), Some("tcpi_snd_mss = 1000"));
}

#[test]
fn an_echoed_timestamp_is_compared_and_may_be_echoed_back() {
    let text = "
        0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
        +0 bind(3, ..., ...) = 0
        +0 listen(3, 1) = 0
        +0 < S 0:0(0) win 8000 <mss 1000,nop,nop,TS val 70 ecr 0>
        +0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,TS val 100 ecr 70>
        +.01 < . 1:1(0) ack 1 win 500 <nop,nop,TS val 80 ecr 100>
        +0 < P. 1:11(10) ack 1 win 500 <nop,nop,TS val 81 ecr 100>
        +0 > . 1:1(0) ack 11 <nop,nop,TS val 110 ecr 81>";
    let ticks = format!("--tcp_ts_tick_usecs=1000\n{text}");
    assert_eq!(run_with(&ticks, &Overrides::default()), Outcome::Passed);
    for (from, to) in
        [("TS val 110 ecr 81", "TS val 110 ecr 80"), ("TS val 110", "TS val 120"), ("80 ecr 100", "80 ecr 99")]
    {
        assert!(matches!(run_with(&ticks.replace(from, to), &Overrides::default()), Outcome::Failed(_)), "{to}");
    }
    let longest =
        ticks.replace("usecs=1000", &format!("usecs={}", u64::MAX)).replace("TS val 110", "TS val 2000000000");
    assert!(matches!(run_with(&longest, &Overrides::default()), Outcome::Failed(_)), "a tick of 584,542 years");
    let lax = Overrides { as_packetdrill: true, ..Overrides::default() };
    assert_eq!(run_with(&ticks.replace("110 ecr 81", "110 ecr 80"), &lax), Outcome::Passed);
}

#[test]
fn a_marked_script_is_to_come_until_it_passes() {
    let fails = format!("// to come: teleportation\n{ESTABLISHED}+0 > . 1:1(0) ack 7");
    assert_eq!(run_with(&fails, &Overrides::default()), Outcome::ToCome("teleportation".into()));
    let Outcome::Failed(mismatch) = run_with(&format!("// to come: x\n{ESTABLISHED}"), &Overrides::default()) else {
        panic!("a mark that should go")
    };
    assert_eq!(mismatch.what, "it passes, so its mark must go: `// to come: x`");
}

#[test]
fn what_this_stack_does_not_have_is_to_come() {
    let beyond = |text: &str| match after_open(text) {
        Outcome::ToCome(what) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(beyond("+0 `tc qdisc add`"), "the command `tc qdisc add` in mid-script");
    assert_eq!(beyond("+0 pipe([5, 6]) = 0"), "pipe, which is for the kernel");
    assert!(
        beyond("+0 setsockopt(4, SOL_TCP, TCP_SAVE_SYN, [1], 4) = 0")
            .contains("a socket option that this stack doesn't have")
    );
}

#[test]
fn wrong_code_fails_with_its_line() {
    let failed = mismatch("+0 %{ assert tcpi_foo == 2 }%");
    assert_eq!(failed.what, "the code is wrong: `tcpi_foo` is no name that code knows");
    assert_eq!(failed.line, mismatch("+0 %{ assert 1 == 2 }%").line);
}

#[test]
fn a_write_that_no_memory_would_hold_is_refused() {
    let most = i64::MAX;
    for (call, octets) in [
        (format!("write(4, ..., {most}) = 1"), "9223372036854775807"),
        ("writev(4, [{..., 200000000}, {..., 200000000}], 2) = 1".to_owned(), "400000000"),
    ] {
        match after_open(&format!("+0 {call}")) {
            Outcome::ToCome(what) => assert_eq!(what, format!("a write of {octets} octets, more than 268435456")),
            other => panic!("{other:?}"),
        }
    }
    let sum = format!("+0 writev(4, [{{..., {most}}}, {{..., {most}}}, {{..., {most}}}], 3) = 1");
    assert!(matches!(after_open(&sum), Outcome::Failed(_)));
}

#[test]
fn arguments_in_each_other_without_end_are_refused() {
    for opening in ["[", "{", "f(", "{a="] {
        let text = format!("0 close({}", opening.repeat(100_000));
        let error = Script::parse("test", &text, &Overrides::default()).unwrap_err();
        assert!(error.to_string().contains("arguments are nested deeper than 32 levels"), "{opening}: {error}");
    }
}
