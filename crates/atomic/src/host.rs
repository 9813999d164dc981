//! The host's cells: `core::sync::atomic` under our names.
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

macro_rules! cell {
    ($name:ident, $inner:ident, $int:ident) => {
        /// A shared integer cell; see the module for the orderings.
        #[derive(Debug, Default)]
        #[repr(transparent)]
        pub struct $name($inner);

        impl $name {
            /// A cell holding `value`.
            pub const fn new(value: $int) -> Self {
                Self($inner::new(value))
            }

            /// The current value.
            #[inline(always)]
            pub fn load(&self) -> $int {
                self.0.load(Ordering::Acquire)
            }

            /// Replaces the value; everything written before is visible to who reads it.
            #[inline(always)]
            pub fn store(&self, value: $int) {
                self.0.store(value, Ordering::Release);
            }

            /// Adds `n` (wrapping) on a cell that only this processor writes: no locked instruction.
            #[inline(always)]
            pub fn bump(&self, n: $int) {
                self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
            }

            /// Adds `n` (wrapping); the old value is not asked for.
            #[inline(always)]
            pub fn add(&self, n: $int) {
                self.0.fetch_add(n, Ordering::SeqCst);
            }

            /// Adds `n` (wrapping) and returns the value before.
            #[inline(always)]
            pub fn fetch_add(&self, n: $int) -> $int {
                self.0.fetch_add(n, Ordering::SeqCst)
            }

            /// Replaces `current` by `new`; true when this call did it.
            #[inline(always)]
            pub fn replace(&self, current: $int, new: $int) -> bool {
                self.0.compare_exchange(current, new, Ordering::SeqCst, Ordering::SeqCst).is_ok()
            }

            /// Sets the given bits.
            #[inline(always)]
            pub fn set(&self, bits: $int) {
                self.0.fetch_or(bits, Ordering::SeqCst);
            }

            /// Clears the given bits.
            #[inline(always)]
            pub fn clear(&self, bits: $int) {
                self.0.fetch_and(!bits, Ordering::SeqCst);
            }
        }
    };
}

cell!(Atomic32, AtomicU32, u32);
cell!(Atomic64, AtomicU64, u64);
