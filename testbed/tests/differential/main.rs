//! The same packets through the loaded object (BPF_PROG_TEST_RUN) and through the host build of the core, over equal
//! tables: verdict and bytes of every packet, and again and again all counters, servers, traffic and slots.
//!
//! `LVS_DIFFERENTIAL_SEED` repeats a run, `LVS_DIFFERENTIAL_PACKETS` sets its length, `LVS_DIFFERENTIAL_EVERY` after how
//! many packets the tables are compared.
mod traffic;
mod world;

use lvs_core::{
    conn,
    counter::Counter,
    director,
    table::{GROUP_SLOTS, SERVERS_MAX, SERVICES_MAX, Tables},
    verdict,
};
use lvs_testbed::host::testrun::{Ran, TestRun, in_own_namespace};
use lvs_testbed::host::{Cluster, HostFrame, HostTables, Random, decode, number_from_env};
use lvs_testbed::lab::root_or_skip;

use traffic::{Arrival, Hook};

const PACKETS: u64 = 24_000;
const EVERY: u64 = 100;
/// Groups of slots in use: few, so that the table is full again and again.
const GROUPS: u32 = 16;
/// Ticks by which the two sides' clocks may differ when they look at the same packet: this thread may be stopped between
/// the two. Timeouts differ by more, so that a wrong one still shows.
const CLOCK_TICKS: u32 = 200;
/// Ticks that connections get to live between comparisons: none may die by accident.
const LONG: u32 = 1 << 24;

const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;
const XDP_TX: u32 = 3;
const XDP_REDIRECT: u32 = 4;
const TC_OK: u32 = 0;
const TC_SHOT: u32 = 2;
const TC_REDIRECT: u32 = 7;

#[test]
fn object_and_host_build_do_the_same() {
    if !root_or_skip("object_and_host_build_do_the_same") {
        return;
    }
    let seed = Random::seed_from_env("LVS_DIFFERENTIAL_SEED");
    let packets = number_from_env("LVS_DIFFERENTIAL_PACKETS").unwrap_or(PACKETS);
    let every = number_from_env("LVS_DIFFERENTIAL_EVERY").unwrap_or(EVERY);
    println!("LVS_DIFFERENTIAL_SEED={seed} LVS_DIFFERENTIAL_PACKETS={packets}");
    let outcomes = in_own_namespace("differential", move || {
        let mut pair = Pair::new(seed);
        for number in 0..packets {
            pair.step(number);
            if number % every == every - 1 {
                pair.compare_tables(number);
                pair.renew();
            }
        }
        pair.compare_tables(packets);
        println!("{} packets that the kernel refused to run", pair.refused);
        pair.host.counters()
    });
    println!("{outcomes:?}");
    if packets >= PACKETS {
        let unseen: Vec<&str> = Counter::ALL
            .iter()
            .map(|counter| counter.name())
            .filter(|name| !RARE.contains(name) && !outcomes.iter().any(|(seen, _)| seen == name))
            .collect();
        assert!(unseen.is_empty(), "outcomes that no packet had: {unseen:?}");
    }
}

/// Outcomes that this test cannot bring about: two processors at once, what the stack drops for us, and a full table, which
/// takes more connections than there are packets here (`lab_daemon` fills one).
const RARE: [&str; 4] = ["connection_twice", "dropped_short", "dropped_fragment", "dropped_table_full"];

