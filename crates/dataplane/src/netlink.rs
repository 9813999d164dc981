//! A small rtnetlink client: just the requests and reports that the director needs, without unsafe code.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, sendto, socket_with,
};

/// Kinds of messages (linux/rtnetlink.h).
pub mod kind {
    /// End of a list.
    pub const DONE: u16 = 3;
    /// An error, or with code 0 an acknowledgement.
    pub const ERROR: u16 = 2;
    /// A link is new or changed.
    pub const NEWLINK: u16 = 16;
    /// A link is gone.
    pub const DELLINK: u16 = 17;
    /// Asks for links.
    pub const GETLINK: u16 = 18;
    /// An address is new.
    pub const NEWADDR: u16 = 20;
    /// An address is gone.
    pub const DELADDR: u16 = 21;
    /// A route is new.
    pub const NEWROUTE: u16 = 24;
    /// A route is gone.
    pub const DELROUTE: u16 = 25;
    /// Asks for a route.
    pub const GETROUTE: u16 = 26;
    /// A neighbour is new or changed.
    pub const NEWNEIGH: u16 = 28;
    /// A neighbour is gone.
    pub const DELNEIGH: u16 = 29;
    /// Asks for neighbours.
    pub const GETNEIGH: u16 = 30;
}

/// Groups of reports, as bits.
pub mod group {
    /// Links.
    pub const LINK: u32 = 1;
    /// Neighbours.
    pub const NEIGHBOUR: u32 = 4;
    /// IPv4 addresses.
    pub const V4_ADDRESS: u32 = 0x10;
    /// IPv4 routes.
    pub const V4_ROUTE: u32 = 0x40;
    /// IPv6 addresses.
    pub const V6_ADDRESS: u32 = 0x100;
    /// IPv6 routes.
    pub const V6_ROUTE: u32 = 0x400;
}

const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const DUMP: u16 = 0x300;
const HEADER_LEN: usize = 16;
const LINK_HEADER_LEN: usize = 16;
const ROUTE_HEADER_LEN: usize = 12;
const NEIGHBOUR_HEADER_LEN: usize = 12;

const IFLA_MTU: u16 = 4;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;
const RTA_VIA: u16 = 18;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const RTN_LOCAL: u8 = 2;
/// Use the entry: the kernel probes it as if a packet had been sent.
const NTF_USE: u8 = 1;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const AF_BRIDGE: u8 = 7;

/// Largest datagram taken at a time; the kernel's lists come in pieces of at most 32 KiB.
const RECEIVE_LEN: usize = 64 * 1024;
/// Room for reports that wait: a routing daemon may load a full table at once.
const REPORT_BUFFER_LEN: usize = 1024 * 1024;
/// The kernel answers within microseconds; more is an error.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// A message without its header.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it is.
    pub kind: u16,
    /// The family's header and attributes.
    pub body: Vec<u8>,
}

