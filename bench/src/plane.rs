//! The data plane of a benchmark: loaded with pins of its own, which go with it.

use std::fs;
use std::path::PathBuf;

use aya::maps::{HashMap, Map, MapData, MapInfo};
use aya::programs::Xdp;
use lvs_core::counter::Counter;
use lvs_core::table::HOP_XDP;
use lvs_dataplane::{OBJECT, Object, detach_all};

/// Loaded and pinned; nothing attached.
pub(crate) struct Plane {
    /// The object.
    pub(crate) object: Object,
    pins: Pins,
}

/// The pin folder, removed when dropped.
struct Pins(PathBuf);

impl Drop for Pins {
    fn drop(&mut self) {
        let _ = detach_all(&self.0);
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Plane {
    /// Loads it for so many connections. `LVS_BENCH_OBJECT` names another object than the one that is built in.
    pub(crate) fn load(label: &str, connections_max: u64) -> Result<Self, String> {
        let folder = PathBuf::from(format!("/sys/fs/bpf/lvs-bench-{}-{label}", std::process::id()));
        let pins = Pins(folder.clone());
        let other = std::env::var_os("LVS_BENCH_OBJECT").map(fs::read).transpose();
        let other = other.map_err(|error| format!("LVS_BENCH_OBJECT: {error}"))?;
        let bytes = other.as_deref().unwrap_or(OBJECT);
        let object = Object::load(bytes, &folder, connections_max).map_err(|error| error.to_string())?;
        Ok(Self { object, pins })
    }

    /// One of its XDP programs.
    pub(crate) fn program(&mut self, name: &str) -> Result<&mut Xdp, String> {
        let program = self.object.ebpf().program_mut(name).ok_or_else(|| format!("no program {name}"))?;
        program.try_into().map_err(|error| format!("{name}: {error}"))
    }

    /// Tells it that an interface takes redirected XDP frames, as an attachment would.
    pub(crate) fn mark_port(&self, interface: &str) -> Result<(), String> {
        let wrong = |error: &dyn std::fmt::Display| format!("PORTS: {error}");
        let map = MapData::from_pin(self.pin("PORTS")?).map_err(|error| wrong(&error))?;
        let mut ports: HashMap<MapData, u32, [u32; 2]> =
            Map::HashMap(map).try_into().map_err(|error| wrong(&error))?;
        ports.insert(index_of(interface)?, [HOP_XDP, 0], 0).map_err(|error| wrong(&error))
    }

    /// A counter's sum.
    pub(crate) fn counter(&self, counter: Counter) -> Result<u64, String> {
        let counters = self.object.counters().map_err(|error| error.to_string())?;
        Ok(counters.into_iter().find(|(known, _)| *known == counter).map_or(0, |(_, value)| value))
    }

    /// All counters that moved.
    pub(crate) fn counters(&self) -> Result<Vec<(&'static str, u64)>, String> {
        let counters = self.object.counters().map_err(|error| error.to_string())?;
        Ok(counters
            .into_iter()
            .filter(|(_, value)| *value != 0)
            .map(|(counter, value)| (counter.name(), value))
            .collect())
    }

    /// Every pinned table: its name, number of entries, and the bytes that the kernel says it holds.
    pub(crate) fn table_sizes(&self) -> Result<Vec<(String, u32, u64)>, String> {
        let mut sizes = Vec::new();
        for entry in fs::read_dir(self.folder()?).map_err(|error| error.to_string())?.flatten() {
            let Ok(info) = MapInfo::from_pin(entry.path()) else { continue };
            let file = info.fd().map_err(|error| error.to_string())?;
            let number = std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(&file));
            let text = fs::read_to_string(format!("/proc/self/fdinfo/{number}"))
                .map_err(|error| error.to_string())?;
            let bytes = text.lines().find_map(|line| line.strip_prefix("memlock:")).map(str::trim);
            let bytes = bytes.and_then(|bytes| bytes.parse().ok()).ok_or("the kernel tells no memlock")?;
            sizes.push((entry.file_name().to_string_lossy().into_owned(), info.max_entries(), bytes));
        }
        sizes.sort_by_key(|(_, _, bytes)| std::cmp::Reverse(*bytes));
        Ok(sizes)
    }

    fn folder(&self) -> Result<PathBuf, String> {
        let versions = fs::read_dir(&self.pins.0).map_err(|error| error.to_string())?;
        versions.flatten().next().map(|entry| entry.path()).ok_or_else(|| "nothing is pinned".to_owned())
    }

    fn pin(&self, name: &str) -> Result<PathBuf, String> {
        Ok(self.folder()?.join(name))
    }
}

/// The number of an interface in the calling thread's namespace.
pub(crate) fn index_of(interface: &str) -> Result<u32, String> {
    let output = crate::namespace::run(
        std::process::Command::new("ip").args(["-o", "link", "show", "dev", interface]),
    )?;
    let number = output.split(':').next().and_then(|number| number.trim().parse().ok());
    number.ok_or_else(|| format!("no interface {interface}"))
}
