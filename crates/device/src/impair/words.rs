//! A link in words, read and written.

use std::iter::Peekable;
use std::str::{FromStr, SplitWhitespace};
use std::time::Duration;

use super::units::{Time, size, time};
use super::{
    Acks, Chance, Change, CoDel, ConfigError, Delay, Discipline, Displace, Distribution, Gather, Late, Limit,
    LinkConfig, Loss, MaxPacket, Odds, Overhead, Police, Rate, Red, Reorder, Schedule, Slot, Trace,
};

impl FromStr for LinkConfig {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        // What stands before the word in a line of `tc qdisc add dev eth0 root netem …` is about the device.
        let text = text.split_once("netem ").map_or(text, |(_, rest)| rest);
        let mut words = Words { words: text.split_whitespace().peekable() };
        words.skip_place();
        let mut config = Self::default();
        while let Some(word) = words.next() {
            read_word(&mut config, word, &mut words)?;
        }
        if config.trace.is_some() && config.schedule.sets_rate() {
            return Err(ConfigError::invalid(
                "rate",
                "left out behind `at`: a trace says itself what the link carries",
            ));
        }
        Ok(config)
    }
}

/// The words that are still to be read.
struct Words<'a> {
    words: Peekable<SplitWhitespace<'a>>,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        self.words.next()
    }

    /// What `tc qdisc show` tells before the link itself: `8001: root refcnt 2`.
    fn skip_place(&mut self) {
        while let Some(word) =
            self.words.next_if(|word| word.ends_with(':') || ["root", "parent", "refcnt"].contains(word))
        {
            if word == "parent" || word == "refcnt" {
                self.words.next();
            }
        }
    }

    /// The next word, which has to be there.
    fn after(&mut self, word: &str) -> Result<&'a str, ConfigError> {
        self.next().ok_or_else(|| ConfigError::Missing(word.to_owned()))
    }

    /// The next word if it is a number with a unit: what `tc` takes for a further argument.
    fn number(&mut self) -> Option<&'a str> {
        let is_number = |word: &&str| word.strip_prefix('.').unwrap_or(word).starts_with(|c: char| c.is_ascii_digit());
        self.words.next_if(is_number)
    }

    /// The next word if it is this one.
    fn accept(&mut self, wanted: &str) -> bool {
        self.words.next_if_eq(&wanted).is_some()
    }

    fn optional<T>(&mut self, read: impl FnOnce(&str) -> Result<T, ConfigError>, or: T) -> Result<T, ConfigError> {
        self.number().map_or(Ok(or), read)
    }

    fn odds(&mut self, word: &str) -> Result<Odds, ConfigError> {
        let chance = self.after(word)?.parse()?;
        Ok(Odds { chance, correlation: self.optional(str::parse, Chance::NEVER)? })
    }
}

fn read_word(config: &mut LinkConfig, word: &str, words: &mut Words<'_>) -> Result<(), ConfigError> {
    match word {
        "rate" => (config.rate, config.overhead) = rate(words)?,
        "trace" => config.trace = Some(trace(words)?),
        "limit" => config.limit = limit(words.after(word)?)?,
        "red" => config.discipline = Discipline::Red(red(words)?),
        "codel" => config.discipline = Discipline::CoDel(codel(words)?),
        "ce_threshold" => config.mark_above = Some(time(words.after(word)?)?),
        "ecn" => config.ecn = true,
        "noecn" => config.ecn = false,
        "delay" | "latency" => config.delay = delay(word, words, config.delay)?,
        "distribution" => config.delay.distribution = distribution(words.after(word)?)?,
        "in-order" => config.delay.in_order = true,
        "loss" | "drop" => config.loss = loss(word, words)?,
        "duplicate" => config.duplicate = words.odds(word)?,
        "corrupt" => config.corrupt = words.odds(word)?,
        "corrupt-header" => config.corrupt_header = words.after(word)?.parse()?,
        "reorder" => config.reorder = Some(reorder(words, config.reorder)?),
        "gap" => set_gap(config, count(words.after(word)?)?),
        "displace" => config.displace = Some(displace(words)?),
        "late" => {
            let chance = words.after(word)?.parse()?;
            config.late = Some(Late { chance, up_to: time(words.after(word)?)? });
        }
        "mtu" => {
            let octets = longest(words.after(word)?)?;
            config.mtu = Some(MaxPacket { octets, icmp: words.accept("icmp") });
        }
        "police" => config.police = Some(police(words)?),
        "thin" => config.acks = Acks::Thin(gather(word, words)?),
        "compress" => config.acks = Acks::Compress(gather(word, words)?),
        "gro" => config.gro = Some(words.optional(time, Duration::ZERO)?),
        "down" => config.down = true,
        "up" => config.down = false,
        "seed" => config.seed = Some(whole(words.after(word)?)?),
        "at" => config.schedule = schedule(words)?,
        "slot" => config.slot = Some(slot(words)?),
        _ => return Err(ConfigError::UnknownWord(word.to_owned())),
    }
    Ok(())
}

