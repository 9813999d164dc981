//! IPv4 (RFC 791).
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{U16, U32};

/// Bytes of a header without options.
pub const LEN: u32 = 20;
/// "Don't fragment" in the fragment field.
pub const DF: u16 = 0x4000;
/// "More fragments" in the fragment field.
pub const MF: u16 = 0x2000;
/// Mask of the offset in the fragment field.
pub const OFFSET: u16 = 0x1FFF;

/// The fixed part of the header.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy)]
#[repr(C)]
pub struct Ipv4 {
    /// Version and header length in words.
    pub version: u8,
    /// Type of service.
    pub tos: u8,
    /// Length of the whole packet, bytes.
    pub len: U16,
    /// Identification.
    pub identification: U16,
    /// Flags and fragment offset.
    pub fragment: U16,
    /// Time to live.
    pub ttl: u8,
    /// Protocol.
    pub protocol: u8,
    /// Header checksum.
    pub checksum: U16,
    /// Source address.
    pub source: U32,
    /// Destination address.
    pub destination: U32,
}
