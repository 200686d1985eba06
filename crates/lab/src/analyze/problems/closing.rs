//! How a connection is closed over text that nobody will read: RFC 2525 sections 2.16 and 2.17.

use sockeye_wire::Instant;

use super::{Finding, Moment, Problem, finding};
use crate::analyze::side::{Class, Side};

/// What happened since this side sent its FIN.
#[derive(Default)]
pub struct Close {
    fin_at: Option<Instant>,
    /// The window was closed at that time, and has been since: text lies there unread.
    is_pending: bool,
    /// Something was read later: only one direction had been closed.
    is_read: bool,
    /// Where the text begins that came and was not taken, and how often.
    refused: (i64, u32),
    /// Probes of the closed window.
    probes: u32,
    reset: bool,
}

impl Close {
    /// Times that the same text comes in vain before one can say "for ever".
    const IN_VAIN: u32 = 5;

    pub fn sent(&mut self, moment: &Moment<'_>, me: &Side) -> Option<Finding> {
        let flags = moment.segment.flags;
        let is_shut = me.offers == Some(0);
        self.reset |= flags.rst;
        match self.fin_at {
            None if flags.fin => {
                self.fin_at = Some(moment.at());
                self.is_pending = is_shut && moment.offered_before == Some(0);
            }
            None => {}
            Some(_) => {
                self.is_read |= !flags.rst && moment.advance > 1;
                self.is_pending &= is_shut;
            }
        }
        None
    }

    pub fn heard(&mut self, moment: &Moment<'_>) {
        if self.fin_at.is_none() {
            return;
        }
        self.probes += u32::from(moment.class == Class::WindowProbe);
        if moment.segment.text_len == 0 || moment.range.end <= moment.before.una {
            return;
        }
        let (start, times) = self.refused;
        self.refused = if start == moment.range.start { (start, times + 1) } else { (moment.range.start, 1) };
    }

    //= rfc2525#2.16-1
    //= rfc2525#2.17-1
    pub fn verdict(&self) -> Option<Finding> {
        let at = self.fin_at.filter(|_| !self.is_read)?;
        let (_, times) = self.refused;
        // A peer that has nothing left to send can't show that what it sent stays unread: it may be read in silence.
        if self.is_pending && (times > 0 || self.probes >= Self::IN_VAIN) {
            let why = "a FIN, not a RST, while text lay unread behind a closed window".to_owned();
            return finding(Problem::NoRstOnCloseWithDataPending, at, why);
        }
        if self.reset || times < Self::IN_VAIN {
            return None;
        }
        let why = format!("after its FIN the same text came {times} times, was not taken, and no RST was sent");
        finding(Problem::NoRstAfterHalfDuplexClose, at, why)
    }
}
