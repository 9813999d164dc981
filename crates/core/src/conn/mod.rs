//! The connection table: 64-byte slots, one cache line a connection, both directions of NAT in the same slot.
//!
//! A connection's home is a slot chosen by the hash of what both directions share: client address, client port,
//! protocol. It lies at one of [`PLACES_MAX`] places: the 16 slots of its home's group (home first), then the 16 of an
//! alternative group that depends on the home alone. The home's word `places` has one bit for each place taken by one of
//! its connections, so a search reads the home's line and then only lines that hold a connection of the same home
//! (hopscotch hashing). Nothing is ever moved or evicted. When all places are live (one in 100,000 in a table that is as full
//! as it was made for), the home points on to a second one; when that is full too, the connection is refused.
//!
//! Life of a slot: FREE -> CLAIMED (compare-and-swap; the claimer alone writes) -> LIVE (compare-and-swap, last) -> DYING
//! (compare-and-swap; the winner gives back counters and the place bit) -> FREE. A generation in the same word tells a
//! reader that the slot was given to another connection while it looked. A connection whose time has passed is dead for
//! every search at once; clearing it away is the daemon's sweep, or the next claimer's work when the daemon is away.
pub mod tcp;

use crate::{
    address::Address,
    counter::Counter,
    hash,
    table::{
        Config, GROUP_SLOTS, METHOD_MASQUERADE, PLACES_MAX, Server, Slot, TCP, Tables, UDP, WORD_CLIENT,
        WORD_IDENTITY, profile_port,
    },
};

/// In a home's `places`: some of its connections lie with the second home. Never taken back: it costs a look, no truth.
const GOES_ON: u32 = 1 << 31;
/// A home and its second.
const HOMES_MAX: u32 = 2;

/// No slot.
pub const NONE: u32 = u32::MAX;

/// The slot holds nothing.
pub const LIFE_FREE: u32 = 0;
/// Somebody is writing a connection into it.
pub const LIFE_CLAIMED: u32 = 1;
/// It holds a connection.
pub const LIFE_LIVE: u32 = 2;
/// Somebody is taking the connection away.
pub const LIFE_DYING: u32 = 3;
/// Mask of the life.
pub const LIFE: u32 = 3;
/// Shift of the protocol state (5 bits).
pub const STATE_SHIFT: u32 = 2;
/// Mask of the protocol state.
pub const STATE: u32 = 31 << STATE_SHIFT;
/// Shift of the forwarding method the connection was made with (3 bits).
pub const METHOD_SHIFT: u32 = 7;
/// Mask of the forwarding method.
pub const METHOD: u32 = 7 << METHOD_SHIFT;
/// Replies do not pass the director, as far as was seen (spec 3.2).
pub const NO_OUTPUT: u32 = 1 << 10;
/// One more for every claim of the slot.
pub const GENERATION_ONE: u32 = 1 << 24;
/// Mask of the generation.
pub const GENERATION: u32 = 0xFF << 24;

/// How often a state change is tried again when another processor changed the same connection.
const RETRIES_MAX: u32 = 4;

/// Ticks of the state NONE, before the first packet was evaluated (spec 1.5).
pub const NEW_TICKS: u32 = crate::table::ticks_of_seconds(3);

/// What identifies a connection, as its client sees it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct Key {
    /// The client.
    pub client: Address,
    /// The virtual address.
    pub virtual_address: Address,
    /// [`crate::table::ports_word`] with server port 0.
    pub word: u64,
}

/// A connection to be made.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct New {
    /// Its identity.
    pub key: Key,
    /// The real server chosen.
    pub server: u32,
    /// The port used at the real server.
    pub server_port: u32,
    /// Forwarding method (`METHOD_*` of the table) .
    pub method: u32,
    /// The present tick.
    pub now: u32,
}

/// Has the tick passed?
#[inline(always)]
pub fn is_past(tick: u32, now: u32) -> bool {
    (tick.wrapping_sub(now) as i32) <= 0
}

/// The protocol state in a control word.
#[inline(always)]
pub fn state(control: u32) -> u32 {
    (control & STATE) >> STATE_SHIFT
}

