//! The loaded object under BPF_PROG_TEST_RUN: one packet in, the program's answer and the packet out.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use aya::maps::{HashMap, Map, MapData};
use aya::programs::{Program, SchedClassifier, TestRun as _, TestRunOptions, Xdp};
use lvs_dataplane::{MappedTables, OBJECT, Object};
use rustix::thread::{CpuSet, LinkNameSpaceType, move_into_link_name_space, sched_setaffinity};

/// Room for what comes out.
const OUT_LEN: usize = 8192;
/// Bytes of `struct __sk_buff` and places in it.
const SKB_LEN: usize = 192;
const SKB_INGRESS_INTERFACE: usize = 36;
const SKB_INTERFACE: usize = 40;
const SKB_SEGMENT_LEN: usize = 176;
/// Bytes of `struct xdp_md` and places in it.
const MD_LEN: usize = 24;
const MD_DATA_END: usize = 4;
const MD_INTERFACE: usize = 12;

/// What a program answered, and the packet afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// XDP or TC action.
    pub action: u32,
    /// The packet.
    pub bytes: Vec<u8>,
}

/// The object, loaded for this test alone.
pub struct TestRun {
    object: Object,
    ports: HashMap<MapData, u32, [u32; 2]>,
    _pins: Pins,
}

/// Runs `work` on a thread of its own in a network namespace of its own, on one processor. The namespace ends with it.
pub fn in_own_namespace<R: Send + 'static>(name: &str, work: impl FnOnce() -> R + Send + 'static) -> R {
    let name = format!("lvs-{name}-{}", std::process::id());
    let thread = std::thread::spawn(move || {
        ip(&["netns", "add", &name]);
        let entered = fs::File::open(Path::new("/run/netns").join(&name)).and_then(|file| {
            Ok(move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), Some(LinkNameSpaceType::Network))?)
        });
        // The thread holds it from here on.
        ip(&["netns", "del", &name]);
        entered.expect("entering the namespace");
        let mut one = CpuSet::new();
        one.set(rustix::thread::sched_getcpu());
        sched_setaffinity(None, &one).expect("staying on one processor");
        work()
    });
    match thread.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Runs `ip` with these words.
pub fn ip(words: &[&str]) {
    let output = Command::new("ip").args(words).stdin(Stdio::null()).output().expect("ip(8)");
    assert!(output.status.success(), "ip {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr));
}

impl TestRun {
    /// Loads the object with its smallest connection table.
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let pins = Pins(format!("/sys/fs/bpf/lvs-testrun-{}-{number}", std::process::id()).into());
        let object = Object::load(OBJECT, &pins.0, 1).unwrap_or_else(|error| panic!("{error}"));
        let version =
            fs::read_dir(&pins.0).expect("pins").flatten().next().expect("a folder of this version");
        let map = MapData::from_pin(version.path().join("PORTS")).expect("the pinned table of interfaces");
        let ports = HashMap::try_from(Map::HashMap(map)).expect("the table of interfaces");
        Self { object, ports, _pins: pins }
    }

    /// The object's tables.
    pub fn tables(&self) -> &MappedTables {
        self.object.tables()
    }

    /// The object, for its counters.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// Says what is known of an interface: flags and VLAN tag, and the interface below.
    pub fn set_port(&mut self, interface: u32, flags: u32, parent: u32) {
        self.ports.insert(interface, [flags, parent], 0).expect("room for interfaces");
    }

    /// A frame at the driver; none when the kernel refuses to run it.
    pub fn xdp(&mut self, interface: u32, frame: &[u8]) -> Option<Ran> {
        let mut context = [0; MD_LEN];
        put(&mut context, MD_DATA_END, frame.len() as u32);
        put(&mut context, MD_INTERFACE, interface);
        let Some(Program::Xdp(program)) = self.object.ebpf().program_mut("lvs_xdp") else {
            panic!("the object has lvs_xdp")
        };
        let program: &mut Xdp = program;
        run(frame, &context, |options| program.test_run(options))
    }

    /// A packet coming in at TC. `segment_len`: to be cut into segments of so many bytes.
    pub fn tc_ingress(&mut self, interface: u32, segment_len: u32, frame: &[u8]) -> Option<Ran> {
        self.tc("lvs_tc_ingress", interface, interface, segment_len, frame)
    }

    /// A packet that this host made, going out at TC.
    pub fn tc_egress(&mut self, interface: u32, frame: &[u8]) -> Option<Ran> {
        self.tc("lvs_tc_egress", interface, 0, 0, frame)
    }

    fn tc(&mut self, name: &str, interface: u32, from: u32, segment_len: u32, frame: &[u8]) -> Option<Ran> {
        let mut context = [0; SKB_LEN];
        put(&mut context, SKB_INGRESS_INTERFACE, from);
        put(&mut context, SKB_INTERFACE, interface);
        put(&mut context, SKB_SEGMENT_LEN, segment_len);
        let Some(Program::SchedClassifier(program)) = self.object.ebpf().program_mut(name) else {
            panic!("the object has {name}")
        };
        let program: &mut SchedClassifier = program;
        run(frame, &context, |options| program.test_run(options))
    }
}

impl Default for TestRun {
    fn default() -> Self {
        Self::new()
    }
}

/// The folder of pins, removed whatever happens.
struct Pins(PathBuf);

impl Drop for Pins {
    fn drop(&mut self) {
        for folder in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            for pin in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
                let _ = fs::remove_file(pin.path());
            }
            let _ = fs::remove_dir(folder.path());
        }
        let _ = fs::remove_dir(&self.0);
    }
}

fn put(context: &mut [u8], at: usize, number: u32) {
    context[at..at + 4].copy_from_slice(&number.to_ne_bytes());
}

fn run(
    frame: &[u8],
    context: &[u8],
    test_run: impl FnOnce(TestRunOptions<'_>) -> Result<aya::programs::TestRunResult, aya::programs::ProgramError>,
) -> Option<Ran> {
    let mut bytes = vec![0; OUT_LEN];
    let options = TestRunOptions {
        data_in: Some(frame),
        data_out: Some(&mut bytes),
        ctx_in: Some(context),
        ..TestRunOptions::new()
    };
    let result = match test_run(options) {
        Ok(result) => result,
        // A packet too short for the kernel's own look at it.
        Err(_) if frame.len() < 64 => return None,
        Err(error) => panic!("BPF_PROG_TEST_RUN of {} bytes: {error:?}", frame.len()),
    };
    bytes.truncate(result.data_size_out as usize);
    Some(Ran { action: result.return_value, bytes })
}
