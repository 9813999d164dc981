//! Who has which address in a lab. Every lab has the same; the namespaces keep them apart.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Port of the web servers.
pub const HTTP_PORT: u16 = 80;
/// Port of the UDP servers.
pub const UDP_PORT: u16 = 9000;
/// Addresses that the client may use, so that the ports of one do not run out.
pub const CLIENT_ADDRESS_COUNT: u8 = 8;

/// One of the two protocols a lab speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The virtual address of the cluster.
    pub fn virtual_address(self) -> IpAddr {
        self.on_client_network(100)
    }

    /// The client's address of this number, from 0.
    pub fn client(self, index: u8) -> IpAddr {
        assert!(index < CLIENT_ADDRESS_COUNT, "the client has {CLIENT_ADDRESS_COUNT} addresses");
        self.on_client_network(2 + index)
    }

    /// The director on the clients' network.
    pub fn director_outside(self) -> IpAddr {
        self.on_client_network(1)
    }

    /// The director on the servers' network.
    pub fn director_inside(self) -> IpAddr {
        self.on_server_network(1)
    }

    /// Real server `index`, from 1, on the servers' network: what `ipvsadm -r` names.
    pub fn server(self, index: usize) -> IpAddr {
        self.on_server_network(host_number(index))
    }

    /// Real server `index` on the clients' network, over which direct routing and tunnelling answer.
    pub(crate) fn server_outside(self, index: usize) -> IpAddr {
        self.on_client_network(host_number(index))
    }

    /// The web service.
    pub fn http(self) -> SocketAddr {
        SocketAddr::new(self.virtual_address(), HTTP_PORT)
    }

    /// The UDP service.
    pub fn udp(self) -> SocketAddr {
        SocketAddr::new(self.virtual_address(), UDP_PORT)
    }

    fn on_client_network(self, host: u8) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(10, 1, 0, host).into(),
            Self::V6 => Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, hexadecimal_lookalike(host)).into(),
        }
    }

    fn on_server_network(self, host: u8) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(10, 2, 0, host).into(),
            Self::V6 => Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, hexadecimal_lookalike(host)).into(),
        }
    }
}

fn host_number(server: usize) -> u8 {
    assert!((1..=super::SERVER_COUNT_MAX).contains(&server), "there is no real server {server}");
    u8::try_from(10 + server).expect("SERVER_COUNT_MAX leaves room")
}

/// 100 -> 0x100, so that the IPv6 address reads like the IPv4 one.
fn hexadecimal_lookalike(host: u8) -> u16 {
    let host = u16::from(host);
    ((host / 100) << 8) | ((host / 10 % 10) << 4) | (host % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_read_alike() {
        assert_eq!(Family::V4.http().to_string(), "10.1.0.100:80");
        assert_eq!(Family::V6.http().to_string(), "[2001:db8:1::100]:80");
        assert_eq!(Family::V4.server(2).to_string(), "10.2.0.12");
        assert_eq!(Family::V6.server(2).to_string(), "2001:db8:2::12");
    }
}