/// The forwarding method in a control word.
#[inline(always)]
pub fn method(control: u32) -> u8 {
    ((control & METHOD) >> METHOD_SHIFT) as u8
}

/// Does a connection of this protocol in this state count as active (spec 3.1)?
#[inline(always)]
pub fn is_active(protocol: u8, state: u32) -> bool {
    protocol == TCP && tcp::ACTIVE & (1 << state) != 0
}

/// The home slot of connections of this client.
#[inline(always)]
pub fn home(config: &Config, client: Address, word: u64) -> u32 {
    let hash = hash::address(config.seed.load(), client, word & WORD_CLIENT);
    hash::scale(hash, config.groups.load()) * GROUP_SLOTS + (hash as u32 & (GROUP_SLOTS - 1))
}

/// The slot at a place of a home.
#[inline(always)]
pub fn slot_at(config: &Config, home: u32, place: u32) -> u32 {
    let within = (home ^ place) & (GROUP_SLOTS - 1);
    if place < GROUP_SLOTS {
        (home & !(GROUP_SLOTS - 1)) | within
    } else {
        alternative(config, home) | within
    }
}

/// First slot of the alternative group of a home: never the home's own group (with two groups or more).
#[inline(always)]
fn alternative(config: &Config, home: u32) -> u32 {
    let groups = config.groups.load();
    let own = home & !(GROUP_SLOTS - 1);
    let other = hash::scale((home as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15), groups) * GROUP_SLOTS;
    if other != own {
        other
    } else if own == 0 {
        GROUP_SLOTS
    } else {
        0
    }
}

/// Where connections go whose home has no free place: another home, of another group.
#[inline(always)]
fn second_home(config: &Config, home: u32) -> u32 {
    let groups = config.groups.load();
    let other = hash::scale((home as u64 + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93), groups) * GROUP_SLOTS;
    other | ((home >> 4) & (GROUP_SLOTS - 1))
}

/// Is a slot one of a home's places?
#[inline(always)]
fn is_place_of(config: &Config, home: u32, slot: u32) -> bool {
    let place = place_of(home, slot);
    place < PLACES_MAX && slot_at(config, home, place) == slot
}

/// At which place of its home a slot is.
#[inline(always)]
fn place_of(home: u32, slot: u32) -> u32 {
    let within = (home ^ slot) & (GROUP_SLOTS - 1);
    if (home ^ slot) < GROUP_SLOTS { within } else { GROUP_SLOTS + within }
}

/// What identifies the connection of a reply.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct Reply {
    /// The client: the packet's destination.
    pub client: Address,
    /// The real server or, unless the connection was made by NAT, the virtual address: the packet's source.
    pub source: Address,
    /// The client's port, protocol and family, as in [`crate::table::ports_word`].
    pub word: u64,
    /// The port of the packet's source.
    pub source_port: u64,
}

/// Is the connection of a packet from client to virtual service in `first`, its home?
#[inline(always)]
pub fn holds_request(first: &Slot, key: &Key, now: u32) -> bool {
    first.places.load() & 1 != 0 && holds(first, now, |slot| is_inbound(slot, key))
}

/// Is the connection of a reply in `first`, its home?
#[inline(always)]
pub fn holds_reply<T: Tables>(tables: &T, first: &Slot, reply: &Reply, now: u32) -> bool {
    first.places.load() & 1 != 0 && holds(first, now, |slot| is_outbound(tables, slot, reply))
}

/// Does the home have connections at other places than itself?
#[inline(always)]
pub fn is_shared(first: &Slot) -> bool {
    first.places.load() >> 1 != 0
}

/// The slot of the connection that a packet from client to virtual service belongs to, or [`NONE`].
#[inline(always)]
pub fn find_inbound<T: Tables>(tables: &T, config: &Config, key: &Key, now: u32) -> u32 {
    search(tables, config, home(config, key.client, key.word), now, |slot| is_inbound(slot, key))
}

