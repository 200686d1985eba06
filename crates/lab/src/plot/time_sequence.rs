//! The time-sequence graph, in the style of tcptrace and xplot (RFC 2398 sections 2.8, 2.9 and 2.12).

//= rfc2398#2.8-1
//= rfc2398#2.9-1
//= rfc2398#2.12-1

use std::ops::Range;

use plotters::style::{Color, RGBColor, WHITE};
use sockeye_wire::Instant;

use super::axis::{Unit, airy, extent};
use super::frame::{self, Area, Axes, Entry, Plane, Swatch};
use super::thin::{Pixel, Raster, staircase};
use super::{Error, palette};

const SIZE: (u32, u32) = (1600, 900);
/// Room above the data: title, and legend under it.
const TOP: i32 = 84;
/// Up to so many segments each is a stroke of its own with ends, as xplot draws them.
const FEW: usize = 3_000;

/// Why a segment was sent, as far as one can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sending {
    /// New data.
    New,
    /// Sent again because of what ACKs said.
    Fast,
    /// Sent again because the retransmission timer ran out.
    Timeout,
    /// Sent again, or early, to draw an ACK from a silent tail (RFC 8985 section 7).
    TailProbe,
    /// Late, but not sent again: overtaken on the way.
    OutOfOrder,
    /// A probe of a closed window.
    WindowProbe,
}

impl Sending {
    const ALL: [Self; 6] = [Self::New, Self::OutOfOrder, Self::WindowProbe, Self::Fast, Self::TailProbe, Self::Timeout];

    const fn name(self) -> &'static str {
        match self {
            Self::New => "data",
            Self::Fast => "fast retransmission",
            Self::Timeout => "retransmission by timeout",
            Self::TailProbe => "tail probe",
            Self::OutOfOrder => "out of order",
            Self::WindowProbe => "window probe",
        }
    }

    const fn colour(self) -> RGBColor {
        match self {
            Self::New => palette::INK,
            Self::Fast => palette::RED,
            Self::Timeout => palette::MAGENTA,
            Self::TailProbe => palette::ORANGE,
            Self::OutOfOrder => palette::SKY,
            Self::WindowProbe => palette::BROWN,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A segment went out with these octets.
    Sent(Range<u64>, Sending),
    /// An ACK came: everything before `ack` has arrived, and the receiver takes `window` octets more. An ACK that says what
    /// the one before said is drawn as a tick.
    Acked {
        /// The first octet not acknowledged.
        ack: u64,
        /// The receive window, in octets, scaled.
        window: u64,
    },
    /// A SACK block came: these octets have arrived, out of order.
    Sacked(Range<u64>),
    /// A D-SACK block came: these octets have arrived twice (RFC 2883).
    SackedTwice(Range<u64>),
}

/// What happened, and when. Octets are counted from the initial sequence number on, and never wrap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// What.
    pub what: What,
}

/// A word at a place in the graph, such as SYN, FIN or RST. Words that would hide each other are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Instant,
    /// Beside which octet.
    pub seq: u64,
    /// The word.
    pub text: String,
}

/// One direction of a connection, to be drawn.
///
/// ```
/// # use sockeye_lab::plot::{Event, Sending, TimeSequence, What};
/// # use sockeye_wire::Instant;
/// let events = [
///     Event { at: Instant::from_millis(0), what: What::Sent(0..1460, Sending::New) },
///     Event { at: Instant::from_millis(20), what: What::Acked { ack: 1460, window: 65_535 } },
/// ];
/// let svg = TimeSequence { title: "one segment", events: &events, marks: &[], zoom: None }.draw()?;
/// assert!(svg.starts_with("<svg"));
/// # Ok::<(), sockeye_lab::plot::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TimeSequence<'a> {
    /// What stands above it.
    pub title: &'a str,
    /// In the order of time.
    pub events: &'a [Event],
    /// Words in it.
    pub marks: &'a [Mark],
    /// Only what happens between these two; `None` shows all.
    pub zoom: Option<Range<Instant>>,
}

