//! An IP address as the core compares it: two host-order words, never bytes.

/// An IPv4 or IPv6 address. IPv4: `high` is 0 and `low` the address as a number. The family stands beside it (in
/// [`crate::flow::Flow`], [`crate::table::ports_word`]), never inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(C, align(8))]
pub struct Address {
    /// The first eight bytes of an IPv6 address, 0 for IPv4.
    pub high: u64,
    /// The last eight bytes of an IPv6 address, or the IPv4 address.
    pub low: u64,
}

impl Address {
    /// All zero: "none".
    pub const NONE: Self = Self { high: 0, low: 0 };

    /// From an IPv4 address in host order.
    #[inline(always)]
    pub const fn v4(address: u32) -> Self {
        Self { high: 0, low: address as u64 }
    }

    /// From the sixteen bytes of an IPv6 address.
    pub const fn v6(bytes: [u8; 16]) -> Self {
        let number = u128::from_be_bytes(bytes);
        Self { high: (number >> 64) as u64, low: number as u64 }
    }

    /// The IPv4 address in host order (of an IPv4 address).
    #[inline(always)]
    pub const fn to_v4(self) -> u32 {
        self.low as u32
    }

    /// The sixteen bytes of an IPv6 address.
    pub const fn to_v6(self) -> [u8; 16] {
        (((self.high as u128) << 64) | self.low as u128).to_be_bytes()
    }

    /// Is it 127.0.0.0/8 or ::1?
    #[inline(always)]
    pub const fn is_loopback(self, family: u8) -> bool {
        if family == crate::table::FAMILY_V4 {
            self.low >> 24 == 127
        } else {
            self.high == 0 && self.low == 1
        }
    }
}
