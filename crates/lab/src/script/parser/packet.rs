//! Packets: TCP segments, ICMP messages, UDP datagrams.

use super::{Kind, Parsed, Parser};
use crate::script::packet::{Ecn, Flags, Icmp, IpInfo, Packet, Quote, Segment, TcpOption, TcpOptions};
use crate::script::symbols;

impl Parser {
    /// What stands behind `<` or `>`.
    pub(super) fn packet(&mut self, inbound: bool) -> Parsed<Packet> {
        let ip = self.ip_info(inbound)?;
        if self.take("icmp") {
            return Ok(Packet::Icmp(self.icmp()?));
        }
        if self.take("udp") {
            return Ok(Packet::Udp(self.length()?));
        }
        if ["ipv4", "ipv6", "gre", "mpls", "encap"].iter().any(|word| self.next_is(word)) {
            return self.error("this stack speaks no encapsulation: ipv4, ipv6, gre, mpls and encap are refused");
        }
        Ok(Packet::Tcp(self.segment(ip, inbound)?))
    }

    fn ip_info(&mut self, inbound: bool) -> Parsed<IpInfo> {
        let mut info = IpInfo::default();
        let close = if self.take("[") {
            "]"
        } else if self.take("(") {
            ")"
        } else {
            return Ok(info);
        };
        loop {
            match self.word("what is to be said of the IP header")?.as_str() {
                "noecn" => info.ecn = Some(Ecn::Bits(0)),
                "ect1" => info.ecn = Some(Ecn::Bits(1)),
                "ect0" => info.ecn = Some(Ecn::Bits(2)),
                "ce" => info.ecn = Some(Ecn::Bits(3)),
                "ect01" if inbound => return self.error("`ect01` is for packets of the stack's own"),
                "ect01" => info.ecn = Some(Ecn::AnyCapable),
                "tos" => info.tos = Some(self.integer("an octet")?),
                "ttl" => info.ttl = Some(self.integer("a hop limit")?),
                "flowlabel" => info.flow_label = Some(self.integer("a flow label")?),
                other => return self.error(format!("`{other}` says nothing of an IP header")),
            }
            if !self.take(",") {
                self.expect(close)?;
                return Ok(info);
            }
        }
    }

    fn segment(&mut self, ip: IpInfo, inbound: bool) -> Parsed<Segment> {
        let ports = self.ports()?;
        let flags = self.flags()?;
        let (seq, len) = self.sequence()?;
        let mut segment = Segment { ip, ports, flags, seq, len, ..Segment::default() };
        if self.take("ack") {
            segment.ack = self.integer("an acknowledgment number")?;
        }
        if self.take("win") {
            segment.window = Some(self.integer("a window")?);
        } else if inbound {
            return self.error("an injected segment needs `win`");
        }
        if self.take("urg") {
            segment.urgent = self.integer("an urgent pointer")?;
        }
        if self.next_is("<") {
            segment.options = self.tcp_options(inbound)?;
        }
        Ok(segment)
    }

    fn ports(&mut self) -> Parsed<Option<(u16, u16)>> {
        let is_port = self.peek().is_some_and(|token| token.kind == Kind::Integer)
            && self.peek_at(1).is_some_and(|token| token.is(">"));
        if !is_port {
            return Ok(None);
        }
        let source = self.integer("a port")?;
        self.expect(">")?;
        Ok(Some((source, self.integer("a port")?)))
    }

    /// One word without blanks, of which the lexer makes several tokens: `FP.`, `P.5`, `S.`, `.3`, `-`.
    fn flags(&mut self) -> Parsed<Flags> {
        let mut text = String::new();
        while let Some(token) = self.peek() {
            let part = matches!(token.kind, Kind::Word | Kind::Integer | Kind::Float) || token.is(".") || token.is("-");
            if !part || (!text.is_empty() && token.spaced) {
                break;
            }
            text.push_str(&token.text);
            self.at += 1;
        }
        let mut bits = 0;
        for c in text.chars() {
            match (Flags::LETTERS.iter().find(|(letter, _)| *letter == c), c.to_digit(8)) {
                (Some((_, bit)), _) => bits |= bit,
                // The three bits of ACE as a number: AE, CWR, ECE.
                (None, Some(ace)) => {
                    let ace_bits = [(4, Flags::AE), (2, Flags::CWR), (1, Flags::ECE)];
                    bits |= ace_bits.iter().filter(|(value, _)| ace & value != 0).fold(0, |all, (_, bit)| all | bit);
                }
                (None, None) if text == "-" => {}
                (None, None) => return self.error(format!("`{text}` are no flags of TCP")),
            }
        }
        if text.is_empty() { self.unexpected("the flags of a segment") } else { Ok(Flags(bits)) }
    }

    /// `start:end(len)`.
    fn sequence(&mut self) -> Parsed<(u32, u32)> {
        let start: u32 = self.integer("a sequence number")?;
        self.expect(":")?;
        let end: u32 = self.integer("a sequence number")?;
        let len: u16 = self.length()?;
        if start.wrapping_add(u32::from(len)) != end {
            return self.error(format!("{start} + {len} is not {end}"));
        }
        Ok((start, u32::from(len)))
    }

