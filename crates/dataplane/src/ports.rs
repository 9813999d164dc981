//! What the packet path knows of interfaces: the table PORTS, written anew when an attachment or a link changes.

use lvs_core::table::{FLAG_TX, HOP_PEER, HOP_XDP, PORTS_MAX};
use lvs_model::api::AttachMode;

use crate::attach::Attached;
use crate::error::Error;
use crate::netlink::{Device, Netlink};
use crate::object::{Object, chain};

impl Object {
    /// Brings the table of interfaces up to date.
    pub fn refresh_ports(&mut self) -> Result<(), Error> {
        let read = Netlink::open().and_then(|mut netlink| netlink.devices());
        let devices = read.map_err(|error| Error::system("listing interfaces", error))?;
        let attached = self.attached_to(&devices);
        let wanted = ports(&devices, &attached);
        let failed = |error: aya::maps::MapError| Error::System {
            doing: "writing PORTS".to_owned(),
            source: std::io::Error::other(chain(&error)),
        };
        let known: Vec<u32> = self.ports.keys().collect::<Result<_, _>>().map_err(failed)?;
        for index in known {
            if !wanted.iter().any(|(wanted, _)| *wanted == index) {
                self.ports.remove(&index).map_err(failed)?;
            }
        }
        for (index, port) in wanted {
            self.ports.insert(index, port, 0).map_err(failed)?;
        }
        if can_transmit(&devices, &attached) {
            self.config().flags.set(FLAG_TX);
        } else {
            self.config().flags.clear(FLAG_TX);
        }
        Ok(())
    }
}

/// Index, then flags and parent of every interface the packet path should know: those attached, and VLAN devices on them.
fn ports(devices: &[Device], attached: &[Attached]) -> Vec<(u32, [u32; 2])> {
    let mode = |index: u32| attached.iter().find(|known| known.index == index).map(|known| known.mode);
    let mut ports = Vec::new();
    for device in devices {
        let is_vlan = device.vlan != 0 && !device.is_below_elsewhere;
        let own = mode(device.index);
        let below = if is_vlan { mode(device.below) } else { None };
        if own.is_none() && below.is_none() {
            continue;
        }
        let mut flags = u32::from(device.vlan) << 16;
        if own == Some(AttachMode::Xdp) || below == Some(AttachMode::Xdp) {
            flags |= HOP_XDP;
        }
        if own == Some(AttachMode::Tc) && device.kind == "veth" && device.is_below_elsewhere {
            flags |= HOP_PEER;
        }
        ports.push((device.index, [flags, if is_vlan { device.below } else { 0 }]));
    }
    ports.truncate(PORTS_MAX as usize);
    ports
}

/// XDP_TX is left to physical interfaces: a veth keeps such frames when its peer has no XDP program.
fn can_transmit(devices: &[Device], attached: &[Attached]) -> bool {
    attached
        .iter()
        .filter(|known| known.mode == AttachMode::Xdp)
        .all(|known| devices.iter().any(|device| device.index == known.index && device.kind.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(index: u32, kind: &str, below: u32, vlan: u16) -> Device {
        Device { index, kind: kind.to_owned(), below, vlan, ..Device::default() }
    }

    fn attached(index: u32, mode: AttachMode) -> Attached {
        Attached { index, name: String::new(), mode }
    }

    #[test]
    fn attached_interfaces_and_their_vlans_are_known() {
        let mut peer = device(4, "veth", 9, 0);
        peer.is_below_elsewhere = true;
        let devices = [device(1, "", 0, 0), device(2, "", 0, 0), device(3, "vlan", 2, 100), peer];
        let found = ports(&devices, &[attached(2, AttachMode::Xdp), attached(4, AttachMode::Tc)]);
        assert_eq!(found, [(2, [HOP_XDP, 0]), (3, [100 << 16 | HOP_XDP, 2]), (4, [HOP_PEER, 0])]);
    }

    #[test]
    fn a_veth_does_not_transmit() {
        let devices = [device(2, "", 0, 0), device(4, "veth", 9, 0)];
        assert!(can_transmit(&devices, &[attached(2, AttachMode::Xdp), attached(4, AttachMode::Tc)]));
        assert!(!can_transmit(&devices, &[attached(2, AttachMode::Xdp), attached(4, AttachMode::Xdp)]));
    }
}
