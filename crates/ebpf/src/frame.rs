//! Frames: packet bytes between two pointers that the verifier follows.
//!
//! Every access compares pointer + size with the end and uses that same pointer (VERIFIER 1). Headers are unaligned
//! types, so any offset is an aligned access to them.
use core::{arch::asm, mem::size_of};

use aya_ebpf::{
    bindings::{__sk_buff, xdp_md},
    helpers::{
        bpf_l4_csum_replace, bpf_skb_adjust_room, bpf_skb_change_tail, bpf_skb_pull_data,
        bpf_xdp_adjust_head, bpf_xdp_adjust_tail, bpf_xdp_get_buff_len,
    },
};
use lvs_core::{
    flow,
    wire::{ENCAP_V4, ENCAP_V6, Frame, Header, SUM_MAX, U16, checksum},
};

const BPF_ADJ_ROOM_MAC: u32 = 1;
const BPF_F_ADJ_ROOM_ENCAP_L3_IPV4: u64 = 2;
const BPF_F_ADJ_ROOM_ENCAP_L3_IPV6: u64 = 4;
const BPF_F_PSEUDO_HDR: u64 = 16;
const BPF_F_MARK_MANGLED_0: u64 = 32;

/// Bytes of headers that TC makes reachable before it looks: the longest link, IPv6 and ICMP stack that core reads.
const PULL: u32 = 192;

/// Hides a number from the optimiser, so that it does not drop a check that the verifier wants to see (VERIFIER 6).
#[inline(always)]
fn opaque(number: usize) -> usize {
    let mut number = number;
    // SAFETY: a register copied to itself.
    unsafe { asm!("{0} = {0}", inout(reg) number, options(nomem, nostack, preserves_flags)) };
    number
}

/// Start and end of a packet. Hidden at once: a pointer that the optimiser carries as 32 bits and widens later is none to
/// the verifier (VERIFIER 7).
macro_rules! bounds {
    ($context:expr) => {
        // SAFETY: the kernel's context.
        unsafe { (opaque((*$context).data as usize), opaque((*$context).data_end as usize)) }
    };
}

/// The header at an offset, null when it is not all there. The pointer that is compared with the end is the one that is
/// used, and the optimiser must not conclude from one check that another is not needed: the verifier proves each pointer by
/// itself (VERIFIER 6).
#[inline(always)]
fn header<'a, H>(data: usize, end: usize, offset: u32) -> Option<&'a mut H> {
    let start = opaque(data + offset as usize);
    if start + size_of::<H>() > end {
        return None;
    }
    // SAFETY: inside the packet, so not null (said aloud, since comparing it with null takes a privilege, VERIFIER 11); `H` is
    // any bytes at any alignment; callers tie the lifetime to their borrow of the frame.
    unsafe {
        core::hint::assert_unchecked(start != 0);
        Some(&mut *(start as *mut H))
    }
}

/// Is this many bytes' end within the packet?
#[inline(always)]
fn is_within(data: usize, end: usize, len: u32) -> bool {
    opaque(data + len as usize) <= end
}

#[inline(always)]
fn add_words(data: usize, end: usize, offset: u32, len: u32) -> u32 {
    let mut sum = 0u64;
    let mut at = offset & 0x3FFF;
    let mut left = len;
    let mut turn = 0;
    while turn < SUM_MAX / 32 {
        if left < 32 {
            break;
        }
        let Some(words) = header::<[U64Word; 4]>(data, end, opaque(at as usize) as u32 & 0x7FFF) else {
            return u32::MAX;
        };
        sum += words[0].sum() + words[1].sum() + words[2].sum() + words[3].sum();
        at += 32;
        left -= 32;
        turn += 1;
    }
    // The same numbers again, but to the verifier the same whatever turn the loop ended in.
    left = opaque(len as usize) as u32 & 31;
    at = opaque((offset + (len & !31)) as usize) as u32 & 0x7FFF;
    turn = 0;
    while turn < 16 {
        if left < 2 {
            break;
        }
        let Some(word) = header::<U16>(data, end, opaque(at as usize) as u32 & 0x7FFF) else {
            return u32::MAX;
        };
        sum += word.get() as u64;
        at += 2;
        left -= 2;
        turn += 1;
    }
    if left == 1 {
        // The last byte, as the lower half of the word that ends with it (no header is a single byte long).
        let Some(word) = header::<U16>(data, end, opaque(at as usize - 1) as u32 & 0x7FFF) else {
            return u32::MAX;
        };
        sum += (word.get() as u64 & 0xFF) << 8;
    }
    checksum::fold(sum)
}

