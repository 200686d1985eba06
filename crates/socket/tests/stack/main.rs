//! The sans-IO stack from outside: packets in, packets out, virtual time.

mod addresses;
mod ecn;
mod errors;
mod events;
mod floods;
mod independence;
mod memory;
mod net;
mod opens;
mod paths;
mod pieces;
