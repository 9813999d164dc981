//! IPv6 and its extension headers (RFC 8200).
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{U16, U32, U64};
use crate::address::Address;

/// Bytes of the fixed header.
pub const LEN: u32 = 40;
/// Hop-by-hop options.
pub const HOP_BY_HOP: u8 = 0;
/// Routing header.
pub const ROUTING: u8 = 43;
/// Fragment header.
pub const FRAGMENT: u8 = 44;
/// Destination options.
pub const DESTINATION: u8 = 60;
/// Extension headers walked before a packet is left to the kernel.
pub const EXTENSIONS_MAX: u32 = 6;

/// The transport header must begin within this many bytes of the frame.
pub const EXTENSIONS_LEN_MAX: u32 = 1024;

/// An address on the wire.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy)]
#[repr(C)]
pub struct Wide {
    /// First eight bytes.
    pub high: U64,
    /// Last eight bytes.
    pub low: U64,
}

impl Wide {
    /// In host order.
    #[inline(always)]
    pub fn get(&self) -> Address {
        Address { high: self.high.get(), low: self.low.get() }
    }

    /// From host order.
    #[inline(always)]
    pub fn set(&mut self, address: Address) {
        self.high.set(address.high);
        self.low.set(address.low);
    }
}

/// The fixed header.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy)]
#[repr(C)]
pub struct Ipv6 {
    /// Version, traffic class, flow label.
    pub version: U32,
    /// Bytes that follow this header.
    pub payload_len: U16,
    /// Protocol or extension header that follows.
    pub next: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source address.
    pub source: Wide,
    /// Destination address.
    pub destination: Wide,
}

/// First eight bytes of any extension header; of the fragment header, all.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy)]
#[repr(C)]
pub struct Extension {
    /// What follows it.
    pub next: u8,
    /// Its length in 8-byte units beyond the first (fragment header: reserved).
    pub len: u8,
    /// Fragment header: offset in 8-byte units << 3 | more fragments.
    pub fragment: U16,
    /// Fragment header: identification.
    pub identification: U32,
}
