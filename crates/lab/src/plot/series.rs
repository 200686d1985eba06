//! Whatever changes over time, panel under panel over one axis: cwnd and ssthresh, RTT, pacing rate, throughput of each
//! flow, length of the queue.

use std::ops::Range;

use plotters::style::{Color, RGBColor};
use sockeye_wire::Instant;

use super::axis::{Unit, airy, extent};
use super::frame::{self, Area, Axes, Entry, Plane, Swatch};
use super::thin::{Pixel, Raster, line, staircase};
use super::{Error, palette};

const WIDTH: u32 = 1600;
const PANEL: u32 = 290;
/// Room above the panels for the title.
const TITLE: u32 = 52;
/// Room below them for the numbers of the time axis.
const FOOT: u32 = 42;
/// Room above each panel's data: its name, and the legend beside it.
const TOP: i32 = 36;

/// How the points of a series are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Each value lasts until the next: what a variable holds.
    Steps,
    /// Straight lines: what is measured over intervals.
    Line,
    /// Not at all: samples.
    Dots,
}

/// Values of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What the legend calls it.
    pub name: String,
    /// In the order of time. A value that isn't finite (an ssthresh not yet set) leaves a gap.
    pub points: Vec<(Instant, f64)>,
    /// How to draw it.
    pub shape: Shape,
}

/// One panel: things that share a vertical axis, which starts at zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// What stands above it.
    pub name: String,
    /// What its numbers mean.
    pub unit: Unit,
    /// What it shows.
    pub series: Vec<Series>,
}

/// Draws the panels one under the other, over a common time axis, as SVG.
///
/// ```
/// # use sockeye_lab::plot::{Panel, Series, Shape, Unit, stacked};
/// # use sockeye_wire::Instant;
/// let points = (0..100).map(|ms| (Instant::from_millis(ms), 1460.0 * (10 + ms % 20) as f64)).collect();
/// let cwnd = Series { name: "cwnd".to_owned(), points, shape: Shape::Steps };
/// let panel = Panel { name: "congestion window".to_owned(), unit: Unit::Octets, series: vec![cwnd] };
/// assert!(stacked("a saw tooth", &[panel])?.contains("kB"));
/// # Ok::<(), sockeye_lab::plot::Error>(())
/// ```
///
/// # Errors
/// When the drawing library refuses.
pub fn stacked(title: &str, panels: &[Panel]) -> Result<String, Error> {
    let heights: Vec<u32> = panels.iter().map(|panel| PANEL + legend_room(panel).unsigned_abs()).collect();
    let height = heights.iter().sum::<u32>().max(PANEL);
    let times = panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.points);
    let times = extent(times.map(|(at, _)| seconds(*at))).unwrap_or(0.0..1.0);
    frame::picture((WIDTH, TITLE + height + FOOT), |area| {
        frame::text(area, title, (24, 26), 22, palette::INK, true)?;
        let (_, mut rest) = area.split_vertically(TITLE);
        for (number, (panel, height)) in (1..).zip(panels.iter().zip(&heights)) {
            let is_last = number == panels.len();
            let (here, below) = rest.split_vertically(if is_last { height + FOOT } else { *height });
            draw_panel(&here, panel, &times, is_last)?;
            rest = below;
        }
        Ok(())
    })
}

fn draw_panel(area: &Area<'_>, panel: &Panel, times: &Range<f64>, is_last: bool) -> Result<(), Error> {
    let values = panel.series.iter().flat_map(|series| &series.points).map(|(_, value)| *value);
    let largest = extent(values).map_or(1.0, |values| values.end);
    let (unit, scale) = panel.unit.scale(largest);
    let (time_unit, time_scale) = Unit::Seconds.scale(times.end - times.start);
    let time_name = format!("time, {time_unit}");
    let plane = frame::axes(
        area,
        TOP + legend_room(panel),
        &Axes {
            x_name: is_last.then_some(time_name.as_str()),
            x: airy(times.start * time_scale..times.end * time_scale),
            y_name: unit,
            y: airy(0.0..largest * scale),
            y_labels: 6,
        },
    )?;
    for (series, colour) in panel.series.iter().zip(palette::LINES.into_iter().cycle()) {
        let points: Vec<_> =
            series.points.iter().map(|(at, value)| (seconds(*at) * time_scale, *value * scale)).collect();
        draw_series(area, &plane, &points, series.shape, colour)?;
    }
    frame::text(area, &panel.name, (24, 16), 17, palette::INK, true)?;
    frame::legend(area, &legend(panel), legend_place(panel))
}

