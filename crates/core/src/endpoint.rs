//! Which addresses are ours: one small open-addressed table of virtual services and NAT real servers.
//!
//! It is the first thing asked of every packet, so that a packet that is none of our business costs two short looks and
//! never a cache miss in the connection table. One writer (the daemon), any number of readers: an entry's value is
//! written last and removed first. Removed entries leave a mark; when marks pile up, the daemon writes the other half
//! afresh and turns [`Config::endpoint_half`].
use crate::{
    address::Address,
    hash,
    table::{Config, ENDPOINT_PROBES_MAX, ENDPOINT_REMOVED, ENDPOINTS_MAX, Endpoint, Tables, ports_word},
};

/// No such endpoint.
pub const NONE: u32 = 0;

/// The identity word of an endpoint.
#[inline(always)]
pub const fn word(port: u16, protocol: u8, family: u8) -> u64 {
    ports_word(port, 0, 0, protocol, family)
}

/// First place of an endpoint within a half.
#[inline(always)]
fn home(config: &Config, address: Address, word: u64) -> u32 {
    (hash::address(config.seed.load(), address, word) >> 16) as u32 & (ENDPOINTS_MAX - 1)
}

/// Looks at the endpoint's first place only: its value, [`NONE`], or [`ENDPOINT_REMOVED`] when the search must go on.
#[inline(always)]
pub fn first<T: Tables>(tables: &T, config: &Config, address: Address, word: u64) -> u32 {
    let base = (config.endpoint_half.load() & 1) * ENDPOINTS_MAX;
    let Some(entry) = tables.endpoint(base + home(config, address, word)) else { return NONE };
    let value = entry.value.load();
    if value == NONE || (value != ENDPOINT_REMOVED && is(entry, address, word)) {
        value
    } else {
        ENDPOINT_REMOVED
    }
}

/// The value of the endpoint, or [`NONE`].
#[inline(always)]
pub fn find<T: Tables>(tables: &T, config: &Config, address: Address, word: u64) -> u32 {
    let base = (config.endpoint_half.load() & 1) * ENDPOINTS_MAX;
    let home = home(config, address, word);
    let mut probe = 0;
    while probe < ENDPOINT_PROBES_MAX {
        let Some(entry) = tables.endpoint(base + ((home + probe) & (ENDPOINTS_MAX - 1))) else { return NONE };
        let value = entry.value.load();
        if value == NONE {
            return NONE;
        }
        if value != ENDPOINT_REMOVED && is(entry, address, word) {
            return value;
        }
        probe += 1;
    }
    NONE
}

/// Writes an endpoint into half `half` (the daemon's side; single writer). False: no place within the bound.
pub fn put<T: Tables>(tables: &T, half: u32, address: Address, word: u64, value: u32) -> bool {
    let Some(config) = tables.config() else { return false };
    let home = home(config, address, word);
    let mut free: Option<&Endpoint> = None;
    for probe in 0..ENDPOINT_PROBES_MAX {
        let Some(entry) =
            tables.endpoint((half & 1) * ENDPOINTS_MAX + ((home + probe) & (ENDPOINTS_MAX - 1)))
        else {
            return false;
        };
        let old = entry.value.load();
        if old > ENDPOINT_REMOVED && is(entry, address, word) {
            entry.value.store(value);
            return true;
        }
        if old <= ENDPOINT_REMOVED && free.is_none() {
            free = Some(entry);
        }
        if old == NONE {
            break;
        }
    }
    let Some(entry) = free else { return false };
    entry.high.store(address.high);
    entry.low.store(address.low);
    entry.word.store(word);
    entry.value.store(value);
    true
}

/// Removes an endpoint from half `half`; false when it was not there.
pub fn remove<T: Tables>(tables: &T, half: u32, address: Address, word: u64) -> bool {
    let Some(config) = tables.config() else { return false };
    let home = home(config, address, word);
    for probe in 0..ENDPOINT_PROBES_MAX {
        let Some(entry) =
            tables.endpoint((half & 1) * ENDPOINTS_MAX + ((home + probe) & (ENDPOINTS_MAX - 1)))
        else {
            return false;
        };
        match entry.value.load() {
            NONE => return false,
            ENDPOINT_REMOVED => {}
            _ if is(entry, address, word) => {
                entry.value.store(ENDPOINT_REMOVED);
                return true;
            }
            _ => {}
        }
    }
    false
}

#[inline(always)]
fn is(entry: &Endpoint, address: Address, word: u64) -> bool {
    entry.word.load() == word && entry.low.load() == address.low && entry.high.load() == address.high
}
