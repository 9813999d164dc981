//! Reading what every processor counts for itself.

use std::ops::{AddAssign, Sub};

use lvs_core::counter::Counter;

use crate::error::Error;
use crate::object::{Object, chain};

/// What one real server moved: one processor's figures or the sum of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficSum {
    /// Connections made.
    pub connections: u64,
    /// Packets client to server.
    pub packets_in: u64,
    /// Packets server to client.
    pub packets_out: u64,
    /// Bytes client to server.
    pub bytes_in: u64,
    /// Bytes server to client.
    pub bytes_out: u64,
}

impl AddAssign for TrafficSum {
    fn add_assign(&mut self, other: Self) {
        self.connections = self.connections.wrapping_add(other.connections);
        self.packets_in = self.packets_in.wrapping_add(other.packets_in);
        self.packets_out = self.packets_out.wrapping_add(other.packets_out);
        self.bytes_in = self.bytes_in.wrapping_add(other.bytes_in);
        self.bytes_out = self.bytes_out.wrapping_add(other.bytes_out);
    }
}

impl Sub for TrafficSum {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            connections: self.connections.wrapping_sub(other.connections),
            packets_in: self.packets_in.wrapping_sub(other.packets_in),
            packets_out: self.packets_out.wrapping_sub(other.packets_out),
            bytes_in: self.bytes_in.wrapping_sub(other.bytes_in),
            bytes_out: self.bytes_out.wrapping_sub(other.bytes_out),
        }
    }
}

impl From<[u64; 5]> for TrafficSum {
    fn from([connections, packets_in, packets_out, bytes_in, bytes_out]: [u64; 5]) -> Self {
        Self { connections, packets_in, packets_out, bytes_in, bytes_out }
    }
}

impl Object {
    /// What a real server moved, by possible processor.
    pub fn traffic_by_processor(&self, server: u32) -> Result<Vec<TrafficSum>, Error> {
        let values = self.traffic.get(&server, 0).map_err(|error| unreadable("TRAFFIC", &error))?;
        Ok(values.iter().map(|words| TrafficSum::from(*words)).collect())
    }

    /// What a real server moved.
    pub fn traffic(&self, server: u32) -> Result<TrafficSum, Error> {
        let mut sum = TrafficSum::default();
        for part in self.traffic_by_processor(server)? {
            sum += part;
        }
        Ok(sum)
    }

    /// All counters, the daemon's own included.
    pub fn counters(&self) -> Result<Vec<(Counter, u64)>, Error> {
        let read = |counter: &Counter| {
            let index = *counter as u32;
            let values = self.counters.get(&index, 0).map_err(|error| unreadable("COUNTERS", &error))?;
            let own = self.tables.counters.get(index as usize).map_or(0, lvs_atomic::Atomic64::load);
            Ok((*counter, values.iter().fold(own, |sum, value| sum.wrapping_add(*value))))
        };
        Counter::ALL.iter().map(read).collect()
    }
}

fn unreadable(name: &str, error: &aya::maps::MapError) -> Error {
    Error::System { doing: format!("reading {name}"), source: std::io::Error::other(chain(error)) }
}
