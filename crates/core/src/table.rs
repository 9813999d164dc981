//! Everything that crosses the border between kernel and user space: records, limits, and what is asked of the tables.
//!
//! Every record is `repr(C)`, of fixed-width integers, without padding (asserted below), and every field that changes
//! while packets flow is an atomic cell. A change of a layout here bumps [`TABLE_VERSION`], which names the pin folder.
use lvs_atomic::{Atomic32, Atomic64};

use crate::address::Address;
use crate::counter::Counter;

/// Version of all layouts in this file; part of the pin folder's name.
pub const TABLE_VERSION: u32 = 1;

// --- limits -----------------------------------------------------------------------------------------------------------

/// Virtual services; index 0 is never used.
pub const SERVICES_MAX: u32 = 4096 + 1;
/// Real servers of all services; index 0 means "none".
pub const SERVERS_MAX: u32 = 16_384;
/// Real servers of one service: the bound of every scheduler's loop.
pub const SERVERS_PER_SERVICE_MAX: u32 = 1024;
/// Cells of the table of members: room for every server twice, so that a new list is written before the old is left.
pub const MEMBERS_MAX: u32 = 65_536;
/// Endpoints in each of the table's two halves: a power of two, at most half full.
pub const ENDPOINTS_MAX: u32 = 65_536;
/// Places looked at for one endpoint.
pub const ENDPOINT_PROBES_MAX: u32 = 32;
/// Slots of one group of the connection table.
pub const GROUP_SLOTS: u32 = 16;
/// Places of a home: its own group and one alternative group, less the bit that says "there are more".
pub const PLACES_MAX: u32 = 2 * GROUP_SLOTS - 1;
/// Slots made per connection allowed, as a fraction: 29/16 of 64 bytes are 116 bytes a connection, which leaves 12 of 128 for
/// all other tables at a million connections.
pub const SLOTS_PER_CONNECTION: (u64, u64) = (29, 16);
/// Next hops kept on each processor: a power of two.
pub const NEXT_HOPS_MAX: u32 = 1024;
/// Fragment trains remembered at a time.
pub const FRAGMENTS_MAX: u32 = 4096;
/// Interfaces that the data plane knows.
pub const PORTS_MAX: u32 = 64;
/// Places for counters, more than [`Counter`] has.
pub const COUNTERS_MAX: u32 = 64;

const _: () = assert!(ENDPOINTS_MAX.is_power_of_two() && ENDPOINTS_MAX >= 2 * (SERVICES_MAX + SERVERS_MAX));
const _: () = assert!(MEMBERS_MAX >= 2 * SERVERS_MAX && NEXT_HOPS_MAX.is_power_of_two());

// --- time -------------------------------------------------------------------------------------------------------------

/// Nanoseconds of the coarse monotonic clock are shifted right by this to become ticks of 4.19 ms. 32 bits of ticks are
/// compared by signed difference, so every timeout must stay below 104 days (the longest of IPVS is 31).
pub const TICK_SHIFT: u32 = 22;

/// The number of ticks that last at least `seconds`.
pub const fn ticks_of_seconds(seconds: u32) -> u32 {
    ((seconds as u64 * 1_000_000_000) >> TICK_SHIFT) as u32
}

/// Whole seconds in a number of ticks, rounded down as listings do.
pub const fn seconds_of_ticks(ticks: u32) -> u32 {
    (((ticks as u64) << TICK_SHIFT) / 1_000_000_000) as u32
}

// --- families and protocols -------------------------------------------------------------------------------------------

/// IPv4, as the family byte has it.
pub const FAMILY_V4: u8 = 4;
/// IPv6, as the family byte has it.
pub const FAMILY_V6: u8 = 6;
/// IANA protocol numbers.
pub const ICMP: u8 = 1;
/// TCP.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;
/// ICMPv6.
pub const ICMP_V6: u8 = 58;

// --- configuration ----------------------------------------------------------------------------------------------------

