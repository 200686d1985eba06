//! Thinning by pixel: what would be drawn twice into the same pixel is drawn once.

/// A place in a picture, in pixels from its upper left corner.
pub(super) type Pixel = (i32, i32);

/// The pixels that one kind of vertical stroke covers, a bit each.
pub(super) struct Raster {
    left: i32,
    top: i32,
    height: i32,
    words_per_column: usize,
    bits: Vec<u64>,
}

impl Raster {
    /// An empty one for the pixels from `upper_left` to, not including, `lower_right`.
    pub fn new(upper_left: Pixel, lower_right: Pixel) -> Self {
        let width = lower_right.0.saturating_sub(upper_left.0).max(0);
        let height = lower_right.1.saturating_sub(upper_left.1).max(0);
        let words_per_column = height.unsigned_abs().div_ceil(64) as usize;
        let bits = vec![0; words_per_column * width.unsigned_abs() as usize];
        Self { left: upper_left.0, top: upper_left.1, height, words_per_column, bits }
    }

    /// Covers the column `x` from row `from` to row `to`, both included; what lies outside is cut off.
    pub fn cover(&mut self, x: i32, from: i32, to: i32) {
        let (from, to) = ((from - self.top).max(0), (to - self.top).min(self.height - 1));
        let Ok(column) = usize::try_from(x - self.left) else { return };
        let first_word = column * self.words_per_column;
        for row in from..=to {
            let row = row.unsigned_abs() as usize;
            if let Some(word) = self.bits.get_mut(first_word + row / 64) {
                *word |= 1 << (row % 64);
            }
        }
    }

    /// The strokes that cover the same pixels: column, first row, last row.
    pub fn strokes(&self) -> Vec<(i32, i32, i32)> {
        let mut strokes = Vec::new();
        for (words, x) in self.bits.chunks(self.words_per_column.max(1)).zip(self.left..) {
            if words.iter().all(|word| *word == 0) {
                continue;
            }
            let is_covered = |row: i32| {
                let row = row.unsigned_abs() as usize;
                words.get(row / 64).is_some_and(|word| word & (1 << (row % 64)) != 0)
            };
            let mut row = 0;
            while row < self.height {
                if is_covered(row) {
                    let last = (row..self.height).take_while(|row| is_covered(*row)).last().unwrap_or(row);
                    strokes.push((x, self.top + row, self.top + last));
                    row = last;
                }
                row += 1;
            }
        }
        strokes
    }
}

/// A line through `points`, which go from left to right, with at most four left of each column: where the line enters, its
/// highest and lowest pixel, and where it leaves.
pub(super) fn line(points: impl Iterator<Item = Pixel>) -> Vec<Pixel> {
    let mut thinned = Vec::new();
    let mut column: Option<Column> = None;
    for (x, y) in points {
        match &mut column {
            Some(column) if column.x == x => column.extend(y),
            _ => {
                column.iter().for_each(|column| column.emit(&mut thinned));
                column = Some(Column { x, first: y, least: y, most: y, last: y });
            }
        }
    }
    column.iter().for_each(|column| column.emit(&mut thinned));
    thinned.dedup();
    thinned
}

/// The same for a staircase: each value lasts until the next point.
pub(super) fn staircase(points: impl Iterator<Item = Pixel>) -> Vec<Pixel> {
    let mut before = None;
    line(points.flat_map(move |(x, y)| {
        let corner = before.replace(y).map(|before| (x, before));
        corner.into_iter().chain([(x, y)])
    }))
}

struct Column {
    x: i32,
    first: i32,
    least: i32,
    most: i32,
    last: i32,
}

impl Column {
    fn extend(&mut self, y: i32) {
        self.least = self.least.min(y);
        self.most = self.most.max(y);
        self.last = y;
    }

    fn emit(&self, to: &mut Vec<Pixel>) {
        to.extend([self.first, self.least, self.most, self.last].map(|y| (self.x, y)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strokes_that_touch_become_one() {
        let mut raster = Raster::new((10, 100), (20, 300));
        raster.cover(12, 150, 170);
        raster.cover(12, 171, 180);
        raster.cover(12, 160, 165);
        raster.cover(12, 290, 400); // leaves the picture below
        raster.cover(19, 0, 100);
        raster.cover(20, 150, 160); // outside
        raster.cover(9, 150, 160);
        assert_eq!(raster.strokes(), [(12, 150, 180), (12, 290, 299), (19, 100, 100)]);
    }

    #[test]
    fn a_line_keeps_its_peaks_and_few_points() {
        let wild = (0..1_000_000).map(|n| (n / 10_000, n % 500));
        let thinned = line(wild);
        assert!(thinned.len() <= 4 * 100, "{}", thinned.len());
        assert!(thinned.contains(&(50, 0)) && thinned.contains(&(50, 499)), "the peaks are kept");
    }

    #[test]
    fn a_staircase_stays_level_until_the_next_point() {
        let steps = staircase([(0, 50), (10, 40), (20, 40), (30, 10)].into_iter());
        assert_eq!(
            steps,
            [(0, 50), (10, 50), (10, 40), (10, 50), (10, 40), (20, 40), (30, 40), (30, 10), (30, 40), (30, 10)]
        );
    }
}
