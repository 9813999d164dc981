//! Weighted round robin, the kernel's interleaved form (spec 4.2).
//!
//! The cursor walks the list for servers of at least the current weight `cw`; at the end of the list `cw` falls by the gcd
//! of all weights, and from nothing it starts again at the greatest. The kernel tries one level of `cw` after the other;
//! levels at which nobody can be chosen are stepped over here at once, so that a pick takes two walks at most.
use super::{Members, NONE};
use crate::table::{SERVERS_PER_SERVICE_MAX, Service, Tables};

/// What the weights of a service come to: greatest weight - (gcd - 1), and the gcd (1 when there is no weight).
pub fn plan(weights: impl Iterator<Item = u32>) -> (u32, u32) {
    let (mut greatest, mut divisor) = (0u32, 0u32);
    for weight in weights {
        greatest = greatest.max(weight);
        divisor = gcd(divisor, weight);
    }
    let divisor = divisor.max(1);
    (if greatest == 0 { 0 } else { greatest - (divisor - 1) }, divisor)
}

fn gcd(a: u32, b: u32) -> u32 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The current weight after any change of the list or of a weight; the cursor goes back to the head (spec 4.2).
pub fn replan(current: u32, plan: (u32, u32)) -> u32 {
    let (greatest, divisor) = plan;
    if current > greatest || current == 0 {
        greatest
    } else if divisor > 1 {
        current / divisor * divisor + 1
    } else {
        current
    }
}

/// One walk over part of a list for a server of at least a given weight.
struct Walk {
    /// The server found, or [`NONE`].
    index: u32,
    /// Its position + 1.
    position: u32,
    /// Greatest weight of any server that is not overloaded, seen on the way.
    greatest: u32,
}

#[inline(always)]
fn walk<T: Tables>(tables: &T, members: Members, from: u32, current: u32) -> Walk {
    let mut found = Walk { index: NONE, position: 0, greatest: 0 };
    let mut position = from;
    let mut step = 0;
    while step < SERVERS_PER_SERVICE_MAX {
        if position >= members.count {
            break;
        }
        let index = members.server(tables, position);
        position += 1;
        if let Some(server) = tables.server(index)
            && server.overloaded.load() == 0
        {
            let weight = server.weight.load();
            if weight > found.greatest {
                found.greatest = weight;
            }
            if weight >= current && weight != 0 {
                found.index = index;
                found.position = position;
                break;
            }
        }
        step += 1;
    }
    found
}

/// The next level below `current` at which a server of weight `greatest` can be chosen; levels are `top`, `top` - gcd, ...
#[inline(always)]
fn level(current: u32, greatest: u32, top: u32, divisor: u32) -> u32 {
    let below = if current > divisor { current - divisor } else { top };
    if below <= greatest {
        return below;
    }
    let steps = (below - greatest).div_ceil(divisor.max(1));
    below.saturating_sub(steps.saturating_mul(divisor)).max(1)
}

/// Chooses the next server in weighted turn.
#[inline(always)]
pub fn pick<T: Tables>(tables: &T, service: &Service) -> u32 {
    let members = Members::of(service);
    let plan = service.weights.load();
    let (top, divisor) = ((plan >> 32) as u32, plan as u32);
    let memory = service.cursor.load();
    let current = memory as u32;
    if top == 0 || members.count == 0 {
        return NONE;
    }
    let mut found = walk(tables, members, (memory >> 32) as u32, current);
    let mut weight = current;
    if found.index == NONE {
        let all = walk(tables, members, 0, u32::MAX);
        if all.greatest == 0 {
            return NONE;
        }
        weight = level(current, all.greatest, top, divisor);
        found = walk(tables, members, 0, weight);
    }
    if found.index != NONE {
        service.cursor.replace(memory, (found.position as u64) << 32 | weight as u64);
    }
    found.index
}
