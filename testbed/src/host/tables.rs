//! Tables in vectors and the two hooks over them.
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use lvs_atomic::{Atomic32, Atomic64};
use lvs_core::{
    address::Address,
    conn::{self, Key, New, Reply, tcp::TIMEOUTS_S},
    counter::Counter,
    endpoint, sched,
    table::{
        COUNTERS_MAX, Config, ENDPOINTS_MAX, Endpoint, FragmentKey, FragmentValue, GROUP_SLOTS, HOP_FINDING,
        HOP_UNREACHABLE, HOP_UNRESOLVED, Hook, MEMBERS_MAX, Member, NextHop, Pace, SERVERS_MAX, SERVICES_MAX,
        Server, Service, Slot, Tables, Traffic, ticks_of_seconds,
    },
    verdict,
};

/// The action that stands for "the kernel's neighbour code has it": TC_ACT_REDIRECT.
const REDIRECTED: u32 = 7;
/// Stands for the MTU of a way that is not known, as in the kernel's shell.
const MTU_UNKNOWN: u32 = 65_535;

/// What one processor counts for itself.
struct Processor {
    traffic: Vec<Traffic>,
    counters: Vec<Atomic64>,
    pace: Pace,
}

/// All tables of the packet path, in this process's memory.
pub struct HostTables {
    config: Config,
    endpoints: Vec<Endpoint>,
    services: Vec<Service>,
    members: Vec<Member>,
    servers: Vec<Server>,
    slots: Vec<Slot>,
    processors: Vec<Processor>,
    fragments: Mutex<HashMap<[u64; 5], FragmentValue>>,
    hops: HashMap<Address, NextHop>,
    elsewhere: NextHop,
    now: AtomicU32,
}

impl HostTables {
    /// Empty tables with `groups` groups of slots, for one processor.
    pub fn new(groups: u32) -> Self {
        Self::with_processors(groups, 1)
    }

    /// Empty tables that several threads may use, each as a processor of its own.
    pub fn with_processors(groups: u32, processors: usize) -> Self {
        let tables = Self {
            config: config(),
            endpoints: many(2 * ENDPOINTS_MAX, endpoint_record),
            services: many(SERVICES_MAX, service_record),
            members: many(MEMBERS_MAX, || Member { server: Atomic32::new(0) }),
            servers: many(SERVERS_MAX, server_record),
            slots: many(groups * GROUP_SLOTS, slot_record),
            processors: (0..processors).map(|_| processor()).collect(),
            fragments: Mutex::default(),
            hops: HashMap::new(),
            elsewhere: hop(HOP_UNREACHABLE, 0, MTU_UNKNOWN, Link::default()),
            now: AtomicU32::new(1 << 20),
        };
        tables.config.groups.store(groups);
        tables
    }

    /// Slots of the connection table.
    pub fn slot_count(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Sets the clock.
    pub fn set_now(&self, tick: u32) {
        self.now.store(tick, Ordering::SeqCst);
    }

    /// Lets time pass.
    pub fn pass_seconds(&self, seconds: u32) {
        self.now.fetch_add(ticks_of_seconds(seconds) + 1, Ordering::SeqCst);
    }

    /// Says how packets to an address leave.
    pub fn set_hop(&mut self, address: Address, hop: NextHop) {
        self.hops.insert(address, hop);
    }

    /// Says how packets to all other addresses leave; at first they do not.
    pub fn set_hop_elsewhere(&mut self, hop: NextHop) {
        self.elsewhere = hop;
    }

    /// A counter's sum.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.processors.iter().map(|processor| processor.counters[counter as usize].load()).sum()
    }

    /// All counters that moved, by name: what a test compares.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        let all = Counter::ALL.iter().map(|counter| (counter.name(), self.counter(*counter)));
        all.filter(|(_, sum)| *sum != 0).collect()
    }

    /// Sets every counter to nothing, so that the next packet's outcome stands alone.
    pub fn clear_counters(&self) {
        for cell in self.processors.iter().flat_map(|processor| &processor.counters) {
            cell.store(0);
        }
    }

    /// A server's sums: connections, packets in, packets out, bytes in, bytes out.
    pub fn traffic_sum(&self, server: u32) -> [u64; 5] {
        let mut sum = [0; 5];
        for record in self.processors.iter().map(|processor| &processor.traffic[server as usize]) {
            let cells = [
                &record.connections,
                &record.packets_in,
                &record.packets_out,
                &record.bytes_in,
                &record.bytes_out,
            ];
            for (sum, cell) in sum.iter_mut().zip(cells) {
                *sum += cell.load();
            }
        }
        sum
    }

    /// XDP at an interface.
    pub fn xdp(&self, interface: u32) -> Host<'_, false> {
        Host { tables: self, processor: 0, interface }
    }

    /// TC at an interface.
    pub fn tc(&self, interface: u32) -> Host<'_, true> {
        Host { tables: self, processor: 0, interface }
    }

    /// TC as another processor sees it.
    pub fn on(&self, processor: usize) -> Host<'_, true> {
        Host { tables: self, processor, interface: 0 }
    }
}

