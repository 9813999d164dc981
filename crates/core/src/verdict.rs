//! What becomes of a packet: a code, and for some an interface in the upper half.

/// The kernel has it, as it now is.
pub const PASS: u64 = 0;
/// It ends here.
pub const DROP: u64 = 1;
/// Out of the interface it came by (XDP_TX).
pub const TRANSMIT: u64 = 2;
/// Out of an interface.
pub const REDIRECT: u64 = 3;
/// Into the far end of a veth (TC).
pub const PEER: u64 = 4;
/// Out of an interface once the neighbour is resolved; the shell has already asked the kernel (TC).
pub const RESOLVING: u64 = 5;

/// To be answered with an ICMP error, by [`crate::director::answer`]: `ANSWER_*` << 8, the MTU in the upper half (TC).
pub const ANSWER: u64 = 6;
/// An ICMP error, for [`crate::director::relay`] (TC).
pub const RELAY: u64 = 7;

/// Answer: time exceeded.
pub const ANSWER_TIME_EXCEEDED: u64 = 1;
/// Answer: fragmentation needed, or packet too big.
pub const ANSWER_TOO_BIG: u64 = 2;
/// Answer: port unreachable.
pub const ANSWER_UNREACHABLE: u64 = 3;

/// The verdict that asks for an answer.
#[inline(always)]
pub const fn answer(kind: u64, mtu: u32) -> u64 {
    ANSWER | kind << 8 | (mtu as u64) << 32
}

/// The code of a verdict.
#[inline(always)]
pub const fn code(verdict: u64) -> u64 {
    verdict & 0xFF
}

/// The interface of a verdict.
#[inline(always)]
pub const fn interface(verdict: u64) -> u32 {
    (verdict >> 32) as u32
}

/// A verdict with an interface.
#[inline(always)]
pub const fn via(code: u64, interface: u32) -> u64 {
    code | (interface as u64) << 32
}