/// The slot of the connection that a reply belongs to, or [`NONE`]: one from the real server when it was made by NAT,
/// from the virtual address otherwise (spec 1.6).
#[inline(always)]
pub fn find_outbound<T: Tables>(tables: &T, config: &Config, reply: &Reply, now: u32) -> u32 {
    search(tables, config, home(config, reply.client, reply.word), now, |slot| {
        is_outbound(tables, slot, reply)
    })
}

#[inline(always)]
fn is_inbound(slot: &Slot, key: &Key) -> bool {
    slot.client_low.load() == key.client.low
        && slot.client_high.load() == key.client.high
        && slot.word.load() & WORD_IDENTITY == key.word
        && slot.virtual_low.load() == key.virtual_address.low
        && slot.virtual_high.load() == key.virtual_address.high
}

#[inline(always)]
fn is_outbound<T: Tables>(tables: &T, slot: &Slot, reply: &Reply) -> bool {
    let ports = slot.word.load();
    if slot.client_low.load() != reply.client.low
        || slot.client_high.load() != reply.client.high
        || ports & WORD_CLIENT != reply.word
    {
        return false;
    }
    if method(slot.control.load()) == METHOD_MASQUERADE {
        let Some(server) = tables.server(slot.server.load()) else { return false };
        (ports >> 16) & 0xFFFF == reply.source_port
            && server.low.load() == reply.source.low
            && server.high.load() == reply.source.high
    } else {
        (ports >> 32) & 0xFFFF == reply.source_port
            && slot.virtual_low.load() == reply.source.low
            && slot.virtual_high.load() == reply.source.high
    }
}

/// Does the slot hold, now and all the while we looked, a live connection that matches?
#[inline(always)]
fn holds(slot: &Slot, now: u32, matches: impl Fn(&Slot) -> bool) -> bool {
    let control = slot.control.load();
    control & LIFE == LIFE_LIVE
        && matches(slot)
        && !is_past(slot.expires.load(), now)
        && (slot.control.load() ^ control) & (GENERATION | LIFE) == 0
}

#[inline(always)]
fn search<T: Tables>(
    tables: &T,
    config: &Config,
    home: u32,
    now: u32,
    matches: impl Fn(&Slot) -> bool,
) -> u32 {
    let mut home = home;
    let mut turn = 0;
    while turn < HOMES_MAX {
        let Some(first) = tables.slot(home) else { return NONE };
        let places = first.places.load();
        let found = search_home(tables, config, home, places, now, &matches);
        if found != NONE || places & GOES_ON == 0 {
            return found;
        }
        home = second_home(config, home);
        turn += 1;
    }
    NONE
}

#[inline(always)]
fn search_home<T: Tables>(
    tables: &T,
    config: &Config,
    home: u32,
    places: u32,
    now: u32,
    matches: impl Fn(&Slot) -> bool,
) -> u32 {
    let mut places = places & !GOES_ON;
    let mut place = 0;
    while place < PLACES_MAX {
        if places == 0 {
            return NONE;
        }
        if places & 1 != 0 {
            let index = slot_at(config, home, place);
            let Some(slot) = tables.slot(index) else { return NONE };
            if holds(slot, now, &matches) {
                return index;
            }
        }
        places >>= 1;
        place += 1;
    }
    NONE
}

/// Makes a connection: its slot, or [`NONE`] when every place is taken by a live one. When another processor made the same
/// connection meanwhile, the one at the earlier place stays and is returned.
#[inline(always)]
pub fn remember<T: Tables>(tables: &T, config: &Config, new: &New) -> u32 {
    let mut home = home(config, new.key.client, new.key.word);
    let mut mine = claim(tables, config, home, new.now);
    if mine == NONE {
        let Some(first) = tables.slot(home) else { return NONE };
        first.places.set(GOES_ON);
        home = second_home(config, home);
        mine = claim(tables, config, home, new.now);
    }
    let (Some(slot), Some(server), Some(first)) =
        (tables.slot(mine), tables.server(new.server), tables.slot(home))
    else {
        tables.count(Counter::DroppedTableFull);
        return NONE;
    };
    fill(slot, new);
    bind(server);
    let claimed = slot.control.load();
    slot.control.replace(claimed, (claimed & GENERATION) | LIFE_LIVE | born(new.method));
    first.places.set(1 << place_of(home, mine));
    let found = find_inbound(tables, config, &new.key, new.now);
    if found != mine && found != NONE {
        release(tables, config, mine);
        tables.count(Counter::ConnectionTwice);
        return found;
    }
    if let Some(traffic) = tables.traffic(new.server) {
        traffic.connections.bump(1);
    }
    tables.count(Counter::ConnectionMade);
    mine
}