/// The one record of settings; written by the daemon while packets flow.
#[repr(C)]
pub struct Config {
    /// Secret of [`crate::hash`].
    pub seed: Atomic64,
    /// Groups of the connection table in use (slots / [`GROUP_SLOTS`]).
    pub groups: Atomic32,
    /// Which half of the endpoint table is in force: 0 or 1.
    pub endpoint_half: Atomic32,
    /// Raised whenever a route, a neighbour or an interface changed: every cached next hop is asked for again.
    pub next_hop_epoch: Atomic32,
    /// Bits of `FLAG_*`.
    pub flags: Atomic32,
    /// Ticks a TCP connection lives in each state (spec 3.1), by state number.
    pub tcp_timeouts: [Atomic32; 12],
    /// Ticks a UDP connection lives.
    pub udp_timeout: Atomic32,
    /// conn_reuse_mode (spec 2.4).
    pub reuse_mode: Atomic32,
    /// ICMP errors that each processor may send in a second.
    pub icmp_per_second: Atomic32,
    /// Unused.
    pub pad: Atomic32,
    /// Nanoseconds of one jiffy, 0: not known. With it the packet path reads jiffies (0.4 ns) and not the clock (12 ns).
    pub jiffy_ns: Atomic64,
    /// What jiffies * [`Config::jiffy_ns`] lack to be the coarse monotonic clock (wrapping).
    pub clock_offset_ns: Atomic64,
    /// Both clocks at one moment, as program `lvs_clock` saw them: jiffies.
    pub sample_jiffies: Atomic64,
    /// The coarse monotonic clock at that moment, in nanoseconds.
    pub sample_ns: Atomic64,
}

/// Use the secure_tcp tables.
pub const FLAG_SECURE_TCP: u32 = 1 << 0;
/// XDP_TX works on these interfaces; without it a frame leaves through a redirect to its own interface.
pub const FLAG_TX: u32 = 1 << 1;

// --- endpoints: which addresses are ours ------------------------------------------------------------------------------

/// An address, port and protocol that means something: a virtual service, or a real server whose replies are rewritten.
#[repr(C)]
pub struct Endpoint {
    /// The address.
    pub high: Atomic64,
    /// The address.
    pub low: Atomic64,
    /// [`ports_word`] with the port in the client's place.
    pub word: Atomic64,
    /// `ENDPOINT_*` kind and index; 0: never used (a search ends here); written last.
    pub value: Atomic32,
    /// Unused.
    pub pad: Atomic32,
}

/// A removed endpoint: a search goes on.
pub const ENDPOINT_REMOVED: u32 = 1;
/// The lower bits of `value` are a service's index.
pub const ENDPOINT_VIRTUAL: u32 = 1 << 30;
/// A real server reached by NAT (or several of the same address and port): its packets may be replies.
pub const ENDPOINT_REAL: u32 = 1 << 31;
/// Mask of the index in `value`.
pub const ENDPOINT_INDEX: u32 = (1 << 30) - 1;

// --- services ---------------------------------------------------------------------------------------------------------

/// A virtual service as the packet path sees it.
#[repr(C)]
pub struct Service {
    /// Place of the list of members: first cell << 32 | count. One store changes both. Newest server first.
    pub members: Atomic64,
    /// Scheduler's memory. rr: position + 1 of the last pick, 0 = list head. wrr: that << 32 | current weight.
    pub cursor: Atomic64,
    /// wrr's plan: greatest weight minus (gcd - 1) << 32 | gcd (spec 4.2).
    pub weights: Atomic64,
    /// `SCHEDULER_*`.
    pub scheduler: Atomic32,
    /// `SERVICE_*` flags; 0: the service does not exist (only its connections do).
    pub flags: Atomic32,
    /// Address and port, for answers and events.
    pub high: Atomic64,
    /// Address.
    pub low: Atomic64,
    /// [`ports_word`] with the port in the virtual place.
    pub word: Atomic64,
    /// Unused.
    pub pad: Atomic64,
}

/// The service takes new connections.
pub const SERVICE_ACTIVE: u32 = 1;

/// Scheduler "none": nothing is ever chosen.
pub const SCHEDULER_NONE: u32 = 0;
/// Round robin.
pub const SCHEDULER_RR: u32 = 1;
/// Weighted round robin.
pub const SCHEDULER_WRR: u32 = 2;
/// Least connections.
pub const SCHEDULER_LC: u32 = 3;
/// Weighted least connections.
pub const SCHEDULER_WLC: u32 = 4;