impl Tables for HostTables {
    fn config(&self) -> Option<&Config> {
        Some(&self.config)
    }
    fn now(&self) -> u32 {
        self.now.load(Ordering::SeqCst)
    }
    fn endpoint(&self, index: u32) -> Option<&Endpoint> {
        self.endpoints.get(index as usize)
    }
    fn service(&self, index: u32) -> Option<&Service> {
        self.services.get(index as usize)
    }
    fn member(&self, index: u32) -> Option<&Member> {
        self.members.get(index as usize)
    }
    fn server(&self, index: u32) -> Option<&Server> {
        self.servers.get(index as usize)
    }
    fn slot(&self, index: u32) -> Option<&Slot> {
        self.slots.get(index as usize)
    }
    fn traffic(&self, server: u32) -> Option<&Traffic> {
        self.processors[0].traffic.get(server as usize)
    }
    fn count(&self, counter: Counter) {
        self.processors[0].counters[counter as usize].add(1);
    }
}

/// A hook at an interface, on one processor. `SKB`: TC.
pub struct Host<'t, const SKB: bool> {
    tables: &'t HostTables,
    processor: usize,
    interface: u32,
}

impl<const SKB: bool> Tables for Host<'_, SKB> {
    fn config(&self) -> Option<&Config> {
        self.tables.config()
    }
    fn now(&self) -> u32 {
        self.tables.now()
    }
    fn endpoint(&self, index: u32) -> Option<&Endpoint> {
        self.tables.endpoint(index)
    }
    fn service(&self, index: u32) -> Option<&Service> {
        self.tables.service(index)
    }
    fn member(&self, index: u32) -> Option<&Member> {
        self.tables.member(index)
    }
    fn server(&self, index: u32) -> Option<&Server> {
        self.tables.server(index)
    }
    fn slot(&self, index: u32) -> Option<&Slot> {
        self.tables.slot(index)
    }
    fn traffic(&self, server: u32) -> Option<&Traffic> {
        self.tables.processors[self.processor].traffic.get(server as usize)
    }
    fn count(&self, counter: Counter) {
        self.tables.processors[self.processor].counters[counter as usize].add(1);
    }
}

impl<const SKB: bool> Hook for Host<'_, SKB> {
    const SKB: bool = SKB;
    fn interface(&self) -> u32 {
        self.interface
    }
    fn next_hop(&self, _config: &Config, address: Address, _family: u8) -> Option<&NextHop> {
        Some(self.tables.hops.get(&address).unwrap_or(&self.tables.elsewhere))
    }
    fn find_endpoint(&self, address: Address, word: u64) -> u32 {
        endpoint::find(self, &self.tables.config, address, word)
    }
    fn find_inbound(&self, key: &Key) -> u32 {
        conn::find_inbound(self, &self.tables.config, key, self.now())
    }
    fn find_outbound(&self, reply: &Reply) -> u32 {
        conn::find_outbound(self, &self.tables.config, reply, self.now())
    }
    fn release(&self, slot: u32) -> bool {
        conn::release(self, &self.tables.config, slot)
    }
    fn pick(&self, service: u32) -> u32 {
        self.service(service).map_or(sched::NONE, |service| sched::pick(self, service))
    }
    fn remember(&self, new: &New) -> u32 {
        conn::remember(self, &self.tables.config, new)
    }
    fn fragment(&self, key: &FragmentKey) -> u32 {
        let known = self.tables.fragments.lock().expect("no test panics while it holds this");
        known
            .get(&words(key))
            .filter(|value| !conn::is_past(value.expires, self.now()))
            .map_or(0, |value| value.ports)
    }
    fn learn_fragment(&self, key: &FragmentKey, value: &FragmentValue) {
        let mut known = self.tables.fragments.lock().expect("no test panics while it holds this");
        known.insert(words(key), *value);
    }
    fn pace(&self) -> Option<&Pace> {
        Some(&self.tables.processors[self.processor].pace)
    }
    fn resolve_and_send(&self, hop: &NextHop) -> u64 {
        if !SKB || hop.code.load() & HOP_FINDING != HOP_UNRESOLVED {
            return verdict::DROP;
        }
        self.count(Counter::PassedUnresolved);
        verdict::via(verdict::RESOLVING, REDIRECTED)
    }
}

fn words(key: &FragmentKey) -> [u64; 5] {
    let train = u64::from(key.identification) << 32 | u64::from(key.protocol);
    [key.source.high, key.source.low, key.destination.high, key.destination.low, train]
}

