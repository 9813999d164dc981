//! Single pieces of a packet program, each as a program of its own that does just that before `XDP_TX`: what things cost on
//! this machine (with its mitigations), so that the figures of other machines can be compared.

use core::arch::asm;

use aya_ebpf::{
    bindings::xdp_action::XDP_TX,
    helpers::{bpf_jiffies64, bpf_ktime_get_coarse_ns, bpf_ktime_get_ns, bpf_redirect, bpf_xdp_adjust_head},
    macros::{map, xdp},
    maps::{Array, HashMap, PerCpuArray},
    programs::XdpContext,
};

#[map]
static PIECE_ARRAY: Array<u64> = Array::with_max_entries(16, 0);
#[map]
static PIECE_PER_CPU: PerCpuArray<u64> = PerCpuArray::with_max_entries(16, 0);
#[map]
static PIECE_HASH: HashMap<u32, u64> = HashMap::with_max_entries(16, 0);

/// Calls another function of the program.
#[xdp]
pub fn piece_call(_: XdpContext) -> u32 {
    piece_callee(1)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn piece_callee(number: u32) -> u32 {
    let mut number = number;
    // SAFETY: a register copied to itself.
    unsafe { asm!("{0} = {0}", inout(reg) number, options(nomem, nostack, preserves_flags)) };
    if number == 7 { 0 } else { XDP_TX }
}

/// Reads the coarse clock.
#[xdp]
pub fn piece_coarse_clock(_: XdpContext) -> u32 {
    // SAFETY: a helper call without arguments.
    if unsafe { bpf_ktime_get_coarse_ns() } == 7 { 0 } else { XDP_TX }
}

/// Reads the exact clock.
#[xdp]
pub fn piece_clock(_: XdpContext) -> u32 {
    // SAFETY: a helper call without arguments.
    if unsafe { bpf_ktime_get_ns() } == 7 { 0 } else { XDP_TX }
}

/// Reads the kernel's tick count.
#[xdp]
pub fn piece_jiffies(_: XdpContext) -> u32 {
    // SAFETY: a helper call without arguments.
    if unsafe { bpf_jiffies64() } == 7 { 0 } else { XDP_TX }
}

/// Looks into an array.
#[xdp]
pub fn piece_array(_: XdpContext) -> u32 {
    if PIECE_ARRAY.get(3) == Some(&7) { 0 } else { XDP_TX }
}

/// Counts in an array of this processor's.
#[xdp]
pub fn piece_per_cpu_counter(_: XdpContext) -> u32 {
    if let Some(count) = PIECE_PER_CPU.get_ptr_mut(3) {
        // SAFETY: a value of this processor's own.
        unsafe { *count += 1 };
    }
    XDP_TX
}

/// Looks into a hash map.
#[xdp]
pub fn piece_hash(_: XdpContext) -> u32 {
    // SAFETY: nobody writes.
    if unsafe { PIECE_HASH.get(&3) } == Some(&7) { 0 } else { XDP_TX }
}

/// Asks for a redirect.
#[xdp]
pub fn piece_redirect(_: XdpContext) -> u32 {
    // SAFETY: a helper call with plain numbers.
    unsafe { bpf_redirect(1, 0) as u32 }
}

/// Moves the packet's front away and back.
#[xdp]
pub fn piece_adjust_head_twice(context: XdpContext) -> u32 {
    // SAFETY: the kernel's context; no packet bytes are held.
    unsafe {
        bpf_xdp_adjust_head(context.ctx, -20);
        bpf_xdp_adjust_head(context.ctx, 20);
    }
    XDP_TX
}
