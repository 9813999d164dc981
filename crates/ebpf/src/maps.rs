//! The maps, pinned by name. Types and limits are `lvs_core::table`'s; the connection table's size is given at load.
//! This file and `frame.rs`, `hook.rs` hold the crate's unsafe code.
use core::{cell::Cell, ffi::c_void};

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    helpers::{bpf_jiffies64, bpf_ktime_get_coarse_ns, bpf_loop},
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray},
};
use lvs_atomic::Atomic64;
use lvs_core::{
    counter::Counter,
    sched::{self, BLOCK, Block, Span},
    table::{
        COUNTERS_MAX, Config, ENDPOINTS_MAX, Endpoint, FRAGMENTS_MAX, FragmentKey, FragmentValue,
        GROUP_SLOTS, MEMBERS_MAX, Member, NEXT_HOPS_MAX, NextHop, PORTS_MAX, Pace, Port, SERVERS_MAX,
        SERVICES_MAX, Server, Service, Slot, TICK_SHIFT, Tables, Traffic,
    },
};

#[map]
static CONFIG: Array<Config> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static ENDPOINTS: Array<Endpoint> = Array::with_max_entries(2 * ENDPOINTS_MAX, BPF_F_MMAPABLE);
#[map]
static SERVICES: Array<Service> = Array::with_max_entries(SERVICES_MAX, BPF_F_MMAPABLE);
#[map]
static MEMBERS: Array<Member> = Array::with_max_entries(MEMBERS_MAX, BPF_F_MMAPABLE);
#[map]
static SERVERS: Array<Server> = Array::with_max_entries(SERVERS_MAX, BPF_F_MMAPABLE);
#[map]
static SLOTS: Array<Slot> = Array::with_max_entries(64 * GROUP_SLOTS, BPF_F_MMAPABLE);
#[map]
static TRAFFIC: PerCpuArray<Traffic> = PerCpuArray::with_max_entries(SERVERS_MAX, 0);
#[map]
static NEXT_HOPS: PerCpuArray<NextHop> = PerCpuArray::with_max_entries(NEXT_HOPS_MAX, 0);
#[map]
static COUNTERS: PerCpuArray<Atomic64> = PerCpuArray::with_max_entries(COUNTERS_MAX, 0);
#[map]
static PACE: PerCpuArray<Pace> = PerCpuArray::with_max_entries(1, 0);
#[map]
static FRAGMENTS: LruHashMap<FragmentKey, FragmentValue> = LruHashMap::with_max_entries(FRAGMENTS_MAX, 0);
#[map]
static PORTS: HashMap<u32, Port> = HashMap::with_max_entries(PORTS_MAX, 0);

/// The maps as core asks for them, at one moment.
pub(crate) struct Maps {
    config: Option<&'static Config>,
    /// The moment; 0: not asked for yet.
    now: Cell<u32>,
}

impl Maps {
    /// The maps now. The clock is read when it is asked for: a packet that is none of our business does not pay for it.
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self::at(0)
    }

    /// The maps at a moment that is known already.
    #[inline(always)]
    pub(crate) fn at(now: u32) -> Self {
        Self { config: CONFIG.get(0), now: Cell::new(now) }
    }

    /// The maps for who asks neither for settings nor for the time.
    #[inline(always)]
    pub(crate) fn timeless() -> Self {
        Self { config: None, now: Cell::new(0) }
    }

    /// The coarse monotonic clock: by way of jiffies, which cost nothing, when the daemon has found what a jiffy is.
    #[inline(always)]
    fn clock(&self) -> u64 {
        let jiffy = match self.config {
            Some(config) => config.jiffy_ns.load(),
            None => 0,
        };
        match self.config {
            // SAFETY: a helper call without arguments.
            Some(config) if jiffy != 0 => {
                unsafe { bpf_jiffies64() }.wrapping_mul(jiffy).wrapping_add(config.clock_offset_ns.load())
            }
            // SAFETY: as above.
            _ => unsafe { bpf_ktime_get_coarse_ns() },
        }
    }

    /// Notes what both clocks say at this moment, for the daemon.
    #[inline(always)]
    pub(crate) fn sample_clocks(&self) {
        if let Some(config) = self.config {
            // SAFETY: helper calls without arguments.
            let (jiffies, ns) = unsafe { (bpf_jiffies64(), bpf_ktime_get_coarse_ns()) };
            config.sample_jiffies.store(jiffies);
            config.sample_ns.store(ns);
        }
    }

    #[inline(always)]
    pub(crate) fn cached_hop(&self, index: u32) -> Option<&'static NextHop> {
        NEXT_HOPS.get(index)
    }

    #[inline(always)]
    pub(crate) fn pace(&self) -> Option<&'static Pace> {
        PACE.get(0)
    }

    #[inline(always)]
    pub(crate) fn port(&self, interface: u32) -> Option<&'static Port> {
        // SAFETY: entries are replaced whole by the daemon; a stale read is harmless.
        unsafe { PORTS.get(&interface) }
    }

    #[inline(always)]
    pub(crate) fn fragment(&self, key: &FragmentKey) -> u32 {
        // SAFETY: values are eight bytes, written whole.
        match unsafe { FRAGMENTS.get(key) } {
            Some(value) if !lvs_core::conn::is_past(value.expires, self.now()) => value.ports,
            _ => 0,
        }
    }

    #[inline(always)]
    pub(crate) fn learn_fragment(&self, key: &FragmentKey, value: &FragmentValue) {
        let _ = FRAGMENTS.insert(key, value, 0);
    }
}

