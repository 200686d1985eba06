//! Graphs that were drawn: what must be on them.

use super::*;

/// A sender that fills a pipe: a segment every 10 µs, an ACK for each.
fn transfer(segments: u64) -> Vec<Event> {
    let mut events = Vec::new();
    for n in 0..segments {
        let at = Instant::from_nanos(n * 10_000);
        events.push(Event { at, what: What::Sent(n * 1460..(n + 1) * 1460, Sending::New) });
        events.push(Event { at, what: What::Acked { ack: n.saturating_sub(100) * 1460, window: 200_000 } });
    }
    events
}

fn draw(events: &[Event]) -> String {
    TimeSequence { title: "test", events, marks: &[], zoom: None }.draw().unwrap()
}

#[test]
fn a_million_events_make_no_larger_picture_than_the_pixels_allow() {
    let svg = draw(&transfer(500_000));
    assert!(svg.len() < 600_000, "{}", svg.len());
}

//= rfc2398#2.8-1
//= rfc2398#2.9-1
//= rfc2398#2.12-1
#[test]
fn the_legend_names_what_occurs_and_nothing_else() {
    let mut events = transfer(20);
    let svg = draw(&events);
    assert!(svg.contains("acknowledged") && !svg.contains("timeout") && !svg.contains("SACK"));
    let at = Instant::from_millis(1);
    events.push(Event { at, what: What::Sent(0..1460, Sending::Timeout) });
    events.push(Event { at, what: What::Sacked(2920..4380) });
    events.push(Event { at, what: What::Acked { ack: 1460, window: 0 } });
    let svg = draw(&events);
    for name in ["retransmission by timeout", "SACK", "window closed"] {
        assert!(svg.contains(name), "{name}");
    }
}

#[test]
fn what_is_sent_again_lies_above_the_bars_that_it_repairs() {
    let mut events = transfer(200);
    let at = Instant::from_millis(1);
    events.push(Event { at, what: What::Sent(14_600..16_060, Sending::Fast) });
    events.push(Event { at, what: What::Sacked(0..200_000) });
    events.push(Event { at, what: What::SackedTwice(0..200_000) });
    let svg = draw(&events);
    // The legend comes last, with a stroke for each of them.
    let strokes = |colour: &str| svg.match_indices(colour).map(|(place, _)| place).collect::<Vec<_>>();
    let [red, _] = strokes("#D51F1F")[..] else { panic!("one red stroke, and one in the legend") };
    for colour in ["#7B6FD0", "#0072B2"] {
        let [bar, _] = strokes(colour)[..] else { panic!("one bar, and one in the legend") };
        assert!(bar < red, "{colour}");
    }
}

#[test]
fn words_that_would_hide_each_other_are_left_out() {
    let events = transfer(100);
    let mark = |micros: u64, text: &str| Mark { at: Instant::from_nanos(micros * 1000), seq: 0, text: text.to_owned() };
    let marks = [mark(0, "SYN"), mark(1, "RST"), mark(900, "FIN")];
    let svg = TimeSequence { title: "marks", events: &events, marks: &marks, zoom: None }.draw().unwrap();
    assert!(svg.contains("SYN") && svg.contains("FIN") && !svg.contains("RST"));
}

#[test]
fn a_window_that_dwarfs_the_data_does_not_press_it_flat() {
    let events = [
        Event { at: Instant::ZERO, what: What::Sent(0..5_000, Sending::New) },
        Event { at: Instant::from_millis(1), what: What::Acked { ack: 5_000, window: 1 << 30 } },
    ];
    assert!(draw(&events).contains("octets"), "the axis fits the data, not the gigabyte");
}

#[test]
fn zoom_leaves_out_what_happens_elsewhere() {
    let events = transfer(1_000);
    let zoom = Instant::from_millis(4)..Instant::from_millis(5);
    let zoomed = TimeSequence { title: "zoom", events: &events, marks: &[], zoom: Some(zoom) }.draw().unwrap();
    assert!(zoomed.len() < draw(&events).len());
    assert!(TimeSequence { title: "none", events: &[], marks: &[], zoom: None }.draw().is_ok());
}