struct Pair {
    kernel: TestRun,
    host: HostTables,
    kernel_cluster: Cluster,
    host_cluster: Cluster,
    random: Random,
    seed: u64,
    refused: u64,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut kernel = TestRun::new();
        world::build_kernel(&mut kernel);
        let mut host = HostTables::new(kernel.tables().slot_count() / GROUP_SLOTS);
        world::build_host(&mut host);
        for tables in [kernel.tables() as &dyn Tables, &host] {
            let config = tables.config().expect("settings");
            config.seed.store(seed | 1);
            config.icmp_per_second.store(u32::MAX);
            config.groups.store(GROUPS);
        }
        let mut pair = Self {
            kernel,
            host,
            kernel_cluster: Cluster::new(),
            host_cluster: Cluster::new(),
            random: Random::new(seed),
            seed,
            refused: 0,
        };
        for change in world::first_changes(&mut pair.random) {
            pair.apply(&change);
        }
        pair
    }

    fn apply(&mut self, change: &world::Change) {
        world::apply(&mut self.kernel_cluster, self.kernel.tables(), change);
        world::apply(&mut self.host_cluster, &self.host, change);
    }

    fn step(&mut self, number: u64) {
        if self.random.once_in(40) {
            let change = world::next_change(&mut self.random, &self.host_cluster);
            self.apply(&change);
        }
        let arrival = traffic::next(&mut self.random, &self.host);
        let ran = self.run(&arrival, number);
        // What XDP passed, TC has next.
        if arrival.hook == Hook::Xdp
            && let Some(ran) = ran
            && ran.action == XDP_PASS
        {
            self.run(&Arrival { hook: Hook::TcIngress, segment_len: 0, frame: ran.bytes, ..arrival }, number);
        }
    }

    fn run(&mut self, arrival: &Arrival, number: u64) -> Option<Ran> {
        self.host.set_now(lvs_dataplane::now());
        let ran = match arrival.hook {
            Hook::Xdp => self.kernel.xdp(arrival.interface, &arrival.frame),
            Hook::TcIngress => self.kernel.tc_ingress(arrival.interface, arrival.segment_len, &arrival.frame),
            Hook::TcEgress => self.kernel.tc_egress(arrival.interface, &arrival.frame),
        };
        let Some(ran) = ran else {
            self.refused += 1;
            return None;
        };
        let expected = run_on_host(&self.host, arrival);
        let is_dropped = expected.action == if arrival.hook == Hook::Xdp { XDP_DROP } else { TC_SHOT };
        if ran.action != expected.action || (!is_dropped && ran.bytes != expected.bytes) {
            panic!(
                "packet {number} of seed {}, {:?} at {} segments {}\n  in   {}\n  object action {}\n       {}\n  host   action {}\n       {}",
                self.seed,
                arrival.hook,
                arrival.interface,
                arrival.segment_len,
                decode::frame(&arrival.frame),
                ran.action,
                decode::frame(&ran.bytes),
                expected.action,
                decode::frame(&expected.bytes)
            );
        }
        Some(ran)
    }

    fn compare_tables(&self, number: u64) {
        let object: Vec<(&str, u64)> = self
            .kernel
            .object()
            .counters()
            .expect("counters")
            .iter()
            .map(|(counter, sum)| (counter.name(), *sum))
            .filter(|(_, sum)| *sum != 0)
            .collect();
        let place = format!("after packet {number} of seed {}: object left, host right", self.seed);
        assert_eq!(object, self.host.counters(), "counters, {place}");
        for index in 1..=self.host_cluster.server_count() {
            assert_eq!(
                server_words(self.kernel.tables(), index),
                server_words(&self.host, index),
                "server {index} {:?}, {place}",
                self.host_cluster.spec(index)
            );
            let traffic = self.kernel.object().traffic(index).expect("traffic");
            let words = [
                traffic.connections,
                traffic.packets_in,
                traffic.packets_out,
                traffic.bytes_in,
                traffic.bytes_out,
            ];
            assert_eq!(words, self.host.traffic_sum(index), "traffic of server {index}, {place}");
        }
        for index in 1..SERVICES_MAX.min(40) {
            let cursor = |tables: &dyn Tables| tables.service(index).map(|service| service.cursor.load());
            assert_eq!(
                cursor(self.kernel.tables()),
                cursor(&self.host),
                "cursor of service {index}, {place}"
            );
        }
        for index in 0..self.host.slot_count() {
            let (object, host) = (slot_words(self.kernel.tables(), index), slot_words(&self.host, index));
            assert_eq!(object.0, host.0, "slot {index}, {place}");
            let apart = object.1.wrapping_sub(host.1) as i32;
            assert!(apart.unsigned_abs() <= CLOCK_TICKS, "slot {index} expires {apart} ticks apart, {place}");
        }
    }

    /// Lets a few connections die, on both sides, and the others live on.
    fn renew(&mut self) {
        let now = lvs_dataplane::now();
        for index in 0..self.host.slot_count() {
            let (Some(ours), Some(theirs)) = (self.host.slot(index), self.kernel.tables().slot(index)) else {
                continue;
            };
            if ours.control.load() & conn::LIFE == conn::LIFE_LIVE {
                let expires =
                    if self.random.once_in(12) { now.wrapping_sub(10) } else { now.wrapping_add(LONG) };
                ours.expires.store(expires);
                theirs.expires.store(expires);
            }
        }
    }
}

fn run_on_host(host: &HostTables, arrival: &Arrival) -> Ran {
    let (verdict, frame) = match arrival.hook {
        Hook::Xdp => {
            let mut frame = HostFrame::xdp(&arrival.frame);
            (director::ingress(&mut frame, &host.xdp(arrival.interface)), frame)
        }
        Hook::TcIngress => {
            let mut frame = HostFrame::skb(&arrival.frame).with_segments(arrival.segment_len);
            (director::whole(&mut frame, &host.tc(arrival.interface)), frame)
        }
        Hook::TcEgress => {
            let mut frame = HostFrame::skb(&arrival.frame);
            (director::egress(&mut frame, &host.tc(arrival.interface)), frame)
        }
    };
    let action = if arrival.hook == Hook::Xdp { xdp_action(verdict) } else { tc_action(verdict) };
    Ran { action, bytes: frame.bytes().to_vec() }
}

fn xdp_action(verdict: u64) -> u32 {
    match verdict::code(verdict) {
        verdict::DROP => XDP_DROP,
        verdict::TRANSMIT => XDP_TX,
        verdict::REDIRECT => XDP_REDIRECT,
        _ => XDP_PASS,
    }
}

fn tc_action(verdict: u64) -> u32 {
    match verdict::code(verdict) {
        verdict::DROP => TC_SHOT,
        verdict::REDIRECT | verdict::PEER => TC_REDIRECT,
        verdict::RESOLVING => verdict::interface(verdict),
        _ => TC_OK,
    }
}

/// Active, total, persistent, overloaded.
fn server_words(tables: &dyn Tables, index: u32) -> [u32; 4] {
    assert!(index < SERVERS_MAX);
    let server = tables.server(index).expect("a server");
    [&server.active, &server.total, &server.persistent, &server.overloaded].map(lvs_atomic::Atomic32::load)
}

/// All of a slot but its time, and its time (0 of a free one).
fn slot_words(tables: &dyn Tables, index: u32) -> ([u64; 9], u32) {
    let slot = tables.slot(index).expect("a slot");
    let control = slot.control.load();
    let words = [
        slot.client_high.load(),
        slot.client_low.load(),
        slot.virtual_high.load(),
        slot.virtual_low.load(),
        slot.word.load(),
        u64::from(control),
        u64::from(slot.places.load()),
        u64::from(slot.server.load()),
        u64::from(slot.packets.load()),
    ];
    (words, slot.expires.load())
}
