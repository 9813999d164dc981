//! Bench 1: nanoseconds of one packet above a bare `XDP_TX`, by `BPF_PROG_TEST_RUN`.
//!
//! Baseline and program take turns within a round; a round whose baseline is more than [`DISTURBED`] times the best one is
//! dropped, the host was busy then; what is told is the median of the rest. Every measurement checks by the data plane's
//! own counters that all of its packets went the way that is measured.

use aya::programs::Xdp;
use lvs_core::counter::Counter;
use lvs_core::table::{FAMILY_V4, METHOD_DIRECT_ROUTE, METHOD_MASQUERADE, METHOD_TUNNEL, TCP};
use lvs_dataplane::MappedTables;
use serde::Serialize;

use crate::machine;
use crate::namespace::{Namespace, set};
use crate::plane::Plane;
use crate::pump::{BARE, BARE_FRONT, Pump, Setup, UNDER_TEST, fd_of};
use crate::scene::{Kind, Scene, clear};

/// Connections of the largest case, and what the table is made for.
pub(crate) const CONNECTIONS_MAX: u32 = 1 << 20;
/// Packets of one timed run.
const PACKETS: u32 = 200_000;
/// Packets of one timed run that makes connections; far fewer than there is room for.
const NEW_PACKETS: u32 = 100_000;
/// A baseline so much above the best one tells of a busy host.
const DISTURBED: f64 = 1.2;
/// Most packets that a run is warmed up with.
const WARM_UP_MAX: u32 = 1 << 16;
/// `XDP_PASS` and `XDP_REDIRECT`.
const PASS: u32 = 2;
const REDIRECT: u32 = 4;

/// One row of the table of results.
#[derive(Serialize, Debug, Clone)]
pub(crate) struct Row {
    /// Family, protocol, method.
    pub(crate) scene: String,
    /// Which packet, and of how many flows.
    pub(crate) case: String,
    /// Median nanoseconds above the baseline.
    pub(crate) ns: f64,
    /// Median nanoseconds of the baseline: pump and harness.
    pub(crate) baseline_ns: f64,
    /// `ns` of the quietest and the busiest round kept.
    pub(crate) range_ns: (f64, f64),
    /// Rounds kept, and made.
    pub(crate) rounds: (usize, usize),
    /// What issue 2 asks for at most.
    pub(crate) target_ns: Option<f64>,
}

/// What the data plane itself says about the packets of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Witness {
    /// The first server's packets from clients.
    In,
    /// The first server's packets to clients.
    Out,
    /// Connections made.
    Made,
    /// None: they are passed up unseen.
    Nobody,
}

/// A measurement that is made in every round.
struct Case {
    name: String,
    setup: Setup,
    flow_count: u32,
    /// What must have counted every packet.
    witness: Witness,
    target_ns: Option<f64>,
    samples: Vec<(f64, f64)>,
    next: u64,
}

/// Measures and returns all rows.
pub(crate) fn run(quick: bool, only: &str) -> Result<Vec<Row>, String> {
    let namespace = Namespace::create("packet")?;
    namespace.enter()?;
    machine::stay_on(machine::DIRECTOR_CPU);
    wire(&namespace)?;
    let plane = Plane::load("packet", CONNECTIONS_MAX.into())?;
    plane.mark_port("b0")?;
    plane.mark_port("b1")?;
    let mut bench = Bench { pump: Pump::load()?, plane, rounds: if quick { 5 } else { 15 } };
    let program: &mut Xdp = bench.plane.program("lvs_xdp")?;
    let file = fd_of(program)?;
    bench.pump.put(UNDER_TEST, &file)?;
    for scene in Scene::all() {
        scene.configure(bench.plane.object.tables())?;
    }
    let mut rows = Vec::new();
    for scene in Scene::all().into_iter().filter(|scene| scene.name().contains(only)) {
        let made = bench.scene(&scene);
        machine::urgent(false);
        for row in made? {
            println!("{}", line(&row));
            rows.push(row);
        }
    }
    Ok(rows)
}

