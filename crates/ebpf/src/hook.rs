//! The two hooks as core sees them: maps, interface, next hops from the kernel's routing and neighbour tables.
use aya_ebpf::{
    bindings::{__sk_buff, bpf_redir_neigh, xdp_md},
    helpers::{bpf_fib_lookup, bpf_redirect_neigh},
};
use lvs_core::{
    address::Address,
    conn::{self, Key, New, Reply},
    counter::Counter,
    endpoint, sched,
    table::{
        Config, Endpoint, FAMILY_V4, FragmentKey, FragmentValue, HOP_FINDING, HOP_GATEWAY_V6, HOP_LINK,
        HOP_LOCAL, HOP_TICKS, HOP_UNREACHABLE, HOP_UNRESOLVED, Hook, Member, NEXT_HOPS_MAX, NextHop, Pace,
        Server, Service, Slot, Tables, Traffic,
    },
    verdict,
};

use crate::maps::Maps;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const PACKET_HOST: u32 = 0;
const FIB_SUCCESS: i64 = 0;
const FIB_NOT_FORWARDED: i64 = 4;
const FIB_NO_NEIGHBOUR: i64 = 7;
/// Stands for the MTU while a neighbour is unknown: the kernel's way cares for it.
const MTU_UNKNOWN: u32 = 65_535;

/// `struct bpf_fib_lookup` as eight words, so that no access to the stack is narrower or less aligned than a word
/// (VERIFIER 8): family | protocol << 8 | ports << 16 | length or MTU << 48; interface | flow << 32; source, 2; destination,
/// 2; VLAN | source link address << 32; its rest | destination link address << 16.
type Fib = [u64; 8];

/// Chooses a real server: a global function, so that the loops of the schedulers are verified once by themselves.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_pick(service: u32) -> u32 {
    let maps = Maps::timeless();
    match maps.service(service) {
        Some(service) => sched::pick(&maps, service),
        None => sched::NONE,
    }
}

/// Makes a connection: a global function, for the same reason.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_remember(new: *const New) -> u32 {
    if new.is_null() {
        return conn::NONE;
    }
    // SAFETY: not null, and the verifier checks size and readability of the argument.
    let new = unsafe { &*new };
    let maps = Maps::at(new.now);
    match maps.config() {
        Some(config) => conn::remember(&maps, config, new),
        None => conn::NONE,
    }
}

/// Searches the endpoint table beyond an entry's first place.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_find_endpoint(high: u64, low: u64, word: u64) -> u32 {
    let maps = Maps::at(0);
    match maps.config() {
        Some(config) => endpoint::find(&maps, config, Address { high, low }, word),
        None => endpoint::NONE,
    }
}

/// Searches the connection of a request beyond its home.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_find_inbound(key: *const Key, now: u32) -> u32 {
    let maps = Maps::at(now);
    let Some(config) = maps.config() else { return conn::NONE };
    if key.is_null() {
        return conn::NONE;
    }
    // SAFETY: not null, and the verifier checks size and readability of the argument.
    conn::find_inbound(&maps, config, unsafe { &*key }, now)
}

/// Searches the connection of a reply beyond its home.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_find_outbound(reply: *const Reply, now: u32) -> u32 {
    let maps = Maps::at(now);
    let Some(config) = maps.config() else { return conn::NONE };
    if reply.is_null() {
        return conn::NONE;
    }
    // SAFETY: as above.
    conn::find_outbound(&maps, config, unsafe { &*reply }, now)
}

/// Takes a connection away.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_release(slot: u32) -> u32 {
    let maps = Maps::at(0);
    match maps.config() {
        Some(config) => conn::release(&maps, config, slot) as u32,
        None => 0,
    }
}

