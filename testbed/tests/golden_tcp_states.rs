//! The recorded state tables cell by cell, and walks of connections with their counters and times.
use std::net::SocketAddr;

use lvs_core::{
    conn::{self, tcp},
    table::{FLAG_SECURE_TCP, TCP, Tables, UDP, seconds_of_ticks},
};
use lvs_testbed::host::packet::{self, Packet};
use lvs_testbed::host::stage::{Outcome, Side, Stage, recorded};
use lvs_testbed::host::{Method, Scheduler, ServerSpec};
use serde_json::Value;

/// Seconds by which the recordings' clock may be late: they took time to be read.
const LATE_SECONDS: u32 = 1;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn number(value: &Value) -> u32 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number")) as u32
}

/// One service with one server, and one client.
struct Walk {
    stage: Stage,
    client: SocketAddr,
    service: SocketAddr,
    server: SocketAddr,
    /// Its index.
    index: u32,
    protocol: u8,
}

impl Walk {
    fn new(method: &str, family: u32, protocol: &str) -> Self {
        let (client, service, server) = if family == 4 {
            ("10.1.0.2:4000", "10.1.0.100:80", "10.2.0.2")
        } else {
            ("[2001:db8:1::2]:4000", "[2001:db8:1::100]:80", "2001:db8:2::2")
        };
        let (method, port) = match method {
            "-m" => (Method::Masquerade, 8000),
            "-g" => (Method::DirectRoute, 80),
            "-i" => (Method::Tunnel, 80),
            _ => panic!("no method {method}"),
        };
        let protocol = if protocol == "tcp" { TCP } else { UDP };
        let service: SocketAddr = service.parse().expect("an address");
        let mut stage = Stage::new();
        let key = (service.ip(), service.port());
        let number = stage.cluster.add_service(&stage.tables, protocol, key, Scheduler::Rr);
        let index = stage.cluster.add_server(&stage.tables, number, ServerSpec::new(method, server, port));
        let client = client.parse().expect("an address");
        let server = SocketAddr::new(server.parse().expect("an address"), port);
        Self { stage, client, service, server, index, protocol }
    }

    fn is_masquerade(&self) -> bool {
        self.server.port() == 8000
    }

    fn between(&self, from: SocketAddr, to: SocketAddr, flags: &str) -> Packet {
        if self.protocol == TCP {
            packet::tcp_between(from, to, packet::tcp_flags(flags))
        } else {
            packet::udp_between(from, to, b"question")
        }
    }

    fn by_client(&self, flags: &str, place: &str) {
        let packet = self.between(self.client, self.service, flags).ip();
        let outcome = self.stage.receive(Side::Client, &packet);
        assert!(matches!(outcome, Outcome::Sent(Side::Server, _)), "{place}: {outcome:?}");
    }

    fn by_server(&self, flags: &str, place: &str) {
        let from = if self.is_masquerade() { self.server } else { self.service };
        let outcome = self.stage.receive(Side::Server, &self.between(from, self.client, flags).ip());
        assert!(!matches!(outcome, Outcome::Dropped), "{place}: {outcome:?}");
    }

    fn state(&self) -> (&'static str, u32) {
        let slots = self.stage.live_slots();
        assert_eq!(slots.len(), 1, "one connection");
        let slot = self.stage.tables.slot(slots[0]).expect("a slot");
        let left = slot.expires.load().wrapping_sub(self.stage.tables.now());
        let state = conn::state(slot.control.load()) as usize;
        (if self.protocol == TCP { tcp::NAMES[state] } else { "UDP" }, seconds_of_ticks(left))
    }

    /// Puts the connection into a state, its server's counters with it.
    fn force(&self, state: u32, is_input_only: bool) {
        let slot = self.stage.tables.slot(self.stage.live_slots()[0]).expect("a slot");
        let flags = if is_input_only { conn::NO_OUTPUT } else { 0 };
        let kept = slot.control.load() & !(conn::STATE | conn::NO_OUTPUT);
        slot.control.store(kept | state << conn::STATE_SHIFT | flags);
        let server = self.stage.tables.server(self.index).expect("a server");
        server.active.store(u32::from(conn::is_active(self.protocol, state)));
    }
}

fn is_close(found: u32, recorded: u32) -> bool {
    found >= recorded && found <= recorded + LATE_SECONDS
}

