//! Headers as they lie on the wire, one file each, and the frame that holds them.
//!
//! Two grades of trust: [`Frame::at`] proves that the bytes are there; what they say is judged once, in [`crate::flow`].
//! Multi-byte fields are big-endian types; outside this folder everything is in host order.
pub mod checksum;
pub mod ethernet;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod transport;

pub use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A header: any bytes are one, at any alignment.
pub trait Header: FromBytes + IntoBytes + Unaligned + Immutable + KnownLayout {}
impl<T: FromBytes + IntoBytes + Unaligned + Immutable + KnownLayout> Header for T {}

/// An Ethernet frame under change. Offsets are bytes from its start; each access is checked against its end.
pub trait Frame {
    /// Bytes in all, also those that only a helper could reach.
    fn len(&self) -> u32;
    /// Is there nothing in it?
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Are there `len` bytes? Unlike a comparison with [`Frame::len`] it costs no more than a header's check.
    fn reaches(&self, len: u32) -> bool;
    /// A header, if all its bytes are there.
    fn at<H: Header>(&self, offset: u32) -> Option<&H>;
    /// A header to change, if all its bytes are there.
    fn at_mut<H: Header>(&mut self, offset: u32) -> Option<&mut H>;
    /// Payload bytes of each packet this frame will be cut into (TSO, GSO); 0: it is one packet.
    fn segment_len(&self) -> u32;
    /// Adds differences to a transport checksum: `pseudo` of what only the pseudo header covers, `body` of the rest
    /// (both folded to 16 bits). `mangled_zero`: a result of 0 is written as 0xFFFF, and 0 means "none" (UDP).
    fn fix_checksum(&mut self, offset: u32, pseudo: u32, body: u32, mangled_zero: bool) -> bool;
    /// Internet checksum sum (folded, not inverted) of `len` bytes, `len` at most [`SUM_MAX`]; `u32::MAX` when they are
    /// not all within reach.
    fn sum(&self, offset: u32, len: u32) -> u32;
    /// [`crate::flow::untag`], so that a shell may keep it out of the common way.
    fn untag(&self) -> u32
    where
        Self: Sized,
    {
        crate::flow::untag(self)
    }
    /// [`crate::flow::skip_extensions`], likewise.
    fn skip_extensions(&self, offset: u32, protocol: u32) -> u64
    where
        Self: Sized,
    {
        crate::flow::skip_extensions(self, offset, protocol)
    }
    /// Changes the distance between the frame's start and its network header from `from` to `to` bytes; `encap` says
    /// what the bytes become. The bytes in front of the network header are undefined afterwards.
    fn set_front(&mut self, from: u32, to: u32, encap: u32) -> bool;
    /// Cuts the frame to `len` bytes.
    fn truncate(&mut self, len: u32) -> bool;
}

/// The most bytes that one [`Frame::sum`] adds up.
pub const SUM_MAX: u32 = 9216;

/// [`Frame::set_front`]: link header only.
pub const ENCAP_NONE: u32 = 0;
/// [`Frame::set_front`]: an outer IPv4 header.
pub const ENCAP_V4: u32 = 4;
/// [`Frame::set_front`]: an outer IPv6 header.
pub const ENCAP_V6: u32 = 6;
/// [`Frame::set_front`]: room for the headers of an ICMP error.
pub const ENCAP_ANSWER: u32 = 1;