/// The flags a connection of this method is born with: state NONE, and no replies expected unless it is NAT.
#[inline(always)]
fn born(method: u32) -> u32 {
    let no_output = if method as u8 == METHOD_MASQUERADE { 0 } else { NO_OUTPUT };
    ((method << METHOD_SHIFT) & METHOD) | no_output
}

#[inline(always)]
fn fill(slot: &Slot, new: &New) {
    slot.client_high.store(new.key.client.high);
    slot.client_low.store(new.key.client.low);
    slot.virtual_high.store(new.key.virtual_address.high);
    slot.virtual_low.store(new.key.virtual_address.low);
    slot.word.store(new.key.word | ((new.server_port & 0xFFFF) as u64) << 16);
    slot.expires.store(new.now.wrapping_add(NEW_TICKS));
    slot.server.store(new.server);
    slot.packets.store(0);
    slot.controller.store(0);
}

/// Takes a free place of a home, clearing an expired connection away if need be; its slot or [`NONE`].
#[inline(always)]
fn claim<T: Tables>(tables: &T, config: &Config, home: u32, now: u32) -> u32 {
    let mut place = 0;
    while place < PLACES_MAX {
        let index = slot_at(config, home, place);
        place += 1;
        let Some(slot) = tables.slot(index) else { return NONE };
        if slot.control.load() & LIFE == LIFE_LIVE
            && is_past(slot.expires.load(), now)
            && release(tables, config, index)
        {
            tables.count(Counter::ConnectionReclaimed);
        }
        let control = slot.control.load();
        let claimed = (control & GENERATION).wrapping_add(GENERATION_ONE) | LIFE_CLAIMED;
        if control & LIFE == LIFE_FREE && slot.control.replace(control, claimed) {
            return index;
        }
    }
    NONE
}

/// Takes a connection away: counters given back, place bit cleared, slot free. False when another did it first.
#[inline(always)]
pub fn release<T: Tables>(tables: &T, config: &Config, index: u32) -> bool {
    let Some(slot) = tables.slot(index) else { return false };
    let control = slot.control.load();
    if control & LIFE != LIFE_LIVE || !slot.control.replace(control, (control & !LIFE) | LIFE_DYING) {
        return false;
    }
    let word = slot.word.load();
    if let Some(server) = tables.server(slot.server.load()) {
        unbind(server, is_active((word >> 8) as u8, state(control)));
    }
    forget_place(tables, config, slot, index, word);
    slot.control.store(control & GENERATION);
    true
}

#[inline(always)]
fn forget_place<T: Tables>(tables: &T, config: &Config, slot: &Slot, index: u32, word: u64) {
    let client = Address { high: slot.client_high.load(), low: slot.client_low.load() };
    let mut home = home(config, client, word);
    if !is_place_of(config, home, index) {
        home = second_home(config, home);
    }
    if let Some(first) = tables.slot(home) {
        first.places.clear(1 << place_of(home, index));
    }
}

/// Completes the removal of a connection whose remover died half-way (a killed daemon): only for a slot that was seen
/// DYING or CLAIMED for seconds.
pub fn recover<T: Tables>(tables: &T, config: &Config, index: u32) {
    let Some(slot) = tables.slot(index) else { return };
    let control = slot.control.load();
    if matches!(control & LIFE, LIFE_DYING | LIFE_CLAIMED) {
        forget_place(tables, config, slot, index, slot.word.load());
        slot.control.replace(control, control & GENERATION);
    }
}

