//! The recorded sequences of the schedulers: the same commands and packets give the same servers.
use std::collections::HashMap;
use std::net::IpAddr;

use lvs_core::table::TCP;
use lvs_testbed::host::stage::{Outcome, Side, Stage, recorded, recordings};
use lvs_testbed::host::{Method, Scheduler, ServerSpec, packet};
use serde_json::Value;

const SERVICE: &str = "10.1.0.100:80";
const CLIENT: &str = "10.1.0.2";
const FIRST_CLIENT_PORT: u64 = 10_000;

#[test]
fn every_recorded_connection_goes_to_the_recorded_server() {
    let mut sequences = 0;
    for name in recordings("sched") {
        for line in recorded(&name) {
            let note = line["note"].as_str().expect("a note").to_owned();
            let mut sequence = Sequence::new(line["scheduler"].as_str().expect("a scheduler"));
            for (number, step) in line["steps"].as_array().expect("steps").iter().enumerate() {
                sequence.step(step, &format!("{name}: {note}, step {number}: {step}"));
            }
            sequences += 1;
        }
    }
    assert!(sequences >= 75, "only {sequences} sequences");
}

struct Sequence {
    stage: Stage,
    service: u32,
    connects: u64,
    /// Octet of the server that each connection got.
    picked: HashMap<u64, u8>,
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

impl Sequence {
    fn new(scheduler: &str) -> Self {
        let mut stage = Stage::new();
        let service: std::net::SocketAddr = SERVICE.parse().expect("an address");
        let scheduler = Scheduler::named(scheduler);
        let service =
            stage.cluster.add_service(&stage.tables, TCP, (service.ip(), service.port()), scheduler);
        Self { stage, service, connects: 0, picked: HashMap::new() }
    }

    fn step(&mut self, step: &Value, place: &str) {
        let (word, value) = step.as_object().expect("a step").iter().next().expect("a word");
        match word.as_str() {
            "add" => {
                let spec = spec(value);
                self.stage.cluster.add_server(&self.stage.tables, self.service, spec);
            }
            "edit" => {
                let server = self.server(number(&value[0]) as u8);
                self.stage.cluster.edit_server(&self.stage.tables, server, spec(value));
            }
            "delete" => {
                let server = self.server(number(value) as u8);
                self.stage.cluster.delete_server(&self.stage.tables, server);
            }
            "scheduler" => {
                let scheduler = Scheduler::named(value.as_str().expect("a name"));
                self.stage.cluster.set_scheduler(&self.stage.tables, self.service, scheduler);
            }
            "connect" => self.connect(number(value), &step["picked"], place),
            "packet" => self.packet(value, place),
            "wait" => self.stage.wait(number(value) as u32),
            "count" => self.count(value, place),
            _ => panic!("{place}: unknown step"),
        }
    }

    fn server(&self, octet: u8) -> u32 {
        let address = IpAddr::from([10, 2, 0, octet]);
        self.stage.cluster.find_server(self.service, address, 80).expect("a server of the list")
    }

    fn connect(&mut self, count: u64, picked: &Value, place: &str) {
        let mut found = Vec::new();
        for _ in 0..count {
            self.connects += 1;
            let client = format!("{CLIENT}:{}", FIRST_CLIENT_PORT + self.connects);
            match self.stage.receive(Side::Client, &packet::tcp(&client, SERVICE, "S").ip()) {
                Outcome::Sent(Side::Server, packet) => {
                    self.picked.insert(self.connects, packet[19]);
                    found.push(Value::from(packet[19]));
                }
                Outcome::Sent(Side::Client, packet) => {
                    assert_eq!(packet[20..22], [3, 3], "{place}: an error that is not port unreachable");
                    found.push(Value::Null);
                }
                other => panic!("{place}: {other:?}"),
            }
        }
        assert_eq!(&Value::from(found), picked, "{place}");
    }

    fn packet(&mut self, value: &Value, place: &str) {
        let (connection, from, flags) = (number(&value[0]), value[1].as_str(), value[2].as_str());
        let client = format!("{CLIENT}:{}", FIRST_CLIENT_PORT + connection);
        let Some(octet) = self.picked.get(&connection) else { return };
        let flags = flags.expect("flags");
        let outcome = if from == Some("client") {
            self.stage.receive(Side::Client, &packet::tcp(&client, SERVICE, flags).ip())
        } else {
            let server = format!("10.2.0.{octet}:80");
            self.stage.receive(Side::Server, &packet::tcp(&server, &client, flags).ip())
        };
        let is_gone =
            self.stage.cluster.find_server(self.service, IpAddr::from([10, 2, 0, *octet]), 80).is_none();
        assert!(is_gone || matches!(outcome, Outcome::Sent(..)), "{place}: {outcome:?}");
    }

    fn count(&self, value: &Value, place: &str) {
        for (octet, counts) in value.as_object().expect("counts") {
            let server = self.server(octet.parse().expect("an octet"));
            let (active, inactive) = self.stage.connections_of(server);
            let wanted = (number(&counts[0]) as u32, number(&counts[1]) as u32);
            assert_eq!((active, inactive), wanted, "{place}: server {octet}, active and inactive");
        }
    }
}

fn spec(value: &Value) -> ServerSpec {
    let words: Vec<u32> = value.as_array().expect("numbers").iter().map(|word| number(word) as u32).collect();
    let address = format!("10.2.0.{}", words[0]);
    let thresholds = (words.get(2).copied().unwrap_or(0), words.get(3).copied().unwrap_or(0));
    ServerSpec { thresholds, ..ServerSpec::new(Method::Masquerade, &address, 80).weight(words[1]) }
}
