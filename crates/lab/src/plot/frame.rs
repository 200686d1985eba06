//! What every picture has: a title, a legend above the data where it hides nothing, axes with units, a grid.

use std::ops::Range;

use plotters::chart::{ChartBuilder, LabelAreaPosition};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::prelude::SVGBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, RGBColor, ShapeStyle, TextStyle, WHITE};

use super::thin::Pixel;
use super::{Error, axis, palette};

/// A part of a picture.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Room for the numbers of the vertical axis and its name.
const LEFT: i32 = 76;
/// Room for the numbers of the horizontal axis and its name.
const BOTTOM: i32 = 56;
const MARGIN: i32 = 24;

/// How a kind of mark looks, in the legend.
#[derive(Clone, Copy, Debug)]
pub(super) enum Swatch {
    /// A line from left to right.
    Line,
    /// An upright stroke.
    Stroke,
    /// A dot.
    Dot,
}

/// An entry of the legend.
pub(super) struct Entry {
    pub name: String,
    pub colour: RGBColor,
    pub swatch: Swatch,
}

/// Draws on a fresh picture of this size and returns it as SVG.
pub(super) fn picture(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Result<(), Error>) -> Result<String, Error> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    area.fill(&WHITE).map_err(Error::new)?;
    draw(&area)?;
    area.present().map_err(Error::new)?;
    drop(area);
    Ok(svg)
}

/// Text of this height, from `at` to the right, centred on it vertically.
pub(super) fn text(
    area: &Area<'_>,
    words: &str,
    at: Pixel,
    size: i32,
    colour: RGBColor,
    bold: bool,
) -> Result<(), Error> {
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    let font = ("sans-serif", size, style).into_font();
    let style = TextStyle::from(font).color(&colour).pos(Pos::new(HPos::Left, VPos::Center));
    area.draw(&Text::new(words, at, style)).map_err(Error::new)
}

/// Pixels that a text takes, roughly: the picture's font is chosen by whoever shows it.
pub(super) fn text_width(words: &str, size: i32) -> i32 {
    i32::try_from(words.chars().count()).unwrap_or(i32::MAX / 64).saturating_mul(size) * 52 / 100
}

/// Room from one row of a legend to the next.
pub(super) const ROW: i32 = 22;
const SWATCH: i32 = 30;

/// The legend's entries, where each goes: in a row that begins at `at`, and in rows under it once it reaches the picture's
/// right edge at `width`.
fn places(entries: &[Entry], at: Pixel, width: u32) -> Vec<Pixel> {
    let end = i32::try_from(width).unwrap_or(i32::MAX) - MARGIN;
    let (mut x, mut y) = at;
    let place = |entry: &Entry| {
        let taken = SWATCH + text_width(&entry.name, 16);
        if x > at.0 && x + taken > end {
            (x, y) = (at.0, y + ROW);
        }
        let place = (x, y);
        x += taken + 26;
        place
    };
    entries.iter().map(place).collect()
}

/// How far the last row of a legend is below its first.
pub(super) fn legend_height(entries: &[Entry], at: Pixel, width: u32) -> i32 {
    places(entries, at, width).last().map_or(0, |(_, y)| y - at.1)
}

/// The legend, in rows of which the first begins at `at`.
pub(super) fn legend(area: &Area<'_>, entries: &[Entry], at: Pixel) -> Result<(), Error> {
    let (width, _) = area.dim_in_pixel();
    for (Entry { name, colour, swatch }, (x, y)) in entries.iter().zip(places(entries, at, width)) {
        let style = colour.stroke_width(3);
        match swatch {
            Swatch::Line => path(area, vec![(x, y), (x + 22, y)], style)?,
            Swatch::Stroke => path(area, vec![(x + 11, y - 8), (x + 11, y + 8)], style)?,
            Swatch::Dot => dot(area, (x + 11, y), 3, *colour)?,
        }
        text(area, name, (x + SWATCH, y), 16, palette::INK, false)?;
    }
    Ok(())
}

/// A line through these pixels.
pub(super) fn path(area: &Area<'_>, points: Vec<Pixel>, style: ShapeStyle) -> Result<(), Error> {
    area.draw(&PathElement::new(points, style)).map_err(Error::new)
}

/// A filled circle.
pub(super) fn dot(area: &Area<'_>, at: Pixel, radius: i32, colour: RGBColor) -> Result<(), Error> {
    area.draw(&Circle::new(at, radius, colour.filled())).map_err(Error::new)
}

