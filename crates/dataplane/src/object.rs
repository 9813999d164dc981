//! Loading the object, pinning its tables, and taking over those that are pinned.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aya::maps::{Map, MapData, MapInfo, PerCpuArray};
use aya::{Ebpf, EbpfError, EbpfLoader};
use lvs_atomic::Atomic64;
use lvs_core::conn::tcp::TIMEOUTS_S;
use lvs_core::table::{Config, GROUP_SLOTS, SLOTS_PER_CONNECTION, TABLE_VERSION, Tables, ticks_of_seconds};
use rustix::fs::{FlockOperation, flock, statfs};

use crate::clock;
use crate::error::Error;
use crate::pod::{Mapping, Record};
use crate::tables::MappedTables;

/// Fewest groups of the connection table.
const GROUPS_MIN: u64 = 64;
/// Most groups: 2^31 slots, 128 GiB.
const GROUPS_MAX: u64 = 1 << 27;
/// Timeout of UDP connections (spec 3.6), seconds.
const UDP_TIMEOUT_S: u32 = 300;
/// ICMP errors a second and processor: the kernel's own default (icmp_msgs_per_sec).
const ICMP_PER_SECOND: u32 = 1000;
/// The oldest kernel that works.
const KERNEL_MIN: (u32, u32) = (6, 1);
/// Magic number of the BPF file system.
const BPF_FS_MAGIC: i64 = 0xCAFE_4A11;
/// Lines of the verifier's log that are told.
const LOG_LINES: usize = 3;

/// The data plane in the kernel, seen from this process.
pub struct Object {
    pub(crate) ebpf: Ebpf,
    pub(crate) tables: Arc<MappedTables>,
    pub(crate) ports: aya::maps::HashMap<MapData, u32, [u32; 2]>,
    pub(crate) traffic: PerCpuArray<MapData, [u64; 5]>,
    pub(crate) counters: PerCpuArray<MapData, u64>,
    /// The pin folder of this layout version.
    pub(crate) folder: PathBuf,
    adopted: bool,
    /// Held while this process owns the pins.
    _lock: OwnedFd,
}

impl Object {
    /// Loads the programs and opens the tables: those pinned under `pin_dir`, or new ones with room for
    /// `max_connections`. Nothing is attached; running traffic is not touched.
    pub fn load(bytes: &[u8], pin_dir: &Path, max_connections: u64) -> Result<Self, Error> {
        if bytes.is_empty() {
            return Err(Error::NoObject);
        }
        check_kernel()?;
        let lock = lock(pin_dir)?;
        refuse_other_versions(pin_dir)?;
        let folder = folder(pin_dir);
        fs::create_dir_all(&folder)
            .map_err(|error| Error::system(format!("making {}", folder.display()), error))?;
        let found = Pins::read(bytes, &folder)?;
        let slot_count = found.slot_count.unwrap_or_else(|| groups(max_connections) * GROUP_SLOTS);
        match open(bytes, &folder, &found, slot_count, lock) {
            Ok(mut object) => {
                let adopted = object.seed(slot_count / GROUP_SLOTS)?;
                let tables = Arc::clone(&object.tables);
                if let Some(config) = tables.config() {
                    clock::calibrate(&mut object.ebpf, config);
                }
                Ok(Self { adopted, ..object })
            }
            Err(error) => {
                found.remove_new();
                Err(error)
            }
        }
    }

    /// The tables.
    pub fn tables(&self) -> &Arc<MappedTables> {
        &self.tables
    }

    /// Whether tables were there before.
    pub fn is_adopted(&self) -> bool {
        self.adopted
    }

    /// Name of a loaded map, for tests that look at it on their own.
    pub fn ebpf(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }

    /// First values of the settings; true when they were there. The seed is written last: it says that all are.
    fn seed(&self, groups: u32) -> Result<bool, Error> {
        let config = self.config();
        if config.seed.load() != 0 {
            return Ok(true);
        }
        config.groups.store(groups);
        config.next_hop_epoch.store(1);
        for (cell, seconds) in config.tcp_timeouts.iter().zip(TIMEOUTS_S) {
            cell.store(ticks_of_seconds(seconds));
        }
        config.udp_timeout.store(ticks_of_seconds(UDP_TIMEOUT_S));
        config.reuse_mode.store(1);
        config.icmp_per_second.store(ICMP_PER_SECOND);
        config.seed.store(random()?);
        Ok(false)
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        match self.tables.config() {
            Some(config) => config,
            None => unreachable!("the table of settings was mapped with one record"),
        }
    }
}

/// The pin folder of this layout version.
pub(crate) fn folder(pin_dir: &Path) -> PathBuf {
    pin_dir.join(format!("v{TABLE_VERSION}"))
}

