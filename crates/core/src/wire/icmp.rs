//! ICMP (RFC 792) and ICMPv6 (RFC 4443) errors.
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{U16, U32};

/// Bytes in front of the quoted packet.
pub const LEN: u32 = 8;
/// ICMP: destination unreachable.
pub const UNREACHABLE: u8 = 3;
/// ICMP: source quench.
pub const SOURCE_QUENCH: u8 = 4;
/// ICMP: time exceeded.
pub const TIME_EXCEEDED: u8 = 11;
/// ICMP code of "unreachable": port.
pub const PORT: u8 = 3;
/// ICMP code of "unreachable": fragmentation needed and DF set.
pub const FRAGMENTATION_NEEDED: u8 = 4;
/// ICMPv6: destination unreachable.
pub const UNREACHABLE_V6: u8 = 1;
/// ICMPv6: packet too big.
pub const TOO_BIG_V6: u8 = 2;
/// ICMPv6: time exceeded.
pub const TIME_EXCEEDED_V6: u8 = 3;
/// ICMPv6 code of "unreachable": port.
pub const PORT_V6: u8 = 4;
/// ICMPv6 types below this are errors.
pub const INFORMATIONAL_V6: u8 = 128;
/// The most bytes an ICMP error packet has (RFC 1812 4.3.2.3, as the kernel does).
pub const ERROR_MAX: u32 = 576;
/// The most bytes an ICMPv6 error packet has (RFC 4443 2.4 c).
pub const ERROR_MAX_V6: u32 = 1280;

/// The header of an error.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy)]
#[repr(C)]
pub struct Icmp {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Checksum.
    pub checksum: U16,
    /// MTU, or unused.
    pub rest: U32,
}
