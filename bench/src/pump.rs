//! The pump (`bench/ebpf`): feeds a program under test with fresh packets through `BPF_PROG_TEST_RUN`.

#[allow(dead_code, unreachable_pub, reason = "one file for two crates; each uses its part")]
#[path = "../ebpf/src/setup.rs"]
pub(crate) mod setup;

use std::fmt::Display;
use std::time::Duration;

use aya::maps::{Array, MapData, PerCpuArray, ProgramArray};
use aya::programs::{ProgramFd, Xdp};
use aya::{Ebpf, TestRun, TestRunAttrs, TestRunOptions, include_bytes_aligned};
use rustix::time::{ClockId, clock_gettime};

pub(crate) use setup::{Setup, TEMPLATE_LEN, TEMPLATE_WORDS, client};

static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/bpf/pump.o"));

/// Place of the program under test.
pub(crate) const UNDER_TEST: u32 = 0;
/// Place of the program that does nothing.
pub(crate) const BARE: u32 = 1;
/// Place of the program that only puts 20 bytes in front.
pub(crate) const BARE_FRONT: u32 = 2;

/// Frames that a live run makes at a time.
const LIVE_BATCH: u32 = 64;

/// The pump, loaded.
pub(crate) struct Pump {
    ebpf: Ebpf,
    setup: Array<MapData, [u64; 15]>,
    targets: ProgramArray<MapData>,
    counted: PerCpuArray<MapData, u64>,
}

impl Pump {
    /// Loads it; nothing is under test yet.
    pub(crate) fn load() -> Result<Self, String> {
        let mut ebpf = Ebpf::load(OBJECT).map_err(|error| format!("pump: {error}"))?;
        for (name, program) in ebpf.programs_mut() {
            let program: &mut Xdp = program.try_into().map_err(wrong)?;
            program.load().map_err(|error| format!("pump: {name}: {error:?}"))?;
        }
        let mut take = |name: &str| ebpf.take_map(name).ok_or_else(|| format!("pump: no map {name}"));
        let (setup, targets, counted) = (take("SETUP")?, take("TARGETS")?, take("COUNTED")?);
        let mut pump = Self {
            ebpf,
            setup: setup.try_into().map_err(wrong)?,
            targets: targets.try_into().map_err(wrong)?,
            counted: counted.try_into().map_err(wrong)?,
        };
        for (place, name) in [(BARE, "bare"), (BARE_FRONT, "bare_front")] {
            let file = fd_of(pump.program(name)?)?;
            pump.put(place, &file)?;
        }
        Ok(pump)
    }

    /// Puts a program into a place.
    pub(crate) fn put(&mut self, place: u32, program: &ProgramFd) -> Result<(), String> {
        self.targets.set(place, program, 0).map_err(wrong)
    }

    /// One of the pump's own programs.
    pub(crate) fn program(&mut self, name: &str) -> Result<&mut Xdp, String> {
        program(&mut self.ebpf, name)
    }

    /// Pins one of the programs for `ip link`, until the caller removes the file.
    pub(crate) fn pin(&mut self, name: &str) -> Result<String, String> {
        let path = format!("/sys/fs/bpf/lvs-bench-{}-{name}", std::process::id());
        self.program(name)?.pin(&path).map_err(wrong)?;
        Ok(path)
    }

    /// Packets that `sink` has counted.
    pub(crate) fn counted(&self) -> Result<u64, String> {
        Ok(self.counted.get(&0, 0).map_err(wrong)?.iter().sum())
    }

    /// Runs `count` packets through the program at `setup.target`: processor time of this thread.
    pub(crate) fn run(&mut self, setup: &Setup, count: u32) -> Result<Duration, String> {
        self.setup.set(0, words(setup), 0).map_err(wrong)?;
        let frame = vec![0; setup.packet_len as usize];
        let mut options = TestRunOptions::new();
        options.data_in = Some(&frame);
        options.repeat = count;
        let pump = self.program("pump")?;
        let started = thread_time();
        let result = pump.test_run(options).map_err(wrong)?;
        let spent = thread_time() - started;
        if result.return_value == 0 {
            return Err("the pump could not call the program under test".into());
        }
        Ok(spent)
    }

    /// Runs one packet: what the program answers, and the frame it leaves.
    pub(crate) fn once(&mut self, setup: &Setup) -> Result<(u32, Vec<u8>), String> {
        self.setup.set(0, words(setup), 0).map_err(wrong)?;
        let frame = vec![0; setup.packet_len as usize];
        let mut left = vec![0; 2048];
        let mut options = TestRunOptions::new();
        options.data_in = Some(&frame);
        options.data_out = Some(&mut left);
        let result = self.program("pump")?.test_run(options).map_err(wrong)?;
        left.truncate(result.data_size_out as usize);
        Ok((result.return_value, left))
    }

    /// Sends `count` packets to `setup.interface` as live frames.
    pub(crate) fn send(&mut self, setup: &Setup, count: u32) -> Result<(), String> {
        self.setup.set(0, words(setup), 0).map_err(wrong)?;
        let frame = vec![0; setup.packet_len as usize];
        let mut options = TestRunOptions::new();
        options.data_in = Some(&frame);
        options.repeat = count;
        options.attrs = TestRunAttrs::new().xdp_live_frames(LIVE_BATCH);
        self.program("generate")?.test_run(options).map_err(wrong)?;
        Ok(())
    }
}

/// A loaded program's file, of its own.
pub(crate) fn fd_of(program: &Xdp) -> Result<ProgramFd, String> {
    program.fd().map_err(wrong)?.try_clone().map_err(wrong)
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp, String> {
    let program = ebpf.program_mut(name).ok_or_else(|| format!("pump: no program {name}"))?;
    program.try_into().map_err(wrong)
}

fn wrong(error: impl Display) -> String {
    format!("pump: {error}")
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The record as the map takes it.
fn words(setup: &Setup) -> [u64; 15] {
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let mut words = [0; 15];
    words[..10].copy_from_slice(&setup.template);
    words[10] = setup.next;
    words[11] = pair(setup.packet_len, setup.address_at);
    words[12] = pair(setup.port_at, setup.mask);
    words[13] = pair(setup.address, setup.target);
    words[14] = pair(setup.interface, setup.sums);
    words
}

const _: () = assert!(size_of::<Setup>() == 15 * 8);
