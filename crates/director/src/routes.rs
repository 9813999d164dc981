//! Watches the kernel's neighbours, routes, links and addresses: what the packet path keeps of them is asked for again
//! at once when it changes, and neighbours of real servers are kept known.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use lvs_dataplane::netlink::{Device, Message, Neighbour, Netlink, group, kind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::director::Director;
use crate::log;
use crate::work::raise_epoch;

/// How long the watch waits for reports before it looks whether lvsd ends.
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };
/// Changes within this time are answered together, after the first one was.
const SETTLE: Duration = Duration::from_millis(200);
/// How often stale neighbours of real servers are asked after.
const WARM: Duration = Duration::from_secs(5);

const GROUPS: u32 = group::LINK
    | group::NEIGHBOUR
    | group::V4_ADDRESS
    | group::V4_ROUTE
    | group::V6_ADDRESS
    | group::V6_ROUTE;

/// What is remembered, to tell a change from a mere confirmation.
#[derive(Default)]
struct Known {
    /// The link address under which a neighbour is usable.
    neighbours: HashMap<(u32, IpAddr), Vec<u8>>,
    devices: HashMap<u32, Device>,
}

/// What a report asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Due {
    epoch: bool,
    sources: bool,
    ports: bool,
}

impl Due {
    const ALL: Self = Self { epoch: true, sources: true, ports: true };

    fn add(&mut self, other: Self) {
        self.epoch |= other.epoch;
        self.sources |= other.sources;
        self.ports |= other.ports;
    }
}

impl Known {
    fn learn(&mut self, message: &Message) -> Due {
        let routing = Due { epoch: true, sources: true, ports: false };
        match message.kind {
            kind::NEWNEIGH | kind::DELNEIGH => {
                let Some(neighbour) = Neighbour::of(&message.body) else { return Due::default() };
                let changed = self.learn_neighbour(neighbour, message.kind == kind::DELNEIGH);
                Due { epoch: changed, ..Due::default() }
            }
            kind::NEWROUTE | kind::DELROUTE | kind::NEWADDR | kind::DELADDR => routing,
            kind::NEWLINK => match Device::of(&message.body) {
                Some(device) if self.devices.get(&device.index) != Some(&device) => {
                    self.devices.insert(device.index, device);
                    Due::ALL
                }
                _ => Due::default(),
            },
            kind::DELLINK => match Device::of(&message.body) {
                Some(device) => {
                    self.devices.remove(&device.index);
                    Due::ALL
                }
                None => Due::default(),
            },
            _ => Due::default(),
        }
    }

    /// Did the way to a neighbour change?
    fn learn_neighbour(&mut self, neighbour: Neighbour, is_gone: bool) -> bool {
        let key = (neighbour.interface, neighbour.address);
        if is_gone || !neighbour.is_usable() {
            return self.neighbours.remove(&key).is_some();
        }
        let before = self.neighbours.insert(key, neighbour.link_address.clone());
        before.is_none_or(|before| before != neighbour.link_address)
    }
}

/// Watches until lvsd ends.
pub(crate) fn watch(director: &Director) {
    if let Err(error) = try_watch(director) {
        log(&format!("watching routes and neighbours: {error}; next hops are still asked for every second"));
    }
}

fn try_watch(director: &Director) -> std::io::Result<()> {
    let mut reports = Netlink::listen(GROUPS)?;
    let mut requests = Netlink::open()?;
    let devices = requests.devices()?.into_iter().map(|device| (device.index, device)).collect();
    let mut known = Known { devices, ..Known::default() };
    for neighbour in requests.neighbours()? {
        known.learn_neighbour(neighbour, false);
    }
    let mut warmed = Instant::now();
    let mut answered = Instant::now();
    let mut due = Due::default();
    while !director.is_ending() {
        let is_ready = {
            let socket = reports.socket();
            poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&WAIT)).unwrap_or(0) != 0
        };
        if is_ready {
            match reports.receive() {
                Ok(messages) => messages.iter().for_each(|message| due.add(known.learn(message))),
                // Reports were lost: anything may have changed.
                Err(_) => due = Due::ALL,
            }
        }
        if due.epoch {
            raise_epoch(&*director.tables);
            due.epoch = false;
        }
        if (due.sources || due.ports) && answered.elapsed() >= SETTLE {
            answer(director, std::mem::take(&mut due));
            answered = Instant::now();
        }
        if warmed.elapsed() >= WARM {
            warm(director, &mut requests);
            warmed = Instant::now();
        }
    }
    Ok(())
}

fn answer(director: &Director, due: Due) {
    let mut inner = director.lock();
    if due.sources {
        inner.write_sources();
    }
    if due.ports {
        inner.attach_again();
        if let Err(error) = inner.object.refresh_ports() {
            log(&error.to_string());
        }
    }
}

/// Has the kernel confirm the neighbours through which real servers are reached, before a packet has to wait for it.
fn warm(director: &Director, requests: &mut Netlink) {
    let addresses: HashSet<IpAddr> = {
        let inner = director.lock();
        inner.model.servers().filter(|entry| !entry.is_trashed).map(|entry| entry.server.address).collect()
    };
    if addresses.is_empty() {
        return;
    }
    let Ok(neighbours) = requests.neighbours() else { return };
    let usable: HashMap<(u32, IpAddr), u16> =
        neighbours.iter().filter(|n| n.is_usable()).map(|n| ((n.interface, n.address), n.state)).collect();
    let mut asked = HashSet::new();
    for address in addresses {
        let Ok(route) = requests.route(address) else { continue };
        let hop = (route.interface, route.gateway.unwrap_or(address));
        let is_stale = usable.get(&hop).is_none_or(|state| state & Neighbour::STALE != 0);
        if !route.is_local && is_stale && asked.insert(hop) {
            // A neighbour that does not answer is the kernel's to report.
            let _ = requests.use_neighbour(hop.0, hop.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbour(link_address: &[u8], state: u16) -> Neighbour {
        let address = IpAddr::from([10, 2, 0, 2]);
        Neighbour { interface: 3, address, link_address: link_address.to_vec(), state }
    }

    #[test]
    fn only_a_new_way_to_a_neighbour_is_a_change() {
        let (reachable, stale, failed) = (0x02, 0x04, 0x20);
        let mut known = Known::default();
        assert!(known.learn_neighbour(neighbour(&[1; 6], reachable), false));
        assert!(!known.learn_neighbour(neighbour(&[1; 6], stale), false));
        assert!(known.learn_neighbour(neighbour(&[2; 6], reachable), false));
        assert!(known.learn_neighbour(neighbour(&[], failed), false));
        assert!(!known.learn_neighbour(neighbour(&[], failed), true));
    }
}
