//! One function per reader of this crate: it takes whatever it is given and holds what the reader promises. The property
//! tests call them with damaged files, the fuzz targets with octets that look for trouble.

use std::ops::ControlFlow;

use sockeye_lab::analyze::{Filter, analyze};
use sockeye_lab::capture;
use sockeye_lab::describe::{Describer, Detail};
use sockeye_lab::script::{Overrides, Script};
use sockeye_lab::sim::{Record, Scenario, Simulation};

/// A capture is described line by line, analysed and drawn, as far as it can be read; no packet is longer than the file.
pub fn capture(octets: &[u8]) -> bool {
    let mut describer = Describer::new(Detail { absolute: false, verbose: true });
    let mut packets = 0;
    let end = capture::read(octets, |packet| {
        packets += 1;
        assert!(packet.data.len() <= octets.len());
        if let Some(link) = packet.link {
            assert!(!describer.line(link, packet.data).to_string().is_empty());
        }
        ControlFlow::Continue(())
    });
    let report = analyze(octets, &Filter { draw: true, ..Filter::default() });
    assert_eq!(end.as_ref().err(), report.as_ref().err());
    let Ok(report) = report else { return false };
    assert_eq!(report.tally.packets, packets);
    for connection in report.connections.iter().take(3) {
        assert!([0, 1].into_iter().all(|which| connection.draw(which).is_ok()));
    }
    packets > 0
}

/// A script is read, or refused with a line that there is.
pub fn script(text: &str) -> bool {
    match Script::parse("hostile", text, &Overrides::default()) {
        Ok(_) => true,
        Err(error) => {
            assert!(error.line as usize <= text.lines().count() + 1, "{error}");
            false
        }
    }
}

/// A scenario that is read is written as one that is read as the same, and planned or refused.
pub fn scenario(text: &str) -> bool {
    let Ok(scenario) = text.parse::<Scenario>() else { return false };
    let again = scenario.to_toml().map(|text| text.parse::<Scenario>());
    assert!(again.is_ok_and(|again| again.is_ok_and(|again| again == scenario)), "{text}");
    drop(Simulation::new(&scenario, Record::nothing()));
    true
}