/// One cell of a list of members: a real server's index.
#[repr(C)]
pub struct Member {
    /// Index into the table of servers.
    pub server: Atomic32,
}

// --- real servers -----------------------------------------------------------------------------------------------------

/// A real server. The first line of 64 bytes is read by every packet, the second changes with connections.
#[repr(C, align(64))]
pub struct Server {
    /// Address.
    pub high: Atomic64,
    /// Address.
    pub low: Atomic64,
    /// [`profile`]: port, family, method, tunnel kind.
    pub profile: Atomic64,
    /// The outer source address of tunnels, as the routing table picks it.
    pub source_high: Atomic64,
    /// The outer source address of tunnels.
    pub source_low: Atomic64,
    /// `SERVER_*` flags.
    pub flags: Atomic32,
    /// The service it belongs (or, in the trash, belonged) to.
    pub service: Atomic32,
    /// Unused: thresholds of later methods.
    pub pad: [Atomic64; 2],
    /// Connections in an active state.
    pub active: Atomic32,
    /// All connections; inactive = total - active.
    pub total: Atomic32,
    /// Templates.
    pub persistent: Atomic32,
    /// 1 while the upper threshold was reached and the lower not passed again (spec 1.3, 2026).
    pub overloaded: Atomic32,
    /// 0..=65535 in practice; 0 = quiesced.
    pub weight: Atomic32,
    /// Upper threshold of connections, 0 = none.
    pub upper: Atomic32,
    /// Lower threshold of connections, 0 = none.
    pub lower: Atomic32,
    /// Unused.
    pub pad2: [Atomic32; 9],
}

/// The server is in its service's list; without it the server lies in the trash (spec 1.4).
pub const SERVER_AVAILABLE: u32 = 1;

/// NAT.
pub const METHOD_MASQUERADE: u8 = 0;
/// The director itself.
pub const METHOD_LOCAL_NODE: u8 = 1;
/// IP tunnelling.
pub const METHOD_TUNNEL: u8 = 2;
/// Direct routing.
pub const METHOD_DIRECT_ROUTE: u8 = 3;

/// Packs what [`Server::profile`] holds: port << 48, family << 40, method << 32.
#[inline(always)]
pub const fn profile(port: u16, family: u8, method: u8) -> u64 {
    (port as u64) << 48 | (family as u64) << 40 | (method as u64) << 32
}

/// The port in a [`profile`].
#[inline(always)]
pub const fn profile_port(profile: u64) -> u16 {
    (profile >> 48) as u16
}

/// The family in a [`profile`].
#[inline(always)]
pub const fn profile_family(profile: u64) -> u8 {
    (profile >> 40) as u8
}

/// The forwarding method in a [`profile`].
#[inline(always)]
pub const fn profile_method(profile: u64) -> u8 {
    (profile >> 32) as u8
}

/// What one real server moved, on one processor (spec 9.1). Sums over processors and servers make the rest.
#[repr(C)]
pub struct Traffic {
    /// Connections made.
    pub connections: Atomic64,
    /// Packets client to server.
    pub packets_in: Atomic64,
    /// Packets server to client.
    pub packets_out: Atomic64,
    /// Bytes client to server, IP header included.
    pub bytes_in: Atomic64,
    /// Bytes server to client, IP header included.
    pub bytes_out: Atomic64,
}

// --- connections ------------------------------------------------------------------------------------------------------

/// One slot of the connection table: exactly one cache line. See [`crate::conn`] for who may change what, and when.
#[repr(C, align(64))]
pub struct Slot {
    /// The client's address.
    pub client_high: Atomic64,
    /// The client's address.
    pub client_low: Atomic64,
    /// The virtual address.
    pub virtual_high: Atomic64,
    /// The virtual address.
    pub virtual_low: Atomic64,
    /// [`ports_word`]: all three ports, protocol and family of the client side.
    pub word: Atomic64,
    /// Life (`LIFE_*`), state, flags and generation of the connection in this slot.
    pub control: Atomic32,
    /// Tick at which it is dead.
    pub expires: Atomic32,
    /// Of all connections whose home is this slot: at which of their [`PLACES_MAX`] places one lies. Not part of the
    /// connection in this slot.
    pub places: Atomic32,
    /// The real server's index.
    pub server: Atomic32,
    /// Packets client to server.
    pub packets: Atomic32,
    /// The connection that controls this one (templates; later).
    pub controller: Atomic32,
}