/// A row as text.
pub(crate) fn line(row: &Row) -> String {
    let target = match row.target_ns {
        Some(target) if row.ns <= target => format!("at most {target:.0}: reached"),
        Some(target) => format!("at most {target:.0}: NOT reached, {:.2} x", row.ns / target),
        None => String::new(),
    };
    format!(
        "{:<12} {:<24} {:>7.1} ns  ({:.1}-{:.1}, baseline {:.1}, {} of {} rounds)  {target}",
        row.scene,
        row.case,
        row.ns,
        row.range_ns.0,
        row.range_ns.1,
        row.baseline_ns,
        row.rounds.0,
        row.rounds.1
    )
}

struct Bench {
    pump: Pump,
    plane: Plane,
    rounds: usize,
}

impl Bench {
    fn scene(&mut self, scene: &Scene) -> Result<Vec<Row>, String> {
        let tables = self.plane.object.tables().clone();
        clear(&tables);
        let refused = scene.connect(&tables, CONNECTIONS_MAX)?;
        if refused != 0 {
            println!("{}: {refused} of {CONNECTIONS_MAX} connections found no place", scene.name());
        }
        machine::urgent(true);
        let mut cases = standing_cases(scene);
        for case in &cases {
            self.try_out(scene, case)?;
        }
        for _ in 0..self.rounds {
            for case in &mut cases {
                self.sample(scene, case, PACKETS)?;
            }
        }
        machine::urgent(false);
        let mut rows: Vec<Row> = cases.into_iter().map(|case| row(scene, case)).collect();
        rows.extend(self.new_connections(scene, &tables)?);
        if scene.method == METHOD_TUNNEL {
            rows.push(self.undoing(scene)?);
        }
        Ok(rows)
    }

    /// Connections are made in an empty table, and, once, in one with a million others.
    fn new_connections(&mut self, scene: &Scene, tables: &MappedTables) -> Result<Vec<Row>, String> {
        let case = |name: &str| Case {
            name: name.to_owned(),
            setup: scene.packet(Kind::Opens),
            flow_count: CONNECTIONS_MAX,
            witness: Witness::Made,
            target_ns: (scene.family == FAMILY_V4 && scene.protocol == TCP).then_some(300.0),
            samples: Vec::new(),
            next: 0,
        };
        let among = scene.family == FAMILY_V4 && scene.protocol == TCP && scene.method == METHOD_DIRECT_ROUTE;
        let mut cases = [case("new, wlc"), case("new, rr")];
        let mut crowded = case("new, wlc, 1 M others");
        for _ in 0..self.rounds.div_ceil(2) {
            for (case, round_robin) in cases.iter_mut().zip([false, true]) {
                clear(tables);
                scene.schedule(tables, round_robin);
                machine::urgent(true);
                self.sample_new(scene, case)?;
                machine::urgent(false);
            }
            if among {
                clear(tables);
                scene.schedule(tables, false);
                scene.connect(tables, CONNECTIONS_MAX)?;
                self.sample_new(scene, &mut crowded)?;
            }
        }
        let mut rows: Vec<Row> = cases.into_iter().map(|case| row(scene, case)).collect();
        if among {
            rows.push(row(scene, crowded));
        }
        Ok(rows)
    }

    /// What the pump's taking back of an outer header costs, with the putting in front: the harness's share of a tunnel.
    fn undoing(&mut self, scene: &Scene) -> Result<Row, String> {
        let mut case = Case {
            name: "adjust_head and undoing".to_owned(),
            setup: scene.packet(Kind::Request),
            flow_count: 1,
            witness: Witness::Nobody,
            target_ns: None,
            samples: Vec::new(),
            next: 0,
        };
        for _ in 0..self.rounds {
            let bare = self.time(&mut case, BARE, PACKETS)?;
            let front = self.time(&mut case, BARE_FRONT, PACKETS)?;
            case.samples.push((bare, front - bare));
        }
        Ok(row(scene, case))
    }