fn rate(words: &mut Words<'_>) -> Result<(Option<Rate>, Overhead), ConfigError> {
    let rate = words.after("rate")?.parse()?;
    // An overhead may be negative.
    let negative = words.words.next_if(|word| word.strip_prefix('-').is_some_and(|rest| count(rest).is_ok()));
    let packet = match negative.or_else(|| words.number()) {
        None => 0,
        Some(text) => text.parse().map_err(|_| ConfigError::invalid(text, "a number of octets"))?,
    };
    let cell = words.optional(count, 0)?;
    Ok((Some(rate), Overhead { packet, cell, per_cell: words.optional(count, 0)? }))
}

/// A file's name, or the times themselves.
fn trace(words: &mut Words<'_>) -> Result<Trace, ConfigError> {
    if !words.accept("list") {
        return Ok(Trace::in_file(words.after("trace")?));
    }
    let list = words.after("list")?;
    let times = list.split(',').map(|time| count(time).map(u64::from)).collect::<Result<Vec<u64>, _>>()?;
    Trace::from_millis("", &times).map_err(|_| ConfigError::invalid(list, "milliseconds, ascending, the last above 0"))
}

/// A limit is in packets unless its unit says otherwise.
fn limit(text: &str) -> Result<Limit, ConfigError> {
    if let Ok(packets) = text.parse() {
        return Ok(Limit::Packets(packets));
    }
    let limit = size(text).map(Limit::Octets).or_else(|_| time(text).map(Limit::Time));
    limit
        .ok()
        .filter(|_| text.ends_with(|last: char| last.is_ascii_alphabetic()))
        .ok_or_else(|| ConfigError::invalid(text, "a number of packets, a size such as 64kb, or a time such as 50ms"))
}

fn red(words: &mut Words<'_>) -> Result<Red, ConfigError> {
    let mut bounds = |name: &str| {
        let word = words.after("red")?;
        if word == name { size(words.after(name)?) } else { Err(ConfigError::invalid(word, "min SIZE max SIZE")) }
    };
    let (min, max) = (bounds("min")?, bounds("max")?);
    if min >= max {
        return Err(ConfigError::invalid(&max.to_string(), "more than the min before it"));
    }
    // Linux's tc red takes 2 % unless told otherwise.
    let probability =
        if words.accept("probability") { words.after("probability")?.parse()? } else { Chance::percent(2) };
    Ok(Red { min, max, probability })
}

fn codel(words: &mut Words<'_>) -> Result<CoDel, ConfigError> {
    let mut codel = CoDel::default();
    loop {
        if words.accept("target") {
            codel.target = time(words.after("target")?)?;
        } else if words.accept("interval") {
            codel.interval = time(words.after("interval")?)?;
        } else {
            return Ok(codel);
        }
    }
}

fn delay(word: &str, words: &mut Words<'_>, before: Delay) -> Result<Delay, ConfigError> {
    let base = time(words.after(word)?)?;
    let jitter = words.optional(time, Duration::ZERO)?;
    Ok(Delay { base, jitter, correlation: words.optional(str::parse, Chance::NEVER)?, ..before })
}

fn distribution(text: &str) -> Result<Distribution, ConfigError> {
    let wanted = "uniform, normal, pareto or paretonormal";
    Distribution::named(text).ok_or_else(|| ConfigError::invalid(text, wanted))
}

/// Octets of the longest packet: what is shorter than every link must take carries nothing.
fn longest(text: &str) -> Result<u16, ConfigError> {
    let octets = u16::try_from(size(text)?).unwrap_or(u16::MAX);
    let wanted = "68 or more, which every link must take (RFC 791), such as 1400; for no bound, leave `mtu` out";
    if octets < MaxPacket::LEAST { Err(ConfigError::invalid(&format!("mtu {text}"), wanted)) } else { Ok(octets) }
}

/// netem's `slot MIN [MAX]` or `slot distribution NAME DELAY JITTER`, and how much passes in one.
fn slot(words: &mut Words<'_>) -> Result<Slot, ConfigError> {
    let gap = if words.accept("distribution") {
        let distribution = distribution(words.after("distribution")?)?;
        Delay { distribution, ..delay("slot", words, Delay::default())? }
    } else {
        let least = time(words.after("slot")?)?;
        let most = words.optional(time, least)?;
        let half = most.saturating_sub(least) / 2;
        Delay { jitter: half, ..Delay::fixed(least + half) }
    };
    let mut slot = Slot { gap, packets: None, octets: None };
    loop {
        if words.accept("packets") {
            slot.packets = Some(whole(words.after("packets")?)?);
        } else if words.accept("bytes") {
            slot.octets = Some(size(words.after("bytes")?)?);
        } else {
            return Ok(slot);
        }
    }
}

