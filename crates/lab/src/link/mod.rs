//! The link model of [`sockeye_device::impair`] on real packets, in real time.
//!
//! ```no_run
//! use sockeye_device::netns::Namespace;
//! use sockeye_device::{Tun, TunConfig};
//! use sockeye_lab::link::Emulator;
//!
//! let end = |namespace: &str, address: &str| -> Result<Tun, Box<dyn std::error::Error>> {
//!     let config = TunConfig { addresses: vec![address.parse()?], offload: false, ..TunConfig::default() };
//!     Ok(Namespace::open(namespace)?.run(|| Tun::create(&config))??)
//! };
//! let slow = "rate 20mbit delay 20ms loss 0.1%";
//! let emulator = Emulator::start([end("red", "10.8.0.1/24")?, end("blue", "10.8.0.2/24")?], slow.parse()?, slow.parse()?, 7)?;
//! std::thread::sleep(std::time::Duration::from_secs(60));
//! let [there, back] = emulator.stop()?;
//! println!("{} packets were lost there, {} on the way back", there.counters.lost, back.counters.lost);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

//= rfc2398#2.2-1

mod emulator;

pub(crate) use emulator::wait_for;
pub use emulator::{Emulator, Report};
