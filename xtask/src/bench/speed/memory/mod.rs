//! Two stacks on one processor, joined in memory: what TCP itself costs, without a kernel. Beside smoltcp joined with itself,
//! and beside nothing but copies.

mod ours;
mod smoltcp;

use std::hint::black_box;
use std::io;
use std::time::Instant;

use super::clients::{Sample, count_for};
use super::room::{Joint, Plan};
use crate::shell::Outcome;

/// Octets that an application hands over or takes at a time.
const BLOCK: usize = 64 << 10;
/// Octets of the buffers of either stack, each way.
const BUFFER: u32 = 1 << 20;

/// One connection of ours, from one application to another.
pub fn ours(plan: &Plan) -> Outcome<Sample> {
    let mut ends = ours::Ends::connected(plan.joint == Joint::MemoryOffload, plan.task)?;
    Ok(count_for(*plan, || ends.turn())?)
}

/// The same, of smoltcp.
pub fn smoltcp(plan: &Plan) -> Outcome<Sample> {
    let mut ends = smoltcp::Ends::new();
    Ok(count_for(*plan, || ends.turn())?)
}

/// A copy of [`BLOCK`] after the other, in cache.
pub fn copies(plan: &Plan) -> Outcome<Sample> {
    let (from, mut to) = (vec![7_u8; BLOCK], vec![0; BLOCK]);
    let turn = || -> io::Result<usize> {
        for _ in 0..16 {
            to.copy_from_slice(black_box(&from));
            black_box(&mut to);
        }
        Ok(16 * BLOCK)
    };
    Ok(count_for(*plan, turn)?)
}

/// Calls `turn` until it has moved something, which it must within a second.
fn until_moved(mut turn: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    let start = Instant::now();
    loop {
        match turn()? {
            0 if start.elapsed().as_secs() > 0 => return Err(io::ErrorKind::TimedOut.into()),
            0 => {}
            moved => return Ok(moved),
        }
    }
}
