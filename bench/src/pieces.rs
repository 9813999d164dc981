//! What single pieces of a packet program cost on this machine: a helper call, a look into a table, a clock.

use serde::Serialize;

use crate::machine;
use crate::pump::{BARE, Pump, Setup, UNDER_TEST, fd_of};
use crate::scene::{Kind, Scene};

/// The programs, and what they do.
const PIECES: [(&str, &str); 9] = [
    ("piece_call", "call of another BPF function"),
    ("piece_jiffies", "bpf_jiffies64"),
    ("piece_coarse_clock", "bpf_ktime_get_coarse_ns"),
    ("piece_clock", "bpf_ktime_get_ns"),
    ("piece_array", "look into an array"),
    ("piece_per_cpu_counter", "count in a per-processor array"),
    ("piece_hash", "look into a hash map, not found"),
    ("piece_redirect", "bpf_redirect, not carried out"),
    ("piece_adjust_head_twice", "bpf_xdp_adjust_head, twice"),
];
const PACKETS: u32 = 300_000;
const ROUNDS: usize = 9;

/// A piece's price.
#[derive(Serialize, Debug, Clone)]
pub(crate) struct Piece {
    /// What it does.
    pub(crate) what: &'static str,
    /// Median nanoseconds above the baseline.
    pub(crate) ns: f64,
}

/// Measures all; the first row is the baseline itself.
pub(crate) fn run() -> Result<Vec<Piece>, String> {
    machine::stay_on(machine::DIRECTOR_CPU);
    let mut pump = Pump::load()?;
    let packet = Scene::all()[0].packet(Kind::Stranger);
    let mut bare = Vec::new();
    let mut samples = vec![Vec::new(); PIECES.len()];
    machine::urgent(true);
    for _ in 0..ROUNDS {
        for (index, (name, _)) in PIECES.iter().enumerate() {
            let file = fd_of(pump.program(name)?)?;
            pump.put(UNDER_TEST, &file)?;
            let baseline = time(&mut pump, &packet, BARE)?;
            samples[index].push(time(&mut pump, &packet, UNDER_TEST)? - baseline);
            bare.push(baseline);
        }
    }
    machine::urgent(false);
    let mut pieces = vec![Piece { what: "baseline: pump, harness, XDP_TX", ns: median(&mut bare) }];
    for ((_, what), mut samples) in PIECES.into_iter().zip(samples) {
        pieces.push(Piece { what, ns: median(&mut samples) });
    }
    for piece in &pieces {
        println!("{:<36} {:>6.1} ns", piece.what, piece.ns);
    }
    Ok(pieces)
}

fn time(pump: &mut Pump, packet: &Setup, target: u32) -> Result<f64, String> {
    let mut setup = *packet;
    setup.target = target;
    Ok(pump.run(&setup, PACKETS)?.as_nanos() as f64 / f64::from(PACKETS))
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}
