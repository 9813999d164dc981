//! The threads beside the API: the sweep of the connection table, and what is due every two seconds.

use std::fs;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use lvs_core::table::{SERVERS_MAX, Tables};

use crate::connections::{self, Sweep};
use crate::director::Director;
use crate::log;
use crate::notify::{notify, watchdog};
use crate::procfs;
use crate::statistics::ESTIMATION_S;

/// One walk over the connection table takes this long, so that a connection is freed within a second of its end.
const SWEEP: Duration = Duration::from_millis(600);
/// A walk is done in so many slices, so that it never holds a processor for long.
const SLICES: u32 = 12;
/// Every so many walks are done though no server has a connection: what a dead process left half-made has no server.
const IDLE_WALKS: u32 = 64;
/// After a change the files for monitoring wait this long for more changes.
const FILES_DELAY: Duration = Duration::from_millis(50);
/// Up to this many connections `ip_vs_conn` is written with every estimator run.
const SMALL_CONNECTIONS: u64 = 65_536;
/// With more, it is written this often.
const LARGE_PERIOD: Duration = Duration::from_secs(30);
/// Statistics are kept this often, so that little is lost with the machine.
const KEEP_PERIOD: Duration = Duration::from_secs(30);

/// Frees expired connections until lvsd ends.
pub(crate) fn sweep(director: &Director) {
    let tables = &*director.tables;
    let mut sweep = Sweep::default();
    let slice = tables.slot_count().div_ceil(SLICES).max(1);
    let mut walk = 0u32;
    while !director.is_ending() {
        if walk.is_multiple_of(IDLE_WALKS) || has_connections(tables) {
            for _ in 0..SLICES {
                if let Some(live) = sweep.slice(tables, slice) {
                    director.connection_count.store(live, Ordering::Relaxed);
                    break;
                }
                thread::sleep(SWEEP / SLICES);
            }
        } else {
            director.connection_count.store(0, Ordering::Relaxed);
            thread::sleep(SWEEP);
        }
        walk = walk.wrapping_add(1);
    }
}

/// Has any server a connection? Without one the table need not be walked.
fn has_connections(tables: &impl Tables) -> bool {
    (1..SERVERS_MAX).any(|index| tables.server(index).is_some_and(|server| server.total.load() != 0))
}

/// Does what is due every two seconds, and writes the files for monitoring soon after a change, until lvsd ends.
pub(crate) fn tick(director: &Director) {
    let period = Duration::from_secs(ESTIMATION_S);
    let mut files = Files { connections: None, kept: Instant::now(), failed: false };
    let mut next = Instant::now() + period;
    let mut watched = Instant::now();
    let watchdog = watchdog();
    while !director.is_ending() {
        let now = Instant::now();
        let limit = next.saturating_duration_since(now).min(watchdog.unwrap_or(period));
        let changed = director.wait_for_change(limit);
        if watchdog.is_some_and(|period| watched.elapsed() >= period / 2) {
            // Taking the lock shows that no command is stuck.
            drop(director.lock());
            notify("WATCHDOG=1");
            watched = Instant::now();
        }
        let due = Instant::now() >= next;
        if due {
            let mut inner = director.lock();
            inner.estimate();
            inner.look_through_trash(Instant::now());
            drop(inner);
            next += period;
            // Slept through (a suspended machine): do not make up for it.
            next = next.max(Instant::now());
        } else if changed && !director.is_ending() {
            thread::sleep(FILES_DELAY);
        }
        if due || changed {
            files.write(director, due);
        }
    }
    let inner = director.lock();
    if let Err(error) = inner.keep_statistics() {
        log(&format!("keeping statistics: {error}"));
    }
}

struct Files {
    /// When `ip_vs_conn` was written.
    connections: Option<Instant>,
    kept: Instant,
    failed: bool,
}

impl Files {
    fn write(&mut self, director: &Director, due: bool) {
        let result = self.try_write(director, due);
        match &result {
            Err(error) if !self.failed => {
                log(&format!("writing to {}: {error}", director.settings.proc_dir.display()));
            }
            _ => {}
        }
        self.failed = result.is_err();
    }

    fn try_write(&mut self, director: &Director, due: bool) -> std::io::Result<()> {
        let folder = &director.settings.proc_dir;
        fs::create_dir_all(folder)?;
        procfs::replace(folder, "ip_vs", &procfs::ip_vs(&director.listing()))?;
        let (total, processors) = {
            let inner = director.lock();
            (inner.book.total(), inner.book.processors().collect::<Vec<_>>())
        };
        let (sum, rates) = (total.statistics(), total.rates());
        procfs::replace(folder, "ip_vs_stats", &procfs::ip_vs_stats(&sum, &rates))?;
        let by_processor = procfs::ip_vs_stats_percpu(processors.into_iter(), &sum, &rates);
        procfs::replace(folder, "ip_vs_stats_percpu", &by_processor)?;
        if due || self.connections.is_none() {
            self.write_connections(director)?;
            if self.kept.elapsed() >= KEEP_PERIOD {
                director.lock().keep_statistics()?;
                self.kept = Instant::now();
            }
        }
        Ok(())
    }

    fn write_connections(&mut self, director: &Director) -> std::io::Result<()> {
        let is_large = director.connection_count.load(Ordering::Relaxed) > SMALL_CONNECTIONS;
        if is_large && self.connections.is_some_and(|written| written.elapsed() < LARGE_PERIOD) {
            return Ok(());
        }
        let mut text = String::from(procfs::CONNECTIONS_TITLE);
        if has_connections(&*director.tables) {
            for row in connections::rows(&*director.tables, director.tables.slot_count()) {
                procfs::connection_line(&mut text, &row);
            }
        }
        self.connections = Some(Instant::now());
        procfs::replace(&director.settings.proc_dir, "ip_vs_conn", &text)
    }
}

/// Raises the epoch under which next hops are kept: all of them are asked for again.
pub(crate) fn raise_epoch(tables: &impl Tables) {
    let Some(config) = tables.config() else { return };
    let next = config.next_hop_epoch.load().wrapping_add(1);
    // 0 marks an empty next hop.
    config.next_hop_epoch.store(next.max(1));
}
