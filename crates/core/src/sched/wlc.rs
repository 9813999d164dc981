//! Weighted least connections: smallest overhead / weight; a later server must be strictly better (spec 4.4).
use super::Span;
use crate::table::{Service, Tables};

/// Chooses the server with the least overhead for its weight.
#[inline(always)]
pub fn pick<T: Tables>(tables: &T, service: &Service) -> u32 {
    tables.least_of(&Span::of(service), true)
}
