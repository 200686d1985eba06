//! TCP in user space.
#![forbid(unsafe_code)]

mod stack;

pub use stack::{
    ConnectOptions, ConnectionId, Counters, Drop, ListenOptions, ListenerId, Stack, StackConfig, StackError,
    StackEvent, Usage,
};
