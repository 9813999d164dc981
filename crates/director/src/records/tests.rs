//! Random commands: after every batch the tables say what the model says, seen the way packets see them. And the
//! schedulers' memory over changes, against the sequences measured on the kernel (spec 4.1, 4.2).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use lvs_core::conn;
use lvs_core::sched;
use lvs_core::table::{ENDPOINT_REAL, ENDPOINT_VIRTUAL};
use lvs_model::{Command, Protocol, RealServer, ServerKey, ServiceRequest, TunnelKind};
use proptest::prelude::*;

use super::*;
use crate::connections::Sweep;
use crate::host_tables::HostTables;

const NO_SOURCE: SourceOf<'static> = &|_| None;

struct Fixture {
    tables: HostTables,
    model: Model,
    writer: Writer,
}

impl Fixture {
    fn new() -> Self {
        let tables = HostTables::new();
        let model = Model::new();
        let writer = Writer::adopt(&tables, &model, &HashSet::new(), NO_SOURCE);
        Self { tables, model, writer }
    }

    /// As the director applies a batch of one.
    fn apply(&mut self, command: &Command) -> bool {
        let mut changes = ChangeSet::new();
        let accepted = self.model.apply(command, &mut changes).is_ok();
        if accepted {
            self.writer.follow(&self.tables, &self.model, &changes);
            self.writer.write(&self.tables, &self.model, &changes, NO_SOURCE);
        }
        accepted
    }

    fn collect(&mut self) {
        let mut changes = ChangeSet::new();
        let trash: Vec<ServerId> = self.model.trash().map(|entry| entry.id).collect();
        self.model.collect(&trash, &mut changes);
        self.writer.write(&self.tables, &self.model, &changes, NO_SOURCE);
    }

    /// As a daemon that was started again.
    fn restart(&mut self) {
        self.writer = Writer::adopt(&self.tables, &self.model, &HashSet::new(), NO_SOURCE);
    }

    fn check(&self) {
        let mut runs = BTreeSet::new();
        for index in 1..SERVICES_MAX {
            let record = self.tables.service(index).unwrap();
            let Some(entry) = self.model.service(ServiceId(index - 1)) else {
                assert_eq!((record.flags.load(), record.members.load()), (0, 0));
                continue;
            };
            assert_eq!(record.flags.load(), SERVICE_ACTIVE);
            assert_eq!(record.scheduler.load(), scheduler(entry.service.scheduler));
            let ids: Vec<u32> = entry.servers().map(|id| id.0).collect();
            assert_eq!(listed(&self.tables, record), ids);
            let first = (record.members.load() >> 32) as u32;
            for cell in first..first + ids.len() as u32 {
                assert!(runs.insert(cell), "two lists share a cell");
            }
        }
        for index in 1..SERVERS_MAX {
            let record = self.tables.server(index).unwrap();
            let entry = self.model.server(ServerId(index)).filter(|entry| !entry.is_trashed);
            assert_eq!(record.flags.load() & SERVER_AVAILABLE != 0, entry.is_some());
            if let Some(entry) = entry {
                assert_eq!(record.weight.load(), entry.server.weight);
                assert_eq!(record.service.load(), service_index(entry.service));
            }
        }
        assert_eq!(self.found(), self.wanted());
        assert_eq!(self.writer.endpoints.values().collect::<BTreeMap<_, _>>(), self.wanted());
    }

    /// Every endpoint that packets can find.
    fn found(&self) -> BTreeMap<EndpointKey, u32> {
        let config = self.tables.config().unwrap();
        let keys = (0..2 * lvs_core::table::ENDPOINTS_MAX).map(|place| {
            let entry = self.tables.endpoint(place).unwrap();
            (Address { high: entry.high.load(), low: entry.low.load() }, entry.word.load())
        });
        let found = keys.map(|key| (key, endpoint::find(&self.tables, config, key.0, key.1)));
        found.filter(|(_, value)| *value != endpoint::NONE).collect()
    }