impl TimeSequence<'_> {
    /// The graph as SVG: time to the right, octets upwards.
    ///
    /// # Errors
    /// When the drawing library refuses.
    pub fn draw(&self) -> Result<String, Error> {
        frame::picture(SIZE, |area| {
            let stage = self.stage(area)?;
            stage.draw_windows()?;
            stage.draw_strokes(palette::VIOLET, Self::sacked)?;
            stage.draw_sent(Sending::New)?;
            stage.draw_acks()?;
            stage.draw_strokes(palette::BLUE, Self::sacked_twice)?;
            stage.draw_zero_windows()?;
            Sending::ALL.iter().skip(1).try_for_each(|sending| stage.draw_sent(*sending))?;
            stage.draw_marks(self.marks)?;
            frame::text(area, self.title, (24, 26), 22, palette::INK, true)?;
            frame::legend(area, &stage.legend(), (24, 60))
        })
    }

    fn sacked(what: &What) -> Option<&Range<u64>> {
        if let What::Sacked(octets) = what { Some(octets) } else { None }
    }

    fn sacked_twice(what: &What) -> Option<&Range<u64>> {
        if let What::SackedTwice(octets) = what { Some(octets) } else { None }
    }

    /// The axes: wide enough for what was sent and acknowledged. A window far above that would press the data flat, so
    /// it counts only up to a quarter of the data's height.
    fn stage<'b, 'c>(&'b self, area: &'b Area<'c>) -> Result<Stage<'b, 'c>, Error> {
        let events: Vec<_> = self.events.iter().filter(|event| self.shows(event.at)).collect();
        let time = |event: &&Event| seconds(event.at);
        let times = extent(events.iter().map(time)).unwrap_or(0.0..1.0);
        let octets = extent(
            events
                .iter()
                .filter_map(|event| match &event.what {
                    What::Sent(octets, _) => Some([octets.start, octets.end]),
                    What::Acked { ack, .. } => Some([*ack, *ack]),
                    What::Sacked(_) | What::SackedTwice(_) => None,
                })
                .flatten()
                .map(float),
        );
        let octets = octets.unwrap_or(0.0..1.0);
        let height = octets.end - octets.start;
        let edge = extent(events.iter().filter_map(|event| edge(&event.what)).map(float));
        let top = edge.map_or(octets.end, |edge| edge.end.clamp(octets.end, octets.end + height.max(1.0) / 4.0));
        let (time_unit, time_scale) = Unit::Seconds.scale(times.end - times.start);
        let first = times.start - (times.end - times.start) * 0.03; // room for the word beside the first segment
        let (octet_unit, octet_scale) = Unit::Octets.scale(top);
        let plane = frame::axes(
            area,
            TOP,
            &Axes {
                x_name: Some(&format!("time, {time_unit}")),
                x: airy(first * time_scale..times.end * time_scale),
                y_name: &format!("sequence number, {octet_unit}"),
                y: airy(octets.start * octet_scale..top * octet_scale),
                y_labels: 10,
            },
        )?;
        Ok(Stage { area, plane, events, time_scale, octet_scale })
    }

    fn shows(&self, at: Instant) -> bool {
        self.zoom.as_ref().is_none_or(|zoom| zoom.contains(&at))
    }
}

/// The first octet beyond the window that an ACK opens.
fn edge(what: &What) -> Option<u64> {
    if let What::Acked { ack, window } = what { Some(ack.saturating_add(*window)) } else { None }
}

#[expect(clippy::cast_precision_loss, reason = "finer than any pixel")]
fn float(octets: u64) -> f64 {
    octets as f64
}

fn seconds(at: Instant) -> f64 {
    at.since(Instant::ZERO).as_secs_f64()
}

/// The graph while it is drawn.
struct Stage<'a, 'b> {
    area: &'a Area<'b>,
    plane: Plane,
    events: Vec<&'a Event>,
    time_scale: f64,
    octet_scale: f64,
}

impl Stage<'_, '_> {
    fn pixel(&self, at: Instant, octet: u64) -> Pixel {
        self.plane.pixel(seconds(at) * self.time_scale, float(octet) * self.octet_scale)
    }

    /// A staircase through what `height` finds in the events, cut off above the data.
    fn steps(&self, height: impl Fn(&What) -> Option<u64>) -> Vec<Pixel> {
        let (upper_left, _) = self.plane.corners();
        let points = self.events.iter().filter_map(|event| Some(self.pixel(event.at, height(&event.what)?)));
        staircase(points.map(|(x, y)| (x, y.max(upper_left.1))))
    }

    fn draw_windows(&self) -> Result<(), Error> {
        frame::path(self.area, self.steps(edge), palette::GOLD.stroke_width(2))
    }

    fn draw_acks(&self) -> Result<(), Error> {
        let ack = |what: &What| if let What::Acked { ack, .. } = what { Some(*ack) } else { None };
        frame::path(self.area, self.steps(ack), palette::GREEN.stroke_width(2))?;
        self.draw_duplicates()
    }

    /// A tick below the ACK line for each ACK that says nothing new.
    fn draw_duplicates(&self) -> Result<(), Error> {
        let mut raster = self.raster();
        let mut before = None;
        for event in &self.events {
            let What::Acked { ack, window } = event.what else { continue };
            if before.replace((ack, window)) == Some((ack, window)) {
                let (x, y) = self.pixel(event.at, ack);
                raster.cover(x, y, y + 5);
            }
        }
        self.strokes(&raster, palette::GREEN, 1)
    }