    /// One packet through, before anything is timed: is it answered as it should be?
    fn try_out(&mut self, scene: &Scene, case: &Case) -> Result<(), String> {
        let setup = Setup { target: UNDER_TEST, ..case.setup };
        let (answer, frame) = self.pump.once(&setup)?;
        let wanted = if case.witness == Witness::Nobody { PASS } else { REDIRECT };
        let outer_len = match scene.method {
            METHOD_TUNNEL if scene.family == FAMILY_V4 => 20,
            METHOD_TUNNEL => 40,
            _ => 0,
        };
        if !is_lax() && (answer != wanted || frame.len() != setup.packet_len as usize + outer_len) {
            let counters = self.plane.counters()?;
            return Err(format!(
                "{} {}: answer {answer}, not {wanted}; {} bytes; {counters:?}",
                scene.name(),
                case.name,
                frame.len()
            ));
        }
        Ok(())
    }

    fn sample(&mut self, scene: &Scene, case: &mut Case, packets: u32) -> Result<(), String> {
        let warm_up = case.flow_count.min(WARM_UP_MAX);
        self.time(case, BARE, warm_up)?;
        let bare = self.time(case, BARE, packets)?;
        self.time(case, UNDER_TEST, warm_up)?;
        let before = self.witnessed(scene, case)?;
        let full = self.time(case, UNDER_TEST, packets)?;
        let counted = self.witnessed(scene, case)? - before;
        if !is_lax()
            && case.witness != Witness::Nobody
            && counted < u64::from(packets) - u64::from(packets / 1000)
        {
            return Err(format!(
                "{}: {counted} of {packets} packets counted as {:?}",
                case.name, case.witness
            ));
        }
        case.samples.push((bare, full - bare));
        Ok(())
    }

    fn sample_new(&mut self, scene: &Scene, case: &mut Case) -> Result<(), String> {
        let bare = self.time(case, BARE, NEW_PACKETS)?;
        // The first few resolve next hops and warm up the code.
        self.time(case, UNDER_TEST, 1000)?;
        let before = self.witnessed(scene, case)?;
        let full = self.time(case, UNDER_TEST, NEW_PACKETS)?;
        let made = self.witnessed(scene, case)? - before;
        if !is_lax() && made < u64::from(NEW_PACKETS - NEW_PACKETS / 1000) {
            return Err(format!(
                "{}: {made} of {NEW_PACKETS} connections made: {:?}",
                case.name,
                self.plane.counters()?
            ));
        }
        case.samples.push((bare, full - bare));
        Ok(())
    }

    fn witnessed(&self, scene: &Scene, case: &Case) -> Result<u64, String> {
        let traffic = || self.plane.object.traffic(scene.server(0)).map_err(|error| error.to_string());
        match case.witness {
            Witness::In => Ok(traffic()?.packets_in),
            Witness::Out => Ok(traffic()?.packets_out),
            Witness::Made => self.plane.counter(Counter::ConnectionMade),
            Witness::Nobody => Ok(0),
        }
    }

    /// Nanoseconds of a packet.
    fn time(&mut self, case: &mut Case, target: u32, packets: u32) -> Result<f64, String> {
        let setup = Setup { target, mask: case.flow_count - 1, next: case.next, ..case.setup };
        let spent = self.pump.run(&setup, packets)?;
        if target == UNDER_TEST {
            case.next += u64::from(packets);
        }
        Ok(spent.as_nanos() as f64 / f64::from(packets))
    }
}

/// `LVS_BENCH_LAX`: an object that lacks pieces is measured, to see what they cost; nothing is checked.
fn is_lax() -> bool {
    std::env::var_os("LVS_BENCH_LAX").is_some()
}

