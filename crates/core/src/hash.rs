//! Keyed hashing of addresses and ports: two rounds of multiply and fold.
//!
//! The seeds are secret (drawn by the daemon when the tables are made), so that a sender cannot aim at one bucket.
use crate::address::Address;

const FIRST: u64 = 0x9E37_79B9_7F4A_7C15;
const SECOND: u64 = 0xD6E8_FEB8_6659_FD93;

/// Hashes an address and a word of ports, protocol and family; all 64 bits are usable.
#[inline(always)]
pub fn address(seed: u64, address: Address, word: u64) -> u64 {
    let mut hash = (seed ^ address.low).wrapping_mul(FIRST);
    hash ^= hash >> 32;
    hash = (hash ^ address.high ^ word.rotate_left(24)).wrapping_mul(SECOND);
    hash ^= hash >> 29;
    hash = hash.wrapping_mul(FIRST);
    hash ^ (hash >> 32)
}

/// Maps the upper half of a hash to `0..count` without a division.
#[inline(always)]
pub fn scale(hash: u64, count: u32) -> u32 {
    (((hash >> 32) * count as u64) >> 32) as u32
}
