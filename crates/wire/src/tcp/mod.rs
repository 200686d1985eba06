//! TCP (RFC 9293 section 3.1): segments to read ([`TcpView`]) and headers to write ([`TcpHeader`]), with their
//! [`Options`] as meaning or one by one ([`OptionIter`]).

mod build;
mod flags;
mod option_iter;
mod options;
mod sack;
mod view;

pub use build::{CHECKSUM_OFFSET, TcpHeader, fill_checksum, fill_partial_checksum, sum_pseudo_header};
pub use flags::Flags;
pub use option_iter::{OptionIter, TcpOption};
pub use options::{FastOpenCookie, Options, Timestamps, UserTimeout};
pub use sack::{SackBlock, SackBlocks};
pub use view::{HEADER_LEN, TcpView};
