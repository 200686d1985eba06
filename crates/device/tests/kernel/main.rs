//! Devices and namespaces beside the kernel: each test makes a network namespace of its own and touches nothing else.
//!
//! As root they run as they are; else each runs again in a process of its own in a user namespace; where neither is
//! allowed they say so and pass.

mod host;
mod interface;
mod netlink;
mod netns;
mod offload;
mod tap;
mod tun;
#[cfg(feature = "xdp")]
mod xdp;
