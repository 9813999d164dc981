//! BPF's cells: compiler intrinsics, always SeqCst where the old value is used.
use core::{
    cell::UnsafeCell,
    intrinsics::{self, AtomicOrdering},
    ptr,
};

macro_rules! cell {
    ($name:ident, $int:ident) => {
        /// A shared integer cell; see the module for the orderings.
        #[repr(transparent)]
        pub struct $name(UnsafeCell<$int>);

        // SAFETY: every access below is a single aligned load, store or atomic instruction on the integer.
        unsafe impl Sync for $name {}

        impl $name {
            /// A cell holding `value`.
            pub const fn new(value: $int) -> Self {
                Self(UnsafeCell::new(value))
            }

            /// The current value.
            #[inline(always)]
            pub fn load(&self) -> $int {
                // SAFETY: the pointer is valid and aligned as long as `self` lives; one load instruction.
                unsafe { ptr::read_volatile(self.0.get()) }
            }

            /// Replaces the value; the JIT keeps the order of stores (x86) and emits plain stores elsewhere.
            #[inline(always)]
            pub fn store(&self, value: $int) {
                // SAFETY: as in `load`; one store instruction.
                unsafe { ptr::write_volatile(self.0.get(), value) }
            }

            /// Adds `n` (wrapping) on a cell that only this processor writes: no locked instruction.
            #[inline(always)]
            pub fn bump(&self, n: $int) {
                // SAFETY: as in `load`; the cell is this processor's own, BPF programs are not preempted by another of ours.
                unsafe { *self.0.get() = (*self.0.get()).wrapping_add(n) }
            }

            /// Adds `n` (wrapping); the old value is not asked for.
            #[inline(always)]
            pub fn add(&self, n: $int) {
                self.fetch_add(n);
            }

            /// Adds `n` (wrapping) and returns the value before.
            #[inline(always)]
            pub fn fetch_add(&self, n: $int) -> $int {
                // SAFETY: valid, aligned pointer; SeqCst as the diary's entry 3 demands.
                unsafe { intrinsics::atomic_xadd::<$int, $int, { AtomicOrdering::SeqCst }>(self.0.get(), n) }
            }

            /// Replaces `current` by `new`; true when this call did it.
            #[inline(always)]
            pub fn replace(&self, current: $int, new: $int) -> bool {
                // SAFETY: valid, aligned pointer.
                let (_, done) = unsafe {
                    intrinsics::atomic_cxchg::<$int, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(
                        self.0.get(),
                        current,
                        new,
                    )
                };
                done
            }

            /// Sets the given bits.
            #[inline(always)]
            pub fn set(&self, bits: $int) {
                // SAFETY: valid, aligned pointer.
                unsafe {
                    intrinsics::atomic_or::<$int, $int, { AtomicOrdering::SeqCst }>(self.0.get(), bits)
                };
            }

            /// Clears the given bits.
            #[inline(always)]
            pub fn clear(&self, bits: $int) {
                // SAFETY: valid, aligned pointer.
                unsafe {
                    intrinsics::atomic_and::<$int, $int, { AtomicOrdering::SeqCst }>(self.0.get(), !bits)
                };
            }
        }
    };
}

cell!(Atomic32, u32);
cell!(Atomic64, u64);
