//! The lines `--name=value` at the top.

use std::time::Duration;

use super::{Kind, Parsed, Parser, Token, error, tokens, unquote};
use crate::script::program::Options;
use crate::script::{Overrides, ScriptError};
use crate::sockets::Family;

/// Options of the reference tool that mean nothing to an interpreter in virtual time.
const IGNORED: [&str; 14] = [
    "gateway_ip",
    "netmask_ip",
    "speed",
    "init_scripts",
    "code_command",
    "code_format",
    "code_sockopt",
    "send_omit_free",
    "is_anyip",
    "debug",
    "verbose",
    "v",
    "non_fatal",
    "dry_run",
];

impl Parser {
    /// Reads all options; those of the caller win.
    pub(super) fn options(&mut self, overrides: &Overrides) -> Parsed<Options> {
        let mut options = Options::default();
        while let Some(token) = self.peek().filter(|token| token.kind == Kind::Option).cloned() {
            self.at += 1;
            match token.text.strip_prefix("-D") {
                Some(definition) => self.define(token.line, definition.trim())?,
                None => self.option(&mut options, &token)?,
            }
        }
        for text in &overrides.options {
            let token = Token { kind: Kind::Option, text: text.clone(), line: 0, spaced: true };
            self.option(&mut options, &token)?;
        }
        Ok(options)
    }

    fn option(&mut self, options: &mut Options, token: &Token) -> Parsed<()> {
        let text = token.text.trim_start_matches('-');
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let value = value.map(unquote);
        if name == "define" {
            return self.define(token.line, value.as_deref().unwrap_or_default());
        }
        let flag = match name {
            "tcp_ts_ecr_scaled" => Some(&mut options.ts_ecr_scaled),
            "strict_segments" => Some(&mut options.strict_segments),
            "any_psh" => Some(&mut options.any_psh),
            _ => None,
        };
        match (flag, &value) {
            (Some(flag), None) => *flag = true,
            (Some(_), Some(_)) => return Err(error(token.line, format!("--{name} takes no value"))),
            (None, _) if IGNORED.contains(&name) => {}
            (None, Some(value)) => set(options, name, value, token.line)?,
            (None, None) => return Err(error(token.line, format!("there is no option --{name}"))),
        }
        Ok(())
    }

    fn define(&mut self, line: u32, definition: &str) -> Parsed<()> {
        let (name, value) = definition.split_once('=').ok_or_else(|| error(line, "a definition is NAME=value"))?;
        let value = tokens(value).ok().and_then(|tokens| tokens.into_iter().next());
        let value = value.ok_or_else(|| error(line, format!("`{name}` is defined as nothing")))?;
        self.defined.insert(name.to_owned(), Token { line, ..value });
        Ok(())
    }
}

fn set(options: &mut Options, name: &str, value: &str, line: u32) -> Parsed<()> {
    let micros = |value: u64| Some(Duration::from_micros(value)).filter(|time| !time.is_zero());
    match name {
        "ip_version" => {
            options.family = match value {
                "ipv4" => Family::V4,
                "ipv6" => Family::V6,
                "ipv4-mapped-ipv6" => Family::Mapped,
                _ => return Err(error(line, format!("{value} is no version of IP: ipv4, ipv6, ipv4-mapped-ipv6"))),
            };
        }
        "local_ip" => options.local = Some(number(name, value, line)?),
        "remote_ip" => options.remote = Some(number(name, value.split('/').next().unwrap_or_default(), line)?),
        "bind_port" => options.bind_port = number(name, value, line)?,
        "connect_port" => options.connect_port = number(name, value, line)?,
        "mtu" => options.mtu = number(name, value, line)?,
        "mss" => options.mss = number(name, value, line)?,
        "tolerance_usecs" => options.tolerance = Some(Duration::from_micros(number(name, value, line)?)),
        "tolerance_percent" => {
            let percent: f64 = number(name, value, line)?;
            if !(0.0..=1000.0).contains(&percent) {
                return Err(error(line, "--tolerance_percent is from 0 to 1000"));
            }
            options.tolerance_percent = Some(percent);
        }
        "tcp_ts_tick_usecs" => options.ts_tick = micros(number(name, value, line)?),
        _ => return Err(error(line, format!("there is no option --{name}"))),
    }
    Ok(())
}

fn number<T: std::str::FromStr>(name: &str, value: &str, line: u32) -> Result<T, ScriptError> {
    value.parse().map_err(|_| error(line, format!("--{name}={value} is not understood")))
}