    fn length(&mut self) -> Parsed<u16> {
        self.expect("(")?;
        let len = self.integer("a length")?;
        self.expect(")")?;
        Ok(len)
    }

    fn tcp_options(&mut self, inbound: bool) -> Parsed<TcpOptions> {
        self.expect("<")?;
        if self.take("...") {
            self.expect(">")?;
            return if inbound { self.error("only the stack's own options may be any") } else { Ok(TcpOptions::Any) };
        }
        let mut options = Vec::new();
        while !self.take(">") {
            options.push(self.tcp_option()?);
            if !self.next_is(">") {
                self.expect(",")?;
            }
        }
        let octets: usize = options.iter().map(|option| option.to_bytes().len()).sum();
        match octets {
            _ if !octets.is_multiple_of(4) => self.error(format!("the options take {octets} octets, no multiple of 4")),
            41.. => self.error(format!("the options take {octets} octets, and a header has room for 40")),
            _ => Ok(TcpOptions::Exactly(options)),
        }
    }

    fn tcp_option(&mut self) -> Parsed<TcpOption> {
        let name = self.word("a TCP option")?;
        Ok(match name.as_str() {
            "nop" => TcpOption::Nop,
            "eol" => TcpOption::End,
            "mss" => TcpOption::Mss(self.integer("a segment size")?),
            "wscale" => TcpOption::WindowScale(self.integer("a shift")?),
            "sackOK" => TcpOption::SackPermitted,
            "sack" => TcpOption::Sack(self.blocks()?),
            "TS" => {
                self.expect("val")?;
                let value = self.integer("a timestamp")?;
                self.expect("ecr")?;
                TcpOption::Timestamps { value, echo: self.integer("a timestamp")? }
            }
            "FO" => TcpOption::FastOpen(self.cookie()?),
            "FOEXP" => TcpOption::FastOpenExperimental(self.cookie()?),
            "md5" => TcpOption::Md5(self.cookie()?),
            "ECN" => self.accurate_ecn()?,
            other => return self.error(format!("`{other}` is no TCP option that this language has")),
        })
    }

    fn blocks(&mut self) -> Parsed<Vec<(u32, u32)>> {
        let mut blocks = Vec::new();
        while self.peek().is_some_and(|token| token.kind == Kind::Integer) {
            let left = self.integer("a sequence number")?;
            self.expect(":")?;
            blocks.push((left, self.integer("a sequence number")?));
        }
        if (1..=4).contains(&blocks.len()) { Ok(blocks) } else { self.error("SACK has one to four blocks") }
    }

    /// Hexadecimal digits, an even number of them; none for a request.
    fn cookie(&mut self) -> Parsed<Vec<u8>> {
        let Some(token) = self.peek().filter(|token| matches!(token.kind, Kind::Word | Kind::Integer)) else {
            return Ok(Vec::new());
        };
        let digits = token.text.clone();
        let pairs = digits.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        });
        match pairs.collect::<Option<Vec<u8>>>() {
            Some(octets) => {
                self.at += 1;
                Ok(octets)
            }
            None => self.error(format!("`{digits}` is no even number of hexadecimal digits")),
        }
    }

    fn accurate_ecn(&mut self) -> Parsed<TcpOption> {
        let orders = [["e0b", "ceb", "e1b"], ["e1b", "ceb", "e0b"]];
        let Some(order) = orders.iter().position(|order| self.next_is(order[0])) else {
            return self.unexpected("`e0b` or `e1b`");
        };
        let mut counters = Vec::new();
        for name in orders[order] {
            if !self.take(name) {
                break;
            }
            counters.push(self.integer("a counter")?);
        }
        Ok(TcpOption::AccEcn { order: u8::try_from(order).unwrap_or(0), counters })
    }

    fn icmp(&mut self) -> Parsed<Icmp> {
        let kind = self.word("an ICMP type")?;
        let Some(kind) = symbols::icmp_type(&kind, self.v6) else {
            return self.error(format!("`{kind}` is no type of ICMP for this version of IP"));
        };
        let mut icmp = Icmp { kind, code: 0, mtu: None, id: None, quote: Quote::Syn };
        if let Some(token) = self.peek().filter(|token| token.kind == Kind::Word && !token.is("mtu") && !token.is("id"))
        {
            let name = token.text.clone();
            let Some(code) = symbols::icmp_code(kind, &name, self.v6) else {
                return self.error(format!("`{name}` is no code of that type of ICMP"));
            };
            icmp.code = code;
            self.at += 1;
        }
        if self.take("mtu") {
            icmp.mtu = Some(self.integer("an MTU")?);
        }
        if self.take("id") {
            icmp.id = Some(self.integer("an identifier")?);
        }
        if self.take("[") {
            icmp.quote = self.quote()?;
            self.expect("]")?;
        }
        Ok(icmp)
    }

    fn quote(&mut self) -> Parsed<Quote> {
        if self.take("udp") {
            return Ok(Quote::Udp(u32::from(self.length()?)));
        }
        if self.take("raw") {
            return Ok(Quote::Raw(u32::from(self.length()?)));
        }
        let (seq, len) = self.sequence()?;
        Ok(Quote::Segment(seq, len))
    }
}