fn groups(max_connections: u64) -> u32 {
    let (many, of) = SLOTS_PER_CONNECTION;
    let slots = (max_connections.saturating_mul(many)).div_ceil(of);
    slots.div_ceil(u64::from(GROUP_SLOTS)).clamp(GROUPS_MIN, GROUPS_MAX) as u32
}

fn random() -> Result<u64, Error> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty())
        .map_err(|error| Error::system("drawing a random seed", error))?;
    Ok(u64::from_ne_bytes(bytes) | 1)
}

fn check_kernel() -> Result<(), Error> {
    if kernel_version() < KERNEL_MIN { Err(Error::KernelTooOld(kernel_release())) } else { Ok(()) }
}

fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Major and minor number of the running kernel.
pub(crate) fn kernel_version() -> (u32, u32) {
    let release = kernel_release();
    let mut numbers = release.split(['.', '-', '+']).map_while(|part| part.parse().ok());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

/// Makes the pin folder this process's own for its life, and checks that pins can lie there.
pub(crate) fn lock(pin_dir: &Path) -> Result<OwnedFd, Error> {
    let parent_or_self = pin_dir.ancestors().find(|path| path.exists()).unwrap_or(pin_dir);
    let system = statfs(parent_or_self)
        .map_err(|error| Error::system(format!("asking about {}", pin_dir.display()), error))?;
    if system.f_type as i64 & 0xFFFF_FFFF != BPF_FS_MAGIC {
        return Err(Error::NotBpffs(pin_dir.to_owned()));
    }
    let opened = fs::create_dir_all(pin_dir).and_then(|()| fs::File::open(pin_dir));
    let file = opened.map_err(|error| Error::system(format!("opening {}", pin_dir.display()), error))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| Error::Busy(pin_dir.to_owned()))?;
    Ok(file.into())
}

/// Folders of all layout versions under a pin folder.
pub(crate) fn version_folders(pin_dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(pin_dir).into_iter().flatten().flatten();
    let is_version = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.strip_prefix('v').is_some_and(|number| number.parse::<u32>().is_ok())
    };
    entries.map(|entry| entry.path()).filter(is_version).collect()
}

fn refuse_other_versions(pin_dir: &Path) -> Result<(), Error> {
    let own = folder(pin_dir);
    for other in version_folders(pin_dir).into_iter().filter(|other| *other != own) {
        if fs::read_dir(&other).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::OtherVersion(other));
        }
    }
    Ok(())
}

/// What was pinned before this process loads anything.
struct Pins {
    /// The object's maps and where their pins lie.
    all: Vec<(String, PathBuf)>,
    /// Pins that were not there.
    new: Vec<PathBuf>,
    slot_count: Option<u32>,
}

impl Pins {
    /// Compares every pinned map with what the object would make: aya opens pins without looking.
    fn read(bytes: &[u8], folder: &Path) -> Result<Self, Error> {
        let object = aya_obj::Object::parse(bytes).map_err(|error| Error::Object(error.to_string()))?;
        let mut pins = Self { all: Vec::new(), new: Vec::new(), slot_count: None };
        for (name, wanted) in &object.maps {
            if !is_table(name) {
                continue;
            }
            let path = folder.join(name);
            pins.all.push((name.clone(), path.clone()));
            if !path.exists() {
                pins.new.push(path);
                continue;
            }
            let found = MapInfo::from_pin(&path).map_err(|error| explain_map(&path, &error))?;
            let mut numbers = [
                ("type", found.map_type().map_or(u32::MAX, |kind| kind as u32), wanted.map_type()),
                ("key size", found.key_size(), wanted.key_size()),
                ("value size", found.value_size(), wanted.value_size()),
                ("size", found.max_entries(), wanted.max_entries()),
                ("flags", found.map_flags(), wanted.map_flags()),
            ];
            if name == "SLOTS" {
                pins.slot_count = Some(found.max_entries());
                numbers[3] = ("size", found.max_entries() % GROUP_SLOTS, 0);
            }
            if let Some((what, found, wanted)) =
                numbers.into_iter().find(|(_, found, wanted)| found != wanted)
            {
                let difference = format!("{what} {found}, not {wanted}");
                return Err(Error::StalePin { path, difference });
            }
        }
        Ok(pins)
    }

    /// Takes back what a failed load pinned.
    fn remove_new(&self) {
        for path in &self.new {
            let _ = fs::remove_file(path);
        }
    }
}

/// Is a map of the object one of ours, not a section of constants?
fn is_table(name: &str) -> bool {
    !name.starts_with('.')
}