/// Both link addresses towards a next hop, and the VLAN tag that goes with them (0: none).
#[derive(Clone, Copy, Debug, Default)]
pub struct Link {
    /// Whose the next hop is.
    pub destination: [u8; 6],
    /// Ours.
    pub source: [u8; 6],
    /// VLAN tag.
    pub vlan: u16,
}

/// A next hop: `code` is a finding (`HOP_*`) with flags.
pub fn hop(code: u32, interface: u32, mtu: u32, link: Link) -> NextHop {
    let mut bytes = [0; 12];
    bytes[..6].copy_from_slice(&link.destination);
    bytes[6..].copy_from_slice(&link.source);
    let (first, last) = bytes.split_at(8);
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
    NextHop {
        high: Atomic64::new(0),
        low: Atomic64::new(0),
        gateway_high: Atomic64::new(0),
        gateway_low: Atomic64::new(0),
        link_first: Atomic64::new(u64::from_le(word(first))),
        link_last: Atomic32::new(u32::from_le(word(last) as u32)),
        interface: Atomic32::new(interface),
        mtu: Atomic32::new(if code & HOP_FINDING == lvs_core::table::HOP_LINK { mtu } else { MTU_UNKNOWN }),
        code: Atomic32::new(code | u32::from(link.vlan) << 16),
        epoch: Atomic32::new(1),
        expires: Atomic32::new(0),
    }
}

fn many<T>(count: u32, make: impl Fn() -> T) -> Vec<T> {
    (0..count).map(|_| make()).collect()
}

fn processor() -> Processor {
    Processor {
        traffic: many(SERVERS_MAX, || Traffic {
            connections: Atomic64::new(0),
            packets_in: Atomic64::new(0),
            packets_out: Atomic64::new(0),
            bytes_in: Atomic64::new(0),
            bytes_out: Atomic64::new(0),
        }),
        counters: many(COUNTERS_MAX, || Atomic64::new(0)),
        pace: Pace { ends: Atomic32::new(0), count: Atomic32::new(0) },
    }
}

/// The settings as the daemon first writes them.
fn config() -> Config {
    let config = Config {
        seed: Atomic64::new(0x5EED),
        groups: Atomic32::new(0),
        endpoint_half: Atomic32::new(0),
        next_hop_epoch: Atomic32::new(1),
        flags: Atomic32::new(0),
        tcp_timeouts: Default::default(),
        udp_timeout: Atomic32::new(ticks_of_seconds(300)),
        reuse_mode: Atomic32::new(1),
        icmp_per_second: Atomic32::new(1000),
        pad: Atomic32::new(0),
        jiffy_ns: Atomic64::new(0),
        clock_offset_ns: Atomic64::new(0),
        sample_jiffies: Atomic64::new(0),
        sample_ns: Atomic64::new(0),
    };
    for (cell, seconds) in config.tcp_timeouts.iter().zip(TIMEOUTS_S) {
        cell.store(ticks_of_seconds(seconds));
    }
    config
}

fn endpoint_record() -> Endpoint {
    Endpoint {
        high: Atomic64::new(0),
        low: Atomic64::new(0),
        word: Atomic64::new(0),
        value: Atomic32::new(0),
        pad: Atomic32::new(0),
    }
}

fn service_record() -> Service {
    Service {
        members: Atomic64::new(0),
        cursor: Atomic64::new(0),
        weights: Atomic64::new(0),
        scheduler: Atomic32::new(0),
        flags: Atomic32::new(0),
        high: Atomic64::new(0),
        low: Atomic64::new(0),
        word: Atomic64::new(0),
        pad: Atomic64::new(0),
    }
}

fn server_record() -> Server {
    Server {
        high: Atomic64::new(0),
        low: Atomic64::new(0),
        profile: Atomic64::new(0),
        source_high: Atomic64::new(0),
        source_low: Atomic64::new(0),
        flags: Atomic32::new(0),
        service: Atomic32::new(0),
        pad: Default::default(),
        active: Atomic32::new(0),
        total: Atomic32::new(0),
        persistent: Atomic32::new(0),
        overloaded: Atomic32::new(0),
        weight: Atomic32::new(0),
        upper: Atomic32::new(0),
        lower: Atomic32::new(0),
        pad2: Default::default(),
    }
}

fn slot_record() -> Slot {
    Slot {
        client_high: Atomic64::new(0),
        client_low: Atomic64::new(0),
        virtual_high: Atomic64::new(0),
        virtual_low: Atomic64::new(0),
        word: Atomic64::new(0),
        control: Atomic32::new(0),
        expires: Atomic32::new(0),
        places: Atomic32::new(0),
        server: Atomic32::new(0),
        packets: Atomic32::new(0),
        controller: Atomic32::new(0),
    }
}
