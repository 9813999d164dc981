//! Ethernet II and IEEE 802.1Q tags.
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::U16;

/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub const IPV6: u16 = 0x86DD;
/// EtherType of a VLAN tag.
pub const VLAN: u16 = 0x8100;
/// EtherType of a service provider's VLAN tag (802.1ad).
pub const SERVICE_VLAN: u16 = 0x88A8;
/// Bytes of an untagged header.
pub const LEN: u32 = 14;
/// Bytes of a tag.
pub const TAG_LEN: u32 = 4;

/// The link header.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy)]
#[repr(C)]
pub struct Ethernet {
    /// Destination.
    pub destination: [u8; 6],
    /// Source.
    pub source: [u8; 6],
    /// EtherType.
    pub kind: U16,
}

/// The link header as it is written: both addresses as 8 and 4 bytes.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy)]
#[repr(C)]
pub struct Link {
    /// Destination and the first two bytes of the source.
    pub first: [u8; 8],
    /// The rest of the source.
    pub last: [u8; 4],
    /// EtherType.
    pub kind: U16,
}

/// A VLAN tag as it follows the addresses.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy)]
#[repr(C)]
pub struct Tag {
    /// Priority and VLAN identifier.
    pub control: U16,
    /// EtherType of what follows.
    pub kind: U16,
}
