use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::command::Command;
use crate::limits::MAX_SERVERS_PER_SERVICE;
use crate::refusal::{Refusal, RefusedCommand, errno};
use crate::server::ForwardingMethod;
use crate::service::{Protocol, Scheduler, ServiceRequest};

fn key(port: u16) -> ServiceKey {
    ServiceKey::new(Protocol::Tcp, [10, 1, 0, 100].into(), port)
}

fn server(number: u16) -> RealServer {
    let [high, low] = number.to_be_bytes();
    RealServer {
        address: [10, 2, high, low].into(),
        port: 80,
        method: ForwardingMethod::Masquerade,
        weight: 1,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

fn add_service(port: u16) -> Command {
    Command::AddService(ServiceRequest::new(key(port), Scheduler::Wlc))
}

fn add_server(port: u16, number: u16) -> Command {
    Command::AddServer { service: key(port), server: server(number) }
}

fn delete_server(port: u16, number: u16) -> Command {
    Command::DeleteServer { service: key(port), server: server(number).key() }
}

/// Applies commands that must succeed, and tells what they touched.
fn changes(model: &mut Model, commands: &[Command]) -> ChangeSet {
    let mut changes = ChangeSet::new();
    for command in commands {
        model.apply(command, &mut changes).unwrap();
    }
    changes
}

fn refusal(model: &mut Model, command: Command) -> Refusal {
    let (before, mut changes) = (model.clone(), ChangeSet::new());
    let refusal = model.apply(&command, &mut changes).unwrap_err();
    assert!(*model == before && changes.is_empty(), "{command:?} was refused but changed something");
    refusal
}

fn server_numbers(model: &Model, port: u16) -> Vec<u32> {
    model.find_service(&key(port)).unwrap().servers().map(|id| id.0).collect()
}

#[test]
fn the_newest_server_comes_first() {
    let mut model = Model::new();
    changes(&mut model, &[add_service(80), add_server(80, 2), add_server(80, 3), add_server(80, 4)]);
    assert_eq!(server_numbers(&model, 80), [3, 2, 1]);
    // A server that comes back is a new one in the list, but keeps its id.
    changes(&mut model, &[delete_server(80, 3), add_server(80, 3)]);
    assert_eq!(server_numbers(&model, 80), [2, 3, 1]);
}

#[test]
fn refusals_have_the_kernels_numbers() {
    let mut model = Model::new();
    changes(&mut model, &[add_service(80), add_server(80, 2)]);
    let mut errno = |command| refusal(&mut model, command).errno();
    let with = |change: fn(&mut RealServer)| {
        let mut server = server(9);
        change(&mut server);
        Command::AddServer { service: key(80), server }
    };
    assert_eq!(errno(add_service(80)), errno::EEXIST);
    assert_eq!(errno(Command::AddService(ServiceRequest::new(key(80), "nosuch"))), errno::EEXIST);
    assert_eq!(errno(Command::AddService(ServiceRequest::new(key(81), "nosuch"))), errno::ENOENT);
    assert_eq!(errno(Command::EditService(ServiceRequest::new(key(81), "nosuch"))), errno::ESRCH);
    assert_eq!(errno(Command::EditService(ServiceRequest::new(key(80), "nosuch"))), errno::ENOENT);
    assert_eq!(errno(Command::DeleteService(key(81))), errno::ESRCH);
    assert_eq!(errno(Command::Zero { service: Some(key(81)) }), errno::ESRCH);
    assert_eq!(errno(add_server(80, 2)), errno::EEXIST);
    assert_eq!(errno(add_server(81, 2)), errno::ESRCH);
    assert_eq!(errno(delete_server(80, 3)), errno::ENOENT);
    assert_eq!(errno(Command::EditServer { service: key(80), server: server(3) }), errno::ENOENT);
    assert_eq!(errno(with(|server| server.weight = 1 << 31)), errno::ERANGE);
    assert_eq!(errno(with(|server| server.lower_threshold = 1)), errno::ERANGE);
    assert_eq!(errno(with(|server| server.upper_threshold = 1 << 31)), errno::EINVAL);
    assert_eq!(errno(with(|server| server.address = [0, 0, 0, 0].into())), errno::EINVAL);
    assert_eq!(errno(with(|server| server.address = [224, 0, 0, 1].into())), errno::EINVAL);
    assert_eq!(errno(with(|server| server.address = [255, 255, 255, 255].into())), errno::EINVAL);
    assert_eq!(errno(with(|server| server.address = "2001:db8::1".parse().unwrap())), errno::EINVAL);
    assert_eq!(errno(Command::SetTimeouts { tcp_s: 8_589_935, tcp_fin_s: 0, udp_s: 0 }), errno::EINVAL);
    changes(&mut model, &[with(|server| server.address = [240, 0, 0, 1].into())]);
}

#[test]
fn a_tunnel_leads_to_the_other_family_if_the_address_is_one_hosts() {
    let mut model = Model::new();
    changes(&mut model, &[add_service(80)]);
    let method = ForwardingMethod::Tunnel(crate::TunnelKind::Ipip);
    let to = |address: &str| {
        let server = RealServer { address: address.parse().unwrap(), method, ..server(1) };
        Command::AddServer { service: key(80), server }
    };
    changes(&mut model, &[to("2001:db8::1")]);
    for address in ["fe80::1", "ff02::1", "::"] {
        assert_eq!(refusal(&mut model, to(address)).errno(), errno::EINVAL, "{address}");
    }
}

#[test]
fn a_batch_is_applied_whole_or_not_at_all() {
    let mut model = Model::new();
    let (before, mut touched) = (model.clone(), ChangeSet::new());
    let batch = [add_service(80), add_server(80, 2), add_server(80, 2), add_service(81)];
    let refused = model.apply_all(&batch, &mut touched).unwrap_err();
    assert_eq!(refused, RefusedCommand { index: 2, refusal: Refusal::ServerExists(server(2).key()) });
    assert!(model == before && touched.is_empty());
    model.apply_all(&batch[..2], &mut touched).unwrap();
    assert_eq!(touched.servers.len(), 1);
}

#[test]
fn a_server_is_revived_with_its_id() {
    let mut model = Model::new();
    let first = changes(&mut model, &[add_service(80), add_server(80, 2)]);
    assert!(first.servers[&ServerId(1)].fresh && first.services[&ServiceId(0)].fresh);
    changes(&mut model, &[delete_server(80, 2), add_server(80, 3)]);
    assert!(model.server(ServerId(1)).unwrap().is_trashed);
    assert_eq!(server_numbers(&model, 80), [2]);

    // By the same service: statistics go on.
    let change = changes(&mut model, &[add_server(80, 2)]).servers[&ServerId(1)];
    assert!(change.revived && !change.fresh && !change.zero_statistics);

    // By a service created again: statistics begin at zero, connection counters do not.
    let flushed = changes(&mut model, &[Command::Flush]);
    assert_eq!(flushed.services[&ServiceId(0)].key_before, Some(key(80)));
    let again = changes(&mut model, &[add_service(80), add_server(80, 2)]);
    assert_eq!(again.services[&ServiceId(0)].key_before, None);
    assert!(again.services[&ServiceId(0)].zero_statistics);
    let change = again.servers[&ServerId(1)];
    assert!(change.revived && !change.fresh && change.zero_statistics);
}

#[test]
fn ids_wait_for_the_trash() {
    let mut model = Model::new();
    changes(&mut model, &[add_service(80), add_server(80, 2), Command::DeleteService(key(80))]);
    // 80's id waits for its server; a service without trash gives its id back at once.
    changes(&mut model, &[add_service(81), Command::DeleteService(key(81)), add_service(82)]);
    assert_eq!(model.find_service(&key(82)).unwrap().id, ServiceId(1));
    let mut touched = ChangeSet::new();
    model.collect(&[ServerId(1), ServerId(7), ServerId::NONE], &mut touched);
    assert!(touched.services.contains_key(&ServiceId(0)) && touched.servers.contains_key(&ServerId(1)));
    changes(&mut model, &[add_service(83), add_server(83, 2)]);
    assert_eq!(model.find_service(&key(83)).unwrap().id, ServiceId(0));
    assert_eq!(model.server(ServerId(1)).unwrap().service_key, key(83));
    // A live server is not forgotten.
    model.collect(&[ServerId(1)], &mut touched);
    assert!(model.server(ServerId(1)).is_some());
}

#[test]
fn an_id_taken_by_another_key_tells_the_old_one() {
    let mut model = Model::new();
    changes(&mut model, &[add_service(80)]);
    let touched = changes(&mut model, &[Command::DeleteService(key(80)), add_service(81)]);
    let change = touched.services[&ServiceId(0)];
    assert!(change.key_before == Some(key(80)) && change.fresh);
}

#[test]
fn edits_tell_what_schedulers_must_know() {
    let mut model = Model::new();
    changes(&mut model, &[add_service(80), add_server(80, 2)]);
    let same = Command::EditService(ServiceRequest::new(key(80), Scheduler::Wlc));
    assert!(!changes(&mut model, &[same]).services[&ServiceId(0)].scheduler);
    let other = Command::EditService(ServiceRequest::new(key(80), Scheduler::Rr));
    assert!(changes(&mut model, &[other]).services[&ServiceId(0)].scheduler);
    let heavier = RealServer { weight: 9, ..server(2) };
    let touched = changes(&mut model, &[Command::EditServer { service: key(80), server: heavier }]);
    assert!(touched.services[&ServiceId(0)].servers && !touched.servers[&ServerId(1)].fresh);
    assert_eq!(model.find_server(&key(80), &heavier.key()).unwrap().server, heavier);
}

#[test]
fn zeroing_and_timeouts_are_reported() {
    let mut model = Model::new();
    changes(&mut model, &[add_service(80), add_server(80, 2), add_service(81)]);
    let one = changes(&mut model, &[Command::Zero { service: Some(key(80)) }]);
    assert!(one.services[&ServiceId(0)].zero_statistics && one.servers[&ServerId(1)].zero_statistics);
    assert!(one.services.len() == 1 && !one.zero_total);
    let all = changes(&mut model, &[Command::Zero { service: None }]);
    assert!(all.zero_total && all.services.len() == 2 && all.servers.len() == 1);
    assert!(changes(&mut model, &[Command::SetTimeouts { tcp_s: 0, tcp_fin_s: 0, udp_s: 0 }]).is_empty());
    assert!(changes(&mut model, &[Command::SetTimeouts { tcp_s: 0, tcp_fin_s: 9, udp_s: 0 }]).timeouts);
    assert_eq!(model.timeouts(), Timeouts { tcp_s: 900, tcp_fin_s: 9, udp_s: 300 });
}

#[test]
fn everything_names_every_record() {
    let mut model = Model::new();
    changes(&mut model, &[add_service(80), add_server(80, 2), add_server(80, 3), delete_server(80, 2)]);
    let all = model.everything();
    assert!(all.timeouts && all.services.len() == 1 && all.servers.len() == 2);
}

#[test]
fn limits_hold() {
    let mut model = Model::new();
    changes(&mut model, &[add_service(80)]);
    for number in 0..MAX_SERVERS_PER_SERVICE as u16 {
        changes(&mut model, &[add_server(80, number + 1)]);
    }
    assert_eq!(refusal(&mut model, add_server(80, 5000)), Refusal::ServiceFull(key(80)));
    for port in 1..MAX_SERVICES as u16 {
        changes(&mut model, &[add_service(1000 + port)]);
    }
    assert_eq!(refusal(&mut model, add_service(9999)), Refusal::ServicesFull);
    assert_eq!(Refusal::ServicesFull.errno(), errno::ENOSPC);
}

/// Filling every place and editing 10,000 times takes a fraction of a second even in a debug build: nothing here is
/// slower than the number of commands.
#[test]
fn a_full_model_takes_batches() {
    let mut model = Model::new();
    let mut commands = Vec::new();
    let service_count = ((MAX_SERVERS - 1) / 63) as u16;
    for service in 0..service_count {
        commands.push(add_service(service + 1));
        commands.extend((0..63u16).map(|number| add_server(service + 1, number + 1)));
    }
    model.apply_all(&commands, &mut ChangeSet::new()).unwrap();
    assert_eq!(model.servers().count(), usize::from(service_count) * 63);
    let edits: Vec<Command> = (0..10_000u16)
        .map(|number| Command::EditServer {
            service: key(number % service_count + 1),
            server: RealServer { weight: 5, ..server(number % 63 + 1) },
        })
        .collect();
    model.apply_all(&edits, &mut ChangeSet::new()).unwrap();

    // The last places, then no more: the trash counts until it is collected.
    changes(&mut model, &[add_service(9999)]);
    for number in 0..(MAX_SERVERS - 1) as u16 % 63 {
        changes(&mut model, &[add_server(9999, number + 1)]);
    }
    assert_eq!(refusal(&mut model, add_server(9999, 1000)), Refusal::ServersFull);
    changes(&mut model, &[delete_server(1, 1)]);
    assert_eq!(refusal(&mut model, add_server(9999, 1000)), Refusal::ServersFull);
    let trashed: Vec<ServerId> = model.trash().map(|entry| entry.id).collect();
    model.collect(&trashed, &mut ChangeSet::new());
    changes(&mut model, &[add_server(9999, 1000)]);
}

#[derive(Clone, Debug)]
enum Step {
    Apply(Command),
    Collect(Vec<u32>),
}

fn step() -> impl Strategy<Value = Step> {
    let (port, number) = (1u16..5, 1u16..6);
    prop_oneof![
        3 => port.clone().prop_map(|port| Step::Apply(add_service(port))),
        2 => port.clone().prop_map(|port| Step::Apply(Command::DeleteService(key(port)))),
        8 => (port.clone(), number.clone()).prop_map(|(port, number)| Step::Apply(add_server(port, number))),
        5 => (port.clone(), number).prop_map(|(port, number)| Step::Apply(delete_server(port, number))),
        1 => Just(Step::Apply(Command::Flush)),
        1 => port.prop_map(|port| Step::Apply(Command::Zero { service: Some(key(port)) })),
        2 => proptest::collection::vec(0u32..12, 0..4).prop_map(Step::Collect),
    ]
}

fn check_invariants(model: &Model) {
    let mut listed = HashSet::new();
    for entry in model.services() {
        assert_eq!(model.find_service(&entry.service.key).unwrap().id, entry.id);
        for id in entry.servers() {
            let server = model.server(id).unwrap();
            assert!(!server.is_trashed && server.service == entry.id && listed.insert(id));
        }
    }
    let mut identities = HashSet::new();
    for server in model.servers() {
        assert!(server.id != ServerId::NONE && identities.insert((server.service_key, server.server.key())));
        assert_eq!(server.is_trashed, !listed.contains(&server.id));
        assert_eq!(model.service_ids[&server.service_key], server.service);
    }
    for (index, slot) in model.services.iter().enumerate() {
        let trashed = model.trash().filter(|server| server.service.index() == index).count() as u32;
        match slot {
            ServiceSlot::Free => assert_eq!(trashed, 0),
            ServiceSlot::Live(entry) => assert_eq!(entry.trashed_count, trashed),
            ServiceSlot::Retired { trashed_count, .. } => {
                assert!(trashed > 0 && *trashed_count == trashed);
            }
        }
    }
}

proptest! {
    /// After any steps: the invariants hold; a mirror kept from change sets alone equals the model; the saved text
    /// gives the same model, which goes on in the same way.
    #[test]
    fn any_history_keeps_the_model_sound(steps in proptest::collection::vec(step(), 0..60)) {
        let mut model = Model::new();
        let mut mirror: HashMap<ServerId, ServerEntry> = HashMap::new();
        let mut lookup: HashMap<ServiceKey, ServiceId> = HashMap::new();
        for step in steps {
            let mut reloaded = crate::save::from_json(&crate::save::to_json(&model)).unwrap();
            let mut touched = ChangeSet::new();
            match step {
                Step::Apply(command) => {
                    let result = model.apply(&command, &mut touched);
                    prop_assert_eq!(result, reloaded.apply(&command, &mut ChangeSet::new()));
                }
                Step::Collect(ids) => {
                    let ids: Vec<ServerId> = ids.into_iter().map(ServerId).collect();
                    model.collect(&ids, &mut touched);
                    reloaded.collect(&ids, &mut ChangeSet::new());
                }
            }
            prop_assert!(reloaded == model);
            for id in touched.servers.keys() {
                mirror.remove(id);
                mirror.extend(model.server(*id).map(|entry| (*id, entry.clone())));
            }
            for (id, change) in &touched.services {
                if let Some(key) = change.key_before {
                    prop_assert_eq!(lookup.remove(&key), Some(*id));
                }
                lookup.extend(model.service(*id).map(|entry| (entry.service.key, *id)));
            }
            check_invariants(&model);
            prop_assert_eq!(mirror.len(), model.servers().count());
            prop_assert!(model.servers().all(|entry| mirror.get(&entry.id) == Some(entry)));
            prop_assert_eq!(lookup.len(), model.services().count());
        }
    }
}
