//! The simulator: whole hosts and bare connections over bad paths, in virtual time, exactly repeated by a seed.
//!
//! A [`Scenario`] says what there is: a path in netem's words, hosts with their settings and their coarse clocks, flows
//! that do what applications do. A [`Simulation`] runs it, a [`Report`] says what came of it. After every event the
//! [`Invariant`]s are checked; a run stops at the first that is broken.
//!
//! ```
//! use sockeye_lab::sim::{self, Scenario};
//!
//! let scenario: Scenario = r#"
//!     duration = "60s"
//!     forward = "rate 10mbit delay 25ms limit 100 loss 1%"
//!     back = "rate 10mbit delay 25ms"
//!
//!     [[flow]]
//!     application = { kind = "bulk", bytes = 500_000 }
//! "#.parse()?;
//! let report = sim::run(&scenario)?;
//! assert!(report.violation.is_none());
//! assert_eq!(report.flows[0].bytes, 500_000);
//! # Ok::<(), sim::ScenarioError>(())
//! ```
//!
//! # Reading order
//!
//! `scenario` is what is written; `world` is what it becomes; `event_loop` moves it by `deadlines`, `endings` judges how flows
//! end. `machine` is a stack or a bare connection, `application` what an application may do, `talker` those that scenarios name.
//! `ear` and `judge` hold `invariants`, `tricks` misbehaves, `packets` is where packets lie, `record` keeps what is to be looked
//! at, `report` counts, `told` is what a connection told of itself.
//! `against_kernel` runs the same scenario with the kernel at one end.

//= rfc2398#2.1-1

pub mod against_kernel;
mod application;
pub(crate) mod bare;
mod deadlines;
mod ear;
mod endings;
mod event_loop;
mod invariants;
mod judge;
mod machine;
mod packets;
mod payload;
mod picture;
mod random;
mod record;
mod report;
mod scenario;
mod segment;
mod talker;
mod text;
mod told;
mod tricks;
mod world;

use std::time::Duration;

use sockeye_wire::Instant;

pub use application::{Application as Behaviour, Heard, Next, Socket};
pub use invariants::{Invariant, Violation};
pub use random::Random;
pub use record::{FlowSample, FlowSamples, Record, Samples};
pub use report::{AccessReport, DirectionReport, FlowReport, LinkReport, Percentiles, Report};
pub use scenario::{Application, Bank, FlowSpec, HostSpec, Scenario, ScenarioError, Sizes, TcpSpec};
pub use text::Time;
pub use told::Told;
pub use tricks::Trick;

use world::World;

/// Runs `scenario` to its end.
///
/// # Errors
/// If the scenario makes no sense. That a rule was broken is in the report.
pub fn run(scenario: &Scenario) -> Result<Report, ScenarioError> {
    Ok(Simulation::new(scenario, Record::nothing())?.finish())
}

/// A scenario on its way.
pub struct Simulation<'a> {
    scenario: &'a Scenario,
    world: World,
    started: std::time::Instant,
}

impl<'a> Simulation<'a> {
    /// At time zero. `record` says what is to be kept besides the figures.
    ///
    /// # Errors
    /// If the scenario makes no sense.
    pub fn new(scenario: &'a Scenario, record: Record) -> Result<Self, ScenarioError> {
        let started = std::time::Instant::now();
        Ok(Self { scenario, world: World::new(scenario, record)?, started })
    }

    /// Leaves out the rules about packets, connections and how they end, which take a third of the time. What applications read
    /// is still compared with what was written, and nothing may be left at the end.
    #[must_use]
    pub fn unjudged(mut self) -> Self {
        self.world.judges = false;
        self
    }

    /// Replaces what one end of connection `flow`, counted from 0, does: the end that connects, or the one that listens.
    ///
    /// # Errors
    /// If there is no such connection.
    pub fn behave(
        &mut self,
        flow: usize,
        connects: bool,
        behaviour: impl Behaviour + 'static,
    ) -> Result<(), ScenarioError> {
        let known = self.world.flows.get_mut(flow);
        let known = known.ok_or_else(|| ScenarioError(format!("there is no connection {flow}")))?;
        known.ends[usize::from(!connects)].application = Some(Box::new(behaviour));
        Ok(())
    }

    /// Lets everything happen that happens within the first `time`, and no later than the scenario's end. False once
    /// nothing is left to happen.
    pub fn run_until(&mut self, time: Duration) -> bool {
        self.world.run_until(Instant::ZERO + time.min(self.scenario.duration.0)) && time < self.scenario.duration.0
    }

    /// Runs to the end: flows without one are stopped, and what is left of the others must go by itself.
    pub fn finish(self) -> Report {
        self.finish_with_record().0
    }

    /// As [`Self::finish`]; gives back what was kept.
    pub fn finish_with_record(mut self) -> (Report, Record) {
        while self.run_until(self.scenario.duration.0) {}
        let mut report = self.world.report(self.scenario, Duration::ZERO);
        if self.world.violation.is_none() {
            self.world.record.stop_sampling();
            self.world.stop();
            self.world.drain();
        }
        report.violation.clone_from(&self.world.violation);
        report.wall_s = self.started.elapsed().as_secs_f64();
        (report, self.world.record)
    }
}