fn open(bytes: &[u8], folder: &Path, pins: &Pins, slot_count: u32, lock: OwnedFd) -> Result<Object, Error> {
    let mut loader = EbpfLoader::new();
    loader.map_max_entries("SLOTS", slot_count);
    for (name, path) in &pins.all {
        loader.map_pin_path(name, path.as_path());
    }
    let mut ebpf = loader.load(bytes).map_err(|error| explain_load(&error))?;
    Object::load_programs(&mut ebpf)?;
    let tables = Arc::new(MappedTables {
        config: mapping(&mut ebpf, "CONFIG")?,
        endpoints: mapping(&mut ebpf, "ENDPOINTS")?,
        services: mapping(&mut ebpf, "SERVICES")?,
        members: mapping(&mut ebpf, "MEMBERS")?,
        servers: mapping(&mut ebpf, "SERVERS")?,
        slots: mapping(&mut ebpf, "SLOTS")?,
        counters: [const { Atomic64::new(0) }; _],
    });
    let ports = take(&mut ebpf, "PORTS")?.try_into().map_err(|error| wrong_map("PORTS", &error))?;
    let traffic = take(&mut ebpf, "TRAFFIC")?.try_into().map_err(|error| wrong_map("TRAFFIC", &error))?;
    let counters = take(&mut ebpf, "COUNTERS")?.try_into().map_err(|error| wrong_map("COUNTERS", &error))?;
    let folder = folder.to_owned();
    Ok(Object { ebpf, tables, ports, traffic, counters, folder, adopted: false, _lock: lock })
}

fn take(ebpf: &mut Ebpf, name: &str) -> Result<Map, Error> {
    ebpf.take_map(name).ok_or_else(|| Error::Object(format!("it has no map {name}")))
}

fn wrong_map(name: &str, error: &aya::maps::MapError) -> Error {
    Error::Object(format!("map {name}: {error}"))
}

/// Maps an array; the map itself is kept alive by the mapping and the programs.
fn mapping<T: Record>(ebpf: &mut Ebpf, name: &str) -> Result<Mapping<T>, Error> {
    let Map::Array(map) = take(ebpf, name)? else {
        return Err(Error::Object(format!("map {name} is no array")));
    };
    let info = map.info().map_err(|error| wrong_map(name, &error))?;
    if info.value_size() as usize != size_of::<T>() {
        let (found, wanted) = (info.value_size(), size_of::<T>());
        return Err(Error::Object(format!("records of map {name} have {found} bytes, not {wanted}")));
    }
    Mapping::new(map.fd().as_fd(), info.max_entries())
        .map_err(|error| Error::system(format!("mapping table {name}"), error))
}

fn explain_map(path: &Path, error: &aya::maps::MapError) -> Error {
    missing_capability().unwrap_or_else(|| Error::StalePin {
        path: path.to_owned(),
        difference: format!("it is no map: {error}"),
    })
}

fn explain_load(error: &EbpfError) -> Error {
    missing_capability().unwrap_or_else(|| Error::System {
        doing: "loading the eBPF object".to_owned(),
        source: std::io::Error::other(chain(error)),
    })
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text.replace('\n', " ")
}

/// The verifier's last words about a program.
pub(crate) fn explain_program(program: &str, error: &aya::programs::ProgramError) -> Error {
    if let Some(missing) = missing_capability() {
        return missing;
    }
    let why = match error {
        aya::programs::ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            let is_figure = |line: &&str| {
                ["processed ", "verification time", "stack depth"].iter().any(|start| line.starts_with(start))
            };
            let lines: Vec<&str> = log.lines().filter(|line| !line.is_empty() && !is_figure(line)).collect();
            format!("{io_error}: {}", lines[lines.len().saturating_sub(LOG_LINES)..].join(" / "))
        }
        other => chain(other),
    };
    Error::Verifier { program: program.to_owned(), why }
}

/// The first capability that this process lacks.
fn missing_capability() -> Option<Error> {
    const CAP_NET_ADMIN: u32 = 12;
    const CAP_SYS_ADMIN: u32 = 21;
    const CAP_PERFMON: u32 = 38;
    const CAP_BPF: u32 = 39;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let held = u64::from_str_radix(held.trim(), 16).ok()?;
    let holds = |capability: u32| held & (1 << capability) != 0;
    if !holds(CAP_BPF) && !holds(CAP_SYS_ADMIN) {
        return Some(Error::MissingCapability("CAP_BPF"));
    }
    if !holds(CAP_PERFMON) && !holds(CAP_SYS_ADMIN) {
        return Some(Error::MissingCapability("CAP_PERFMON"));
    }
    (!holds(CAP_NET_ADMIN)).then_some(Error::MissingCapability("CAP_NET_ADMIN"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_table_has_room_for_what_was_asked() {
        assert_eq!(groups(0), 64);
        assert_eq!(groups(1_000_000), 113_282);
        assert_eq!(u64::from(groups(u64::MAX)), GROUPS_MAX);
    }

    #[test]
    fn without_an_object_it_says_so() {
        assert!(matches!(Object::load(&[], Path::new("/nowhere"), 1), Err(Error::NoObject)));
    }
}
