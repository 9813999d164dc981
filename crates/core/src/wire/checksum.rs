//! Internet checksum arithmetic (RFC 1071, RFC 1624) on host-order numbers.
use crate::address::Address;

/// Folds a sum of 16- and 32-bit numbers to 16 bits.
#[inline(always)]
pub const fn fold(sum: u64) -> u32 {
    let sum = (sum >> 32) + (sum & 0xFFFF_FFFF);
    let sum = (sum >> 16) + (sum & 0xFFFF);
    let sum = (sum >> 16) + (sum & 0xFFFF);
    ((sum >> 16) + (sum & 0xFFFF)) as u32
}

/// The difference that replacing a 16- or 32-bit number makes.
#[inline(always)]
pub const fn change(old: u32, new: u32) -> u64 {
    !old as u64 + new as u64
}

/// The sum of an address's words.
#[inline(always)]
pub const fn address_sum(address: Address) -> u64 {
    (address.high >> 32) + (address.high & 0xFFFF_FFFF) + (address.low >> 32) + (address.low & 0xFFFF_FFFF)
}

/// The difference that replacing an address makes.
#[inline(always)]
pub const fn address_change(old: Address, new: Address) -> u64 {
    let inverse = Address { high: !old.high, low: !old.low };
    address_sum(inverse) + address_sum(new)
}

/// A checksum field after a difference: RFC 1624, equation 3.
#[inline(always)]
pub const fn apply(field: u16, difference: u64) -> u16 {
    !(fold((!field) as u64 + difference) as u16)
}