/// A socket to the kernel's routing code.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    /// A socket for requests.
    pub fn open() -> io::Result<Self> {
        let netlink = Self::with_groups(0)?;
        set_socket_timeout(&netlink.socket, Timeout::Recv, Some(ANSWER_TIMEOUT))?;
        Ok(netlink)
    }

    /// A socket for reports of the given groups; [`Netlink::receive`] waits for them.
    pub fn listen(groups: u32) -> io::Result<Self> {
        let netlink = Self::with_groups(groups)?;
        set_socket_recv_buffer_size(&netlink.socket, REPORT_BUFFER_LEN)?;
        Ok(netlink)
    }

    fn with_groups(groups: u32) -> io::Result<Self> {
        // No protocol is protocol 0: NETLINK_ROUTE.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; RECEIVE_LEN] })
    }

    /// For waiting.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The next datagram's messages. `ENOBUFS` means that reports were lost.
    pub fn receive(&mut self) -> io::Result<Vec<Message>> {
        let (received_len, _) = recv(&self.socket, &mut self.buffer[..], RecvFlags::empty())?;
        Ok(messages(&self.buffer[..received_len]).map(|(message, _)| message).collect())
    }

    /// Sends a request and collects the answer up to its end.
    fn request(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<Vec<Message>> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut bytes = Vec::with_capacity(HEADER_LEN + body.len());
        bytes.extend(((HEADER_LEN + body.len()) as u32).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((flags | REQUEST).to_ne_bytes());
        bytes.extend(self.sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(body);
        sendto(&self.socket, &bytes, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        let mut answer = Vec::new();
        loop {
            let (received_len, _) = recv(&self.socket, &mut self.buffer[..], RecvFlags::empty())?;
            for (message, sequence) in messages(&self.buffer[..received_len]) {
                if sequence != self.sequence {
                    continue;
                }
                match message.kind {
                    kind::DONE => return Ok(answer),
                    kind::ERROR => {
                        return match i32_at(&message.body, 0) {
                            0 => Ok(answer),
                            code => Err(io::Error::from_raw_os_error(-code)),
                        };
                    }
                    _ => {
                        answer.push(message);
                        if flags & (DUMP | ACK) == 0 {
                            return Ok(answer);
                        }
                    }
                }
            }
        }
    }

    /// All interfaces of this network namespace.
    pub fn devices(&mut self) -> io::Result<Vec<Device>> {
        let answer = self.request(kind::GETLINK, DUMP, &[0; LINK_HEADER_LEN])?;
        Ok(answer.iter().filter_map(|message| Device::of(&message.body)).collect())
    }

    /// Where packets to an address leave, and what their source would be.
    pub fn route(&mut self, to: IpAddr) -> io::Result<Route> {
        let mut body = vec![0; ROUTE_HEADER_LEN];
        (body[0], body[1]) = if to.is_ipv4() { (AF_INET, 32) } else { (AF_INET6, 128) };
        push_address(&mut body, RTA_DST, to);
        let answer = self.request(kind::GETROUTE, 0, &body)?;
        let found = answer.first().and_then(|message| Route::of(&message.body));
        found.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// All neighbours of one family or both.
    pub fn neighbours(&mut self) -> io::Result<Vec<Neighbour>> {
        let answer = self.request(kind::GETNEIGH, DUMP, &[0; NEIGHBOUR_HEADER_LEN])?;
        Ok(answer.iter().filter_map(|message| Neighbour::of(&message.body)).collect())
    }

    /// Asks the kernel to make sure of a neighbour as if a packet had gone there.
    pub fn use_neighbour(&mut self, interface: u32, address: IpAddr) -> io::Result<()> {
        const CREATE: u16 = 0x400;
        const REPLACE: u16 = 0x100;
        let mut body = vec![0; NEIGHBOUR_HEADER_LEN];
        body[0] = family(address);
        body[4..8].copy_from_slice(&interface.to_ne_bytes());
        body[10] = NTF_USE;
        push_address(&mut body, NDA_DST, address);
        self.request(kind::NEWNEIGH, ACK | CREATE | REPLACE, &body).map(|_| ())
    }
}

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What kind of virtual device it is ("veth", "vlan"...); empty for a physical one.
    pub kind: String,
    /// The interface below it, or the veth's peer; 0 = none.
    pub below: u32,
    /// `below` is in another network namespace.
    pub is_below_elsewhere: bool,
    /// VLAN tag of a VLAN device.
    pub vlan: u16,
    /// MTU in bytes.
    pub mtu: u32,
    /// Set to be used and with a carrier.
    pub is_running: bool,
}

impl Device {
    /// Reads a message of kind NEWLINK.
    pub fn of(body: &[u8]) -> Option<Self> {
        const UP_AND_RUNNING: u32 = 0x1 | 0x40;
        // AF_BRIDGE reports speak of a bridge's port, not of the device.
        if body.len() < LINK_HEADER_LEN || body[0] == AF_BRIDGE {
            return None;
        }
        let flags = u32_at(body, 8);
        let mut device = Self {
            index: u32_at(body, 4),
            is_running: flags & UP_AND_RUNNING == UP_AND_RUNNING,
            ..Self::default()
        };
        for (kind, value) in attributes(&body[LINK_HEADER_LEN..]) {
            match kind {
                IFLA_IFNAME => device.name = text(value),
                IFLA_MTU => device.mtu = u32_at(value, 0),
                IFLA_LINK => device.below = u32_at(value, 0),
                IFLA_LINK_NETNSID => device.is_below_elsewhere = true,
                IFLA_LINKINFO => device.read_link_info(value),
                _ => {}
            }
        }
        Some(device)
    }

    fn read_link_info(&mut self, bytes: &[u8]) {
        let mut data: &[u8] = &[];
        for (kind, value) in attributes(bytes) {
            match kind {
                IFLA_INFO_KIND => self.kind = text(value),
                IFLA_INFO_DATA => data = value,
                _ => {}
            }
        }
        if self.kind == "vlan" {
            for (kind, value) in attributes(data) {
                if kind == IFLA_VLAN_ID && value.len() >= 2 {
                    self.vlan = u16::from_ne_bytes([value[0], value[1]]);
                }
            }
        }
    }
}

/// The kernel's answer about a destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The interface.
    pub interface: u32,
    /// The gateway; none = on the link.
    pub gateway: Option<IpAddr>,
    /// The source address that the kernel would take.
    pub source: Option<IpAddr>,
    /// The destination is this host.
    pub is_local: bool,
}

impl Route {
    fn of(body: &[u8]) -> Option<Self> {
        if body.len() < ROUTE_HEADER_LEN {
            return None;
        }
        let mut route = Self { is_local: body[7] == RTN_LOCAL, ..Self::default() };
        for (kind, value) in attributes(&body[ROUTE_HEADER_LEN..]) {
            match kind {
                RTA_OIF => route.interface = u32_at(value, 0),
                RTA_GATEWAY => route.gateway = address(value),
                // struct rtvia: a family, then an address of that family.
                RTA_VIA => route.gateway = value.get(2..).and_then(address),
                RTA_PREFSRC => route.source = address(value),
                _ => {}
            }
        }
        Some(route)
    }
}

/// A neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// On which interface.
    pub interface: u32,
    /// Its address.
    pub address: IpAddr,
    /// Its link address; empty while unknown.
    pub link_address: Vec<u8>,
    /// `NUD_*` bits.
    pub state: u16,
}

