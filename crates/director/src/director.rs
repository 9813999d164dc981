//! The director: the model, the tables that follow it, and what is told about both.
//!
//! A batch of commands is tried on a copy of the model first; only when every one is accepted do tables and state file
//! follow. One lock orders all this; packets never wait for it.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lvs_core::table::{Server, TABLE_VERSION, Tables};
use lvs_dataplane::{Attached, MappedTables, Object};
use lvs_model::api::{AttachMode, ErrorAnswer, Interface, Status, Totals};
use lvs_model::listing::{Listing, ServerListing, ServiceListing};
use lvs_model::refusal::errno;
use lvs_model::{ChangeSet, Command, Model, Refusal, RefusedCommand, ServerEntry, ServerId};

use crate::connections;
use crate::error::Error;
use crate::log;
use crate::options::Settings;
use crate::records::{Writer, service_index};
use crate::state::{self, Keeper};
use crate::statistics::Book;

/// How often the trash is looked through (spec 1.4).
const TRASH_PASS: Duration = Duration::from_secs(60);
/// How long a deleted server stays when nothing refers to it (spec 1.4).
const TRASH_IDLE: Duration = Duration::from_secs(120);

/// Everything that changes together.
pub(crate) struct Inner {
    pub(crate) model: Model,
    pub(crate) object: Object,
    writer: Writer,
    pub(crate) book: Book,
    keeper: Keeper,
    /// What was asked for, by interface; what became of it is in the pins.
    modes: HashMap<String, AttachMode>,
    /// Deleted servers without references, and since when.
    idle: HashMap<ServerId, Instant>,
    trash_looked: Instant,
}

/// The running director.
pub(crate) struct Director {
    inner: Mutex<Inner>,
    pub(crate) tables: Arc<MappedTables>,
    /// Live connections at the last sweep.
    pub(crate) connection_count: AtomicU64,
    /// The files for monitoring are behind the model.
    stale: Mutex<bool>,
    wake: Condvar,
    ending: AtomicBool,
    started: Instant,
    pub(crate) settings: Settings,
}

