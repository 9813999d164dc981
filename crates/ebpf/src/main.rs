//! The kernel's shell around `lvs-core`: entry points for XDP and TC, the maps, and the few helper calls.
//!
//! Architecture Invariant: this is the only room with BPF helper calls; it decides nothing about packets. What the verifier
//! demands of the style stands in `docs/developer/verifier.md`.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod decap;
mod frame;
mod hook;
mod maps;

use aya_ebpf::{
    bindings::{__sk_buff, TC_ACT_OK, TC_ACT_SHOT, xdp_action},
    helpers::{bpf_redirect, bpf_redirect_peer},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use lvs_core::{director, verdict};

use crate::{
    frame::{SkbFrame, XdpFrame},
    hook::{SkbHook, XdpHook},
};

/// A panic that survives optimisation is an endless loop, which no verifier accepts: the proof that there is none.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Frames at the driver (or, in generic mode, at the start of the stack).
#[xdp]
pub fn lvs_xdp(context: XdpContext) -> u32 {
    let verdict = director::ingress(&mut XdpFrame::new(context.ctx), &XdpHook::new(context.ctx));
    match verdict::code(verdict) {
        verdict::DROP => xdp_action::XDP_DROP,
        verdict::TRANSMIT => xdp_action::XDP_TX,
        verdict::REDIRECT => {
            // SAFETY: a helper call with plain numbers.
            unsafe { bpf_redirect(verdict::interface(verdict), 0) as u32 }
        }
        _ => xdp_action::XDP_PASS,
    }
}

/// Run by the daemon, never attached: tells it what jiffies and the coarse clock say at one moment.
#[xdp]
pub fn lvs_clock(_: XdpContext) -> u32 {
    maps::Maps::new().sample_clocks();
    xdp_action::XDP_PASS
}

/// Packets coming in, before the kernel routes them.
#[classifier]
pub fn lvs_tc_ingress(context: TcContext) -> i32 {
    let skb = context.skb.skb;
    if !hook::is_for_this_host(skb) {
        return TC_ACT_OK as i32;
    }
    let verdict = lvs_classify(skb);
    match verdict::code(verdict) {
        verdict::ANSWER => lvs_answer(skb, verdict) as i32,
        verdict::RELAY => lvs_relay(skb) as i32,
        _ => action(verdict) as i32,
    }
}

/// The common way: a function of its own, so that its stack is given back before one of the next two begins (VERIFIER 9).
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_classify(skb: *mut __sk_buff) -> u64 {
    director::ingress(&mut SkbFrame::new(skb), &SkbHook::new(skb))
}

/// Answers with an ICMP error: a global function, verified by itself and out of the way of packets that need none.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_answer(skb: *mut __sk_buff, verdict: u64) -> u32 {
    action(director::answer(&mut SkbFrame::new(skb), &SkbHook::new(skb), verdict))
}

/// Relays an ICMP error: a global function for the same reason.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_relay(skb: *mut __sk_buff) -> u32 {
    action(director::relay(&mut SkbFrame::new(skb), &SkbHook::new(skb)))
}

/// Packets that the director itself made, on their way out: replies of a local node.
#[classifier]
pub fn lvs_tc_egress(context: TcContext) -> i32 {
    let skb = context.skb.skb;
    if !hook::is_own(skb) {
        return TC_ACT_OK as i32;
    }
    let mut frame = SkbFrame::new(skb);
    let verdict = director::egress(&mut frame, &SkbHook::new(skb));
    action(verdict) as i32
}

/// What the kernel is told.
#[inline(always)]
fn action(verdict: u64) -> u32 {
    let interface = verdict::interface(verdict);
    match verdict::code(verdict) {
        verdict::DROP => TC_ACT_SHOT as u32,
        // SAFETY: helper calls with plain numbers.
        verdict::REDIRECT => unsafe { bpf_redirect(interface, 0) as u32 },
        // SAFETY: as above.
        verdict::PEER => unsafe { bpf_redirect_peer(interface, 0) as u32 },
        verdict::RESOLVING => interface,
        _ => TC_ACT_OK as u32,
    }
}
