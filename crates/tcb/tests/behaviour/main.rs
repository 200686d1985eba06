//! How a connection behaves, seen from outside: through its public calls, in virtual time. A file a behaviour.

mod close;
mod congestion;
mod ecn;
mod hostile;
mod open;
mod outside;
mod pair;
mod recovery;
mod timers;
mod transfer;
mod windows;