    /// Every endpoint that the model means; of a server that was NAT once, it stays until it is forgotten.
    fn wanted(&self) -> BTreeMap<EndpointKey, u32> {
        let mut wanted = BTreeMap::new();
        for entry in self.model.services() {
            wanted.insert(service_endpoint(&entry.service.key), ENDPOINT_VIRTUAL | service_index(entry.id));
        }
        for entry in self.model.trash() {
            wanted.insert(
                service_endpoint(&entry.service_key),
                ENDPOINT_VIRTUAL | service_index(entry.service),
            );
        }
        for entry in self.model.servers() {
            if self.writer.servers.contains_key(&entry.id) {
                *wanted.entry(server_endpoint(entry)).or_default() |= ENDPOINT_REAL;
            }
            if entry.server.method == ForwardingMethod::Masquerade {
                assert!(self.writer.servers.contains_key(&entry.id));
            }
        }
        wanted
    }
}

fn key(number: u8) -> ServiceKey {
    ServiceKey::new(Protocol::Tcp, Ipv4Addr::new(10, 1, 0, number).into(), 80)
}

fn real(number: u8, port: u16, method: ForwardingMethod, weight: u32) -> RealServer {
    let address = Ipv4Addr::new(10, 1, 0, number).into();
    RealServer { address, port, method, weight, upper_threshold: 0, lower_threshold: 0 }
}

#[derive(Clone, Debug)]
enum Step {
    Command(Command),
    Collect,
    Restart,
}