#[repr(C, packed)]
#[derive(Clone, Copy)]
struct U64Word(u64);

impl U64Word {
    #[inline(always)]
    fn sum(self) -> u64 {
        let word = u64::from_be(self.0);
        (word >> 32) + (word & 0xFFFF_FFFF)
    }
}

/// Sums bytes of an XDP frame: a global function, verified once by itself.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_sum_xdp(context: *mut xdp_md, offset: u32, len: u32) -> u32 {
    let (data, end) = bounds!(context);
    add_words(data, end, offset, len)
}

/// Sums bytes of a packet at TC, made reachable first.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_sum_skb(context: *mut __sk_buff, offset: u32, len: u32) -> u32 {
    if len > SUM_MAX || offset > 0x3FFF {
        return u32::MAX;
    }
    let (data, end) = bounds!(context);
    // SAFETY: the kernel's context.
    if !is_within(data, end, offset + len) && unsafe { bpf_skb_pull_data(context, offset + len) } != 0 {
        return u32::MAX;
    }
    let (data, end) = bounds!(context);
    add_words(data, end, offset, len)
}

/// Steps over VLAN tags, out of the way of untagged frames.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_untag_xdp(context: *mut xdp_md) -> u32 {
    flow::untag(&XdpFrame { context })
}

/// Steps over IPv6 extension headers, out of the way of packets that have none.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_extensions_xdp(context: *mut xdp_md, offset: u32, protocol: u32) -> u64 {
    flow::skip_extensions(&XdpFrame { context }, offset & 0x3FF, protocol)
}

/// As [`lvs_untag_xdp`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_untag_skb(context: *mut __sk_buff) -> u32 {
    flow::untag(&SkbFrame { context })
}

/// As [`lvs_extensions_xdp`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_extensions_skb(context: *mut __sk_buff, offset: u32, protocol: u32) -> u64 {
    flow::skip_extensions(&SkbFrame { context }, offset & 0x3FF, protocol)
}

/// A frame at the driver.
pub(crate) struct XdpFrame {
    context: *mut xdp_md,
}

impl XdpFrame {
    #[inline(always)]
    pub(crate) fn new(context: *mut xdp_md) -> Self {
        Self { context }
    }

    #[inline(always)]
    fn bounds(&self) -> (usize, usize) {
        bounds!(self.context)
    }
}

impl Frame for XdpFrame {
    #[inline(always)]
    fn len(&self) -> u32 {
        // SAFETY: the kernel's context.
        unsafe { bpf_xdp_get_buff_len(self.context) as u32 }
    }
    #[inline(always)]
    fn reaches(&self, len: u32) -> bool {
        let (data, end) = self.bounds();
        is_within(data, end, len)
    }
    #[inline(always)]
    fn at<H: Header>(&self, offset: u32) -> Option<&H> {
        let (data, end) = self.bounds();
        header::<H>(data, end, offset).map(|header| &*header)
    }
    #[inline(always)]
    fn at_mut<H: Header>(&mut self, offset: u32) -> Option<&mut H> {
        let (data, end) = self.bounds();
        header::<H>(data, end, offset)
    }
    #[inline(always)]
    fn segment_len(&self) -> u32 {
        0
    }
    #[inline(always)]
    fn fix_checksum(&mut self, offset: u32, pseudo: u32, body: u32, mangled_zero: bool) -> bool {
        let Some(field) = self.at_mut::<U16>(offset) else { return false };
        if mangled_zero && field.get() == 0 {
            return true;
        }
        let sum = checksum::apply(field.get(), pseudo as u64 + body as u64);
        field.set(if mangled_zero && sum == 0 { 0xFFFF } else { sum });
        true
    }
    #[inline(always)]
    fn sum(&self, offset: u32, len: u32) -> u32 {
        lvs_sum_xdp(self.context, offset, len)
    }
    #[inline(always)]
    fn untag(&self) -> u32 {
        lvs_untag_xdp(self.context)
    }
    #[inline(always)]
    fn skip_extensions(&self, offset: u32, protocol: u32) -> u64 {
        lvs_extensions_xdp(self.context, offset, protocol)
    }
    #[inline(always)]
    fn set_front(&mut self, from: u32, to: u32, _encap: u32) -> bool {
        let delta = from as i32 - to as i32;
        // SAFETY: the kernel's context; no reference into the frame lives across this call.
        delta == 0 || unsafe { bpf_xdp_adjust_head(self.context, delta) == 0 }
    }
    #[inline(always)]
    fn truncate(&mut self, len: u32) -> bool {
        let delta = len as i32 - self.len() as i32;
        // SAFETY: as in `set_front`.
        unsafe { bpf_xdp_adjust_tail(self.context, delta) == 0 }
    }
}