impl Tables for Maps {
    #[inline(always)]
    fn config(&self) -> Option<&Config> {
        self.config
    }
    #[inline(always)]
    fn now(&self) -> u32 {
        let known = self.now.get();
        if known != 0 {
            return known;
        }
        let now = (self.clock() >> TICK_SHIFT) as u32;
        self.now.set(now);
        now
    }
    #[inline(always)]
    fn endpoint(&self, index: u32) -> Option<&Endpoint> {
        ENDPOINTS.get(index)
    }
    #[inline(always)]
    fn service(&self, index: u32) -> Option<&Service> {
        SERVICES.get(index)
    }
    #[inline(always)]
    fn member(&self, index: u32) -> Option<&Member> {
        MEMBERS.get(index)
    }
    #[inline(always)]
    fn server(&self, index: u32) -> Option<&Server> {
        SERVERS.get(index)
    }
    #[inline(always)]
    fn slot(&self, index: u32) -> Option<&Slot> {
        SLOTS.get(index)
    }
    #[inline(always)]
    fn traffic(&self, server: u32) -> Option<&Traffic> {
        TRAFFIC.get(server)
    }
    #[inline(always)]
    fn count(&self, counter: Counter) {
        if let Some(cell) = COUNTERS.get(counter as u32) {
            cell.bump(1);
        }
    }
    #[inline(always)]
    fn walk_on(&self, span: &Span, at_least: u32) -> u64 {
        if span.most <= BLOCK {
            let block = span.block(0);
            return lvs_walk(block.first, block.from, block.len, at_least);
        }
        let mut scan = Scan { span: *span, argument: at_least, pad: 0, result: 0 };
        each_block(walk_block, &mut scan);
        scan.result
    }
    #[inline(always)]
    fn greatest_of(&self, span: &Span) -> u32 {
        let mut scan = Scan { span: *span, argument: 0, pad: 0, result: 0 };
        each_block(greatest_block, &mut scan);
        scan.result as u32
    }
    #[inline(always)]
    fn least_of(&self, span: &Span, weighted: bool) -> u32 {
        if span.most <= BLOCK {
            let block = span.block(0);
            return lvs_least(block.first, block.from, block.len, sched::NONE, weighted as u32);
        }
        let mut scan = Scan { span: *span, argument: weighted as u32, pad: 0, result: 0 };
        each_block(least_block, &mut scan);
        scan.result as u32
    }
}

/// What a scheduler's walk carries from block to block.
#[repr(C, align(8))]
struct Scan {
    span: Span,
    argument: u32,
    pad: u32,
    result: u64,
}

type Turn = unsafe extern "C" fn(u32, *mut Scan) -> i64;

/// Calls `turn` for block after block until it answers 1: the kernel's loop, verified once, not turn by turn.
#[inline(always)]
fn each_block(turn: Turn, scan: &mut Scan) {
    // SAFETY: the kernel calls `turn` with the number of the turn and the pointer it is given here.
    unsafe { bpf_loop(scan.span.most.div_ceil(BLOCK), turn as *mut c_void, (scan as *mut Scan).cast(), 0) };
}

unsafe extern "C" fn walk_block(turn: u32, scan: *mut Scan) -> i64 {
    // SAFETY: `each_block` passes a record that outlives the loop.
    let scan = unsafe { &mut *scan };
    let block = scan.span.block(turn);
    scan.result = lvs_walk(block.first, block.from, block.len, scan.argument);
    (scan.result != 0 || block.len == 0) as i64
}

unsafe extern "C" fn greatest_block(turn: u32, scan: *mut Scan) -> i64 {
    // SAFETY: as in `walk_block`.
    let scan = unsafe { &mut *scan };
    let block = scan.span.block(turn);
    let weight = lvs_greatest(block.first, block.from, block.len) as u64;
    if weight > scan.result {
        scan.result = weight;
    }
    (block.len == 0) as i64
}

unsafe extern "C" fn least_block(turn: u32, scan: *mut Scan) -> i64 {
    // SAFETY: as in `walk_block`.
    let scan = unsafe { &mut *scan };
    let block = scan.span.block(turn);
    scan.result = lvs_least(block.first, block.from, block.len, scan.result as u32, scan.argument) as u64;
    (block.len == 0) as i64
}

/// One block of a scheduler's walk: global functions, each verified once by itself.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_walk(first: u32, from: u32, len: u32, at_least: u32) -> u64 {
    sched::walk(&Maps::timeless(), &Block { first, from, len }, at_least)
}

/// As [`lvs_walk`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_greatest(first: u32, from: u32, len: u32) -> u32 {
    sched::greatest(&Maps::timeless(), &Block { first, from, len })
}

/// As [`lvs_walk`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_least(first: u32, from: u32, len: u32, best: u32, weighted: u32) -> u32 {
    sched::least(&Maps::timeless(), &Block { first, from, len }, best, weighted != 0)
}
