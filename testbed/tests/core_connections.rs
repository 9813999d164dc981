//! The connection table against a plain map, and under two threads.
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use lvs_core::{
    address::Address,
    conn::{self, Key, New, Reply},
    counter::Counter,
    table::{
        FAMILY_V4, FAMILY_V6, METHOD_DIRECT_ROUTE, METHOD_MASQUERADE, SERVER_AVAILABLE, TCP, Tables, UDP,
        ports_word, profile,
    },
};
use lvs_testbed::host::{HostTables, Random};

/// Servers 1 to 6: half of each method.
const SERVERS: u64 = 6;
const SERVER_PORT: u32 = 8000;

fn method_of(server: u32) -> u8 {
    if server.is_multiple_of(2) { METHOD_MASQUERADE } else { METHOD_DIRECT_ROUTE }
}

fn server_address(server: u32, family: u8) -> Address {
    if family == FAMILY_V4 {
        Address::v4(0x0A02_0000 + server)
    } else {
        Address { high: 0x2001_0DB8_0002_0000, low: u64::from(server) }
    }
}

fn tables(groups: u32, processors: usize, family: u8) -> HostTables {
    let tables = HostTables::with_processors(groups, processors);
    for index in 1..=SERVERS as u32 {
        let server = tables.server(index).expect("a server");
        let address = server_address(index, family);
        server.high.store(address.high);
        server.low.store(address.low);
        server.profile.store(profile(SERVER_PORT as u16, family, method_of(index)));
        server.flags.store(SERVER_AVAILABLE);
        server.weight.store(1);
    }
    tables
}

/// A key of a small set, so that keys meet again and homes are shared.
fn key(number: u64, family: u8) -> Key {
    let client = if family == FAMILY_V4 {
        Address::v4(0x0A01_0000 + (number % 8) as u32)
    } else {
        Address { high: 0x2001_0DB8_0001_0000 + (number % 3), low: number % 8 }
    };
    let virtual_address =
        if family == FAMILY_V4 { Address::v4(0x0A01_0064) } else { Address { high: 1, low: 0x100 } };
    let protocol = if number.is_multiple_of(5) { UDP } else { TCP };
    // Several services of one client port share a home.
    let word = ports_word(4000 + (number / 40) as u16, 80 + (number / 8 % 5) as u16, 0, protocol, family);
    Key { client, virtual_address, word }
}

fn reply(key: &Key, server: u32) -> Reply {
    let family = key.word as u8;
    let is_nat = method_of(server) == METHOD_MASQUERADE;
    Reply {
        client: key.client,
        source: if is_nat { server_address(server, family) } else { key.virtual_address },
        word: key.word & lvs_core::table::WORD_CLIENT,
        source_port: if is_nat { u64::from(SERVER_PORT) } else { (key.word >> 32) & 0xFFFF },
    }
}

fn new(key: Key, server: u32, now: u32) -> New {
    New { key, server, server_port: SERVER_PORT, method: u32::from(method_of(server)), now }
}

fn is_live(tables: &HostTables, index: u32) -> bool {
    let slot = tables.slot(index).expect("a slot");
    slot.control.load() & conn::LIFE == conn::LIFE_LIVE
}

/// Connections that the slots hold, expired ones that nobody cleared away too.
fn live(tables: &HostTables) -> Vec<u32> {
    (0..tables.slot_count()).filter(|index| is_live(tables, *index)).collect()
}

/// Totals and active connections of the servers are those of the slots, and every place bit has its connection.
fn check_books(tables: &HostTables) {
    let mut totals = vec![0; SERVERS as usize + 1];
    let live = live(tables);
    for index in &live {
        totals[tables.slot(*index).expect("a slot").server.load() as usize] += 1;
    }
    for (index, total) in totals.iter().enumerate().skip(1) {
        let server = tables.server(index as u32).expect("a server");
        assert_eq!((server.total.load(), server.active.load()), (*total, 0), "server {index}");
    }
    // The highest bit says that a home goes on to a second one.
    let bits: u32 = (0..tables.slot_count())
        .map(|index| (tables.slot(index).expect("a slot").places.load() & !(1 << 31)).count_ones())
        .sum();
    assert_eq!(bits as usize, live.len(), "place bits");
    let states: u32 = (0..tables.slot_count())
        .map(|index| tables.slot(index).expect("a slot").control.load() & conn::LIFE)
        .filter(|life| !matches!(*life, conn::LIFE_FREE | conn::LIFE_LIVE))
        .count() as u32;
    assert_eq!(states, 0, "slots left half-way");
}

/// What the table should hold: key number -> server, tick of death.
struct Model(HashMap<u64, (u32, u32)>);

impl Model {
    fn get(&self, number: u64, now: u32) -> Option<u32> {
        self.0.get(&number).filter(|(_, expires)| !conn::is_past(*expires, now)).map(|(server, _)| *server)
    }
}

#[test]
fn the_table_is_a_map_with_times() {
    let seed = Random::seed_from_env("LVS_CONNECTIONS_SEED");
    println!("LVS_CONNECTIONS_SEED={seed}");
    for family in [FAMILY_V4, FAMILY_V6] {
        for (groups, keys) in [(2, 400), (16, 200), (64, 4000)] {
            run_against_map(&mut Random::new(seed), family, groups, keys);
        }
    }
}

