//! Schedulers: one file each. `pick` chooses for a new connection; what it needs beyond the servers' records was planned
//! when the service changed (`plan`). Lists are newest server first (spec 4.0): "first in list" is index 0.
//!
//! A list is looked at in blocks of [`BLOCK`] servers: the kernel's verifier proves one block, not 1,024 servers.
pub mod lc;
pub mod rr;
pub mod wlc;
pub mod wrr;

use crate::table::{
    SCHEDULER_LC, SCHEDULER_RR, SCHEDULER_WLC, SCHEDULER_WRR, SERVERS_PER_SERVICE_MAX, Server, Service,
    Tables,
};

/// No server could be chosen.
pub const NONE: u32 = 0;

/// Servers looked at in one go.
pub const BLOCK: u32 = 32;

/// Blocks in the longest list, and two for the cuts that a cursor makes.
pub const BLOCKS_MAX: u32 = SERVERS_PER_SERVICE_MAX / BLOCK + 2;

/// Part of a service's list of members at one moment: what a scheduler looks at.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Span {
    /// First cell of the list in the table of members.
    pub first: u32,
    /// Servers in the list, at most [`SERVERS_PER_SERVICE_MAX`].
    pub count: u32,
    /// Position to begin at.
    pub from: u32,
    /// Servers to look at, at most.
    pub most: u32,
}

impl Span {
    /// The whole list of a service; both of its numbers are read at once and belong together.
    #[inline(always)]
    pub fn of(service: &Service) -> Self {
        let members = service.members.load();
        let count = members as u32;
        let count = if count > SERVERS_PER_SERVICE_MAX { SERVERS_PER_SERVICE_MAX } else { count };
        Self { first: (members >> 32) as u32, count, from: 0, most: count }
    }

    /// `most` servers from a position on; the list's end ends it too.
    #[inline(always)]
    pub fn part(self, from: u32, most: u32) -> Self {
        Self { from, most, ..self }
    }

    /// Block `turn` of the span; empty when the span ends before.
    #[inline(always)]
    pub fn block(&self, turn: u32) -> Block {
        let done = turn * BLOCK;
        let from = self.from.wrapping_add(done);
        let rest = self.count.saturating_sub(from);
        let left = self.most.saturating_sub(done);
        let len = if rest < left { rest } else { left };
        Block { first: self.first, from, len: if len < BLOCK { len } else { BLOCK } }
    }
}

/// A few servers of a list.
#[derive(Clone, Copy)]
pub struct Block {
    /// First cell of the list in the table of members.
    pub first: u32,
    /// Position in the list where the block begins.
    pub from: u32,
    /// Servers in it, at most [`BLOCK`]; 0: the span is over.
    pub len: u32,
}

impl Block {
    /// The server at a place of the block: its index, 0 when there is none.
    #[inline(always)]
    fn server<T: Tables>(&self, tables: &T, place: u32) -> u32 {
        match tables.member(self.first.wrapping_add(self.from).wrapping_add(place)) {
            Some(member) => member.server.load(),
            None => NONE,
        }
    }
}

/// The connection overhead of 2026 kernels: active * 256 + total (spec 4.0).
#[inline(always)]
pub fn overhead(server: &Server) -> u64 {
    server.active.load() as u64 * 256 + server.total.load() as u64
}

/// The first server of the block that is not overloaded and weighs at least `at_least` (0 counts as 1):
/// (position + 1) << 32 | its index; 0 when there is none.
#[inline(always)]
pub fn walk<T: Tables>(tables: &T, block: &Block, at_least: u32) -> u64 {
    let mut place = 0;
    while place < BLOCK {
        if place >= block.len {
            break;
        }
        let index = block.server(tables, place);
        place += 1;
        if let Some(server) = tables.server(index) {
            let weight = server.weight.load();
            if weight != 0 && weight >= at_least && server.overloaded.load() == 0 {
                return ((block.from.wrapping_add(place)) as u64) << 32 | index as u64;
            }
        }
    }
    0
}

/// The greatest weight of the block's servers that are not overloaded.
#[inline(always)]
pub fn greatest<T: Tables>(tables: &T, block: &Block) -> u32 {
    let mut greatest = 0;
    let mut place = 0;
    while place < BLOCK {
        if place >= block.len {
            break;
        }
        if let Some(server) = tables.server(block.server(tables, place)) {
            let weight = server.weight.load();
            if weight > greatest && server.overloaded.load() == 0 {
                greatest = weight;
            }
        }
        place += 1;
    }
    greatest
}

/// The least loaded of `best` (0: none yet) and the block's eligible servers: its index. The earlier wins ties; with
/// `weighted` the load is overhead / weight, compared by cross multiplication.
#[inline(always)]
pub fn least<T: Tables>(tables: &T, block: &Block, best: u32, weighted: bool) -> u32 {
    let Some(first) = tables.server(best) else { return best };
    let (mut best, mut load, mut share) = (best, overhead(first), share(first, weighted));
    let mut place = 0;
    while place < BLOCK {
        if place >= block.len {
            break;
        }
        let index = block.server(tables, place);
        place += 1;
        if let Some(server) = tables.server(index)
            && server.weight.load() != 0
            && server.overloaded.load() == 0
        {
            let (its_load, its_share) = (overhead(server), self::share(server, weighted));
            if best == NONE || its_load.wrapping_mul(share) < load.wrapping_mul(its_share) {
                (best, load, share) = (index, its_load, its_share);
            }
        }
    }
    best
}

#[inline(always)]
fn share(server: &Server, weighted: bool) -> u64 {
    if weighted { server.weight.load() as u64 } else { 1 }
}

/// The least loaded server of a span: its index.
pub fn least_of<T: Tables>(tables: &T, span: &Span, weighted: bool) -> u32 {
    let mut best = NONE;
    for turn in 0..BLOCKS_MAX {
        best = least(tables, &span.block(turn), best, weighted);
    }
    best
}

/// The greatest weight of a span's servers that are not overloaded.
pub fn greatest_of<T: Tables>(tables: &T, span: &Span) -> u32 {
    (0..BLOCKS_MAX).map(|turn| greatest(tables, &span.block(turn))).max().unwrap_or(0)
}

/// The first server of a span that weighs at least `at_least`: as [`walk`].
pub fn walk_on<T: Tables>(tables: &T, span: &Span, at_least: u32) -> u64 {
    (0..BLOCKS_MAX)
        .map(|turn| walk(tables, &span.block(turn), at_least))
        .find(|found| *found != 0)
        .unwrap_or(0)
}

/// Chooses a real server: its index, or [`NONE`].
#[inline(always)]
pub fn pick<T: Tables>(tables: &T, service: &Service) -> u32 {
    match service.scheduler.load() {
        SCHEDULER_RR => rr::pick(tables, service),
        SCHEDULER_WRR => wrr::pick(tables, service),
        SCHEDULER_LC => lc::pick(tables, service),
        SCHEDULER_WLC => wlc::pick(tables, service),
        _ => NONE,
    }
}
