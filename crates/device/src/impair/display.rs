//! A link's description, written so that [`super::words`] reads the same again.

use std::fmt::{self, Display, Formatter};

use super::units::Time;
use super::{
    Acks, Chance, CoDel, Delay, Discipline, Displace, Distribution, Gather, Limit, LinkConfig, Loss, Odds, Overhead,
    Rate, Red, Reorder, Schedule, Slot,
};

impl Display for LinkConfig {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut line = Line { f, gap: "" };
        self.queue_words(&mut line)?;
        delay(&mut line, &self.delay)?;
        loss(&mut line, &self.loss)?;
        self.damage_words(&mut line)?;
        self.other_words(&mut line)?;
        schedule(&mut line, &self.schedule)
    }
}

/// Words with blanks between them.
struct Line<'a, 'b> {
    f: &'a mut Formatter<'b>,
    gap: &'static str,
}

impl Line<'_, '_> {
    fn word(&mut self, word: impl Display) -> fmt::Result {
        write!(self.f, "{}{word}", std::mem::replace(&mut self.gap, " "))
    }

    fn pair(&mut self, word: &str, value: impl Display) -> fmt::Result {
        self.word(format_args!("{word} {value}"))
    }

    fn flag(&mut self, word: &str, set: bool) -> fmt::Result {
        if set { self.word(word) } else { Ok(()) }
    }

    fn optional(&mut self, word: &str, value: Option<impl Display>) -> fmt::Result {
        value.map_or(Ok(()), |value| self.pair(word, value))
    }

    fn odds(&mut self, word: &str, odds: Odds) -> fmt::Result {
        if odds == Odds::default() {
            return Ok(());
        }
        self.pair(word, odds.chance)?;
        if odds.correlation == Chance::NEVER { Ok(()) } else { self.word(odds.correlation) }
    }
}

impl LinkConfig {
    fn queue_words(&self, line: &mut Line<'_, '_>) -> fmt::Result {
        if let Some(rate) = self.rate {
            rate_word(line, rate, self.overhead)?;
        }
        line.optional("trace", self.trace.as_ref())?;
        match self.limit {
            Limit::Packets(Self::LIMIT) => {}
            Limit::Packets(packets) => line.pair("limit", packets)?,
            Limit::Octets(octets) => line.pair("limit", format_args!("{octets}b"))?,
            Limit::Time(time) => line.pair("limit", Time(time))?,
        }
        match self.discipline {
            Discipline::TailDrop => {}
            Discipline::Red(Red { min, max, probability }) => {
                line.word(format_args!("red min {min}b max {max}b probability {probability}"))?;
            }
            Discipline::CoDel(CoDel { target, interval }) => {
                line.word(format_args!("codel target {} interval {}", Time(target), Time(interval)))?;
            }
        }
        line.optional("ce_threshold", self.mark_above.map(Time))?;
        line.flag("ecn", self.ecn)
    }

    fn damage_words(&self, line: &mut Line<'_, '_>) -> fmt::Result {
        line.odds("duplicate", self.duplicate)?;
        line.odds("corrupt", self.corrupt)?;
        let garbage = (self.corrupt_header != Chance::NEVER).then_some(self.corrupt_header);
        line.optional("corrupt-header", garbage)?;
        if let Some(Reorder { odds, gap }) = self.reorder {
            line.pair("reorder", odds.chance)?;
            if odds.correlation != Chance::NEVER {
                line.word(odds.correlation)?;
            }
            line.pair("gap", gap)?;
        }
        if let Some(Displace { chance, distance, at_most }) = self.displace {
            line.word(format_args!("displace {chance} {distance} {}", Time(at_most)))?;
        }
        line.optional("late", self.late.map(|late| format!("{} {}", late.chance, Time(late.up_to))))?;
        self.slot.map_or(Ok(()), |slot| slot_words(line, &slot))
    }