impl Neighbour {
    /// NUD_STALE: known, but not confirmed lately.
    pub const STALE: u16 = 0x04;
    /// States in which the link address may be used: reachable, stale, delay, probe, noarp, permanent.
    pub const USABLE: u16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80;

    /// Reads a message of kind NEWNEIGH or DELNEIGH.
    pub fn of(body: &[u8]) -> Option<Self> {
        if body.len() < NEIGHBOUR_HEADER_LEN || !matches!(body[0], AF_INET | AF_INET6) {
            return None;
        }
        let mut found = None;
        let mut link_address = Vec::new();
        for (kind, value) in attributes(&body[NEIGHBOUR_HEADER_LEN..]) {
            match kind {
                NDA_DST => found = address(value),
                NDA_LLADDR => link_address = value.to_vec(),
                _ => {}
            }
        }
        let state = u16::from_ne_bytes([body[8], body[9]]);
        Some(Self { interface: u32_at(body, 4), address: found?, link_address, state })
    }

    /// Whether packets can be sent to its link address.
    pub fn is_usable(&self) -> bool {
        self.state & Self::USABLE != 0 && !self.link_address.is_empty()
    }
}

/// The messages of a datagram with their sequence numbers; a broken length ends it.
fn messages(bytes: &[u8]) -> impl Iterator<Item = (Message, u32)> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let message_len = u32_at(rest.get(..HEADER_LEN)?, 0) as usize;
        let body = rest.get(HEADER_LEN..message_len)?.to_vec();
        let message = Message { kind: u16::from_ne_bytes([rest[4], rest[5]]), body };
        let sequence = u32_at(rest, 8);
        rest = rest.get(message_len.next_multiple_of(4)..).unwrap_or_default();
        Some((message, sequence))
    })
}

/// Attributes: kind without its flags, and value; a broken length ends them.
fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    const KIND: u16 = 0x3FFF;
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let head = rest.get(..4)?;
        let attribute_len = u16::from_ne_bytes([head[0], head[1]]) as usize;
        let kind = u16::from_ne_bytes([head[2], head[3]]) & KIND;
        let value = rest.get(4..attribute_len)?;
        rest = rest.get(attribute_len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn push_address(body: &mut Vec<u8>, kind: u16, address: IpAddr) {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    body.extend((4 + octets.len() as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(octets);
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

fn address(value: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(value) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(value).ok().map(|octets| Ipv6Addr::from(octets).into())
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_end_matches('\0').to_owned()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..at + 4) {
        Some(found) => u32::from_ne_bytes([found[0], found[1], found[2], found[3]]),
        None => 0,
    }
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    u32_at(bytes, at) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_device_and_route_are_found() {
        let mut netlink = Netlink::open().unwrap();
        let devices = netlink.devices().unwrap();
        let loopback = devices.iter().find(|device| device.name == "lo").unwrap();
        assert_eq!((loopback.index, loopback.kind.as_str()), (1, ""));
        if loopback.is_running {
            let route = netlink.route(Ipv4Addr::LOCALHOST.into()).unwrap();
            assert!(route.is_local && route.interface == 1);
        }
        netlink.neighbours().unwrap();
    }

    #[test]
    fn broken_messages_end_the_list() {
        assert_eq!(messages(&[9; 40]).count(), 0);
        assert_eq!(attributes(&[3, 0, 1, 0]).count(), 0);
        assert_eq!(attributes(&[5, 0, 1, 0, 7]).collect::<Vec<_>>(), [(1, &[7u8][..])]);
    }
}