fn loss(word: &str, words: &mut Words<'_>) -> Result<Loss, ConfigError> {
    if words.accept("state") {
        let p13: Chance = words.after("state")?.parse()?;
        let p31 = words.optional(str::parse, p13.complement())?;
        let p32 = words.optional(str::parse, Chance::NEVER)?;
        let p23 = words.optional(str::parse, Chance::ALWAYS)?;
        return Ok(Loss::State { p13, p31, p32, p23, p14: words.optional(str::parse, Chance::NEVER)? });
    }
    if words.accept("gemodel") {
        let p: Chance = words.after("gemodel")?.parse()?;
        let r = words.optional(str::parse, p.complement())?;
        let bad = words.optional(str::parse, Chance::ALWAYS)?;
        return Ok(Loss::GilbertElliott { p, r, bad, good: words.optional(str::parse, Chance::NEVER)? });
    }
    if words.accept("every") {
        let nth = whole(words.after("every")?)?;
        let refused = "1 (all) or more: no packet is the 0th; without loss, leave `loss` out";
        return if nth > 0 { Ok(Loss::Every(nth)) } else { Err(ConfigError::invalid("every 0", refused)) };
    }
    if words.accept("list") {
        let mut list = words.after("list")?.split(',').map(whole).collect::<Result<Vec<u64>, _>>()?;
        list.sort_unstable();
        return Ok(Loss::Listed(list.into()));
    }
    words.accept("random");
    let odds = words.odds(word)?;
    Ok(if odds == Odds::default() { Loss::None } else { Loss::Random(odds) })
}

fn reorder(words: &mut Words<'_>, before: Option<Reorder>) -> Result<Reorder, ConfigError> {
    let gap = before.map_or(1, |reorder| reorder.gap);
    Ok(Reorder { odds: words.odds("reorder")?, gap })
}

/// `gap` may stand before `reorder` or behind it; alone it means that each such packet overtakes.
fn set_gap(config: &mut LinkConfig, gap: u32) {
    let odds = config.reorder.map_or(Odds::new(Chance::ALWAYS), |reorder| reorder.odds);
    config.reorder = Some(Reorder { odds, gap: gap.max(1) });
}

fn displace(words: &mut Words<'_>) -> Result<Displace, ConfigError> {
    let chance = words.after("displace")?.parse()?;
    let distance = count(words.after("displace")?)?;
    Ok(Displace { chance, distance, at_most: words.optional(time, Displace::AT_MOST)? })
}

fn police(words: &mut Words<'_>) -> Result<Police, ConfigError> {
    let wanted = "rate RATE burst SIZE";
    let (rate_word, rate) = (words.after("police")?, words.after("police")?);
    let (burst_word, burst) = (words.after("police")?, words.after("police")?);
    match (rate_word, burst_word) {
        ("rate", "burst") => Ok(Police { rate: rate.parse()?, burst: size(burst)? }),
        ("rate", other) | (other, _) => Err(ConfigError::invalid(other, wanted)),
    }
}

fn gather(word: &str, words: &mut Words<'_>) -> Result<Gather, ConfigError> {
    let count = count(words.after(word)?)?;
    if count == 0 {
        let wanted =
            "1 or more: one of so many ACKs passes, or so many at once; to leave ACKs alone, leave the word out";
        return Err(ConfigError::invalid(&format!("{word} 0"), wanted));
    }
    Ok(Gather { count, hold: words.optional(time, Gather::HOLD)? })
}

/// All from the first `at` on; its word has been read.
fn schedule(words: &mut Words<'_>) -> Result<Schedule, ConfigError> {
    let mut schedule = Schedule::default();
    let mut change = Change { at: time(words.after("at")?)?, ..Change::default() };
    while let Some(word) = words.next() {
        match word {
            "at" => {
                let at = time(words.after(word)?)?;
                schedule.changes.push(std::mem::replace(&mut change, Change { at, ..Change::default() }));
            }
            "repeat" => schedule.repeat = Some(period(words.after(word)?)?),
            "rate" => change.rate = Some(words.after(word)?.parse()?),
            "delay" | "latency" => change.delay = Some(delay(word, words, change.delay.unwrap_or_default())?),
            "distribution" => {
                change.delay.get_or_insert_default().distribution = distribution(words.after(word)?)?;
            }
            "in-order" => change.delay.get_or_insert_default().in_order = true,
            "loss" | "drop" => change.loss = Some(loss(word, words)?),
            "down" => change.down = Some(true),
            "up" => change.down = Some(false),
            _ => return Err(ConfigError::NotInSchedule(word.to_owned())),
        }
    }
    schedule.changes.push(change);
    schedule.changes.sort_by_key(|change| change.at);
    let last = schedule.changes.last().map_or(Duration::ZERO, |change| change.at);
    if let Some(period) = schedule.repeat.filter(|period| !period.is_zero() && *period <= last) {
        return Err(ConfigError::invalid(&format!("{}", Time(period)), "longer than until the last change before it"));
    }
    Ok(schedule)
}

/// So that the schedule doesn't stop the clock.
fn period(text: &str) -> Result<Duration, ConfigError> {
    let period = time(text)?;
    let is_long = period.is_zero() || period >= Schedule::LEAST_PERIOD;
    if is_long { Ok(period) } else { Err(ConfigError::invalid(text, "a microsecond or longer")) }
}

fn count(text: &str) -> Result<u32, ConfigError> {
    text.parse().map_err(|_| ConfigError::invalid(text, "a whole number"))
}

fn whole(text: &str) -> Result<u64, ConfigError> {
    text.parse().map_err(|_| ConfigError::invalid(text, "a whole number"))
}