/// A filled rectangle.
pub(super) fn block(area: &Area<'_>, corners: [Pixel; 2], colour: impl Color) -> Result<(), Error> {
    area.draw(&Rectangle::new(corners, colour.filled())).map_err(Error::new)
}

/// The axes of a plot.
pub(super) struct Axes<'a> {
    /// What the horizontal axis is called; `None` if its numbers stand under a plot further down.
    pub x_name: Option<&'a str>,
    pub x: Range<f64>,
    pub y_name: &'a str,
    pub y: Range<f64>,
    /// About how many numbers the vertical axis gets.
    pub y_labels: usize,
}

/// Where the data go: from coordinates to pixels.
pub(super) struct Plane {
    x: Range<f64>,
    y: Range<f64>,
    columns: Range<i32>,
    rows: Range<i32>,
}

impl Plane {
    /// The pixel of a place; outside the axes too.
    pub fn pixel(&self, x: f64, y: f64) -> Pixel {
        let across = (x - self.x.start) / (self.x.end - self.x.start);
        let up = (y - self.y.start) / (self.y.end - self.y.start);
        let (left, right) = (f64::from(self.columns.start), f64::from(self.columns.end - 1));
        let (top, bottom) = (f64::from(self.rows.start), f64::from(self.rows.end - 1));
        (round(left + across * (right - left)), round(bottom - up * (bottom - top)))
    }

    /// The upper left pixel, and the one behind the lower right.
    pub fn corners(&self) -> (Pixel, Pixel) {
        ((self.columns.start, self.rows.start), (self.columns.end, self.rows.end))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to far beyond any picture")]
fn round(place: f64) -> i32 {
    place.clamp(-1e6, 1e6).round() as i32
}

/// Draws grid and axes into `area`, below its first `top` pixels.
pub(super) fn axes(area: &Area<'_>, top: i32, axes: &Axes<'_>) -> Result<Plane, Error> {
    let mut chart = ChartBuilder::on(area)
        .margin_top(top)
        .margin_left(MARGIN)
        .margin_right(MARGIN)
        .set_label_area_size(LabelAreaPosition::Left, LEFT)
        .set_label_area_size(LabelAreaPosition::Bottom, if axes.x_name.is_some() { BOTTOM } else { 14 })
        .build_cartesian_2d(axes.x.clone(), axes.y.clone())
        .map_err(Error::new)?;
    let label = ("sans-serif", 15).into_font().color(&palette::FAINT);
    let name = ("sans-serif", 16).into_font().color(&palette::INK);
    let mut mesh = chart.configure_mesh();
    mesh.x_labels(12)
        .y_labels(axes.y_labels)
        .max_light_lines(1)
        .light_line_style(palette::GRID.mix(0.4))
        .bold_line_style(palette::GRID)
        .axis_style(palette::FAINT)
        .label_style(label)
        .axis_desc_style(name)
        .y_desc(axes.y_name)
        .y_label_formatter(&axis::number);
    let hidden = |_: &f64| String::new();
    match axes.x_name {
        Some(name) => mesh.x_desc(name).x_label_formatter(&axis::number),
        None => mesh.x_label_formatter(&hidden),
    };
    mesh.draw().map_err(Error::new)?;
    let (columns, rows) = chart.plotting_area().get_pixel_range();
    let (left, above) = area.get_base_pixel();
    let shift = |range: Range<i32>, by: i32| range.start - by..range.end - by;
    Ok(Plane { x: axes.x.clone(), y: axes.y.clone(), columns: shift(columns, left), rows: shift(rows, above) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_legend_goes_on_below() {
        let entry = |number: usize| Entry {
            name: format!("flow {number} newreno"),
            colour: palette::INK,
            swatch: Swatch::Line,
        };
        let entries: Vec<Entry> = (1..=13).map(entry).collect();
        let places = places(&entries, (200, 16), 1600);
        let ends = entries.iter().zip(&places).map(|(entry, (x, _))| x + SWATCH + text_width(&entry.name, 16));
        assert!(ends.max() <= Some(1600 - MARGIN), "{places:?}");
        assert_eq!(places.iter().filter(|(x, _)| *x == 200).count(), 2, "{places:?}");
        assert_eq!(legend_height(&entries, (200, 16), 1600), ROW);
        assert_eq!(legend_height(&entries[..3], (200, 16), 1600), 0);
    }
}