/// Client port << 48 | virtual port << 32 | server port << 16 | protocol << 8 | family.
#[inline(always)]
pub const fn ports_word(client: u16, virtual_port: u16, server: u16, protocol: u8, family: u8) -> u64 {
    (client as u64) << 48
        | (virtual_port as u64) << 32
        | (server as u64) << 16
        | (protocol as u64) << 8
        | family as u64
}

/// The bits of a [`ports_word`] that identify a connection: all but the server's port.
pub const WORD_IDENTITY: u64 = !(0xFFFF << 16);
/// The bits of a [`ports_word`] that both directions share: the client's port, protocol and family.
pub const WORD_CLIENT: u64 = 0xFFFF << 48 | 0xFFFF;

// --- next hops, fragments, interfaces ---------------------------------------------------------------------------------

/// Where packets to an address leave; one table a processor, each entry found by the address's hash.
#[repr(C)]
pub struct NextHop {
    /// The address asked for.
    pub high: Atomic64,
    /// The address asked for.
    pub low: Atomic64,
    /// The gateway, or the address itself: whom to resolve while the neighbour is unknown.
    pub gateway_high: Atomic64,
    /// The gateway.
    pub gateway_low: Atomic64,
    /// First eight bytes of the link header as they lie on the wire.
    pub link_first: Atomic64,
    /// Last four bytes of both addresses as they lie on the wire.
    pub link_last: Atomic32,
    /// The interface.
    pub interface: Atomic32,
    /// MTU of the route, bytes.
    pub mtu: Atomic32,
    /// `HOP_*`: low byte the finding, then flags of the interface; VLAN tag << 16.
    pub code: Atomic32,
    /// Value of [`Config::next_hop_epoch`] it was resolved under << 8 | family, 0: empty.
    pub epoch: Atomic32,
    /// Tick at which it is asked for again.
    pub expires: Atomic32,
}

/// Link addresses known: send it.
pub const HOP_LINK: u32 = 1;
/// The address is the director's own.
pub const HOP_LOCAL: u32 = 2;
/// Route known, neighbour not: the kernel resolves it.
pub const HOP_UNRESOLVED: u32 = 3;
/// No route that could be used: the kernel's stack answers.
pub const HOP_UNREACHABLE: u32 = 4;
/// Mask of the finding.
pub const HOP_FINDING: u32 = 0xFF;
/// The interface takes redirected XDP frames.
pub const HOP_XDP: u32 = 1 << 8;
/// The interface is a veth whose peer may be handed packets directly (TC).
pub const HOP_PEER: u32 = 1 << 9;
/// The gateway is an IPv6 address.
pub const HOP_GATEWAY_V6: u32 = 1 << 10;
/// How long a next hop is used before the kernel is asked again, in ticks (about one second).
pub const HOP_TICKS: u32 = 238;

/// What is known of an interface; key is its index.
#[repr(C)]
pub struct Port {
    /// `HOP_XDP`, `HOP_PEER`, and for a VLAN device its tag << 16.
    pub flags: u32,
    /// For a VLAN device the interface below it, else 0.
    pub parent: u32,
}

/// How many ICMP errors this processor sent in the present second.
#[repr(C)]
pub struct Pace {
    /// Tick at which the second ends.
    pub ends: Atomic32,
    /// Errors sent in it.
    pub count: Atomic32,
}

/// Identity of a fragment train (RFC 791, RFC 8200).
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct FragmentKey {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Identification.
    pub identification: u32,
    /// Protocol << 8 | family.
    pub protocol: u32,
}

/// What the first fragment taught.
#[derive(Clone, Copy, Default)]
#[repr(C, align(8))]
pub struct FragmentValue {
    /// Source port << 16 | destination port.
    pub ports: u32,
    /// Tick at which it is forgotten.
    pub expires: u32,
}

/// How long a fragment train may take: RFC 791's and the kernel's 30 s, in ticks.
pub const FRAGMENT_TICKS: u32 = ticks_of_seconds(30);

