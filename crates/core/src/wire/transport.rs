//! TCP (RFC 9293) and UDP (RFC 768), as much as a director reads.
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{U16, U32};

/// The ports both begin with.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy)]
#[repr(C)]
pub struct Ports {
    /// Source port.
    pub source: U16,
    /// Destination port.
    pub destination: U16,
}

/// TCP without options.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy)]
#[repr(C)]
pub struct Tcp {
    /// Ports.
    pub ports: Ports,
    /// Sequence number.
    pub sequence: U32,
    /// Acknowledgement number.
    pub acknowledgement: U32,
    /// Header length in words << 4.
    pub offset: u8,
    /// Flags.
    pub flags: u8,
    /// Window.
    pub window: U16,
    /// Checksum.
    pub checksum: U16,
    /// Urgent pointer.
    pub urgent: U16,
}

/// UDP.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy)]
#[repr(C)]
pub struct Udp {
    /// Ports.
    pub ports: Ports,
    /// Bytes of header and payload.
    pub len: U16,
    /// Checksum, 0: none (IPv4 only).
    pub checksum: U16,
}

/// Where the checksum stands in a TCP header.
pub const TCP_CHECKSUM: u32 = 16;
/// Where the checksum stands in a UDP header.
pub const UDP_CHECKSUM: u32 = 6;
