//! Pictures of connections, as SVG text: [`TimeSequence`] in the style of tcptrace, and [`stacked`] panels of whatever
//! changes over time.
//!
//! Both take plain lists, so that a simulation, a live connection and a capture draw alike. A picture is thinned by its own
//! pixels: it looks the same, and stays small, whether it shows a thousand events or a million.

mod axis;
mod frame;
mod heard;
mod series;
mod thin;
mod time_sequence;

use std::fmt;

pub use axis::Unit;
pub(crate) use heard::{Lines, first_is_d_sack, sacked};
pub use series::{Panel, Series, Shape, stacked};
pub use time_sequence::{Event, Mark, Sending, TimeSequence, What};

use plotters::style::RGBColor;

/// Why there is no picture.
#[derive(Debug)]
pub struct Error(String);

impl Error {
    fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the picture can't be drawn: {}", self.0)
    }
}

impl std::error::Error for Error {}

/// Events that pictures hold at most while they are made: some 160 MB.
pub(crate) const MOST_EVENTS: usize = 4_000_000;

/// Lines in one panel whose colours stay apart; with more they repeat.
pub const LINES: usize = 13;

/// Colours that stay apart for the colour-blind too (after Okabe and Ito).
mod palette {
    use super::RGBColor;

    pub const INK: RGBColor = RGBColor(0x22, 0x2b, 0x36);
    pub const FAINT: RGBColor = RGBColor(0x6b, 0x76, 0x82);
    pub const GRID: RGBColor = RGBColor(0xe4, 0xe7, 0xeb);
    pub const GREEN: RGBColor = RGBColor(0x00, 0x9e, 0x73);
    pub const GOLD: RGBColor = RGBColor(0xe6, 0x9f, 0x00);
    pub const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xb2);
    pub const SKY: RGBColor = RGBColor(0x56, 0xb4, 0xe9);
    pub const RED: RGBColor = RGBColor(0xd5, 0x1f, 0x1f);
    pub const ROSE: RGBColor = RGBColor(0xee, 0x9a, 0x9a);
    pub const MAGENTA: RGBColor = RGBColor(0xb5, 0x2a, 0x9b);
    pub const ORANGE: RGBColor = RGBColor(0xd5, 0x6e, 0x00);
    pub const VIOLET: RGBColor = RGBColor(0x7b, 0x6f, 0xd0);
    pub const BROWN: RGBColor = RGBColor(0x8c, 0x56, 0x2b);

    /// Only for lines.
    const LIME: RGBColor = RGBColor(0x9a, 0xc4, 0x2b);
    const OLIVE: RGBColor = RGBColor(0x6a, 0x6a, 0x12);
    const GREY: RGBColor = RGBColor(0x9a, 0xa3, 0xad);

    /// For lines that mean nothing but "another one"; the last, a pale one, is for what is left.
    pub const LINES: [RGBColor; super::LINES] =
        [BLUE, ORANGE, GREEN, MAGENTA, SKY, BROWN, VIOLET, RED, INK, LIME, ROSE, OLIVE, GREY];
}