const _: () = {
    use core::mem::size_of;
    assert!(size_of::<Config>() == 8 + 16 + 48 + 16 + 32);
    assert!(size_of::<Endpoint>() == 32);
    assert!(size_of::<Service>() == 64);
    assert!(size_of::<Member>() == 4);
    assert!(size_of::<Server>() == 128);
    assert!(size_of::<Traffic>() == 40);
    assert!(size_of::<Slot>() == 64);
    assert!(size_of::<NextHop>() == 64);
    assert!(size_of::<Port>() == 8);
    assert!(size_of::<Pace>() == 8);
    assert!(size_of::<FragmentKey>() == 40);
    assert!(size_of::<FragmentValue>() == 8);
};

// --- what is asked of the tables --------------------------------------------------------------------------------------

/// The tables as core sees them: maps in the kernel, mapped memory in the daemon, vectors in tests.
///
/// An index out of range answers `None`; core treats that as "not there", never as an error.
pub trait Tables {
    /// The settings.
    fn config(&self) -> Option<&Config>;
    /// The present tick.
    fn now(&self) -> u32;
    /// An endpoint of the given half: `half * ENDPOINTS_MAX + place`.
    fn endpoint(&self, index: u32) -> Option<&Endpoint>;
    /// A service.
    fn service(&self, index: u32) -> Option<&Service>;
    /// A cell of the members' table.
    fn member(&self, index: u32) -> Option<&Member>;
    /// A real server.
    fn server(&self, index: u32) -> Option<&Server>;
    /// A slot of the connection table.
    fn slot(&self, index: u32) -> Option<&Slot>;
    /// This processor's traffic of a real server.
    fn traffic(&self, server: u32) -> Option<&Traffic>;
    /// Counts an outcome on this processor.
    fn count(&self, counter: Counter);
    /// [`crate::sched::walk_on`], which a shell may turn into a loop of its own kind.
    fn walk_on(&self, span: &crate::sched::Span, at_least: u32) -> u64
    where
        Self: Sized,
    {
        crate::sched::walk_on(self, span, at_least)
    }
    /// [`crate::sched::greatest_of`], likewise.
    fn greatest_of(&self, span: &crate::sched::Span) -> u32
    where
        Self: Sized,
    {
        crate::sched::greatest_of(self, span)
    }
    /// [`crate::sched::least_of`], likewise.
    fn least_of(&self, span: &crate::sched::Span, weighted: bool) -> u32
    where
        Self: Sized,
    {
        crate::sched::least_of(self, span, weighted)
    }
}

/// The tables and the hook a packet is at: what only the packet path asks for.
pub trait Hook: Tables {
    /// TC: packets may wait for a neighbour, grow and shrink, and are finished here. XDP: what cannot be finished at once is
    /// passed untouched and uncounted, and TC has it next.
    const SKB: bool;
    /// The interface the packet came in by.
    fn interface(&self) -> u32;
    /// The next hop towards an address, asked of the kernel when the one kept is old.
    fn next_hop(&self, config: &Config, address: Address, family: u8) -> Option<&NextHop>;
    /// [`crate::endpoint::find`].
    fn find_endpoint(&self, address: Address, word: u64) -> u32;
    /// [`crate::conn::find_inbound`].
    fn find_inbound(&self, key: &crate::conn::Key) -> u32;
    /// [`crate::conn::find_outbound`].
    fn find_outbound(&self, reply: &crate::conn::Reply) -> u32;
    /// [`crate::conn::release`].
    fn release(&self, slot: u32) -> bool;
    /// [`crate::sched::pick`] for a service.
    fn pick(&self, service: u32) -> u32;
    /// [`crate::conn::remember`].
    fn remember(&self, new: &crate::conn::New) -> u32;
    /// The ports a fragment train began with: source << 16 | destination; 0 when its first fragment was not seen.
    fn fragment(&self, key: &FragmentKey) -> u32;
    /// Remembers the ports of a fragment train.
    fn learn_fragment(&self, key: &FragmentKey, value: &FragmentValue);
    /// This processor's pace of ICMP errors.
    fn pace(&self) -> Option<&Pace>;
    /// Hands the packet to the kernel's neighbour code on its way out (TC only): a verdict.
    fn resolve_and_send(&self, hop: &NextHop) -> u64;
}