    fn other_words(&self, line: &mut Line<'_, '_>) -> fmt::Result {
        if let Some(mtu) = self.mtu {
            line.pair("mtu", mtu.octets)?;
            line.flag("icmp", mtu.icmp)?;
        }
        line.optional("police", self.police.map(|police| format!("rate {} burst {}b", police.rate, police.burst)))?;
        match self.acks {
            Acks::Untouched => {}
            Acks::Thin(gather) => gather_words(line, "thin", gather)?,
            Acks::Compress(gather) => gather_words(line, "compress", gather)?,
        }
        line.optional("gro", self.gro.map(Time))?;
        line.flag("down", self.down)?;
        line.optional("seed", self.seed)
    }
}

fn rate_word(line: &mut Line<'_, '_>, rate: Rate, overhead: Overhead) -> fmt::Result {
    line.pair("rate", rate)?;
    let Overhead { packet, cell, per_cell } = overhead;
    if overhead == Overhead::default() { Ok(()) } else { line.word(format_args!("{packet} {cell} {per_cell}")) }
}

fn slot_words(line: &mut Line<'_, '_>, slot: &Slot) -> fmt::Result {
    let Delay { base, jitter, distribution, correlation, .. } = slot.gap;
    if distribution == Distribution::Uniform && correlation == Chance::NEVER && jitter <= base {
        line.word(format_args!("slot {} {}", Time(base.saturating_sub(jitter)), Time(base + jitter)))?;
    } else {
        line.word(format_args!("slot distribution {} {} {}", distribution.name(), Time(base), Time(jitter)))?;
        if correlation != Chance::NEVER {
            line.word(correlation)?;
        }
    }
    line.optional("packets", slot.packets)?;
    line.optional("bytes", slot.octets.map(|octets| format!("{octets}b")))
}

fn delay(line: &mut Line<'_, '_>, delay: &Delay) -> fmt::Result {
    if *delay == Delay::default() {
        return Ok(());
    }
    delay_words(line, delay)
}

fn delay_words(line: &mut Line<'_, '_>, delay: &Delay) -> fmt::Result {
    line.pair("delay", Time(delay.base))?;
    if !delay.jitter.is_zero() || delay.correlation != Chance::NEVER {
        line.word(Time(delay.jitter))?;
    }
    if delay.correlation != Chance::NEVER {
        line.word(delay.correlation)?;
    }
    let spread = (delay.distribution != Distribution::Uniform).then(|| delay.distribution.name());
    line.optional("distribution", spread)?;
    line.flag("in-order", delay.in_order)
}

fn loss(line: &mut Line<'_, '_>, loss: &Loss) -> fmt::Result {
    if *loss == Loss::None { Ok(()) } else { loss_words(line, loss) }
}

fn loss_words(line: &mut Line<'_, '_>, loss: &Loss) -> fmt::Result {
    match loss {
        Loss::None => line.word("loss 0%"),
        Loss::Random(odds) if odds.correlation == Chance::NEVER => line.pair("loss", odds.chance),
        Loss::Random(odds) => line.pair("loss", format_args!("{} {}", odds.chance, odds.correlation)),
        Loss::State { p13, p31, p32, p23, p14 } => line.word(format_args!("loss state {p13} {p31} {p32} {p23} {p14}")),
        Loss::GilbertElliott { p, r, bad, good } => line.word(format_args!("loss gemodel {p} {r} {bad} {good}")),
        Loss::Every(nth) => line.pair("loss every", nth),
        Loss::Listed(list) => {
            let numbers: Vec<String> = list.iter().map(u64::to_string).collect();
            line.pair("loss list", numbers.join(","))
        }
    }
}

fn gather_words(line: &mut Line<'_, '_>, word: &str, gather: Gather) -> fmt::Result {
    line.word(format_args!("{word} {} {}", gather.count, Time(gather.hold)))
}

fn schedule(line: &mut Line<'_, '_>, schedule: &Schedule) -> fmt::Result {
    for change in &schedule.changes {
        line.pair("at", Time(change.at))?;
        line.optional("rate", change.rate)?;
        change.delay.as_ref().map_or(Ok(()), |delay| delay_words(line, delay))?;
        change.loss.as_ref().map_or(Ok(()), |loss| loss_words(line, loss))?;
        change.down.map_or(Ok(()), |down| line.word(if down { "down" } else { "up" }))?;
    }
    line.optional("repeat", schedule.repeat.map(Time))
}
