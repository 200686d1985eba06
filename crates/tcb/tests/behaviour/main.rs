//! How a connection behaves, seen from outside: through its public calls, in virtual time. A file a behaviour.

mod acks;
mod buffers;
mod close;
mod congestion;
mod duplicates;
mod ecn;
mod frto;
mod hostile;
mod hostile_sack;
mod open;
mod outside;
mod pair;
mod path_mtu;
mod rack;
mod recovery;
mod status;
mod super_segments;
mod timers;
mod tlp;
mod transfer;
mod undo;
mod unpaced;
mod windows;
mod without_sack;