#[inline(always)]
fn resolve(context: *mut core::ffi::c_void, interface: u32, hop: &NextHop, family: u32, now: u32) {
    let high = hop.high.load();
    let low = hop.low.load();
    let v4 = family == FAMILY_V4 as u32;
    let kind = if v4 { AF_INET } else { AF_INET6 } as u64;
    let mut fib: Fib = [kind | 1 << 48, interface as u64, 0, 0, high.to_be(), low.to_be(), 0, 0];
    if v4 {
        fib[4] = (low as u32).to_be() as u64;
        fib[5] = 0;
    }
    // SAFETY: the context is the kernel's, the record has the size that is told.
    let code = unsafe { bpf_fib_lookup(context, (&raw mut fib).cast(), 64, 0) };
    let finding = match code as i64 {
        FIB_SUCCESS => HOP_LINK,
        FIB_NOT_FORWARDED => HOP_LOCAL,
        FIB_NO_NEIGHBOUR => HOP_UNRESOLVED,
        _ => HOP_UNREACHABLE,
    };
    let gateway_v6 = fib[0] as u8 == AF_INET6;
    if gateway_v6 {
        hop.gateway_high.store(u64::from_be(fib[4]));
        hop.gateway_low.store(u64::from_be(fib[5]));
    } else {
        hop.gateway_high.store(0);
        hop.gateway_low.store(u32::from_be(fib[4] as u32) as u64);
    }
    hop.link_first.store(fib[7] >> 16 | (fib[6] >> 32) << 48);
    hop.link_last.store((fib[6] >> 48) as u32 | (fib[7] as u32) << 16);
    hop.mtu.store(if finding == HOP_LINK { (fib[0] >> 48) as u32 } else { MTU_UNKNOWN });
    finish(hop, fib[1] as u32, finding | if gateway_v6 { HOP_GATEWAY_V6 } else { 0 }, now);
}

/// Notes the interface and what is known of it. Only a resolved or local next hop is kept for a while.
#[inline(always)]
fn finish(hop: &NextHop, interface: u32, code: u32, now: u32) {
    let (mut interface, mut code) = (interface, code);
    if let Some(port) = Maps::timeless().port(interface) {
        code |= port.flags;
        if port.parent != 0 {
            interface = port.parent;
        }
    }
    hop.interface.store(interface);
    hop.code.store(code);
    let kept = matches!(code & HOP_FINDING, HOP_LINK | HOP_LOCAL);
    hop.expires.store(if kept { now.wrapping_add(HOP_TICKS) } else { now });
}

#[inline(always)]
fn words(high: u64, low: u64) -> [u32; 4] {
    let (high, low) = (high.to_be(), low.to_be());
    [high as u32, (high >> 32) as u32, low as u32, (low >> 32) as u32]
}

/// Asks the kernel for a next hop at a driver; `index` is the cache entry that already holds the address.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_resolve_xdp(context: *mut xdp_md, index: u32, family: u32, now: u32) -> u32 {
    if let Some(hop) = Maps::timeless().cached_hop(index) {
        // SAFETY: the kernel's context.
        let interface = unsafe { (*context).ingress_ifindex };
        resolve(context.cast(), interface, hop, family, now);
    }
    0
}

/// Asks the kernel for a next hop at TC.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_resolve_skb(context: *mut __sk_buff, index: u32, family: u32, now: u32) -> u32 {
    if let Some(hop) = Maps::timeless().cached_hop(index) {
        // SAFETY: the kernel's context.
        let interface = unsafe { (*context).ifindex };
        resolve(context.cast(), interface, hop, family, now);
    }
    0
}

/// Sends a packet by the kernel's neighbour code: a global function to keep its record off the main stack.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_send_to_neighbour(interface: u32, high: u64, low: u64, v6: u32) -> u32 {
    let mut to = bpf_redir_neigh {
        nh_family: AF_INET as u32,
        __bindgen_anon_1: aya_ebpf::bindings::bpf_redir_neigh__bindgen_ty_1 { ipv6_nh: [0; 4] },
    };
    if v6 != 0 {
        to.nh_family = AF_INET6 as u32;
        to.__bindgen_anon_1.ipv6_nh = words(high, low);
    } else {
        to.__bindgen_anon_1.ipv4_nh = (low as u32).to_be();
    }
    // SAFETY: the record has the size that is told.
    unsafe { bpf_redirect_neigh(interface, &raw mut to, 20, 0) as u32 }
}

/// Where in the cache an address's next hop lies. No secret: a collision costs a question to the kernel.
#[inline(always)]
fn place(address: Address) -> u32 {
    let word = address.low ^ address.high;
    (word ^ word >> 10 ^ word >> 32) as u32 & (NEXT_HOPS_MAX - 1)
}

/// Is this the address's next hop, asked for not long ago?
#[inline(always)]
fn is_fresh(hop: &NextHop, epoch: u32, address: Address, now: u32) -> bool {
    hop.low.load() == address.low
        && hop.high.load() == address.high
        && hop.epoch.load() == epoch
        && !conn::is_past(hop.expires.load(), now)
}

/// Is the packet meant for this host at link level?
#[inline(always)]
pub(crate) fn is_for_this_host(skb: *mut __sk_buff) -> bool {
    // SAFETY: the kernel's context.
    unsafe { (*skb).pkt_type == PACKET_HOST }
}

/// Was the packet made by this host (and not forwarded, which ingress has seen)?
#[inline(always)]
pub(crate) fn is_own(skb: *mut __sk_buff) -> bool {
    // SAFETY: the kernel's context.
    unsafe { (*skb).ingress_ifindex == 0 }
}

