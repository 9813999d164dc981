//! Statistics as the kernel keeps them (spec 9): sums as of the last estimator run, rates as its moving average, zero
//! lines drawn by `ipvsadm -Z`.
//!
//! The packet path counts per real server and processor only, and its counters never go back. What moved between two
//! looks is added to the server, to its service and to the total, so a deleted server leaves what it did in its service,
//! and a daemon that was away misses nothing.

use std::collections::HashMap;

use lvs_dataplane::TrafficSum;
use lvs_model::listing::{Rates, Statistics};
use lvs_model::{ChangeSet, Model};
use serde::{Deserialize, Serialize};

/// Time between two runs of the estimator, seconds.
pub(crate) const ESTIMATION_S: u64 = 2;
/// Connections, packets in, packets out, bytes in, bytes out.
const KINDS: usize = 5;
/// Fraction bits of the averages: of connections and packets 10, of bytes 5; half of them while counting over 2 s.
const FRACTIONS: [u32; KINDS] = [10, 10, 10, 5, 5];

type Figures = [u64; KINDS];

/// What is known of one server, service, or all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tally {
    /// Since creation.
    count: Figures,
    /// At the last estimator run.
    estimated: Figures,
    /// At the last zeroing.
    zero: Figures,
    /// Moving averages, as fractions.
    average: [i64; KINDS],
}

impl Tally {
    fn add(&mut self, more: &Figures) {
        for (sum, more) in self.count.iter_mut().zip(more) {
            *sum = sum.wrapping_add(*more);
        }
    }

    /// One run of the estimator, 2 s after the one before.
    fn estimate(&mut self) {
        for (kind, fraction) in FRACTIONS.iter().enumerate() {
            let moved = self.count[kind].wrapping_sub(self.estimated[kind]);
            let rate = (moved as i64) << (fraction - 1);
            self.average[kind] += (rate - self.average[kind]) >> 2;
            self.estimated[kind] = self.count[kind];
        }
    }

    fn zero(&mut self) {
        self.zero = self.estimated;
        self.average = [0; KINDS];
    }

    /// The sums that are shown.
    pub(crate) fn statistics(&self) -> Statistics {
        let shown = |kind: usize| self.estimated[kind].wrapping_sub(self.zero[kind]);
        Statistics {
            connections: shown(0),
            inbound_packets: shown(1),
            outbound_packets: shown(2),
            inbound_bytes: shown(3),
            outbound_bytes: shown(4),
        }
    }

    /// The rates that are shown.
    pub(crate) fn rates(&self) -> Rates {
        let shown = |kind: usize| {
            let round = (1i64 << (FRACTIONS[kind] - 1)) - 1;
            ((self.average[kind] + round) >> FRACTIONS[kind]) as u64
        };
        Rates {
            connections: shown(0),
            inbound_packets: shown(1),
            outbound_packets: shown(2),
            inbound_bytes: shown(3),
            outbound_bytes: shown(4),
        }
    }
}

fn figures(sum: &TrafficSum) -> Figures {
    [sum.connections, sum.packets_in, sum.packets_out, sum.bytes_in, sum.bytes_out]
}

/// Reads a real server's counters by processor.
pub(crate) type Read<'a> = &'a dyn Fn(u32) -> Vec<TrafficSum>;

/// All statistics; also what is saved of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Book {
    /// The tables these figures belong to: new tables begin at zero.
    seed: u64,
    /// The packet path's counters at the last look, by server and processor.
    seen: HashMap<u32, Vec<Figures>>,
    servers: HashMap<u32, Tally>,
    services: HashMap<u32, Tally>,
    total: Tally,
    /// By processor, never zeroed.
    processors: Vec<Figures>,
}

impl Book {
    /// An empty book for new tables.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// The saved book, if it was written about these tables.
    pub(crate) fn for_tables(self, seed: u64) -> Self {
        if self.seed == seed { self } else { Self::new(seed) }
    }

    /// Adds what moved since the last look.
    pub(crate) fn look(&mut self, model: &Model, read: Read<'_>) {
        for entry in model.servers() {
            let moved = self.moved(entry.id.0, read);
            self.servers.entry(entry.id.0).or_default().add(&moved);
            if model.service(entry.service).is_some() {
                self.services.entry(entry.service.0).or_default().add(&moved);
            }
            self.total.add(&moved);
        }
    }

