//! The laboratory: what a TCP is tried, measured and looked at with.
//!
//! - [`plot`]: time-sequence graphs in the style of tcptrace, and stacked panels over time, as SVG.
#![forbid(unsafe_code)]

pub mod plot;
