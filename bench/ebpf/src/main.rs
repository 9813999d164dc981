//! What feeds and what counts in the benchmarks.
//!
//! `BPF_PROG_TEST_RUN` hands a program the frame that it left the time before. The pump undoes a change of the frame's
//! front, writes the headers afresh, takes the next flow, and calls the program under test; `bare` in that place tells
//! what pump and harness cost.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod pieces;
mod setup;

use core::arch::asm;

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, xdp_action, xdp_md},
    helpers::{bpf_redirect, bpf_xdp_adjust_head},
    macros::{map, xdp},
    maps::{Array, PerCpuArray, ProgramArray},
    programs::XdpContext,
};

use setup::{Setup, TEMPLATE_LEN, TEMPLATE_WORDS, checksums, client, flow};

/// Offsets within the template.
const OFFSET_MASK: usize = 127;

/// Where the checksums of an untagged IPv4 UDP frame lie.
const IPV4_CHECKSUM_AT: u32 = 24;
const UDP_CHECKSUM_AT: u32 = 40;

#[map]
static SETUP: Array<Setup> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static TARGETS: ProgramArray = ProgramArray::with_max_entries(4, 0);
#[map]
static COUNTED: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// A panic that survives optimisation is an endless loop, which no verifier accepts.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Makes the next packet and hands it to the program under test.
#[xdp]
pub fn pump(context: XdpContext) -> u32 {
    let Some(setup) = SETUP.get_ptr_mut(0) else { return xdp_action::XDP_ABORTED };
    // SAFETY: the record of the map, which only this program and, between runs, the benchmark change.
    let setup = unsafe { &mut *setup };
    if !prepare(context.ctx, setup, false) {
        return xdp_action::XDP_ABORTED;
    }
    // SAFETY: the context is the kernel's.
    unsafe { TARGETS.tail_call(&context, setup.target) };
    xdp_action::XDP_ABORTED
}

/// The least there is: what everything is compared with.
#[xdp]
pub fn bare(_: XdpContext) -> u32 {
    xdp_action::XDP_TX
}

/// Puts 20 bytes in front, as a tunnel must: with the pump's undoing it tells what the harness adds to a tunnel.
#[xdp]
pub fn bare_front(context: XdpContext) -> u32 {
    // SAFETY: the kernel's context; no packet bytes are held.
    unsafe { bpf_xdp_adjust_head(context.ctx, -20) };
    xdp_action::XDP_TX
}

/// Sends the next packet to an interface: a generator, with live frames.
#[xdp]
pub fn generate(context: XdpContext) -> u32 {
    let Some(setup) = SETUP.get_ptr_mut(0) else { return xdp_action::XDP_ABORTED };
    // SAFETY: as in `pump`.
    let setup = unsafe { &mut *setup };
    if !prepare(context.ctx, setup, true) {
        return xdp_action::XDP_ABORTED;
    }
    // SAFETY: a helper call with plain numbers.
    unsafe { bpf_redirect(setup.interface, 0) as u32 }
}

/// Counts IP packets to a server and ends their way; neighbour discovery and ARP pass.
#[xdp]
pub fn sink(context: XdpContext) -> u32 {
    if let Some(count) = COUNTED.get_ptr_mut(0) {
        // SAFETY: a value of this processor's own.
        unsafe { *count += 1 };
    }
    let _ = context;
    xdp_action::XDP_DROP
}

/// Lets everything pass: an interface with a program polls.
#[xdp]
pub fn pass(_: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

#[inline(always)]
fn prepare(context: *mut xdp_md, setup: &mut Setup, with_checksums: bool) -> bool {
    let number = setup.next;
    setup.next = number + 1;
    let (data, end) = bounds(context);
    let front = (end - data) as i32 - setup.packet_len as i32;
    // SAFETY: no packet bytes are held.
    if front != 0 && unsafe { bpf_xdp_adjust_head(context, front) } != 0 {
        return false;
    }
    let (data, end) = bounds(context);
    if data + TEMPLATE_LEN > end {
        return false;
    }
    // SAFETY: checked against the end just above.
    unsafe { (data as *mut [u64; TEMPLATE_WORDS]).write_unaligned(setup.template) };
    let (address, port) = client(setup.address, flow(number as u32, setup.mask));
    write(data, end, setup.address_at, address.to_be());
    write(data, end, setup.port_at, port.to_be());
    if with_checksums {
        let (header, packet) = checksums(setup.sums, address, port);
        write(data, end, IPV4_CHECKSUM_AT, header.to_be());
        write(data, end, UDP_CHECKSUM_AT, packet.to_be());
    }
    true
}

/// Start and end of the packet. Hidden from the optimiser, which would carry them as 32 bits (docs/developer/verifier.md).
#[inline(always)]
fn bounds(context: *mut xdp_md) -> (usize, usize) {
    // SAFETY: the kernel's context.
    unsafe { (opaque((*context).data as usize), opaque((*context).data_end as usize)) }
}

#[inline(always)]
fn opaque(number: usize) -> usize {
    let mut number = number;
    // SAFETY: a register copied to itself.
    unsafe { asm!("{0} = {0}", inout(reg) number, options(nomem, nostack, preserves_flags)) };
    number
}

#[inline(always)]
fn write<T>(data: usize, end: usize, offset: u32, value: T) {
    let at = opaque(data + (offset as usize & OFFSET_MASK));
    if at + size_of::<T>() <= end {
        // SAFETY: checked against the end just above.
        unsafe { (at as *mut T).write_unaligned(value) };
    }
}