/// Which source address the kernel would take: a connected socket knows.
fn source_of(to: IpAddr) -> Option<IpAddr> {
    let any: SocketAddr = match to {
        IpAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        IpAddr::V6(_) => ([0u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any).ok()?;
    // No packet is sent; the port only has to be one.
    socket.connect((to, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

impl Inner {
    /// Writes what `changes` names, and keeps the model.
    fn write(&mut self, changes: &ChangeSet) {
        let tables = Arc::clone(self.object.tables());
        self.writer.write(&*tables, &self.model, changes, &source_of);
        let object = &self.object;
        let counts_changed = {
            let read = |server| object.traffic_by_processor(server).unwrap_or_default();
            self.book.follow(&self.model, changes, &read);
            changes.zero_total
                || changes.servers.values().any(|change| change.fresh || change.zero_statistics)
        };
        let mut kept = self.keeper.keep(&self.model);
        if counts_changed && kept.is_ok() {
            kept = self.keep_statistics();
        }
        if let Err(error) = kept {
            log(&format!("keeping the state: {error}"));
        }
    }

    pub(crate) fn keep_statistics(&self) -> std::io::Result<()> {
        self.keeper.keep_statistics(&self.book)
    }

    /// Adds up what the packet path counted.
    pub(crate) fn estimate(&mut self) {
        let object = &self.object;
        let read = |server| object.traffic_by_processor(server).unwrap_or_default();
        self.book.estimate(&self.model, &read);
    }

    /// Writes tunnels' sources again.
    pub(crate) fn write_sources(&self) {
        self.writer.write_sources(&**self.object.tables(), &self.model, &source_of);
    }

    fn record(&self, id: ServerId) -> Option<&Server> {
        self.object.tables().server(id.0)
    }

    /// Deleted servers that nothing refers to.
    fn unreferenced(&self) -> Vec<ServerId> {
        let is_free = |entry: &&ServerEntry| {
            self.record(entry.id)
                .is_none_or(|record| record.total.load() == 0 && record.persistent.load() == 0)
        };
        self.model.trash().filter(is_free).map(|entry| entry.id).collect()
    }

    fn collect(&mut self, ids: &[ServerId]) {
        if ids.is_empty() {
            return;
        }
        let mut changes = ChangeSet::new();
        self.estimate_before_forgetting();
        self.model.collect(ids, &mut changes);
        self.idle.retain(|id, _| !ids.contains(id));
        self.write(&changes);
    }

    /// What a server moved until now belongs to its service and the total.
    fn estimate_before_forgetting(&mut self) {
        let object = &self.object;
        let read = |server| object.traffic_by_processor(server).unwrap_or_default();
        self.book.look(&self.model, &read);
    }

    /// The kernel's rule: a pass every 60 s, and forgotten when idle for 120 s.
    pub(crate) fn look_through_trash(&mut self, now: Instant) {
        if now.duration_since(self.trash_looked) < TRASH_PASS {
            return;
        }
        self.trash_looked = now;
        let unreferenced = self.unreferenced();
        self.idle.retain(|id, _| unreferenced.contains(id));
        let mut forgotten = Vec::new();
        for id in unreferenced {
            let since = *self.idle.entry(id).or_insert(now);
            if now.duration_since(since) >= TRASH_IDLE {
                forgotten.push(id);
            }
        }
        self.collect(&forgotten);
    }
}

impl Director {
    /// Takes over what runs, or begins anew. Nothing is changed before everything that can be checked was; what a failed
    /// start made is taken back.
    pub(crate) fn start(settings: Settings) -> Result<Self, Error> {
        let model = state::load(&settings.state)?;
        let object = Object::load(lvs_dataplane::OBJECT, &settings.pin_dir, settings.max_connections)?;
        let (is_adopted, pin_dir) = (object.is_adopted(), settings.pin_dir.clone());
        let started = Self::start_with(settings, model, object);
        if started.is_err() && !is_adopted {
            let _ = lvs_dataplane::detach_all(&pin_dir);
        }
        started
    }

    fn start_with(settings: Settings, model: Model, mut object: Object) -> Result<Self, Error> {
        let tables = Arc::clone(object.tables());
        let nat = if object.is_adopted() {
            let known = |server| model.server(ServerId(server)).is_some();
            connections::adopt(&*tables, tables.slot_count(), known)
        } else {
            HashSet::new()
        };
        let writer = Writer::adopt(&*tables, &model, &nat, &source_of);
        let seed = object.config().seed.load();
        let saved = state::load_statistics(&settings.state);
        let mut book = saved.map_or_else(|| Book::new(seed), |book| book.for_tables(seed));
        book.catch_up(&model, &|server| object.traffic_by_processor(server).unwrap_or_default());
        let keeper = Keeper::new(&settings.state)?;
        let modes = attach_all(&mut object, &settings)?;
        let now = Instant::now();
        let inner =
            Inner { model, object, writer, book, keeper, modes, idle: HashMap::new(), trash_looked: now };
        Ok(Self {
            inner: Mutex::new(inner),
            tables,
            connection_count: AtomicU64::new(0),
            stale: Mutex::new(true),
            wake: Condvar::new(),
            ending: AtomicBool::new(false),
            started: now,
            settings,
        })
    }

    /// Everything; a thread that panicked left it whole, since tables are written by a model that was accepted.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies all commands or none.
    pub(crate) fn apply(&self, commands: &[Command]) -> Result<(), ErrorAnswer> {
        let mut inner = self.lock();
        match inner.try_apply(commands) {
            Ok(()) => {}
            Err(RefusedCommand { refusal: Refusal::ServersFull | Refusal::ServicesFull, .. }) => {
                let unreferenced = inner.unreferenced();
                inner.collect(&unreferenced);
                inner.try_apply(commands)?;
            }
            Err(refused) => return Err(refused.into()),
        }
        let lost = inner.writer.endpoints.lost;
        drop(inner);
        if lost != 0 {
            log(&format!(
                "the table of endpoints has no place for {lost} of them: their traffic is not handled"
            ));
        }
        self.touch();
        Ok(())
    }

    /// The files for monitoring are to be written again.
    pub(crate) fn touch(&self) {
        *self.stale.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wake.notify_all();
    }

    /// Waits for a change, but no longer than `limit`; true when there was one.
    pub(crate) fn wait_for_change(&self, limit: Duration) -> bool {
        let guard = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.wake.wait_timeout_while(guard, limit, |stale| !*stale && !self.is_ending());
        let (mut stale, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *stale)
    }

    /// Tells every thread to end.
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::SeqCst);
        self.touch();
    }

    /// Whether lvsd is ending.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    /// Everything `ipvsadm -L` may print.
    pub(crate) fn listing(&self) -> Listing {
        let inner = self.lock();
        let services = inner.model.services().map(|entry| {
            let tally = inner.book.service(entry.id.0);
            let servers = entry.servers().filter_map(|id| inner.server_listing(id));
            ServiceListing {
                id: entry.id,
                service: entry.service,
                statistics: tally.statistics(),
                rates: tally.rates(),
                servers: servers.collect(),
            }
        });
        let services = services.collect();
        Listing {
            table_size: u64::from(self.tables.slot_count()),
            timeouts: inner.model.timeouts(),
            services,
        }
    }

    /// What the whole director counted.
    pub(crate) fn totals(&self) -> Totals {
        let tally = self.lock().book.total();
        Totals { statistics: tally.statistics(), rates: tally.rates() }
    }

    /// How the director is.
    pub(crate) fn status(&self) -> Result<Status, ErrorAnswer> {
        let interfaces = self.interfaces()?;
        let inner = self.lock();
        let counters = inner.object.counters().map_err(|error| failure(&error))?;
        let uname = rustix::system::uname();
        let service_count = inner.model.services().count() as u32;
        let trash_count = inner.model.trash().count() as u32;
        let mut warnings = Vec::new();
        if interfaces.is_empty() {
            warnings.push("No interface is attached: no packet is handled.".to_owned());
        }
        let (limit, wanted) = (u64::from(self.tables.slot_count()) * 8 / 15, self.settings.max_connections);
        if inner.object.is_adopted() && limit.abs_diff(wanted) > wanted / 8 + 1024 {
            warnings.push(format!(
                "The connection table was made for {limit} connections, not {wanted}: only `lvsd --detach` lets it be made anew."
            ));
        }
        if inner.writer.endpoints.lost != 0 {
            let lost = inner.writer.endpoints.lost;
            warnings.push(format!("{lost} addresses found no place in the table of endpoints."));
        }
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            table_version: TABLE_VERSION,
            pid: std::process::id(),
            uptime_s: self.started.elapsed().as_secs(),
            adopted: inner.object.is_adopted(),
            kernel: uname.release().to_string_lossy().into_owned(),
            service_count,
            server_count: inner.model.servers().count() as u32 - trash_count,
            trash_count,
            connection_count: self.connection_count.load(Ordering::Relaxed),
            connection_limit: limit,
            interfaces,
            counters: counters
                .into_iter()
                .filter(|(_, count)| *count != 0)
                .map(|(counter, count)| (counter.name().to_owned(), count))
                .collect(),
            warnings,
        })
    }

    /// The attached interfaces.
    pub(crate) fn interfaces(&self) -> Result<Vec<Interface>, ErrorAnswer> {
        let inner = self.lock();
        let attached = inner.object.attached().map_err(|error| failure(&error))?;
        Ok(attached.into_iter().map(|attached| inner.interface(attached)).collect())
    }

    /// Attaches to an interface, or changes how.
    pub(crate) fn attach(&self, name: &str, mode: AttachMode) -> Result<Interface, lvs_dataplane::Error> {
        let mut inner = self.lock();
        let attached = inner.object.attach(name, mode)?;
        inner.modes.insert(name.to_owned(), mode);
        Ok(inner.interface(attached))
    }

    /// Detaches an interface.
    pub(crate) fn detach(&self, name: &str) -> Result<(), lvs_dataplane::Error> {
        let mut inner = self.lock();
        inner.object.detach(name)?;
        inner.modes.remove(name);
        Ok(())
    }
}

impl Inner {
    /// Applies all commands to the model and then to the tables, or none to either.
    fn try_apply(&mut self, commands: &[Command]) -> Result<(), RefusedCommand> {
        let tables = Arc::clone(self.object.tables());
        let mut changes = ChangeSet::new();
        let before = (commands.len() > 1).then(|| self.model.clone());
        for (index, command) in commands.iter().enumerate() {
            let mut touched = ChangeSet::new();
            if let Err(refusal) = self.model.apply(command, &mut touched) {
                self.writer.forget_batch();
                if let Some(before) = before {
                    self.model = before;
                }
                return Err(RefusedCommand { index, refusal });
            }
            self.writer.follow(&*tables, &self.model, &touched);
            changes.merge(touched);
        }
        self.write(&changes);
        Ok(())
    }

    /// Attaches to interfaces that went and came back.
    pub(crate) fn attach_again(&mut self) {
        let Ok(attached) = self.object.attached() else { return };
        let is_attached = |name: &str| attached.iter().any(|known| known.name == name);
        let missing: Vec<(String, AttachMode)> = self
            .modes
            .iter()
            .filter(|(name, _)| !is_attached(name))
            .map(|(name, mode)| (name.clone(), *mode))
            .collect();
        if missing.is_empty() {
            return;
        }
        // Removes the pins of what is gone.
        if let Err(error) = self.object.take_over() {
            log(&error.to_string());
        }
        for (name, mode) in missing {
            match self.object.attach(&name, mode) {
                Ok(attached) => {
                    log(&format!("interface {name} is back: attached ({})", attached.mode.name()))
                }
                // Still away: a report tells when it comes.
                Err(lvs_dataplane::Error::NoInterface(_)) => {}
                Err(error) => log(&error.to_string()),
            }
        }
    }

    fn server_listing(&self, id: ServerId) -> Option<ServerListing> {
        let entry = self.model.server(id)?;
        let record = self.record(id)?;
        // Two cells that change apart: the kernel shows the same difference, never below zero.
        let (active, total) = (record.active.load(), record.total.load());
        let tally = self.book.server(id.0);
        Some(ServerListing {
            id,
            server: entry.server,
            active,
            inactive: total.saturating_sub(active),
            persistent: record.persistent.load(),
            statistics: tally.statistics(),
            rates: tally.rates(),
        })
    }

    fn interface(&self, attached: Attached) -> Interface {
        let mode = self.modes.get(&attached.name).copied().unwrap_or(attached.mode);
        Interface { name: attached.name, index: attached.index, mode, attached: attached.mode }
    }

    /// The service a table index stands for, for answers.
    pub(crate) fn service_at(&self, index: u32) -> Option<&lvs_model::ServiceEntry> {
        self.model.services().find(|entry| service_index(entry.id) == index)
    }
}

/// Puts this build's programs in place of those that run, and attaches where the settings say; when one interface cannot
/// be had, those attached here are given back.
fn attach_all(object: &mut Object, settings: &Settings) -> Result<HashMap<String, AttachMode>, Error> {
    let before = object.take_over()?;
    let mut modes: HashMap<String, AttachMode> =
        before.iter().map(|attached| (attached.name.clone(), attached.mode)).collect();
    for (name, mode) in &settings.interfaces {
        if let Err(error) = object.attach(name, *mode) {
            for new in settings.interfaces.keys() {
                if !before.iter().any(|attached| attached.name == *new) {
                    let _ = object.detach(new);
                }
            }
            return Err(error.into());
        }
        modes.insert(name.clone(), *mode);
    }
    Ok(modes)
}

/// A failure of the director itself.
pub(crate) fn failure(error: &lvs_dataplane::Error) -> ErrorAnswer {
    use lvs_dataplane::Error as Dataplane;
    let code = match error {
        Dataplane::NoInterface(_) | Dataplane::NotAttached(_) => errno::ENOENT,
        Dataplane::MissingCapability(_) => errno::EPERM,
        _ => errno::EINVAL,
    };
    ErrorAnswer::new(code, error.to_string())
}
