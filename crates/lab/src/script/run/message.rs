//! What `recvmsg()` gave beside its octets, against what the script says.

use std::time::Duration;

use libc::c_int;
use sockeye_wire::Instant;

use super::super::program::Value;
use super::{Step, Stop, Tolerance, differs};
use crate::sockets::{Control, ExtendedError, Message, Sockets};

/// What a script says of a message.
#[derive(Debug)]
pub(super) struct Wanted {
    flags: Option<i64>,
    control: Vec<Value>,
    is_v6: bool,
    has_room_for_packet: bool,
}

impl Wanted {
    /// What stands in `{msg_name(…)=…, msg_iov(1)=…, msg_flags=0, msg_control=[…]}`.
    pub(super) fn new(message: &Value, is_v6: bool, has_room_for_packet: bool) -> Self {
        let flags = message.field("msg_flags").and_then(Value::integer);
        let control = match message.field("msg_control") {
            Some(Value::List(messages)) => messages.clone(),
            _ => Vec::new(),
        };
        Self { flags, control, is_v6, has_room_for_packet }
    }

    /// Compares flags and control messages. There is room for as many of these as the script names, as in packetdrill.
    pub(super) fn check(&self, mut message: Message, tolerance: Tolerance) -> Step {
        if message.flags & libc::MSG_TRUNC != 0 && self.has_room_for_packet {
            return Err(Stop::Beyond("the packet that a timestamp is of".into()));
        }
        message.keep_control(self.control.len());
        if let Some(flags) = self.flags
            && flags != i64::from(message.flags)
        {
            return differs("msg_flags differ", &format!("{flags:#x}"), &format!("{:#x}", message.flags));
        }
        for (at, wanted) in self.control.iter().enumerate() {
            let got = message.control.get(at).copied();
            if !got.is_some_and(|got| is_alike(wanted, got, self.is_v6, tolerance)) {
                return differs("a control message differs", wanted, &shown(got, self.is_v6));
            }
        }
        Ok(())
    }
}

fn is_alike(wanted: &Value, got: Control, is_v6: bool, tolerance: Tolerance) -> bool {
    let number = |name| wanted.field(name).and_then(Value::integer);
    let (level, kind) = got.kind(is_v6);
    let data = wanted.field("cmsg_data").unwrap_or(&Value::Ellipsis);
    number("cmsg_level") == Some(i64::from(level))
        && number("cmsg_type") == Some(i64::from(kind))
        && (*data == Value::Ellipsis
            || match got {
                Control::Unread(octets) => data.integer() == Some(i64::from(octets)),
                Control::Stamp(at) => is_at(data, at, tolerance),
                Control::Error(error) => is_error(data, error),
            })
}

/// A time since the script began; `0, 0` stands for any.
fn is_at(data: &Value, at: Instant, tolerance: Tolerance) -> bool {
    let part = |name| data.field(name).and_then(Value::integer).and_then(|part| u64::try_from(part).ok());
    let (Some(seconds), Some(nanos)) = (part("scm_sec"), part("scm_nsec")) else {
        return false;
    };
    let wanted = Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanos));
    let got = at.since(Sockets::START);
    (seconds, nanos) == (0, 0) || wanted.is_some_and(|wanted| wanted.abs_diff(got) <= tolerance.of(wanted))
}

fn is_error(data: &Value, error: ExtendedError) -> bool {
    fields(error).into_iter().all(|(name, value)| match data.field(name) {
        Some(Value::Ellipsis) => true,
        wanted => wanted.and_then(Value::integer) == Some(value),
    })
}

fn fields(error: ExtendedError) -> [(&'static str, i64); 6] {
    let ExtendedError { errno, origin, info, data } = error;
    [
        ("ee_errno", errno.into()),
        ("ee_origin", origin.into()),
        ("ee_type", 0),
        ("ee_code", 0),
        ("ee_info", info.into()),
        ("ee_data", data.into()),
    ]
}

fn shown(got: Option<Control>, is_v6: bool) -> String {
    let Some(got) = got else {
        return "none".into();
    };
    let data = match got {
        Control::Unread(octets) => octets.to_string(),
        Control::Stamp(at) => {
            let since = at.since(Sockets::START);
            format!("{{scm_sec={}, scm_nsec={}}}", since.as_secs(), since.subsec_nanos())
        }
        Control::Error(error) => {
            format!("{{{}}}", fields(error).map(|(name, value)| format!("{name}={value}")).join(", "))
        }
    };
    let (level, kind): (c_int, c_int) = got.kind(is_v6);
    format!("{{cmsg_level={level}, cmsg_type={kind}, cmsg_data={data}}}")
}
