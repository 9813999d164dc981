//! Bench 3: the lab end to end, one processor for the director, against what else there is.

mod balancer;
mod load;
mod world;

use std::process::Command;
use std::time::{Duration, Instant};

use serde::Serialize;

pub(crate) use balancer::{program, tool};

use crate::machine;
use crate::namespace::run as run_command;
use crate::plane::index_of;
use crate::pump::{Pump, Setup};
use crate::scene::udp_packet;
use balancer::{Kind, Running, UDP_PORT};
use load::{ECHO_PORT, SINK_PORT, Servers, TOGETHER};
use world::{World, run_time};

/// Packets that the generator makes in one call.
const BURST: u32 = 1 << 20;
/// Flows of the two UDP measurements.
const FLOWS: [u32; 2] = [1 << 10, 1 << 20];

/// What one balancer did: medians over the rounds.
#[derive(Serialize, Debug, Clone)]
pub(crate) struct Row {
    balancer: String,
    measure: &'static str,
    /// In `unit`.
    value: f64,
    unit: &'static str,
    /// Times what nftables did: median of the rounds' ratios.
    to_nftables: Option<f64>,
    /// Times what plain forwarding did: median of the rounds' ratios.
    to_forwarding: Option<f64>,
    samples: Vec<f64>,
}

/// One figure of one round.
struct Sample {
    round: usize,
    kind: Kind,
    measure: &'static str,
    unit: &'static str,
    value: f64,
}

/// All balancers, in turn, round after round; `only` names a part of a balancer's name.
pub(crate) fn run(quick: bool, only: &str) -> Result<Vec<Row>, String> {
    let limits = Limits::raise();
    let world = World::build()?;
    let kinds: Vec<Kind> = Kind::ALL
        .into_iter()
        .filter(|kind| kind.name().contains(only) || matches!(kind, Kind::Forwarding | Kind::Nftables))
        .collect();
    let mut samples = Vec::new();
    for round in 0..if quick { 1 } else { 3 } {
        for kind in &kinds {
            println!("round {}: {}", round + 1, kind.name());
            if let Err(why) = measure(*kind, &world, quick, round, &mut samples) {
                println!("  left out: {why}");
            }
        }
    }
    drop(limits);
    let rows = rows(&kinds, &samples);
    for row in &rows {
        println!("{}", line(row));
    }
    Ok(rows)
}

fn measure(
    kind: Kind,
    world: &World,
    quick: bool,
    round: usize,
    samples: &mut Vec<Sample>,
) -> Result<(), String> {
    world.offloads(!kind.is_xdp(), false)?;
    let mut running = Running::start(kind, world)?;
    let mut add = |measure, unit, value| {
        println!("  {measure:<28} {value:>12.2} {unit}");
        samples.push(Sample { round, kind, measure, unit, value });
    };
    tcp(kind, world, &running, quick, &mut add)?;
    if kind.takes_udp() {
        running.end_decapsulators();
        udp(kind, world, quick, &mut add)?;
    }
    Ok(())
}

