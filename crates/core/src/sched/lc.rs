//! Least connections: smallest overhead of the eligible; the first in the list wins ties (spec 4.3).
use super::Span;
use crate::table::{Service, Tables};

/// Chooses the server with the least overhead.
#[inline(always)]
pub fn pick<T: Tables>(tables: &T, service: &Service) -> u32 {
    tables.least_of(&Span::of(service), false)
}
