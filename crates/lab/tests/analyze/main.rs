//! The analysis of captures that two connections of ours make in virtual time.

mod clean;
mod explained;
mod faulty;
mod files;
mod problems;
mod sim_captures;
mod simulated;
mod tshark;
mod world;