#[test]
fn every_cell_of_the_tables_is_as_recorded() {
    let mut cells = 0;
    for file in ["tcp-states/tables.jsonl", "tcp-states/later-secure.jsonl"] {
        for line in recorded(file).iter().filter(|line| line.get("table").is_some()) {
            cells += check_row(line);
        }
    }
    assert_eq!(cells, 2 * 3 * 5 * tcp::STATES);
}

fn check_row(line: &Value) -> usize {
    let (table, column, event) = (text(&line["table"]), text(&line["column"]), text(&line["event"]));
    let flags = match event {
        "SYN" => "S",
        "FIN" => "F",
        "ACK" => "A",
        "RST" => "R",
        _ => "P",
    };
    let walk = Walk::new("-m", 4, "tcp");
    let config = walk.stage.tables.config().expect("settings");
    // A cell is a packet on a connection, not a new connection in its place.
    config.reuse_mode.store(0);
    config.flags.store(if table == "secure" { FLAG_SECURE_TCP } else { 0 });
    walk.by_client("S", "first packet");
    let cells = line["to"].as_object().expect("states");
    for (from, to) in cells {
        let place = format!("{table} {column} {event}: {from}");
        let state = tcp::NAMES.iter().position(|name| name == from).expect("a state") as u32;
        walk.force(state, column == "INPUT-ONLY");
        if column == "OUTPUT" {
            walk.by_server(flags, &place)
        } else {
            walk.by_client(flags, &place)
        }
        let (found, seconds) = walk.state();
        assert_eq!(found, text(to), "{place}");
        let expires = number(&line["expires"][from.as_str()]);
        assert!(is_close(seconds, expires), "{place}: {seconds} s left, recorded {expires}");
        let new_state = tcp::NAMES.iter().position(|name| *name == found).expect("a state") as u32;
        let active = u32::from(conn::is_active(TCP, new_state));
        assert_eq!(
            walk.stage.connections_of(walk.index),
            (active, 1 - active),
            "{place}: active and inactive"
        );
    }
    cells.len()
}

#[test]
fn names_timeouts_and_active_states_are_as_recorded() {
    let lines = recorded("tcp-states/tables.jsonl");
    let find = |word: &str| lines.iter().find_map(|line| line.get(word)).expect("a line");
    let names: Vec<&str> = find("states").as_array().expect("names").iter().map(text).collect();
    assert_eq!(names, tcp::NAMES);
    let timeouts = find("timeouts");
    for (name, seconds) in tcp::NAMES.iter().zip(tcp::TIMEOUTS_S) {
        assert_eq!(number(&timeouts[*name]), seconds, "{name}");
    }
    let active: Vec<&str> = find("active").as_array().expect("names").iter().map(text).collect();
    let ours =
        (0..tcp::STATES).filter(|state| conn::is_active(TCP, *state as u32)).map(|state| tcp::NAMES[state]);
    let mut ours: Vec<&str> = ours.collect();
    let mut active = active;
    ours.sort_unstable();
    active.sort_unstable();
    assert_eq!(ours, active);
}

#[test]
fn every_recorded_walk_goes_the_same_way() {
    let walks = recorded("tcp-states/walks.jsonl");
    assert!(walks.len() >= 40, "only {} walks", walks.len());
    for line in walks {
        let walk = Walk::new(text(&line["method"]), number(&line["family"]), text(&line["protocol"]));
        for step in line["steps"].as_array().expect("steps") {
            follow(&walk, step, &format!("{}: {step}", text(&line["note"])));
        }
    }
}

fn follow(walk: &Walk, step: &Value, place: &str) {
    let (who, what) = text(&step["step"]).split_once(':').expect("who:what");
    match who {
        "client" => walk.by_client(what, place),
        "server" => walk.by_server(what, place),
        "wait" => walk.stage.wait(what.parse().expect("seconds")),
        "set" => {
            let seconds: Vec<u32> = what.split(' ').map(|word| word.parse().expect("seconds")).collect();
            walk.stage.set_timeouts([seconds[0], seconds[1], seconds[2]]);
        }
        _ => panic!("{place}: unknown step"),
    }
    let (state, seconds) = walk.state();
    assert_eq!(state, text(&step["state"]), "{place}");
    let expires = number(&step["expires"]);
    // After a wait the recordings and we may each be up to a second late.
    let is_right =
        if who == "wait" { seconds.abs_diff(expires) <= LATE_SECONDS } else { is_close(seconds, expires) };
    assert!(is_right, "{place}: {seconds} s left");
    let wanted = (number(&step["active"]), number(&step["inactive"]));
    assert_eq!(walk.stage.connections_of(walk.index), wanted, "{place}: active and inactive");
}