/// Services and servers share addresses, so that an endpoint may be both.
fn step() -> impl Strategy<Value = Step> {
    let methods = prop_oneof![
        Just(ForwardingMethod::Masquerade),
        Just(ForwardingMethod::DirectRoute),
        Just(ForwardingMethod::Tunnel(TunnelKind::Ipip))
    ];
    let server =
        (1..6u8, prop_oneof![Just(0), Just(80)], methods, 0..4u32).prop_map(|(n, p, m, w)| real(n, p, m, w));
    let request = (1..4u8, prop_oneof![Just("rr"), Just("wrr"), Just("wlc"), Just("none")])
        .prop_map(|(number, name)| ServiceRequest::new(key(number), name));
    let service = (1..4u8).prop_map(key);
    let command = prop_oneof![
        3 => request.clone().prop_map(Command::AddService),
        1 => request.prop_map(Command::EditService),
        1 => service.clone().prop_map(Command::DeleteService),
        6 => (service.clone(), server.clone()).prop_map(|(service, server)| Command::AddServer { service, server }),
        2 => (service.clone(), server.clone()).prop_map(|(service, server)| Command::EditServer { service, server }),
        3 => (service, server).prop_map(|(service, server)| Command::DeleteServer { service, server: server.key() }),
    ];
    prop_oneof![20 => command.prop_map(Step::Command), 1 => Just(Step::Collect), 1 => Just(Step::Restart)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_tables_say_what_the_model_says(steps in proptest::collection::vec(step(), 1..60)) {
        let mut fixture = Fixture::new();
        for step in steps {
            match step {
                Step::Command(command) => drop(fixture.apply(&command)),
                Step::Collect => fixture.collect(),
                Step::Restart => fixture.restart(),
            }
        }
        fixture.check();
    }
}

fn service_with(scheduler: &str, weights: &[(u8, u32)]) -> Fixture {
    let mut fixture = Fixture::new();
    assert!(fixture.apply(&Command::AddService(ServiceRequest::new(key(100), scheduler))));
    for (number, weight) in weights {
        fixture.add(*number, *weight);
    }
    fixture
}

impl Fixture {
    fn add(&mut self, number: u8, weight: u32) {
        let server = real(number, 80, ForwardingMethod::DirectRoute, weight);
        assert!(self.apply(&Command::AddServer { service: key(100), server }));
    }

    fn edit(&mut self, number: u8, weight: u32) {
        let server = real(number, 80, ForwardingMethod::DirectRoute, weight);
        assert!(self.apply(&Command::EditServer { service: key(100), server }));
    }

    fn delete(&mut self, number: u8) {
        let server = ServerKey::new(Ipv4Addr::new(10, 1, 0, number).into(), 80);
        assert!(self.apply(&Command::DeleteServer { service: key(100), server }));
    }

    /// The last bytes of the addresses chosen next.
    fn picks(&self, count: usize) -> Vec<u64> {
        let record = self.tables.service(1).unwrap();
        let address = |server| self.tables.server(server).unwrap().low.load() & 0xFF;
        (0..count).map(|_| address(sched::pick(&self.tables, record))).collect()
    }
}

#[test]
fn rr_goes_on_over_changes_of_the_list() {
    let mut fixture = service_with("rr", &[(2, 1), (3, 1), (4, 1)]);
    assert_eq!(fixture.picks(2), [4, 3]);
    fixture.delete(3);
    assert_eq!(fixture.picks(4), [2, 4, 2, 4]);
    fixture.add(3, 1);
    assert_eq!(fixture.picks(5), [2, 3, 4, 2, 3]);
}

#[test]
fn rr_goes_on_over_a_restart() {
    let mut fixture = service_with("rr", &[(2, 1), (3, 1), (4, 1)]);
    assert_eq!(fixture.picks(2), [4, 3]);
    fixture.restart();
    assert_eq!(fixture.picks(2), [2, 4]);
}

#[test]
fn wrr_plans_again_after_every_change() {
    let mut fixture = service_with("wrr", &[(2, 1), (3, 2)]);
    assert_eq!(fixture.picks(4), [3, 2, 3, 3]);
    fixture.add(4, 4);
    assert_eq!(fixture.picks(10), [4, 3, 2, 4, 4, 4, 3, 4, 3, 2]);
    fixture.edit(4, 0);
    assert_eq!(fixture.picks(6), [3, 2, 3, 3, 2, 3]);
}

#[test]
fn wrr_in_one_batch_is_as_one_by_one() {
    let mut fixture = Fixture::new();
    let mut changes = ChangeSet::new();
    let mut commands = vec![Command::AddService(ServiceRequest::new(key(100), "wrr"))];
    for (number, weight) in [(2, 4), (3, 3), (4, 2)] {
        let server = real(number, 80, ForwardingMethod::DirectRoute, weight);
        commands.push(Command::AddServer { service: key(100), server });
    }
    for command in &commands {
        let mut touched = ChangeSet::new();
        fixture.model.apply(command, &mut touched).unwrap();
        fixture.writer.follow(&fixture.tables, &fixture.model, &touched);
        changes.merge(touched);
    }
    fixture.writer.write(&fixture.tables, &fixture.model, &changes, NO_SOURCE);
    assert_eq!(fixture.picks(9), service_with("wrr", &[(2, 4), (3, 3), (4, 2)]).picks(9));
}

#[test]
fn thresholds_and_the_overload_flag() {
    let mut fixture = service_with("rr", &[(2, 1)]);
    let record = |fixture: &Fixture| fixture.tables.server(1).unwrap().overloaded.load();
    let set = |fixture: &mut Fixture, upper: u32, lower: u32| {
        let mut server = real(2, 80, ForwardingMethod::DirectRoute, 1);
        (server.upper_threshold, server.lower_threshold) = (upper, lower);
        assert!(fixture.apply(&Command::EditServer { service: key(100), server }));
    };
    fixture.tables.server(1).unwrap().total.store(4);
    set(&mut fixture, 4, 0);
    assert_eq!(record(&fixture), 1);
    set(&mut fixture, 5, 0);
    assert_eq!(record(&fixture), 1, "4 is not below 5 - 5/4");
    set(&mut fixture, 6, 0);
    assert_eq!(record(&fixture), 0, "4 is below 6 - 6/4");
    set(&mut fixture, 4, 1);
    assert_eq!(record(&fixture), 1);
    set(&mut fixture, 0, 0);
    assert_eq!(record(&fixture), 0);
}

#[test]
fn a_sweep_frees_what_expired_and_counts_the_rest() {
    let fixture = service_with("rr", &[(2, 1)]);
    let config = fixture.tables.config().unwrap();
    for client in 0..10u32 {
        let word = ports_word(1000 + client as u16, 80, 0, 6, 4);
        let key = conn::Key { client: Address::v4(1), virtual_address: Address::v4(2), word };
        let new = conn::New { key, server: 1, server_port: 80, method: 3, now: fixture.tables.now() };
        let slot = conn::remember(&fixture.tables, config, &new);
        let expires = fixture.tables.now.get() + if client < 4 { 5_000 } else { 1 };
        fixture.tables.slot(slot).unwrap().expires.store(expires);
    }
    assert_eq!(fixture.tables.server(1).unwrap().total.load(), 10);
    fixture.tables.now.set(fixture.tables.now.get() + 100);
    let mut sweep = Sweep::default();
    let live = loop {
        if let Some(live) = sweep.slice(&fixture.tables, HostTables::SLOTS / 3) {
            break live;
        }
    };
    assert_eq!((live, fixture.tables.server(1).unwrap().total.load()), (4, 4));
}
