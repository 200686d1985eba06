//! A comparison as a picture: a line for each cell, a mark for each pairing.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::report::{Report, Row};
use crate::shell::Outcome;

const WIDTH: u32 = 1_180;
/// In pixels: where the axis starts, how long a ratio of one is; and the ratio at which the axis ends.
const LEFT: i32 = 470;
const UNIT: f64 = 320.0;
const MOST: f64 = 2.0;
const TOP: i32 = 76;
const LINE: i32 = 30;

/// Colours that those who are blind to some can tell apart (Okabe and Ito), by pairing.
const COLOURS: [(&str, RGBColor); 7] = [
    ("sockeye_cubic", RGBColor(0, 114, 178)),
    ("sockeye_reno", RGBColor(86, 180, 233)),
    ("sockeye_bbr", RGBColor(0, 158, 115)),
    ("linux_cubic_to_sockeye", RGBColor(230, 159, 0)),
    ("linux_reno_to_sockeye", RGBColor(204, 121, 167)),
    ("linux_bbr_to_sockeye", RGBColor(0, 0, 0)),
    ("smoltcp", RGBColor(213, 94, 0)),
];

/// Draws the goodput of each pairing as a multiple of its rival's, with the spread of the rounds.
pub fn draw(report: &Report, path: &Path) -> Outcome {
    let lines = i32::try_from(report.cells.len())?;
    let height = TOP + lines * LINE + 32;
    let root = SVGBackend::new(path, (WIDTH, height.unsigned_abs())).into_drawing_area();
    root.fill(&WHITE)?;
    let shown: Vec<_> =
        COLOURS.iter().filter(|(name, _)| report.cells.iter().any(|row| row.ratios.contains_key(*name))).collect();
    let text = |size: i32| ("sans-serif", size).into_text_style(&root);
    root.draw_text("Goodput as a multiple of the kernel's TCP on the same link", &text(17), (12, 10))?;
    let mut at = 12;
    for (name, colour) in &shown {
        let label = name.replace('_', " ");
        root.draw(&Circle::new((at + 5, 48), 5, colour.filled()))?;
        root.draw_text(&label, &text(13), (at + 15, 41))?;
        at += 36 + 7 * i32::try_from(label.len())?;
    }
    for band in (0..lines).step_by(2) {
        let top = TOP + band * LINE;
        root.draw(&Rectangle::new([(0, top), (place(MOST), top + LINE)], BLACK.mix(0.04).filled()))?;
    }
    axis(&root, TOP + lines * LINE)?;
    for (row, number) in report.cells.iter().zip(0..) {
        let middle = TOP + number * LINE + LINE / 2;
        let right = text(12).pos(Pos::new(HPos::Right, VPos::Center));
        root.draw_text(&row.link, &right, (LEFT - 12, middle))?;
        marks(&root, row, middle, &shown)?;
    }
    root.present()?;
    Ok(())
}

fn axis(root: &DrawingArea<SVGBackend<'_>, Shift>, bottom: i32) -> Outcome {
    let label = ("sans-serif", 12).into_text_style(root).pos(Pos::new(HPos::Center, VPos::Top));
    for quarter in 0..=8 {
        let ratio = f64::from(quarter) / 4.0;
        let colour = if quarter == 4 { BLACK.to_rgba() } else { BLACK.mix(0.15) };
        root.draw(&PathElement::new(vec![(place(ratio), TOP), (place(ratio), bottom)], colour))?;
        let and_more = if ratio < MOST { "" } else { " and more" };
        root.draw_text(&format!("{ratio}{and_more}"), &label, (place(ratio), bottom + 6))?;
    }
    Ok(())
}

/// One below the other, so that equal ones are seen.
fn marks(root: &DrawingArea<SVGBackend<'_>, Shift>, row: &Row, middle: i32, shown: &[&(&str, RGBColor)]) -> Outcome {
    let step = (LINE - 8) / i32::try_from(shown.len().max(2) - 1)?;
    let top = middle - step * i32::try_from(shown.len().saturating_sub(1))? / 2;
    for ((name, colour), number) in shown.iter().zip(0..) {
        let Some(ratio) = row.ratios.get(*name) else { continue };
        let y = top + number * step;
        let spread = vec![(place(ratio.min), y), (place(ratio.max), y)];
        root.draw(&PathElement::new(spread, colour.mix(0.6).stroke_width(1)))?;
        root.draw(&Circle::new((place(ratio.median), y), 3, colour.filled()))?;
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "pixels")]
fn place(ratio: f64) -> i32 {
    LEFT + (ratio.clamp(0.0, MOST) * UNIT) as i32
}
