//! The IP layer of the host.

pub(super) mod address;
pub(super) mod fragment;
pub(super) mod path;