fn tcp(
    kind: Kind,
    world: &World,
    running: &Running,
    quick: bool,
    add: &mut impl FnMut(&'static str, &'static str, f64),
) -> Result<(), String> {
    let time = Duration::from_millis(if quick { 500 } else { 1000 });
    let servers = Servers::start(&world.servers)?;
    let echo = kind.target(ECHO_PORT);
    let paid = [world.pollers(), running.processes()].concat();
    let asked = |work: &(dyn Fn() -> std::io::Result<(load::Count, Vec<Duration>)> + Sync)| {
        let before = run_time(&paid);
        let started = Instant::now();
        let (count, times) = at_client(world, work)?;
        let spent = run_time(&paid) - before;
        if count.lost * 100 > count.done {
            return Err(format!("{} of {} lost", count.lost, count.done));
        }
        let rate = count.done as f64 / started.elapsed().as_secs_f64();
        Ok((rate, spent as f64 / 1000.0 / count.done as f64, times))
    };
    // Next hops, neighbours, caches.
    asked(&|| Ok((load::new_connections(echo, Duration::from_millis(200))?, Vec::new())))?;
    let (rate, cost, _) = asked(&|| Ok((load::new_connections(echo, time)?, Vec::new())))?;
    add("new connections", "/s", rate);
    add("director per connection", "us", cost);
    let (rate, cost, _) = asked(&|| load::requests(echo, TOGETHER, time))?;
    add("requests, 64 connections", "/s", rate);
    add("director per request", "us", cost);
    let (_, _, mut times) = asked(&|| load::requests(echo, 1, time))?;
    times.sort();
    let percentile =
        |part: usize| times.get(times.len() * part / 100).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6);
    add("one request, p50", "us", percentile(50));
    add("one request, p99", "us", percentile(99));
    world.offloads(!kind.is_xdp(), !kind.is_xdp())?;
    let started = Instant::now();
    let sink = kind.target(SINK_PORT);
    let bytes = at_client(world, &|| load::bulk(sink, time));
    world.offloads(!kind.is_xdp(), false)?;
    add("bulk", "Gbit/s", bytes? as f64 * 8.0 / started.elapsed().as_secs_f64() / 1e9);
    drop(servers);
    Ok(())
}

fn udp(
    kind: Kind,
    world: &World,
    quick: bool,
    add: &mut impl FnMut(&'static str, &'static str, f64),
) -> Result<(), String> {
    let mut pump = Pump::load()?;
    let pollers = world.pollers();
    let sink = pump.pin("sink")?;
    let attached: Result<Vec<()>, String> =
        world.servers.iter().map(|server| attach(server.name(), &sink)).collect();
    let _ = std::fs::remove_file(&sink);
    attached?;
    let (interface, link) = world.inside(&world.client, |_| Ok((index_of("c0")?, link_of("dc", world)?)))?;
    let done = world.inside(&world.client, |_| {
        machine::stay_on(machine::OTHER_CPU);
        let mut results = Vec::new();
        for flow_count in FLOWS {
            let mut setup = udp_packet(link, CLIENT_BLOCK, kind.target(UDP_PORT));
            setup.mask = flow_count - 1;
            setup.interface = interface;
            results.push((flow_count, packets(&mut pump, &setup, &pollers, quick)?));
        }
        Ok(results)
    });
    for server in &world.servers {
        let _ = run_command(Command::new("ip").args([
            "-n",
            server.name(),
            "link",
            "set",
            "dev",
            "s0",
            "xdp",
            "off",
        ]));
    }
    for (flow_count, (rate, cost)) in done? {
        let many = flow_count == FLOWS[1];
        add(if many { "UDP, 1 M flows" } else { "UDP, 1 k flows" }, "Mpkt/s", rate / 1e6);
        add(if many { "director per packet, 1 M" } else { "director per packet, 1 k" }, "ns", cost);
    }
    Ok(())
}

/// Packets delivered a second, and the director's nanoseconds for each.
fn packets(pump: &mut Pump, setup: &Setup, pollers: &[u32], quick: bool) -> Result<(f64, f64), String> {
    let many = setup.mask + 1 == FLOWS[1];
    let mut setup = *setup;
    let mut send = |pump: &mut Pump, bursts: u32| -> Result<(), String> {
        for _ in 0..bursts {
            pump.send(&setup, BURST)?;
            setup.next += u64::from(BURST);
        }
        Ok(())
    };
    // Every flow is known before it counts, as far as packets come through.
    send(pump, if many { 4 } else { 1 })?;
    machine::urgent(true);
    let (counted, paid, started) = (pump.counted()?, run_time(pollers), Instant::now());
    send(pump, if quick { 3 } else { 6 })?;
    let counted = pump.counted()? - counted;
    let (paid, time) = (run_time(pollers) - paid, started.elapsed().as_secs_f64());
    machine::urgent(false);
    if counted == 0 {
        return Err("no packet reached a server".to_owned());
    }
    Ok((counted as f64 / time, paid as f64 / counted as f64))
}