    fn draw_sent(&self, kind: Sending) -> Result<(), Error> {
        let segments = || {
            self.events.iter().filter_map(|event| match &event.what {
                What::Sent(octets, sending) if *sending == kind => {
                    Some((self.pixel(event.at, octets.start), self.pixel(event.at, octets.end)))
                }
                _ => None,
            })
        };
        // What is sent again matters most: it is never smaller than can be seen among bars and lines.
        let (width, least) = if kind == Sending::New { (1, 0) } else { (4, 7) };
        let with_ends = segments().count() <= FEW;
        let mut raster = self.raster();
        for ((x, bottom), (_, top)) in segments() {
            raster.cover(x, top.min(bottom - least), bottom);
            if with_ends && bottom - top >= 8 {
                let ends = [bottom, top].map(|y| vec![(x - 2, y), (x + 2, y)]);
                ends.into_iter().try_for_each(|end| frame::path(self.area, end, kind.colour().stroke_width(1)))?;
            }
        }
        if kind != Sending::New {
            self.strokes(&raster, WHITE, width + 2)?; // an edge between it and what lies under it
        }
        self.strokes(&raster, kind.colour(), width)
    }

    fn draw_strokes(&self, colour: RGBColor, octets: impl Fn(&What) -> Option<&Range<u64>>) -> Result<(), Error> {
        let mut raster = self.raster();
        for event in &self.events {
            let Some(octets) = octets(&event.what) else { continue };
            let ((x, bottom), (_, top)) = (self.pixel(event.at, octets.start), self.pixel(event.at, octets.end));
            raster.cover(x, top.min(bottom - 1), bottom);
        }
        self.strokes(&raster, colour, 2)
    }

    /// A bar as long as the window stays closed.
    fn draw_zero_windows(&self) -> Result<(), Error> {
        let mut closed: Option<Pixel> = None;
        for event in &self.events {
            let What::Acked { ack, window } = event.what else { continue };
            let here = self.pixel(event.at, ack);
            match (window, closed) {
                (0, None) => closed = Some(here),
                (1.., Some(since)) => {
                    self.draw_zero_window(since, here.0)?;
                    closed = None;
                }
                _ => {}
            }
        }
        let end = self.events.last().map(|event| self.pixel(event.at, 0).0);
        closed.zip(end).map_or(Ok(()), |(since, end)| self.draw_zero_window(since, end))
    }

    fn draw_zero_window(&self, since: Pixel, until: i32) -> Result<(), Error> {
        let corners = [(since.0 - 1, since.1 - 3), (until.max(since.0 + 1) + 1, since.1 + 3)];
        frame::block(self.area, corners, palette::ROSE)
    }

    fn draw_marks(&self, marks: &[Mark]) -> Result<(), Error> {
        const SIZE: i32 = 14;
        let (upper_left, lower_right) = self.plane.corners();
        let mut taken: Vec<(Range<i32>, i32)> = Vec::new();
        for mark in marks {
            let (x, y) = self.pixel(mark.at, mark.seq);
            let width = frame::text_width(&mark.text, SIZE);
            // Left of its place and above: the data rise to the right.
            let x = if x - 6 - width < upper_left.0 { x + 6 } else { x - 6 - width };
            let y = (y - 10).clamp(upper_left.1 + SIZE, lower_right.1 - SIZE);
            let hides = |(columns, row): &(Range<i32>, i32)| {
                columns.start < x + width && x < columns.end && (row - y).abs() < SIZE + 2
            };
            if x >= upper_left.0 && x < lower_right.0 && !taken.iter().any(hides) {
                frame::text(self.area, &mark.text, (x, y), SIZE, palette::FAINT, true)?;
                taken.push((x..x + width, y));
            }
        }
        Ok(())
    }

    fn raster(&self) -> Raster {
        let (upper_left, lower_right) = self.plane.corners();
        Raster::new(upper_left, lower_right)
    }

    fn strokes(&self, raster: &Raster, colour: RGBColor, width: u32) -> Result<(), Error> {
        for (x, top, bottom) in raster.strokes() {
            frame::path(self.area, vec![(x, top), (x, bottom + 1)], colour.stroke_width(width))?;
        }
        Ok(())
    }

    /// The entries for what occurs.
    fn legend(&self) -> Vec<Entry> {
        let occurs = |test: &dyn Fn(&What) -> bool| self.events.iter().any(|event| test(&event.what));
        let acked = occurs(&|what| matches!(what, What::Acked { .. }));
        let mut entries = Vec::new();
        let mut entry = |is_there: bool, name: &str, colour, swatch| {
            if is_there {
                entries.push(Entry { name: name.to_owned(), colour, swatch });
            }
        };
        for kind in Sending::ALL {
            let is_there = occurs(&|what| matches!(what, What::Sent(_, sending) if *sending == kind));
            entry(is_there, kind.name(), kind.colour(), Swatch::Stroke);
        }
        entry(acked, "acknowledged", palette::GREEN, Swatch::Line);
        entry(acked, "receive window", palette::GOLD, Swatch::Line);
        entry(occurs(&|what| matches!(what, What::Sacked(_))), "SACK", palette::VIOLET, Swatch::Stroke);
        entry(occurs(&|what| matches!(what, What::SackedTwice(_))), "D-SACK", palette::BLUE, Swatch::Stroke);
        entry(
            occurs(&|what| matches!(what, What::Acked { window: 0, .. })),
            "window closed",
            palette::ROSE,
            Swatch::Line,
        );
        entries
    }
}

#[cfg(test)]
mod tests;
