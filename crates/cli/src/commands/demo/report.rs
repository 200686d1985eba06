//! The figures, for people and for machines.

use std::fmt;

use comfy_table::{CellAlignment, LineStyle, Table, presets};
use serde::Serialize;

use super::transfers::Transfer;
use crate::failure::{Failure, OrFail};

/// What came of the demo.
#[derive(Serialize)]
pub struct Report {
    ok: bool,
    device: &'static str,
    transfers: Vec<Transfer>,
    #[serde(skip)]
    ladder: String,
}

impl Report {
    pub fn new(device: &'static str, transfers: Vec<Transfer>, ladder: String) -> Self {
        let ok = transfers.iter().all(|transfer| transfer.hash_ok);
        Self { ok, device, transfers, ladder }
    }

    /// True if all that was sent arrived as it was.
    pub const fn ok(&self) -> bool {
        self.ok
    }

    /// One JSON object.
    pub fn json(&self) -> Result<String, Failure> {
        serde_json::to_string_pretty(self).or_fail("writing JSON")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
        table.set_header(["transfer", "direction", "family", "MiB", "Gbit/s", "resent", "handshake", "hash"]);
        for transfer in &self.transfers {
            table.add_row([
                transfer.what.to_owned(),
                transfer.direction.replace('_', " "),
                transfer.family.to_owned(),
                (transfer.bytes >> 20).to_string(),
                format!("{:.2}", transfer.gbit_per_s),
                transfer.retransmissions.to_string(),
                format!("{} µs", transfer.handshake.as_micros()),
                if transfer.hash_ok { "equal" } else { "DIFFERS" }.to_owned(),
            ]);
        }
        for column in 3..7 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        write!(f, "{}\n{table}\n\n", self.ladder)?;
        let octets: u64 = self.transfers.iter().map(|transfer| transfer.bytes).sum();
        if self.ok {
            write!(f, "{} MiB in {} transfers, every hash equal.", octets >> 20, self.transfers.len())
        } else {
            f.write_str("Some of what arrived isn't what was sent.")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    //= rfc2398#2.3-1
    #[test]
    fn each_connection_has_its_bandwidth_and_its_latency() {
        let transfer = Transfer {
            what: "bulk",
            direction: "to_sockeye",
            family: "IPv4",
            bytes: 5 << 20,
            hash_ok: true,
            gbit_per_s: 2.345,
            retransmissions: 1,
            handshake: Duration::from_micros(67),
        };
        let report = Report::new("TUN", vec![transfer], String::new());
        let table = report.to_string();
        assert!(
            ["bulk", "to sockeye", "5", "2.35", "67 µs", "equal"].iter().all(|cell| table.contains(cell)),
            "{table}"
        );
        assert!(report.ok() && report.json().is_ok_and(|json| json.contains("\"gbit_per_s\": 2.345")));
    }
}
