//! What the pump is told, and which flow has which number: one file for the kernel's side and for ours.

/// Bytes of headers that the pump writes into every packet; also the size of the smallest packet.
pub const TEMPLATE_LEN: usize = 80;
/// The same in words of eight bytes.
pub const TEMPLATE_WORDS: usize = TEMPLATE_LEN / 8;
/// Ports that one client address uses.
pub const PORTS_PER_ADDRESS: u32 = 1 << 14;
/// First port of a client.
pub const FIRST_PORT: u32 = 1024;

/// The one record of the map SETUP.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Setup {
    /// The packet's first bytes as they lie on the wire.
    pub template: [u64; 10],
    /// Number of the next packet.
    pub next: u64,
    /// Bytes of the packet.
    pub packet_len: u32,
    /// Offset of the last four bytes of the client's address.
    pub address_at: u32,
    /// Offset of the client's port.
    pub port_at: u32,
    /// Number of flows, a power of two, minus one.
    pub mask: u32,
    /// The last four bytes of the first client's address, in host order.
    pub address: u32,
    /// Place of the program under test in the map TARGETS.
    pub target: u32,
    /// Interface that `generate` sends to.
    pub interface: u32,
    /// For `generate`: the sums of the IPv4 header << 16 and of the UDP packet, without the client's address and port.
    pub sums: u32,
}

/// The flow of packet `number`: every flow once in `mask + 1` packets, in an order that no cache foresees.
#[inline(always)]
pub fn flow(number: u32, mask: u32) -> u32 {
    let mut flow = number.wrapping_mul(0x9E37_79B1) & mask;
    flow ^= flow >> 7;
    flow = flow.wrapping_mul(0x85EB_CA6B) & mask;
    flow ^= flow >> 5;
    flow
}

/// A flow's client: the last four bytes of its address, and its port.
#[inline(always)]
pub fn client(first: u32, flow: u32) -> (u32, u16) {
    (first.wrapping_add(flow / PORTS_PER_ADDRESS), (FIRST_PORT + flow % PORTS_PER_ADDRESS) as u16)
}

/// The checksums of IPv4 header and UDP packet once the client is known.
#[inline(always)]
pub fn checksums(sums: u32, address: u32, port: u16) -> (u16, u16) {
    let client = (address >> 16) + (address & 0xFFFF);
    (finish((sums >> 16) + client), finish((sums & 0xFFFF) + client + port as u32))
}

#[inline(always)]
fn finish(sum: u32) -> u16 {
    let sum = (sum >> 16) + (sum & 0xFFFF);
    !((sum >> 16) + sum) as u16
}