    /// What one server moved since the last look.
    fn moved(&mut self, server: u32, read: Read<'_>) -> Figures {
        let now = read(server);
        let seen = self.seen.entry(server).or_default();
        seen.resize(now.len(), Figures::default());
        if self.processors.len() < now.len() {
            self.processors.resize(now.len(), Figures::default());
        }
        let mut moved = Figures::default();
        for ((now, seen), processor) in now.iter().map(figures).zip(seen).zip(&mut self.processors) {
            for kind in 0..KINDS {
                let more = now[kind].wrapping_sub(seen[kind]);
                moved[kind] = moved[kind].wrapping_add(more);
                processor[kind] = processor[kind].wrapping_add(more);
            }
            *seen = now;
        }
        moved
    }

    /// A run of the estimator.
    pub(crate) fn estimate(&mut self, model: &Model, read: Read<'_>) {
        self.look(model, read);
        self.servers.values_mut().for_each(Tally::estimate);
        self.services.values_mut().for_each(Tally::estimate);
        self.total.estimate();
    }

    /// The first look of a daemon that takes over: shows at once what was counted while none ran; rates go on with the
    /// next run.
    pub(crate) fn catch_up(&mut self, model: &Model, read: Read<'_>) {
        self.look(model, read);
        let tallies = self.servers.values_mut().chain(self.services.values_mut());
        for tally in tallies.chain([&mut self.total]) {
            tally.estimated = tally.count;
        }
    }

    /// Follows accepted commands; `model` is the one after them.
    pub(crate) fn follow(&mut self, model: &Model, changes: &ChangeSet, read: Read<'_>) {
        for (id, change) in &changes.servers {
            if change.fresh {
                // Whatever an earlier server of this number moved was no deed of this one.
                let _ = self.moved(id.0, read);
                self.servers.insert(id.0, Tally::default());
            } else if change.zero_statistics {
                self.servers.entry(id.0).or_default().zero();
            }
            if model.server(*id).is_none() {
                self.servers.remove(&id.0);
            }
        }
        for (id, change) in &changes.services {
            if model.service(*id).is_none() {
                self.services.remove(&id.0);
            } else if change.fresh {
                self.services.insert(id.0, Tally::default());
            } else if change.zero_statistics {
                self.services.entry(id.0).or_default().zero();
            }
        }
        if changes.zero_total {
            self.total.zero();
        }
    }

    /// Of one server.
    pub(crate) fn server(&self, id: u32) -> Tally {
        self.servers.get(&id).copied().unwrap_or_default()
    }

    /// Of one service.
    pub(crate) fn service(&self, id: u32) -> Tally {
        self.services.get(&id).copied().unwrap_or_default()
    }

    /// Of all.
    pub(crate) fn total(&self) -> Tally {
        self.total
    }

    /// By processor, since the tables were made.
    pub(crate) fn processors(&self) -> impl Iterator<Item = Statistics> + '_ {
        self.processors.iter().map(|figures| Tally { estimated: *figures, ..Tally::default() }.statistics())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spec 9.3, measured on the kernel: one burst, read after the second run and then every 2 s.
    #[test]
    fn rates_fall_as_the_kernels() {
        let mut tally = Tally::default();
        tally.add(&[20, 40, 20, 21_600, 800]);
        tally.estimate();
        let mut seen = Vec::new();
        for _ in 0..5 {
            tally.estimate();
            let rates = tally.rates();
            seen.push((rates.connections, rates.inbound_packets, rates.inbound_bytes, rates.outbound_bytes));
        }
        let wanted = [(2, 4, 2025, 75), (1, 3, 1519, 56), (1, 2, 1139, 42), (1, 2, 854, 32), (1, 1, 641, 24)];
        assert_eq!(seen, wanted);
    }

    #[test]
    fn what_was_not_estimated_when_zeroed_shows_up_later() {
        let mut tally = Tally::default();
        tally.add(&[5, 0, 0, 0, 0]);
        tally.estimate();
        tally.add(&[2, 0, 0, 0, 0]);
        tally.zero();
        assert_eq!((tally.statistics().connections, tally.rates().connections), (0, 0));
        tally.estimate();
        assert_eq!(tally.statistics().connections, 2);
    }
}