/// A packet at TC.
pub(crate) struct SkbFrame {
    context: *mut __sk_buff,
}

impl SkbFrame {
    /// Makes the headers reachable.
    #[inline(always)]
    pub(crate) fn new(context: *mut __sk_buff) -> Self {
        // SAFETY: the kernel's context.
        let len = unsafe { (*context).len };
        let wanted = if len < PULL { len } else { PULL };
        let (data, end) = bounds!(context);
        if !is_within(data, end, wanted) {
            // SAFETY: the kernel's context; nothing points into the packet yet.
            unsafe { bpf_skb_pull_data(context, wanted) };
        }
        Self { context }
    }

    #[inline(always)]
    fn bounds(&self) -> (usize, usize) {
        bounds!(self.context)
    }
}

impl Frame for SkbFrame {
    #[inline(always)]
    fn len(&self) -> u32 {
        // SAFETY: the kernel's context.
        unsafe { (*self.context).len }
    }
    #[inline(always)]
    fn reaches(&self, len: u32) -> bool {
        self.len() >= len
    }
    #[inline(always)]
    fn at<H: Header>(&self, offset: u32) -> Option<&H> {
        let (data, end) = self.bounds();
        header::<H>(data, end, offset).map(|header| &*header)
    }
    #[inline(always)]
    fn at_mut<H: Header>(&mut self, offset: u32) -> Option<&mut H> {
        let (data, end) = self.bounds();
        header::<H>(data, end, offset)
    }
    #[inline(always)]
    fn segment_len(&self) -> u32 {
        // SAFETY: the kernel's context.
        unsafe { (*self.context).gso_size }
    }
    #[inline(always)]
    fn fix_checksum(&mut self, offset: u32, pseudo: u32, body: u32, mangled_zero: bool) -> bool {
        let zero = if mangled_zero { BPF_F_MARK_MANGLED_0 } else { 0 };
        // SAFETY: the kernel's context. Differences go in network order; a size of 0 means "difference" (`from` is 0).
        unsafe {
            bpf_l4_csum_replace(self.context, offset, 0, wire_order(pseudo), BPF_F_PSEUDO_HDR | zero) == 0
                && (body == 0
                    || body == 0xFFFF
                    || bpf_l4_csum_replace(self.context, offset, 0, wire_order(body), zero) == 0)
        }
    }
    #[inline(always)]
    fn sum(&self, offset: u32, len: u32) -> u32 {
        lvs_sum_skb(self.context, offset, len)
    }
    #[inline(always)]
    fn untag(&self) -> u32 {
        lvs_untag_skb(self.context)
    }
    #[inline(always)]
    fn skip_extensions(&self, offset: u32, protocol: u32) -> u64 {
        lvs_extensions_skb(self.context, offset, protocol)
    }
    #[inline(always)]
    fn set_front(&mut self, from: u32, to: u32, encap: u32) -> bool {
        let delta = to as i32 - from as i32;
        let flags = match encap {
            ENCAP_V4 => BPF_F_ADJ_ROOM_ENCAP_L3_IPV4,
            ENCAP_V6 => BPF_F_ADJ_ROOM_ENCAP_L3_IPV6,
            _ => 0,
        };
        // SAFETY: the kernel's context; no reference into the packet lives across this call.
        delta == 0 || unsafe { bpf_skb_adjust_room(self.context, delta, BPF_ADJ_ROOM_MAC, flags) == 0 }
    }
    #[inline(always)]
    fn truncate(&mut self, len: u32) -> bool {
        // SAFETY: as in `set_front`.
        unsafe { bpf_skb_change_tail(self.context, len, 0) == 0 }
    }
}

/// A folded host-order difference as the checksum helper wants it.
#[inline(always)]
fn wire_order(difference: u32) -> u64 {
    (difference as u16).to_be() as u64
}