fn legend(panel: &Panel) -> Vec<Entry> {
    let entry = |(series, colour): (&Series, RGBColor)| {
        let swatch = if series.shape == Shape::Dots { Swatch::Dot } else { Swatch::Line };
        Entry { name: series.name.clone(), colour, swatch }
    };
    panel.series.iter().zip(palette::LINES.into_iter().cycle()).map(entry).collect()
}

/// Beside the panel's name.
fn legend_place(panel: &Panel) -> Pixel {
    (24 + frame::text_width(&panel.name, 17) + 40, 16)
}

/// Room that the legend takes beyond its first row.
fn legend_room(panel: &Panel) -> i32 {
    frame::legend_height(&legend(panel), legend_place(panel), WIDTH)
}

fn draw_series(
    area: &Area<'_>,
    plane: &Plane,
    points: &[(f64, f64)],
    shape: Shape,
    colour: RGBColor,
) -> Result<(), Error> {
    for part in points.split(|(_, value)| !value.is_finite()).filter(|part| !part.is_empty()) {
        let pixels = part.iter().map(|(at, value)| plane.pixel(*at, *value));
        match shape {
            Shape::Steps => frame::path(area, staircase(pixels), colour.stroke_width(2))?,
            Shape::Line => frame::path(area, line(pixels), colour.stroke_width(2))?,
            Shape::Dots => draw_dots(area, plane, pixels, colour)?,
        }
    }
    Ok(())
}

/// Dots three pixels wide; where they touch they become a stroke.
fn draw_dots(
    area: &Area<'_>,
    plane: &Plane,
    pixels: impl Iterator<Item = Pixel>,
    colour: RGBColor,
) -> Result<(), Error> {
    let (upper_left, lower_right) = plane.corners();
    let mut raster = Raster::new(upper_left, lower_right);
    pixels.for_each(|(x, y)| raster.cover(x, y - 1, y + 1));
    for (x, top, bottom) in raster.strokes() {
        frame::path(area, vec![(x, top), (x, bottom + 1)], colour.stroke_width(3))?;
    }
    Ok(())
}

fn seconds(at: Instant) -> f64 {
    at.since(Instant::ZERO).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn wave(count: u64, shape: Shape) -> Panel {
        let points = (0..count).map(|n| (Instant::from_nanos(n * 10_000), (n % 1000) as f64)).collect();
        let series = Series { name: "wave".to_owned(), points, shape };
        Panel { name: "waves".to_owned(), unit: Unit::Plain("packets"), series: vec![series] }
    }

    #[test]
    fn a_million_points_make_no_larger_picture_than_the_pixels_allow() {
        for shape in [Shape::Steps, Shape::Line, Shape::Dots] {
            let svg = stacked("many", &[wave(1_000_000, shape)]).unwrap();
            assert!(svg.len() < 400_000, "{shape:?}: {}", svg.len());
        }
    }

    #[test]
    fn only_the_lowest_panel_names_the_time() {
        let svg = stacked("two", &[wave(100, Shape::Line), wave(100, Shape::Dots)]).unwrap();
        assert_eq!(svg.matches("time, µs").count() + svg.matches("time, ms").count(), 1);
        assert_eq!(svg.matches("waves").count(), 2);
    }

    #[test]
    fn an_infinite_value_leaves_a_gap_and_empty_panels_are_drawn() {
        let mut panel = wave(10, Shape::Steps);
        panel.series[0].points[5].1 = f64::INFINITY;
        let svg = stacked("gap", &[panel]).unwrap();
        assert!(!svg.contains("inf") && !svg.contains("NaN"));
        assert!(stacked("nothing", &[]).is_ok());
    }
}
