//! The connection table as the daemon reads it: listing, counting, and the sweep that frees what has expired.

use std::collections::HashMap;

use lvs_core::address::Address;
use lvs_core::conn::{self, LIFE, LIFE_CLAIMED, LIFE_DYING, LIFE_FREE, LIFE_LIVE, is_past, state, tcp};
use lvs_core::table::{TCP, Tables, seconds_of_ticks, ticks_of_seconds};
use lvs_model::Protocol;
use lvs_model::listing::ConnectionRow;

use crate::address::socket;

/// An expired connection is freed when this much more has passed, so that the sweep never meets the packet path there.
const GRACE_TICKS: u32 = ticks_of_seconds(1) / 10;
/// A slot that was between two lives for this long was left by a process that died.
const STUCK_TICKS: u32 = ticks_of_seconds(2);

/// One walk over the table, in slices.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    next: u32,
    live: u64,
    /// Slots that were claimed or dying: control word, and when that was seen first.
    between: HashMap<u32, (u32, u32)>,
}

impl Sweep {
    /// Looks at the next `slot_count` slots; after the last one, the number of live connections.
    pub(crate) fn slice<T: Tables>(&mut self, tables: &T, slot_count: u32) -> Option<u64> {
        let config = tables.config()?;
        let now = tables.now();
        for index in self.next..self.next.saturating_add(slot_count) {
            let Some(slot) = tables.slot(index) else {
                self.next = 0;
                self.between.retain(|_, (_, seen)| now.wrapping_sub(*seen) <= 2 * STUCK_TICKS);
                return Some(std::mem::take(&mut self.live));
            };
            let control = slot.control.load();
            match control & LIFE {
                LIFE_FREE => {}
                LIFE_LIVE => {
                    let expires = slot.expires.load();
                    if !is_past(expires.wrapping_add(GRACE_TICKS), now) {
                        self.live += u64::from(!is_past(expires, now));
                    } else if conn::release(tables, config, index) {
                        self.between.remove(&index);
                    }
                }
                LIFE_CLAIMED | LIFE_DYING => {
                    let (before, since) = *self.between.entry(index).or_insert((control, now));
                    if before != control {
                        self.between.insert(index, (control, now));
                    } else if now.wrapping_sub(since) >= STUCK_TICKS {
                        conn::recover(tables, config, index);
                        self.between.remove(&index);
                    }
                }
                _ => {}
            }
        }
        self.next += slot_count;
        None
    }
}

/// A live connection, copied out of its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) client: Address,
    pub(crate) virtual_address: Address,
    pub(crate) word: u64,
    pub(crate) control: u32,
    pub(crate) server: u32,
    pub(crate) remaining_ticks: u32,
}

/// What is in a slot; none unless it is one live connection from beginning to end of the look.
pub(crate) fn read<T: Tables>(tables: &T, index: u32, now: u32) -> Option<Copy> {
    let slot = tables.slot(index)?;
    let control = slot.control.load();
    let expires = slot.expires.load();
    if control & LIFE != LIFE_LIVE || is_past(expires, now) {
        return None;
    }
    let copy = Copy {
        client: Address { high: slot.client_high.load(), low: slot.client_low.load() },
        virtual_address: Address { high: slot.virtual_high.load(), low: slot.virtual_low.load() },
        word: slot.word.load(),
        control: slot.control.load(),
        server: slot.server.load(),
        remaining_ticks: expires.wrapping_sub(now),
    };
    ((copy.control ^ control) & (conn::GENERATION | LIFE) == 0).then_some(copy)
}

/// A connection as listings show it.
pub(crate) fn row<T: Tables>(tables: &T, copy: &Copy) -> Option<ConnectionRow> {
    let (protocol, client_family) = ((copy.word >> 8) as u8, copy.word as u8);
    let server = tables.server(copy.server)?;
    let server_address = Address { high: server.high.load(), low: server.low.load() };
    let server_family = lvs_core::table::profile_family(server.profile.load());
    Some(ConnectionRow {
        protocol: if protocol == TCP { Protocol::Tcp } else { Protocol::Udp },
        expires_s: seconds_of_ticks(copy.remaining_ticks),
        state: state_name(protocol, copy.control).to_owned(),
        client: socket(copy.client, client_family, (copy.word >> 48) as u16),
        virtual_address: socket(copy.virtual_address, client_family, (copy.word >> 32) as u16),
        server: socket(server_address, server_family, (copy.word >> 16) as u16),
    })
}

/// The state's name in listings.
pub(crate) fn state_name(protocol: u8, control: u32) -> &'static str {
    if protocol != TCP {
        return "UDP";
    }
    tcp::NAMES.get(state(control) as usize).copied().unwrap_or("NONE")
}

/// Every live connection, in the table's order.
pub(crate) fn rows<T: Tables>(tables: &T, slot_count: u32) -> impl Iterator<Item = ConnectionRow> + '_ {
    (0..slot_count).filter_map(move |index| row(tables, &read(tables, index, tables.now())?))
}

/// Frees every connection whose server is not `known`, and returns the servers that NAT connections refer to: the first
/// look of a daemon that takes tables over.
pub(crate) fn adopt<T: Tables>(
    tables: &T,
    slot_count: u32,
    known: impl Fn(u32) -> bool,
) -> std::collections::HashSet<u32> {
    let mut nat = std::collections::HashSet::new();
    let Some(config) = tables.config() else { return nat };
    for index in 0..slot_count {
        let Some(slot) = tables.slot(index) else { break };
        let control = slot.control.load();
        if control & LIFE != LIFE_LIVE {
            continue;
        }
        let server = slot.server.load();
        if !known(server) {
            conn::release(tables, config, index);
        } else if conn::method(control) == lvs_core::table::METHOD_MASQUERADE {
            nat.insert(server);
        }
    }
    nat
}
