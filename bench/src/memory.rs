//! Bench 2: bytes of memory for a connection at a million connections, every table counted.

use lvs_core::table::{METHOD_MASQUERADE, TCP};
use serde::Serialize;

use crate::packet::CONNECTIONS_MAX;
use crate::plane::Plane;
use crate::scene::{Scene, clear};

/// Issue 2: bytes of an IPv4 connection at most.
const TARGET_V4: f64 = 128.0;
/// Issue 2: bytes of an IPv6 connection at most.
const TARGET_V6: f64 = 192.0;

/// What it found.
#[derive(Serialize, Debug, Clone)]
pub(crate) struct Memory {
    /// Connections that stood, IPv4 and then IPv6.
    pub(crate) connections: u32,
    /// Connections of both rounds that found no place, although the table was made for so many.
    pub(crate) refused: u32,
    /// Bytes of every table, as the kernel accounts them.
    pub(crate) tables: Vec<(String, u64)>,
    /// Their sum over the connections.
    pub(crate) bytes_per_connection: f64,
    /// Of the table of connections alone.
    pub(crate) slots_per_connection: f64,
    /// Issue 2's bounds for IPv4 and IPv6; one slot serves both.
    pub(crate) targets: (f64, f64),
}

/// Makes the connections, so that it is known that they fit, and asks the kernel.
pub(crate) fn run() -> Result<Memory, String> {
    let plane = Plane::load("memory", CONNECTIONS_MAX.into())?;
    let tables = plane.object.tables().clone();
    let mut refused = 0;
    for scene in
        Scene::all().iter().filter(|scene| scene.protocol == TCP && scene.method == METHOD_MASQUERADE)
    {
        scene.configure(&tables)?;
        clear(&tables);
        refused += scene.connect(&tables, CONNECTIONS_MAX)?;
    }
    let sizes = plane.table_sizes()?;
    let sum: u64 = sizes.iter().map(|(_, _, bytes)| bytes).sum();
    let slots = sizes.iter().find(|(name, ..)| name == "SLOTS").map_or(0, |(_, _, bytes)| *bytes);
    let share = |bytes: u64| bytes as f64 / f64::from(CONNECTIONS_MAX);
    Ok(Memory {
        connections: CONNECTIONS_MAX,
        refused,
        tables: sizes.into_iter().map(|(name, _, bytes)| (name, bytes)).collect(),
        bytes_per_connection: share(sum),
        slots_per_connection: share(slots),
        targets: (TARGET_V4, TARGET_V6),
    })
}

/// As text.
pub(crate) fn print(memory: &Memory) {
    for (name, bytes) in &memory.tables {
        println!("{name:<12} {bytes:>12} bytes");
    }
    println!("{} of twice {} connections found no place", memory.refused, memory.connections);
    println!(
        "{} connections: {:.1} bytes each, everything counted (at most {:.0}; IPv6 the same slot, at most {:.0}); {:.1} in the table itself",
        memory.connections,
        memory.bytes_per_connection,
        memory.targets.0,
        memory.targets.1,
        memory.slots_per_connection
    );
}
