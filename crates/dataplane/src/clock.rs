//! What a jiffy is: found out once, so that the packet path reads jiffies and not the clock.
//!
//! Jiffies and the coarse monotonic clock advance in the same tick, so two looks at both give the kernel's HZ and the distance
//! between the two. Where anything is odd nothing is set, and the packet path reads the clock: slower, never wrong.

use std::thread::sleep;
use std::time::Duration;

use aya::programs::Xdp;
use aya::{Ebpf, TestRun, TestRunOptions};
use lvs_core::table::Config;

/// Name of the program that looks at both clocks; it is loaded with the others.
pub(crate) const PROGRAM: &str = "lvs_clock";
/// Time between the two looks: enough to tell 250 from 300.
const APART: Duration = Duration::from_millis(100);
/// The HZ that kernels are built with.
const FREQUENCIES: [u64; 4] = [100, 250, 300, 1000];
/// The kernel does not run a program over less.
const FRAME: [u8; 64] = [0; 64];

/// Finds out and sets `jiffy_ns` and `clock_offset_ns`.
pub(crate) fn calibrate(ebpf: &mut Ebpf, config: &Config) {
    let Some((jiffies, ns)) = sample(ebpf, config) else { return };
    sleep(APART);
    let Some((jiffies_then, ns_then)) = sample(ebpf, config) else { return };
    let (passed, passed_ns) = (jiffies_then.wrapping_sub(jiffies), ns_then.wrapping_sub(ns));
    let Some(jiffy_ns) = jiffy_of(passed, passed_ns) else { return };
    config.clock_offset_ns.store(ns_then.wrapping_sub(jiffies_then.wrapping_mul(jiffy_ns)));
    config.jiffy_ns.store(jiffy_ns);
}

/// The length of a jiffy of the frequency that comes nearest; none when nothing comes near.
fn jiffy_of(passed: u64, passed_ns: u64) -> Option<u64> {
    let measured = passed_ns.checked_div(passed)?;
    FREQUENCIES
        .iter()
        .map(|hz| (1_000_000_000 + hz / 2) / hz)
        .find(|jiffy_ns| measured.abs_diff(*jiffy_ns) <= jiffy_ns / 12)
}

fn sample(ebpf: &mut Ebpf, config: &Config) -> Option<(u64, u64)> {
    let program: &mut Xdp = ebpf.program_mut(PROGRAM)?.try_into().ok()?;
    let mut options = TestRunOptions::new();
    options.data_in = Some(&FRAME);
    program.test_run(options).ok()?;
    Some((config.sample_jiffies.load(), config.sample_ns.load()))
}

#[cfg(test)]
mod tests {
    use super::jiffy_of;

    #[test]
    fn frequencies_are_told_apart() {
        assert_eq!(jiffy_of(25, 100_000_000), Some(4_000_000));
        assert_eq!(jiffy_of(26, 104_000_000), Some(4_000_000));
        assert_eq!(jiffy_of(30, 100_000_000), Some(3_333_333));
        assert_eq!(jiffy_of(100, 100_100_000), Some(1_000_000));
        assert_eq!(jiffy_of(10, 100_000_000), Some(10_000_000));
        assert_eq!(jiffy_of(0, 100_000_000), None);
        assert_eq!(jiffy_of(20, 100_000_000), None);
    }
}