/// The clients of UDP packets: a block of addresses behind the client.
const CLIENT_BLOCK: u32 = 0x0A64_0000;

fn attach(host: &str, pin: &str) -> Result<(), String> {
    // `nsenter`, since `ip netns exec` hides the BPF file system.
    let namespace = format!("--net=/run/netns/{host}");
    let words = [&namespace, "ip", "link", "set", "dev", "s0", "xdp", "pinned", pin];
    run_command(Command::new("nsenter").args(words)).map(|_| ())
}

fn at_client<T: Send>(world: &World, work: &(dyn Fn() -> std::io::Result<T> + Sync)) -> Result<T, String> {
    world.inside(&world.client, |_| {
        machine::stay_on(machine::OTHER_CPU);
        work().map_err(|error| error.to_string())
    })
}

/// A director's device's link address.
fn link_of(device: &str, world: &World) -> Result<[u8; 6], String> {
    let words = ["-n", world.director.name(), "-o", "link", "show", "dev", device];
    let shown = run_command(Command::new("ip").args(words))?;
    let text = shown.split_whitespace().skip_while(|word| *word != "link/ether").nth(1).unwrap_or_default();
    let bytes: Vec<u8> = text.split(':').filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    bytes.try_into().map_err(|_| format!("{device} has no link address"))
}

/// Room for a million tracked flows in the kernel's own tracking, put back when dropped.
struct Limits(Option<String>);

const TRACKED_MAX: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

impl Limits {
    fn raise() -> Self {
        let _ = Command::new("modprobe").arg("nf_conntrack").output();
        let before = std::fs::read_to_string(TRACKED_MAX).ok();
        let _ = std::fs::write(TRACKED_MAX, "2097152");
        Self(before)
    }
}

impl Drop for Limits {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = std::fs::write(TRACKED_MAX, before.trim());
        }
    }
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

fn rows(kinds: &[Kind], samples: &[Sample]) -> Vec<Row> {
    let of = |kind: Kind, measure: &str| -> Vec<(usize, f64)> {
        let matching = samples.iter().filter(|sample| sample.kind == kind && sample.measure == measure);
        matching.map(|sample| (sample.round, sample.value)).collect()
    };
    let mut measures: Vec<(&'static str, &'static str)> = Vec::new();
    for sample in samples {
        if !measures.contains(&(sample.measure, sample.unit)) {
            measures.push((sample.measure, sample.unit));
        }
    }
    let mut rows = Vec::new();
    for (measure, unit) in measures {
        for kind in kinds {
            let own = of(*kind, measure);
            if own.is_empty() {
                continue;
            }
            // Round by round, and then the median: both of a pair had the same neighbours on the machine.
            let to = |other: Kind| {
                let other = of(other, measure);
                let pair = |(round, value): &(usize, f64)| {
                    other.iter().find(|(same, _)| same == round).map(|(_, other)| value / other)
                };
                let ratios: Vec<f64> = own.iter().filter_map(pair).collect();
                (!ratios.is_empty()).then(|| median(ratios))
            };
            let values: Vec<f64> = own.iter().map(|(_, value)| *value).collect();
            rows.push(Row {
                balancer: kind.name(),
                measure,
                value: median(values.clone()),
                unit,
                to_nftables: to(Kind::Nftables),
                to_forwarding: to(Kind::Forwarding),
                samples: values,
            });
        }
    }
    rows
}

fn line(row: &Row) -> String {
    let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    format!(
        "{:<26} {:<18} {:>12.2} {:<7} {:>6} x nftables {:>6} x forwarding",
        row.measure,
        row.balancer,
        row.value,
        row.unit,
        ratio(row.to_nftables),
        ratio(row.to_forwarding)
    )
}
