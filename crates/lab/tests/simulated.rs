//! The simulator does what scenarios say, and the same each time.

use std::time::Duration;

use sockeye_lab::plot::What;
use sockeye_lab::sim::{self, Heard, Next, Record, Report, Scenario, Simulation, Socket};
use sockeye_wire::Instant;

fn scenario(rest: &str) -> Scenario {
    let path = "forward = \"rate 10mbit delay 20ms limit 100 loss 1%\"\nback = \"rate 10mbit delay 20ms\"\n";
    format!("{path}{rest}").parse().unwrap()
}

fn clean(scenario: &Scenario) -> Report {
    let report = sim::run(scenario).unwrap();
    assert_eq!(report.violation, None, "{}", scenario.to_toml().unwrap());
    report
}

const BARE: &str = r#"
    [[host]]
    name = "a"
    bare = true
    tick = "10ms"
    [[host]]
    name = "b"
    side = "right"
    bare = true
    tick = "4ms"
"#;

const APPLICATIONS: [(&str, u64, u64); 8] = [
    (r#"{ kind = "bulk", bytes = 300_000, back = 20_000 }"#, 300_000, 20_000),
    (r#"{ kind = "request_response", request = 100, response = 5_000, times = 10, think = "5ms" }"#, 1_000, 50_000),
    (r#"{ kind = "on_off", burst = 40_000, pause = "2s", times = 3 }"#, 120_000, 0),
    (r#"{ kind = "short_flows", sizes = { fixed = 3_000 }, every = "20ms", times = 50 }"#, 150_000, 0),
    (r#"{ kind = "slow_reader", bytes = 100_000, chunk = 2_000, every = "100ms" }"#, 100_000, 0),
    (r#"{ kind = "half_close", bytes = 50_000, back = 70_000 }"#, 50_000, 70_000),
    (r#"{ kind = "abort", after = 0 }"#, 0, 0),
    (r#"{ kind = "idle", bytes = 2_000, silence = "300s" }"#, 2_000, 2_000),
];

#[test]
fn every_application_carries_what_it_says_and_ends() {
    for (application, forth, back) in APPLICATIONS {
        for family in ["", "ipv6 = true\n"] {
            let report = clean(&scenario(&format!("{family}[[flow]]\napplication = {application}\n")));
            let flow = &report.flows[0];
            assert_eq!((flow.bytes, flow.bytes_back), (forth, back), "{application}");
        }
    }
}

#[test]
fn a_run_that_is_not_judged_is_the_same_run() {
    let unjudged = |scenario: &Scenario| Simulation::new(scenario, Record::nothing()).unwrap().unjudged().finish();
    for (application, ..) in APPLICATIONS {
        let scenario = scenario(&format!("[[flow]]\napplication = {application}\n"));
        let (judged, unjudged) = (clean(&scenario), unjudged(&scenario));
        assert!(judged.judged && !unjudged.judged);
        let figures = |report: &Report| format!("{} {} {:?}", report.packets, report.virtual_s, report.flows);
        assert_eq!(figures(&unjudged), figures(&judged));
    }
    // What isn't done in time breaks a rule, which nobody holds it to here.
    let endless = scenario("duration = \"1s\"\n[[flow]]\napplication = { kind = \"bulk\", bytes = 5_000_000 }\n");
    assert!(sim::run(&endless).unwrap().violation.is_some());
    assert_eq!(unjudged(&endless).violation, None);
}

#[test]
fn two_bare_connections_do_without_stacks() {
    for (application, forth, back) in APPLICATIONS.iter().filter(|(name, ..)| !name.contains("short")) {
        let report = clean(&scenario(&format!("{BARE}[[flow]]\napplication = {application}\n")));
        assert_eq!((report.flows[0].bytes, report.flows[0].bytes_back), (*forth, *back), "{application}");
    }
}

#[test]
fn the_same_scenario_gives_the_same_run_and_another_seed_another() {
    let figures = |seed: u64| {
        let scenario = scenario("[[flow]]\napplication = { kind = \"bulk\", bytes = 1_000_000 }\n");
        let report = clean(&Scenario { seed, ..scenario });
        (report.packets, report.flows[0].retransmits, format!("{:?}", report.virtual_s))
    };
    assert_eq!(figures(5), figures(5));
    assert_ne!(figures(5), figures(6));
}

//= rfc2398#2.1-1
//= rfc2398#2.2-1
#[test]
fn flows_share_a_bottleneck_and_the_report_says_how() {
    let cubic = r#"[[flow]]
        application = { kind = "bulk" }
        congestion = "cubic"
    "#;
    let report = clean(&Scenario { duration: sim::Time::secs(30), ..scenario(&cubic.repeat(3)) });
    assert_eq!(report.flows.len(), 3);
    let share = report.link_share.unwrap();
    assert!((0.5..1.0).contains(&share), "{share}");
    assert!((0.6..=1.0).contains(&report.jain), "{}", report.jain);
    assert!(report.flows.iter().all(|flow| flow.retransmits > 0 && flow.goodput_bps > 1e6));
    assert!(report.queue_delay_ms.p50 <= report.queue_delay_ms.p99);
    assert!((report.virtual_s - 30.0).abs() < 1e-6);
}

#[test]
fn response_and_completion_times_are_those_of_the_path() {
    let quiet = |application: &str| -> Report {
        let text = format!("forward = \"delay 20ms\"\nback = \"delay 20ms\"\n[[flow]]\napplication = {application}\n");
        clean(&text.parse().unwrap())
    };
    let report = quiet(r#"{ kind = "request_response", request = 10, response = 10, times = 9, think = "1ms" }"#);
    let times = report.flows[0].response_ms.unwrap();
    // The first waits for the handshake.
    assert!((times.p50 - 40.0).abs() < 0.5 && (times.max - 80.0).abs() < 0.5, "{times:?}");
    let report = quiet(r#"{ kind = "short_flows", sizes = { fixed = 1_000 }, every = "1s", times = 9 }"#);
    let times = report.flows[0].completion_ms.unwrap();
    assert!((60.0..130.0).contains(&times.p50), "{times:?}");
}

#[test]
fn a_peer_that_goes_without_a_word_is_missed_by_whoever_waits_for_it() {
    let hosts = r#"
        [[host]]
        name = "a"
        tcp = { keep_alive = "30s" }
        [[host]]
        name = "b"
        side = "right"
        vanishes = "2s"
    "#;
    for application in
        [r#"{ kind = "idle", bytes = 1_000, silence = "1h" }"#, r#"{ kind = "bulk", bytes = 10_000_000 }"#]
    {
        let scenario = scenario(&format!("duration = \"2h\"\n{hosts}[[flow]]\napplication = {application}\n"));
        assert_eq!(clean(&scenario).flows[0].errors, 1, "{application}");
    }
}

#[test]
fn closures_are_applications() {
    let scenario = scenario("[[flow]]\napplication = { kind = \"bulk\", bytes = 0 }\n");
    let mut simulation = Simulation::new(&scenario, Record::nothing()).unwrap();
    let mut wrote = 0;
    let sends_a_kilobyte_a_second = move |socket: &mut Socket<'_>| {
        if wrote < 5_000 {
            wrote += socket.write(1_000);
            return Next::At(socket.now() + Duration::from_secs(1));
        }
        socket.shutdown();
        match socket.read(1) {
            Heard::End | Heard::Gone(_) => Next::Done,
            Heard::Octets(_) | Heard::Nothing => Next::Wait,
        }
    };
    simulation.behave(0, true, sends_a_kilobyte_a_second).unwrap();
    assert!(simulation.behave(1, true, |_: &mut Socket<'_>| Next::Done).is_err());
    assert!(simulation.run_until(Duration::from_secs(3)));
    let report = simulation.finish();
    assert_eq!((report.violation, report.flows[0].bytes), (None, 5_000));
}

#[test]
fn a_report_has_all_that_the_ends_tell_for_machines() {
    let scenario = scenario("[[flow]]\napplication = { kind = \"bulk\", bytes = 200_000 }\ncongestion = \"bbr\"\n");
    let json = serde_json::to_value(clean(&scenario)).unwrap();
    let client = &json["flows"][0]["client"];
    assert_eq!((&client["phase"], &client["bytes_acked"]), (&"open".into(), &200_000.into()));
    assert!(client["congestion"]["bandwidth"].as_u64().unwrap() > 100_000, "{client}");
    assert_eq!(client["congestion"]["inflight_shortterm"], serde_json::Value::Null);
    // A quarter of the least round trip (RFC 8985 section 6.2).
    let window = client["reordering_window_ms"].as_f64().unwrap();
    assert!((window * 4.0 - client["min_rtt_ms"].as_f64().unwrap()).abs() < 0.1, "{client}");
    assert_eq!(json["flows"][0]["server"]["bytes_received"], 200_000);
}

#[test]
fn what_is_asked_for_is_recorded() {
    let scenario = scenario("[[flow]]\napplication = { kind = \"bulk\", bytes = 200_000 }\n");
    let directory = tempfile::tempdir().unwrap();
    let record = Record::nothing().sequence_of(0).series(Duration::from_millis(10));
    let record = record.capture(directory.path(), ["client", "server"]).unwrap();
    let (report, record) = Simulation::new(&scenario, record).unwrap().finish_with_record();
    assert_eq!(report.violation, None);
    let (events, marks) = record.sequence().unwrap();
    assert!(events.len() > 200 && marks.iter().any(|mark| mark.text == "FIN"));
    let samples = record.samples().unwrap();
    assert_eq!((samples.times.len(), samples.flows.len()), (samples.queue.len(), 1));
    drop(record);
    for host in ["client", "server"] {
        assert!(directory.path().join(format!("{host}.pcapng")).metadata().unwrap().len() > 200_000);
    }
}

#[test]
fn the_side_that_sends_more_is_drawn() {
    let sent = |record: &Record| {
        let (events, _) = record.sequence().unwrap();
        let sent = events.iter().filter_map(|event| match &event.what {
            What::Sent(octets, _) => Some(octets.end),
            _ => None,
        });
        sent.max()
    };
    for (application, most) in [("bytes = 200_000", 200_001), ("bytes = 1_000, back = 300_000", 300_001)] {
        let scenario = scenario(&format!("[[flow]]\napplication = {{ kind = \"bulk\", {application} }}\n"));
        let record = Record::nothing().sequence_of(0).series(Duration::from_millis(10));
        let (report, record) = Simulation::new(&scenario, record).unwrap().finish_with_record();
        assert_eq!(report.violation, None);
        assert_eq!(sent(&record), Some(most), "{application}");
        let last = record.samples().unwrap().flows[0].rows().last().unwrap();
        assert!(last.info.bytes_sent > 100_000 && last.delivered > 100_000, "{application}: {last:?}");
    }
}

#[test]
fn only_the_part_of_the_time_that_is_wanted_is_kept() {
    let scenario = scenario("[[flow]]\napplication = { kind = \"bulk\", bytes = 400_000 }\n");
    let run = |record| Simulation::new(&scenario, record).unwrap().finish_with_record().1;
    let record = || Record::nothing().sequence_of(0).series(Duration::from_millis(10));
    let zoom = Duration::from_millis(200)..Duration::from_millis(300);
    let (all, part) = (run(record()), run(record().within(&zoom)));
    let [all_events, events] = [&all, &part].map(|record| record.sequence().unwrap().0);
    let instants = Instant::ZERO + zoom.start..Instant::ZERO + zoom.end;
    let within: Vec<_> = all_events.iter().filter(|event| instants.contains(&event.at)).cloned().collect();
    assert!(!events.is_empty() && events.len() < all_events.len());
    assert_eq!(events, within);
    let [all, part] = [&all, &part].map(|record| record.samples().unwrap().flows[0].rows().len());
    assert!(part > 0 && part < all, "{part} of {all}");
}

#[test]
fn a_scenario_that_makes_no_sense_says_why() {
    for (text, why) in [
        ("[[flow]]\napplication = { kind = \"talk\" }\n", "unknown variant `talk`"),
        ("[[flow]]\nfrom = \"x\"\napplication = { kind = \"bulk\" }\n", "there is no host called \"x\""),
        ("[[flow]]\nfrom = \"server\"\napplication = { kind = \"bulk\" }\n", "doesn't cross the bottleneck"),
        ("forwards = \"rate 1mbit\"\n", "unknown field `forwards`"),
        ("seed = 1\nforward = \"rat 1mbit\"\n", "line 2"),
        ("[[flow]]\napplication = { kind = \"bulk\", byts = 7 }\n", "unknown field `byts`, expected `bytes`"),
        ("[[host]]\nname = \"../evil\"\n", "line 2, column 8"),
        ("[[host]]\nname = \"a/x\"\n", "is no name for a host"),
        ("[[host]]\nname = \".a\"\n", "is no name for a host"),
        ("[[host]]\nname = \"a\"\n[[host]]\nname = \"a\"\nside = \"right\"\n", "two hosts are called \"a\""),
        ("forward = \"rate 0mbit\"\n", "forward: at a rate of 0 nothing ever arrives"),
        ("[[host]]\nname = \"a\"\naccess = \"rate 0bit\"\n", "a: at a rate of 0"),
        ("[[host]]\nname = \"a\"\naccess_down = \"rate 0bit\"\n", "a: at a rate of 0"),
        ("[[host]]\nname = \"a\"\nmtu = 87\n", "a: IPv4 needs an mtu of 88 or more, not 87"),
        ("ipv6 = true\n[[host]]\nname = \"a\"\nmtu = 1279\n", "a: IPv6 needs an mtu of 1280 or more, not 1279"),
        ("[[flow]]\napplication = { kind = \"bulk\" }\n", "flow 1 has no end, and no link on its way takes time: add"),
    ] {
        let error = match text.parse::<Scenario>() {
            Ok(scenario) => sim::run(&scenario).err().map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        let error = error.expect(text);
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn what_takes_no_time_but_has_an_end_runs() {
    let scenario: Scenario = "[[flow]]\napplication = { kind = \"bulk\", bytes = 1_000_000 }\n".parse().unwrap();
    assert_eq!(clean(&scenario).flows[0].bytes, 1_000_000);
}

#[test]
fn the_least_mtu_carries_what_it_should() {
    for (family, mtu) in [("", 88), ("ipv6 = true\n", 1280)] {
        let hosts = format!("[[host]]\nname = \"a\"\nmtu = {mtu}\n[[host]]\nname = \"b\"\nside = \"right\"\n");
        let flow = "[[flow]]\napplication = { kind = \"bulk\", bytes = 20_000 }\n";
        assert_eq!(clean(&scenario(&format!("{family}{hosts}{flow}"))).flows[0].bytes, 20_000);
    }
}

/// Its sender is told that all has arrived, and what was lost is never sent again: the receiver waits in vain.
#[test]
fn a_transfer_that_its_peers_trick_spoils_is_explained_however_soon_the_run_ends() {
    let hosts = r#"
        duration = "1m"
        [[host]]
        name = "a"
        [[host]]
        name = "b"
        side = "right"
        trick = "optimistic_acks"
        [[flow]]
        application = { kind = "bulk", bytes = 1_000_000 }
    "#;
    assert!(clean(&scenario(hosts)).flows[0].bytes < 1_000_000);
}

/// What is written there for people to start from runs, and has all kinds of flows.
#[test]
fn the_scenario_in_the_documentation_runs() {
    let page = include_str!("../../../docs/laboratory.md");
    let (text, _) = page.split_once("```toml\n").unwrap().1.split_once("```").unwrap();
    let scenario: Scenario = text.parse().unwrap();
    let report = sim::run(&scenario).unwrap();
    assert_eq!(report.violation, None);
    let kinds: Vec<&str> = report.flows.iter().map(|flow| flow.application).collect();
    let all = ["bulk", "request_response", "short_flows", "on_off", "slow_reader", "half_close", "abort", "idle"];
    assert_eq!(kinds, all);
}

/// Nobody has to set a buffer for 1 Gbit/s over 100 ms: 12.5 MB on their way.
#[test]
fn default_buffers_fill_a_long_and_fast_path() {
    let path = "forward = \"rate 1gbit delay 50ms limit 9000\"\nback = \"rate 1gbit delay 50ms\"\nduration = \"5s\"\n";
    let scenario: Scenario = format!("{path}[[flow]]\napplication = {{ kind = \"bulk\" }}\n").parse().unwrap();
    let record = Record::nothing().series(Duration::from_secs(1));
    let (report, record) = Simulation::new(&scenario, record).unwrap().finish_with_record();
    assert_eq!(report.violation, None);
    let [.., from, _, to] = record.samples().unwrap().flows[0].rows() else { panic!("too few samples") };
    let bits = f64::from(u32::try_from(to.delivered - from.delivered).unwrap()) * 8.0;
    let rate = bits / to.at.since(from.at).as_secs_f64();
    assert!(rate >= 0.9 * 1e9 * 1448.0 / 1500.0, "{rate} bit/s, {:?}", to.info);
}

/// A link that takes packets of 1240 octets, and says so or not: all arrives, in segments as long as fits, or as
/// `Config::base_mss` while the search for more goes on, a probe for each window of round trips.
//= rfc4821#7.7-1
//= rfc1191#3-1
#[test]
fn a_path_narrower_than_its_ends_is_found_out() {
    for (words, timeouts, least) in [("mtu 1240 icmp", 0, 1188), ("mtu 1240", 2, 1012)] {
        let path =
            "back = \"rate 10mbit delay 20ms\"\n[[flow]]\napplication = { kind = \"bulk\", bytes = 5_000_000 }\n";
        let text = format!("forward = \"rate 10mbit delay 20ms limit 100 {words}\"\n{path}");
        let scenario: Scenario = text.parse().unwrap();
        let record = Record::nothing().series(Duration::from_millis(100));
        let (report, record) = Simulation::new(&scenario, record).unwrap().finish_with_record();
        assert_eq!((report.violation, report.flows[0].bytes, report.flows[0].rtos), (None, 5_000_000, timeouts));
        let last = record.samples().unwrap().flows[0].rows().last().unwrap().info;
        assert!((least..=1188).contains(&last.snd_mss), "{words}: {last:?}");
    }
}

/// Each direction has figures of its own, also those of a flow from right to left, and hosts' own links.
#[test]
fn the_report_tells_of_each_direction_and_each_access_link() {
    let narrow = "rate 1mbit delay 10ms limit 20";
    let text = format!(
        "duration = \"20s\"\nforward = \"rate 10mbit delay 10ms\"\nback = \"{narrow}\"\n\
         [[host]]\nname = \"near\"\nside = \"left\"\naccess = \"rate 5mbit\"\naccess_down = \"rate 500kbit limit 10\"\n\
         [[host]]\nname = \"far\"\nside = \"right\"\n\
         [[flow]]\nfrom = \"far\"\nto = \"near\"\napplication = {{ kind = \"bulk\" }}\n"
    );
    let report = clean(&text.parse().unwrap());
    let [forward, back] = [&report.forward, &report.back].map(|direction| direction.link_share.unwrap());
    assert!(forward < 1e-9 && (0.4..=0.5).contains(&back), "{forward} {back}: the access link is the narrow one");
    assert_eq!(report.link_share, report.back.link_share);
    let access = &report.access[0];
    assert!(access.down.drops > 0 && access.down.queue_delay_ms.p50 > 50.0 && access.up.drops == 0, "{access:?}");
    assert_eq!((access.host.as_str(), report.access.len()), ("near", 1));

    let answers = format!(
        "duration = \"30s\"\nforward = \"rate 10mbit delay 10ms\"\nback = \"{narrow}\"\n[[flow]]\n\
         application = {{ kind = \"request_response\", request = 100, response = 300_000, times = 100, think = \"0s\" }}\n"
    );
    let report = Simulation::new(&answers.parse().unwrap(), Record::nothing()).unwrap().unjudged().finish();
    assert!(report.link_share.unwrap() > 0.8 && report.drops > 0 && report.queue_delay_ms.p50 > 10.0);
    let flow = &report.flows[0];
    assert!(flow.cwnd > flow.client.as_ref().map(|told| told.0.cwnd), "the window is that of the end that sends");
    assert!(flow.response_ms.is_some(), "of what is over by then");
    assert_eq!((flow.unfinished, flow.errors), (1, 0));
}

/// What a link merges reaches the host merged, over whichever link it comes: one ACK for all that came together.
#[test]
fn segments_that_a_link_merges_are_acknowledged_together() {
    let acks = |forward: &str, access: &str| {
        let text = format!(
            "duration = \"1s\"\nforward = \"rate 1gbit delay 10ms {forward}\"\nback = \"delay 10ms\"\n\
             [[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\nside = \"right\"\naccess_down = \"{access}\"\n\
             [[flow]]\napplication = {{ kind = \"bulk\" }}\n"
        );
        let report = clean(&text.parse().unwrap());
        let client = report.flows[0].client.as_ref().unwrap().0;
        (client.segments_out, client.segments_in)
    };
    let (sent, acks_of_all) = acks("", "");
    assert!(acks_of_all > sent / 3, "every second segment: {acks_of_all} for {sent}");
    for (forward, access) in [("gro 100us", ""), ("", "gro 100us")] {
        let (sent, acks) = acks(forward, access);
        assert!(acks < sent / 5, "{forward}, {access}: {acks} for {sent}");
    }
}

#[test]
fn a_flow_that_would_begin_after_the_end_never_does() {
    let text = "duration = \"2s\"\nforward = \"rate 10mbit delay 10ms\"\nback = \"delay 10ms\"\n\
                [[flow]]\napplication = { kind = \"bulk\" }\n\
                [[flow]]\nstart = \"5s\"\napplication = { kind = \"bulk\", bytes = 1000 }\n";
    let report = clean(&text.parse().unwrap());
    assert_eq!((report.flows[1].bytes, report.flows[1].unfinished), (0, 0));
    assert!(report.virtual_s < 2.5, "{}", report.virtual_s);
}

/// What the network makes two of, nobody has sent again; and an end that was to be aborted has met no error.
#[test]
fn spurious_is_never_more_than_was_sent_again_and_an_abort_is_no_error() {
    let text = "duration = \"10s\"\nforward = \"rate 10mbit delay 20ms duplicate 1% corrupt 1%\"\nback = \"delay 20ms\"\n\
                [[flow]]\napplication = { kind = \"bulk\" }\n\
                [[flow]]\napplication = { kind = \"abort\", after = 20_000 }\n";
    let report = clean(&text.parse().unwrap());
    assert!(report.flows[0].spurious <= report.flows[0].retransmits);
    assert!(report.forward.link.corrupted > 0);
    assert_eq!(report.flows[1].errors, 0);
}
