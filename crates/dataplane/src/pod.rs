//! The only file of this room with unsafe code: maps of the kernel seen as slices of core's records.
//!
//! Invariants: a [`Mapping`] lives as long as the memory it hands out; its length is that of the map, checked against
//! the kernel's own description before (`object.rs`); records are made of atomic cells alone, so the kernel and this
//! process may change them at the same time.
#![allow(unsafe_code)]

use std::io;
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};

use lvs_core::table::{Config, Endpoint, Member, Server, Service, Slot};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A record that may be seen through shared memory.
///
/// # Safety
///
/// Every bit pattern is a value, and every field is an atomic cell.
pub unsafe trait Record: Sync + 'static {}

// SAFETY: `repr(C)`, atomic cells only (core::table).
unsafe impl Record for Config {}
// SAFETY: as above.
unsafe impl Record for Endpoint {}
// SAFETY: as above.
unsafe impl Record for Service {}
// SAFETY: as above.
unsafe impl Record for Member {}
// SAFETY: as above.
unsafe impl Record for Server {}
// SAFETY: as above.
unsafe impl Record for Slot {}

/// A mmapable array map, as long as this lives.
pub struct Mapping<T: Record> {
    start: NonNull<u8>,
    bytes_len: usize,
    count: u32,
    records: PhantomData<&'static T>,
}

// SAFETY: the mapping is shared memory of atomic cells; nothing of it belongs to a thread.
unsafe impl<T: Record> Send for Mapping<T> {}
// SAFETY: as above.
unsafe impl<T: Record> Sync for Mapping<T> {}

impl<T: Record> Mapping<T> {
    /// Distance of two records: the kernel rounds an array's values up to eight bytes.
    const STRIDE: usize = size_of::<T>().next_multiple_of(8);

    /// Maps an array map of `count` records.
    pub(crate) fn new(map: BorrowedFd<'_>, count: u32) -> io::Result<Self> {
        let bytes_len = (Self::STRIDE * count as usize).next_multiple_of(rustix::param::page_size());
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice; nothing of ours lies there.
        let start = unsafe { mmap(ptr::null_mut(), bytes_len, protection, MapFlags::SHARED, map, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { start, bytes_len, count, records: PhantomData })
    }

    /// Number of records.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The record of that index.
    #[inline]
    pub fn get(&self, index: u32) -> Option<&T> {
        if index >= self.count {
            return None;
        }
        // SAFETY: index < count, so the record lies within the mapping, which lives as long as `self`. The mapping is
        // page-aligned and the stride a multiple of the record's alignment (8, or 64 with size 64 and 128).
        Some(unsafe { self.start.add(index as usize * Self::STRIDE).cast::<T>().as_ref() })
    }
}

impl<T: Record> Drop for Mapping<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`; references into it cannot outlive `self`.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.bytes_len) };
    }
}

const _: () = {
    assert!(Mapping::<Slot>::STRIDE.is_multiple_of(align_of::<Slot>()));
    assert!(Mapping::<Server>::STRIDE.is_multiple_of(align_of::<Server>()));
    assert!(Mapping::<Service>::STRIDE.is_multiple_of(align_of::<Service>()));
    assert!(Mapping::<Endpoint>::STRIDE.is_multiple_of(align_of::<Endpoint>()));
    assert!(Mapping::<Config>::STRIDE.is_multiple_of(align_of::<Config>()));
};