fn run_against_map(random: &mut Random, family: u8, groups: u32, keys: u64) {
    let tables = tables(groups, 1, family);
    tables.config().expect("settings").seed.store(random.next());
    let mut model = Model(HashMap::new());
    for step in 0..20_000 {
        let config = tables.config().expect("settings");
        let now = tables.now();
        let number = random.below(keys);
        let key = key(number, family);
        let wanted = model.get(number, now);
        match random.below(10) {
            0..=3 if wanted.is_none() => {
                let server = random.below(SERVERS) as u32 + 1;
                let index = conn::remember(&tables, config, &new(key, server, now));
                if index == conn::NONE {
                    let dead = live(&tables).len() < tables.slot_count() as usize / 2;
                    assert!(!dead, "step {step}: refused although the table is not half full");
                    continue;
                }
                let expires = now.wrapping_add(random.below(400) as u32 + 1);
                tables.slot(index).expect("a slot").expires.store(expires);
                model.0.insert(number, (server, expires));
            }
            4 => {
                let index = conn::find_inbound(&tables, config, &key, now);
                assert_eq!(index != conn::NONE, wanted.is_some(), "step {step}");
                if index != conn::NONE {
                    assert!(conn::release(&tables, config, index));
                    assert!(!conn::release(&tables, config, index), "released twice");
                    model.0.remove(&number);
                }
            }
            5 if random.once_in(4) => tables.set_now(now + random.below(40) as u32),
            _ => check_found(&tables, &key, wanted, step),
        }
        if step % 1000 == 0 {
            check_books(&tables);
        }
    }
    for index in live(&tables) {
        assert!(conn::release(&tables, tables.config().expect("settings"), index));
    }
    check_books(&tables);
}

fn check_found(tables: &HostTables, key: &Key, wanted: Option<u32>, step: u32) {
    let (config, now) = (tables.config().expect("settings"), tables.now());
    let server_at = |index: u32| tables.slot(index).map(|slot| slot.server.load());
    let found = server_at(conn::find_inbound(tables, config, key, now));
    assert_eq!(found, wanted, "step {step}: by the request");
    if let Some(server) = wanted {
        let found = conn::find_outbound(tables, config, &reply(key, server), now);
        // Direct-routing replies name the service; NAT replies the server, which another service's connection may share.
        let is_right = server_at(found) == Some(server);
        assert!(is_right, "step {step}: by the reply, found {found}, server {server}");
    }
}

#[test]
fn a_full_table_refuses_and_counts() {
    let tables = tables(2, 1, FAMILY_V4);
    let config = tables.config().expect("settings");
    let mut made = 0;
    for number in 0..400 {
        let index = conn::remember(&tables, config, &new(key(number, FAMILY_V4), 1, tables.now()));
        made += u64::from(index != conn::NONE);
    }
    assert_eq!(made, u64::from(tables.slot_count()), "with two groups every home reaches every slot");
    assert_eq!(tables.counter(Counter::DroppedTableFull), 400 - made);
    assert_eq!(tables.counter(Counter::ConnectionMade), made);
    check_books(&tables);
    // Time makes room again, without a sweep.
    tables.pass_seconds(4);
    assert_ne!(conn::remember(&tables, config, &new(key(399, FAMILY_V4), 2, tables.now())), conn::NONE);
    assert_eq!(tables.counter(Counter::ConnectionReclaimed), 1);
    check_books(&tables);
}

#[test]
fn two_threads_keep_the_books() {
    const STEPS: u64 = 150_000;
    let seed = Random::seed_from_env("LVS_CONNECTIONS_SEED");
    println!("LVS_CONNECTIONS_SEED={seed}");
    let tables = tables(4, 2, FAMILY_V4);
    let wrong = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for processor in 0..2 {
            let (tables, wrong) = (&tables, &wrong);
            scope.spawn(move || {
                let mut random = Random::new(seed + processor as u64);
                let host = tables.on(processor);
                let config = tables.config().expect("settings");
                for _ in 0..STEPS {
                    let now = tables.now();
                    let key = key(random.below(60), FAMILY_V4);
                    let index = conn::find_inbound(&host, config, &key, now);
                    match random.below(4) {
                        0 | 1 if index == conn::NONE => {
                            let server = random.below(SERVERS) as u32 + 1;
                            conn::remember(&host, config, &new(key, server, now));
                        }
                        2 if index != conn::NONE => {
                            conn::release(&host, config, index);
                        }
                        _ if index != conn::NONE => {
                            let server = tables.slot(index).expect("a slot").server.load();
                            wrong.fetch_or(server == 0 || server > SERVERS as u32, Ordering::Relaxed);
                        }
                        _ => {}
                    }
                }
            });
        }
    });
    assert!(!wrong.load(Ordering::Relaxed), "a slot without a server was found");
    check_books(&tables);
    let mut seen = HashMap::new();
    for index in live(&tables) {
        let slot = tables.slot(index).expect("a slot");
        let identity = (slot.client_low.load(), slot.word.load() & lvs_core::table::WORD_IDENTITY);
        *seen.entry(identity).or_insert(0) += 1;
    }
    let twice = seen.values().filter(|count| **count > 1).count();
    println!("{} connections at the end, {twice} of them twice", seen.len());
    assert!(tables.counter(Counter::ConnectionMade) > 1000, "{:?}", tables.counters());
    println!("{:?}", tables.counters());
}