/// What needs the connections that stand.
fn standing_cases(scene: &Scene) -> Vec<Case> {
    let targets = |flow_count: u32| {
        if scene.family != FAMILY_V4 || scene.protocol != TCP {
            return None;
        }
        let direct = scene.method == METHOD_DIRECT_ROUTE;
        match flow_count {
            1 => Some(if direct { 40.0 } else { 55.0 }),
            1024 => Some(if direct { 60.0 } else { 75.0 }),
            CONNECTIONS_MAX => Some(if direct { 250.0 } else { 290.0 }),
            _ => None,
        }
    };
    let mut cases = Vec::new();
    let mut add = |name: &str, kind, flow_count, witness, target_ns| {
        cases.push(Case {
            name: format!("{name}, {flow_count}"),
            setup: scene.packet(kind),
            flow_count,
            witness,
            target_ns,
            samples: Vec::new(),
            next: 0,
        });
    };
    for flow_count in [1, 1 << 10, 1 << 16, CONNECTIONS_MAX] {
        add("established", Kind::Request, flow_count, Witness::In, targets(flow_count));
    }
    if scene.method == METHOD_MASQUERADE {
        for flow_count in [1, 1 << 10, CONNECTIONS_MAX] {
            add("reply", Kind::Reply, flow_count, Witness::Out, None);
        }
    }
    if scene.method == METHOD_DIRECT_ROUTE {
        let target = (scene.family == FAMILY_V4 && scene.protocol == TCP).then_some(18.0);
        add("no service", Kind::Stranger, 1, Witness::Nobody, target);
    }
    cases
}

/// The median of what was not disturbed.
fn row(scene: &Scene, case: Case) -> Row {
    let best = case.samples.iter().map(|(bare, _)| *bare).fold(f64::MAX, f64::min);
    let made = case.samples.len();
    let kept: Vec<(f64, f64)> =
        case.samples.into_iter().filter(|(bare, _)| *bare <= best * DISTURBED).collect();
    let mut net: Vec<f64> = kept.iter().map(|(_, net)| *net).collect();
    let mut bare: Vec<f64> = kept.iter().map(|(bare, _)| *bare).collect();
    net.sort_by(f64::total_cmp);
    bare.sort_by(f64::total_cmp);
    Row {
        scene: scene.name(),
        case: case.name,
        ns: net[net.len() / 2],
        baseline_ns: bare[bare.len() / 2],
        range_ns: (net[0], net[net.len() - 1]),
        rounds: (kept.len(), made),
        target_ns: case.target_ns,
    }
}

/// Two cables whose other ends lie in the same namespace: clients beyond `b0`, servers on `b1`, all neighbours known.
fn wire(namespace: &Namespace) -> Result<(), String> {
    set(&[
        ("ipv6/conf/all/disable_ipv6", "0"),
        ("ipv6/conf/default/disable_ipv6", "0"),
        ("ipv6/conf/default/accept_dad", "0"),
        ("ipv4/ip_forward", "1"),
        ("ipv6/conf/all/forwarding", "1"),
    ])?;
    let mut lines = String::new();
    for (index, device) in ["b0", "b1"].iter().enumerate() {
        let network = index + 1;
        lines += &format!(
            "link add {device} type veth peer name {device}p\nlink set {device} up\nlink set {device}p up\n\
             address add 10.{network}.0.1/24 dev {device}\naddress add 2001:db8:{network}::1/64 dev {device} nodad\n"
        );
    }
    let mut neighbours = vec![("10.1.0.2".to_owned(), "b0"), ("2001:db8:1::2".to_owned(), "b0")];
    for server in 11..15 {
        neighbours.push((format!("10.2.0.{server}"), "b1"));
        neighbours.push((format!("2001:db8:2::{server:x}"), "b1"));
    }
    for (address, device) in neighbours {
        lines +=
            &format!("neighbour replace {address} lladdr 02:00:00:00:00:99 dev {device} nud permanent\n");
    }
    lines += "route add default via 10.1.0.2\nroute add default via 2001:db8:1::2\n";
    namespace.ip(&lines)
}
