//! Weighted round robin, the kernel's interleaved form (spec 4.2).
//!
//! The cursor walks the list for servers of at least the current weight `cw`; at the end of the list `cw` falls by the gcd
//! of all weights, and from nothing it starts again at the greatest. The kernel tries one level of `cw` after the other;
//! levels at which nobody can be chosen are stepped over here at once, so that a pick takes two walks at most.
use super::{NONE, Span};
use crate::table::{Service, Tables};

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
    let span = Span::of(service);
    let plan = service.weights.load();
    let (top, divisor) = ((plan >> 32) as u32, plan as u32);
    let memory = service.cursor.load();
    let mut current = memory as u32;
    if top == 0 {
        return NONE;
    }
    let mut found = tables.walk_on(&span.part((memory >> 32) as u32, span.count), current);
    if found == 0 {
        let greatest = tables.greatest_of(&span);
        if greatest == 0 {
            return NONE;
        }
        current = level(current, greatest, top, divisor);
        found = tables.walk_on(&span, current);
    }
    if found != 0 {
        service.cursor.replace(memory, found >> 32 << 32 | current as u64);
    }
    found as u32
}