/// Counts a new connection at its server and sets the overload flag when the upper threshold is reached (spec 1.3).
#[inline(always)]
fn bind(server: &Server) {
    let total = server.total.fetch_add(1).wrapping_add(1);
    let upper = server.upper.load();
    if upper != 0 && total == upper {
        server.overloaded.store(1);
    }
}

/// Takes a connection off its server's counters and clears the overload flag when the lower threshold is passed.
#[inline(always)]
fn unbind(server: &Server, active: bool) {
    if active {
        server.active.add(u32::MAX);
    }
    let total = server.total.fetch_add(u32::MAX);
    if total == relief(server) {
        server.overloaded.store(0);
    }
}

/// The number of connections below which an overloaded server takes new ones again: L of spec 1.3.
#[inline(always)]
pub fn relief(server: &Server) -> u32 {
    let (upper, lower) = (server.upper.load(), server.lower.load());
    if lower != 0 { lower } else { upper - (upper >> 2) }
}

/// The overload flag after a server's thresholds were edited (spec 1.3, 2026).
pub fn weigh_load(server: &Server) {
    let (total, upper) = (server.total.load(), server.upper.load());
    if upper == 0 || total < relief(server) {
        server.overloaded.store(0);
    } else if total >= upper {
        server.overloaded.store(1);
    }
}

/// Which way a packet goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Direction {
    /// Client to real server.
    Inbound = 0,
    /// Real server to client.
    Outbound = 1,
}

/// Lets a packet act on its connection: state, active count, and the time it may stay idle (spec 3.2, 3.3). `event` is one
/// of `tcp::EVENT_*` (ignored for UDP), or [`NO_EVENT`] for a fragment that has no transport header.
#[inline(always)]
pub fn evaluate(config: &Config, slot: &Slot, server: &Server, protocol: u8, step: &Step) {
    let mut tries = 0;
    let mut new = 0;
    while tries < RETRIES_MAX {
        let old = slot.control.load();
        new = advance(config, old, protocol, step);
        if new == old {
            break;
        }
        if slot.control.replace(old, new) {
            let was = is_active(protocol, state(old));
            let is = is_active(protocol, state(new));
            if was != is {
                server.active.add(if is { 1 } else { u32::MAX });
            }
            break;
        }
        tries += 1;
    }
    slot.expires.store(step.now.wrapping_add(timeout(config, protocol, state(new))));
}

/// What a packet does to its connection.
#[derive(Clone, Copy)]
pub struct Step {
    /// Its direction.
    pub direction: Direction,
    /// `tcp::EVENT_*` or [`NO_EVENT`].
    pub event: u32,
    /// The present tick.
    pub now: u32,
}

/// The packet shows no transport header.
pub const NO_EVENT: u32 = 7;

#[inline(always)]
fn advance(config: &Config, control: u32, protocol: u8, step: &Step) -> u32 {
    let flags = if step.direction == Direction::Outbound { control & !NO_OUTPUT } else { control };
    if protocol != TCP || step.event == NO_EVENT {
        return flags;
    }
    let column = if step.direction == Direction::Outbound {
        tcp::OUTPUT
    } else if control & NO_OUTPUT != 0 {
        tcp::INPUT_ONLY
    } else {
        tcp::INPUT
    };
    let secure = config.flags.load() & crate::table::FLAG_SECURE_TCP != 0;
    (flags & !STATE) | tcp::next(secure, column, step.event, state(control)) << STATE_SHIFT
}

/// Ticks a connection may stay idle.
#[inline(always)]
pub fn timeout(config: &Config, protocol: u8, state: u32) -> u32 {
    if protocol == UDP {
        return config.udp_timeout.load();
    }
    match config.tcp_timeouts.get(state as usize & 15) {
        Some(ticks) => ticks.load(),
        None => NEW_TICKS,
    }
}

/// The port used at a real server: its own, or the packet's when it has none (spec 2.3 step 8).
#[inline(always)]
pub fn server_port(profile: u64, packet_port: u16) -> u16 {
    let port = profile_port(profile);
    if port == 0 { packet_port } else { port }
}
