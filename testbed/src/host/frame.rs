//! Frames in memory that behave like the kernel's: at the driver a buffer with head room, at TC a socket buffer whose
//! room is opened behind the link header and whose checksums are the helpers' work.
use lvs_core::wire::{ENCAP_NONE, Frame, Header, SUM_MAX, checksum, ethernet, ipv4, ipv6};

/// Bytes in front of a frame at the driver.
const HEAD_ROOM: usize = 256;
/// What the kernel keeps of it for itself (`struct xdp_frame`).
const HEAD_KEPT: usize = 40;
/// The farthest byte that a sum at TC may begin at.
const SUM_OFFSET_MAX: u32 = 0x3FFF;

/// A frame under change.
#[derive(Clone, Debug)]
pub struct HostFrame {
    buffer: Vec<u8>,
    start: usize,
    is_skb: bool,
    /// EtherType the kernel saw first: room is made only in IPv4 and IPv6 packets.
    kind: u16,
    segment_len: u32,
}

impl HostFrame {
    /// A frame at the driver.
    pub fn xdp(bytes: &[u8]) -> Self {
        let mut buffer = vec![0; HEAD_ROOM];
        buffer.extend_from_slice(bytes);
        Self { buffer, start: HEAD_ROOM, is_skb: false, kind: 0, segment_len: 0 }
    }

    /// A packet at TC.
    pub fn skb(bytes: &[u8]) -> Self {
        let kind = bytes.get(12..14).map_or(0, |kind| u16::from_be_bytes([kind[0], kind[1]]));
        Self { buffer: bytes.to_vec(), start: 0, is_skb: true, kind, segment_len: 0 }
    }

    /// The same as a packet that will be cut into segments of that many bytes of payload. Such a packet's kind is not
    /// known here, so no room can be made in it, as in a test run of the kernel.
    #[must_use]
    pub fn with_segments(self, segment_len: u32) -> Self {
        Self { segment_len, ..self }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn range(&self, offset: u32, len: usize) -> Option<std::ops::Range<usize>> {
        let start = self.start.checked_add(offset as usize)?;
        let end = start.checked_add(len)?;
        (end <= self.buffer.len()).then_some(start..end)
    }

    /// `bpf_xdp_adjust_head`.
    fn move_head(&mut self, from: u32, to: u32) -> bool {
        let start = self.start + from as usize;
        if start < to as usize + HEAD_KEPT || start - to as usize + ethernet::LEN as usize > self.buffer.len()
        {
            return false;
        }
        self.start = start - to as usize;
        true
    }

    /// `bpf_skb_adjust_room` behind the link header.
    fn move_room(&mut self, from: u32, to: u32, encap: u32) -> bool {
        let minimum = match self.kind {
            ethernet::IPV4 => ipv4::LEN,
            ethernet::IPV6 => ipv6::LEN,
            _ => return false,
        };
        if self.segment_len != 0 {
            return false;
        }
        let at = ethernet::LEN as usize;
        if to >= from {
            let room = (to - from) as usize;
            self.buffer.splice(at..at, std::iter::repeat_n(0, room));
            return true;
        }
        let less = (from - to) as usize;
        if encap != ENCAP_NONE || self.buffer.len() < at + less + minimum as usize {
            return false;
        }
        self.buffer.drain(at..at + less);
        true
    }

    /// `bpf_l4_csum_replace` by a difference.
    fn replace_checksum(&mut self, offset: u32, difference: u32, mangled_zero: bool) -> bool {
        if offset > 0xFFFF || offset & 1 != 0 {
            return false;
        }
        let Some(range) = self.range(offset, 2) else { return false };
        let field = &mut self.buffer[range];
        let old = u16::from_be_bytes([field[0], field[1]]);
        if mangled_zero && old == 0 {
            return true;
        }
        let new = checksum::apply(old, u64::from(difference));
        let new = if mangled_zero && new == 0 { 0xFFFF } else { new };
        field.copy_from_slice(&new.to_be_bytes());
        true
    }

    fn add_checksum(&mut self, offset: u32, difference: u64, mangled_zero: bool) -> bool {
        let Some(range) = self.range(offset, 2) else { return false };
        let field = &mut self.buffer[range];
        let old = u16::from_be_bytes([field[0], field[1]]);
        if mangled_zero && old == 0 {
            return true;
        }
        let new = checksum::apply(old, difference);
        let new = if mangled_zero && new == 0 { 0xFFFF } else { new };
        field.copy_from_slice(&new.to_be_bytes());
        true
    }
}

impl Frame for HostFrame {
    fn len(&self) -> u32 {
        (self.buffer.len() - self.start) as u32
    }
    fn reaches(&self, len: u32) -> bool {
        self.len() >= len
    }
    fn at<H: Header>(&self, offset: u32) -> Option<&H> {
        H::ref_from_bytes(&self.buffer[self.range(offset, size_of::<H>())?]).ok()
    }
    fn at_mut<H: Header>(&mut self, offset: u32) -> Option<&mut H> {
        let range = self.range(offset, size_of::<H>())?;
        H::mut_from_bytes(&mut self.buffer[range]).ok()
    }
    fn segment_len(&self) -> u32 {
        self.segment_len
    }
    fn fix_checksum(&mut self, offset: u32, pseudo: u32, body: u32, mangled_zero: bool) -> bool {
        if !self.is_skb {
            return self.add_checksum(offset, u64::from(pseudo) + u64::from(body), mangled_zero);
        }
        self.replace_checksum(offset, pseudo, mangled_zero)
            && (body == 0 || body == 0xFFFF || self.replace_checksum(offset, body, mangled_zero))
    }
    fn sum(&self, offset: u32, len: u32) -> u32 {
        if len > SUM_MAX || (self.is_skb && offset > SUM_OFFSET_MAX) {
            return u32::MAX;
        }
        let Some(range) = self.range(offset, len as usize) else { return u32::MAX };
        let words = self.buffer[range].chunks(2);
        let sum =
            words.map(|word| u64::from(word[0]) << 8 | u64::from(word.get(1).copied().unwrap_or(0))).sum();
        checksum::fold(sum)
    }
    fn set_front(&mut self, from: u32, to: u32, encap: u32) -> bool {
        match (from == to, self.is_skb) {
            (true, _) => true,
            (false, true) => self.move_room(from, to, encap),
            (false, false) => self.move_head(from, to),
        }
    }
    fn truncate(&mut self, len: u32) -> bool {
        if len < ethernet::LEN || len > self.len() {
            return false;
        }
        self.buffer.truncate(self.start + len as usize);
        // The kernel forgets the segments of a packet that it cuts.
        self.segment_len = 0;
        true
    }
}
