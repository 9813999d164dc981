//! The order of ipvsadm's listings: compared by 32-bit differences that may overflow, as the original does, so that
//! scripts which compare listings see no change. It is no total order, hence the merge sort of its own: the C
//! library's, whose result for such comparisons is what users know.

use std::net::IpAddr;

use lvs_model::ServiceKey;
use lvs_model::listing::{ServerListing, ServiceListing};

/// Sorts as glibc's `qsort` does: halves, merged, the left one first where neither is smaller.
pub(super) fn merge_sort<T: Copy>(items: &mut [T], difference: fn(T, T) -> i32) {
    let middle = items.len() / 2;
    if middle == 0 {
        return;
    }
    merge_sort(&mut items[..middle], difference);
    merge_sort(&mut items[middle..], difference);
    let (left, mut right) = (items[..middle].to_vec(), middle);
    let mut left = left.into_iter().peekable();
    let mut next = 0;
    while let Some(item) = left.peek().copied() {
        if right < items.len() && difference(item, items[right]) > 0 {
            items[next] = items[right];
            right += 1;
        } else {
            items[next] = item;
            left.next();
        }
        next += 1;
    }
}

/// Services: by family, protocol, address, port.
pub(super) fn services(left: &ServiceListing, right: &ServiceListing) -> i32 {
    let ServiceKey::Address { protocol, address, port } = left.service.key;
    let ServiceKey::Address { protocol: protocol_right, address: address_right, port: port_right } =
        right.service.key;
    let family = i32::from(address.is_ipv6()) - i32::from(address_right.is_ipv6());
    let protocol = i32::from(protocol.number()) - i32::from(protocol_right.number());
    [family, protocol, addresses(address, address_right), ports(port, port_right)]
        .into_iter()
        .find(|difference| *difference != 0)
        .unwrap_or(0)
}

/// Real servers: by address, then port. The families may be mixed: then only the first word is compared, and all four
/// if the left one is IPv6.
pub(super) fn servers(left: &ServerListing, right: &ServerListing) -> i32 {
    match addresses(left.server.address, right.server.address) {
        0 => ports(left.server.port, right.server.port),
        difference => difference,
    }
}

fn addresses(left: IpAddr, right: IpAddr) -> i32 {
    let count = if left.is_ipv6() { 4 } else { 1 };
    let differences =
        words(left).into_iter().zip(words(right)).map(|(left, right)| left.wrapping_sub(right) as i32);
    differences.take(count).find(|difference| *difference != 0).unwrap_or(0)
}

/// The address as 32-bit words; an IPv4 address is the first one, the rest is zero.
fn words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(address) => [u32::from(address), 0, 0, 0],
        IpAddr::V6(address) => {
            let bits = u128::from(address);
            [96, 64, 32, 0].map(|shift| (bits >> shift) as u32)
        }
    }
}

fn ports(left: u16, right: u16) -> i32 {
    i32::from(left) - i32::from(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sort_is_stable_and_survives_an_order_that_is_none() {
        let mut items = [(3, 'a'), (1, 'b'), (3, 'c'), (2, 'd'), (1, 'e')];
        merge_sort(&mut items, |left, right| left.0 - right.0);
        assert_eq!(items, [(1, 'b'), (1, 'e'), (2, 'd'), (3, 'a'), (3, 'c')]);
        let mut items: Vec<u32> = (0..100).map(|number: u32| number.wrapping_mul(0x9e37_79b9)).collect();
        merge_sort(&mut items, |left, right| left.wrapping_sub(right) as i32);
        assert_eq!(items.len(), 100);
    }

    #[test]
    fn differences_overflow_as_in_the_original() {
        let sign =
            |left: &str, right: &str| addresses(left.parse().unwrap(), right.parse().unwrap()).signum();
        assert_eq!(sign("224.0.0.1", "0.0.0.0"), -1);
        assert_eq!(sign("10.0.0.1", "10.0.0.2"), -1);
        assert_eq!(sign("2001:db8::2", "2001:db8::1"), 1);
        assert_eq!(sign("32.1.13.184", "2001:db8::1"), 0);
    }
}
