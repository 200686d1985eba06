//! How a connection behaves, seen from outside: through its public calls, in virtual time. A file a behaviour.

mod close;
mod open;
mod pair;
mod transfer;
