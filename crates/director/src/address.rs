//! Addresses of the operator's world as core has them, and back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use lvs_core::address::Address;
use lvs_core::table::{FAMILY_V4, FAMILY_V6};

/// The address as core compares it.
pub(crate) fn to_core(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(address) => Address::v4(address.to_bits()),
        IpAddr::V6(address) => Address::v6(address.octets()),
    }
}

/// The family byte of an address.
pub(crate) fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { FAMILY_V4 } else { FAMILY_V6 }
}

/// The address as operators know it.
pub(crate) fn from_core(address: Address, family: u8) -> IpAddr {
    if family == FAMILY_V6 {
        Ipv6Addr::from(address.to_v6()).into()
    } else {
        Ipv4Addr::from_bits(address.to_v4()).into()
    }
}

/// The same with a port.
pub(crate) fn socket(address: Address, family: u8, port: u16) -> SocketAddr {
    SocketAddr::new(from_core(address, family), port)
}