macro_rules! hook {
    ($(#[$doc:meta])* $name:ident, $context:ident, $skb:literal, $interface:ident, $resolve:ident) => {
        $(#[$doc])*
        pub(crate) struct $name {
            context: *mut $context,
            maps: Maps,
        }

        impl $name {
            #[inline(always)]
            pub(crate) fn new(context: *mut $context) -> Self {
                Self { context, maps: Maps::new() }
            }
        }

        impl Tables for $name {
            #[inline(always)]
            fn config(&self) -> Option<&Config> {
                self.maps.config()
            }
            #[inline(always)]
            fn now(&self) -> u32 {
                self.maps.now()
            }
            #[inline(always)]
            fn endpoint(&self, index: u32) -> Option<&Endpoint> {
                self.maps.endpoint(index)
            }
            #[inline(always)]
            fn service(&self, index: u32) -> Option<&Service> {
                self.maps.service(index)
            }
            #[inline(always)]
            fn member(&self, index: u32) -> Option<&Member> {
                self.maps.member(index)
            }
            #[inline(always)]
            fn server(&self, index: u32) -> Option<&Server> {
                self.maps.server(index)
            }
            #[inline(always)]
            fn slot(&self, index: u32) -> Option<&Slot> {
                self.maps.slot(index)
            }
            #[inline(always)]
            fn traffic(&self, server: u32) -> Option<&Traffic> {
                self.maps.traffic(server)
            }
            #[inline(always)]
            fn count(&self, counter: Counter) {
                self.maps.count(counter);
            }
        }

        impl Hook for $name {
            const SKB: bool = $skb;
            #[inline(always)]
            fn interface(&self) -> u32 {
                // SAFETY: the kernel's context.
                unsafe { (*self.context).$interface }
            }
            #[inline(always)]
            fn next_hop(&self, config: &Config, address: Address, family: u8) -> Option<&NextHop> {
                let index = place(address);
                let hop = self.maps.cached_hop(index)?;
                // The family is part of the key: 10.2.0.1 and ::10.2.0.1 are the same number.
                let epoch = (config.next_hop_epoch.load() << 8) | family as u32;
                if !is_fresh(hop, epoch, address, self.maps.now()) {
                    hop.high.store(address.high);
                    hop.low.store(address.low);
                    hop.epoch.store(epoch);
                    $resolve(self.context, index, family as u32, self.maps.now());
                }
                Some(hop)
            }
            #[inline(always)]
            fn find_endpoint(&self, address: Address, word: u64) -> u32 {
                lvs_find_endpoint(address.high, address.low, word)
            }
            #[inline(always)]
            fn find_inbound(&self, key: &Key) -> u32 {
                lvs_find_inbound(key, self.maps.now())
            }
            #[inline(always)]
            fn find_outbound(&self, reply: &Reply) -> u32 {
                lvs_find_outbound(reply, self.maps.now())
            }
            #[inline(always)]
            fn release(&self, slot: u32) -> bool {
                lvs_release(slot) != 0
            }
            #[inline(always)]
            fn pick(&self, service: u32) -> u32 {
                lvs_pick(service)
            }
            #[inline(always)]
            fn remember(&self, new: &New) -> u32 {
                lvs_remember(new)
            }
            #[inline(always)]
            fn fragment(&self, key: &FragmentKey) -> u32 {
                self.maps.fragment(key)
            }
            #[inline(always)]
            fn learn_fragment(&self, key: &FragmentKey, value: &FragmentValue) {
                self.maps.learn_fragment(key, value);
            }
            #[inline(always)]
            fn pace(&self) -> Option<&Pace> {
                self.maps.pace()
            }
            #[inline(always)]
            fn resolve_and_send(&self, hop: &NextHop) -> u64 {
                if !Self::SKB || hop.code.load() & HOP_FINDING != HOP_UNRESOLVED {
                    return verdict::DROP;
                }
                self.count(Counter::PassedUnresolved);
                let v6 = hop.code.load() & HOP_GATEWAY_V6;
                let action = lvs_send_to_neighbour(
                    hop.interface.load(),
                    hop.gateway_high.load(),
                    hop.gateway_low.load(),
                    v6,
                );
                verdict::via(verdict::RESOLVING, action)
            }
        }
    };
}

hook!(
    /// The driver's hook.
    XdpHook, xdp_md, false, ingress_ifindex, lvs_resolve_xdp
);
hook!(
    /// The hook of traffic control.
    SkbHook, __sk_buff, true, ifindex, lvs_resolve_skb
);
