//! The stage of the recorded scenarios: a director between clients and real servers, at TC, with the addresses that
//! `testbed/golden/README.md` gives; and the recorded lines themselves.
use std::net::IpAddr;
use std::path::PathBuf;

use lvs_core::{
    conn, director,
    table::{HOP_LINK, HOP_LOCAL, Hook, Tables, ticks_of_seconds},
    verdict,
};
use serde_json::Value;

use super::{Cluster, HostFrame, HostTables, Link, address_of, hop};

/// A side of the director.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where clients are.
    Client,
    /// Where real servers are.
    Server,
}

impl Side {
    /// By the word of the recordings.
    pub fn named(name: &str) -> Self {
        match name {
            "client" => Self::Client,
            "server" => Self::Server,
            _ => panic!("no side {name}"),
        }
    }

    /// The word of the recordings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    fn interface(self) -> u32 {
        match self {
            Self::Client => 1,
            Self::Server => 2,
        }
    }
}

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An IP packet went out there.
    Sent(Side, Vec<u8>),
    /// The director's own stack has this IP packet.
    Passed(Vec<u8>),
    /// It ended.
    Dropped,
}

/// The director with its tables.
pub struct Stage {
    /// The tables.
    pub tables: HostTables,
    /// The services.
    pub cluster: Cluster,
    mtus: [u32; 2],
}

/// Addresses of the director besides the virtual ones.
const OWN: [&str; 6] = ["10.1.0.1", "10.2.0.1", "127.0.0.1", "2001:db8:1::1", "2001:db8:2::1", "::1"];
/// Virtual addresses, which are the director's too.
const VIRTUAL: [&str; 3] = ["10.1.0.100", "10.1.0.101", "2001:db8:1::100"];
/// The last octets of real servers.
const SERVERS: std::ops::RangeInclusive<u8> = 2..=11;
/// The link addresses of a side: the director's and the others'.
const LINK: Link = Link { destination: [2, 0, 0, 0, 0, 1], source: [2, 0, 0, 0, 0, 2], vlan: 0 };

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

impl Stage {
    /// Without services.
    pub fn new() -> Self {
        let mut stage = Self { tables: HostTables::new(256), cluster: Cluster::new(), mtus: [1500, 1500] };
        stage.lay_routes();
        stage
    }

    /// Changes the MTU of a side.
    pub fn set_mtu(&mut self, side: Side, mtu: u32) {
        self.mtus[side.interface() as usize - 1] = mtu;
        self.lay_routes();
    }

    fn lay_routes(&mut self) {
        let way =
            |side: Side| hop(HOP_LINK, side.interface(), self.mtus[side.interface() as usize - 1], LINK);
        self.tables.set_hop_elsewhere(way(Side::Client));
        for octet in SERVERS {
            for text in [format!("10.2.0.{octet}"), format!("2001:db8:2::{octet:x}")] {
                self.tables.set_hop(address_of(parse(&text)), way(Side::Server));
            }
        }
        for text in OWN.iter().chain(&VIRTUAL) {
            self.tables.set_hop(address_of(parse(text)), hop(HOP_LOCAL, 0, 0, LINK));
        }
    }

    /// The side that packets to an address leave by; none when it is the director's own.
    pub fn way_to(&self, address: IpAddr) -> Option<Side> {
        let config = self.tables.config()?;
        let host = self.tables.tc(0);
        let hop = host.next_hop(config, address_of(address), super::family_of(address))?;
        match hop.interface.load() {
            1 => Some(Side::Client),
            2 => Some(Side::Server),
            _ => None,
        }
    }

    /// The MTU of a side.
    pub fn mtu(&self, side: Side) -> u32 {
        self.mtus[side.interface() as usize - 1]
    }

    /// The source that the kernel's routing picks for tunnels to an address.
    pub fn tunnel_source(to: IpAddr) -> IpAddr {
        parse(if to.is_ipv4() { "10.2.0.1" } else { "2001:db8:2::1" })
    }

    /// An IP packet comes in on a side.
    pub fn receive(&self, side: Side, packet: &[u8]) -> Outcome {
        let mut frame = frame_of(packet);
        let verdict = director::whole(&mut frame, &self.tables.tc(side.interface()));
        outcome(verdict, &frame)
    }

    /// The director's own stack sends an IP packet to the clients' side.
    pub fn send(&self, packet: &[u8]) -> Outcome {
        let mut frame = frame_of(packet);
        let verdict = director::egress(&mut frame, &self.tables.tc(Side::Client.interface()));
        outcome(verdict, &frame)
    }

    /// Lets time pass, and clears away what it ended, as the daemon's sweep does.
    pub fn wait(&self, seconds: u32) {
        self.tables.pass_seconds(seconds);
        let config = self.tables.config().expect("settings");
        for index in 0..self.tables.slot_count() {
            let slot = self.tables.slot(index).expect("a slot");
            let is_live = slot.control.load() & conn::LIFE == conn::LIFE_LIVE;
            if is_live && conn::is_past(slot.expires.load(), self.tables.now()) {
                conn::release(&self.tables, config, index);
            }
        }
    }

    /// `ipvsadm --set`: 0 leaves a timeout as it is.
    pub fn set_timeouts(&self, seconds: [u32; 3]) {
        let config = self.tables.config().expect("settings");
        let tcp = &config.tcp_timeouts;
        let cells =
            [&tcp[conn::tcp::ESTABLISHED as usize], &tcp[conn::tcp::FIN_WAIT as usize], &config.udp_timeout];
        for (cell, seconds) in cells.into_iter().zip(seconds).filter(|(_, seconds)| *seconds != 0) {
            cell.store(ticks_of_seconds(seconds));
        }
    }

    /// Active and inactive connections of a server.
    pub fn connections_of(&self, server: u32) -> (u32, u32) {
        let record = self.tables.server(server).expect("a server");
        let (active, total) = (record.active.load(), record.total.load());
        (active, total.wrapping_sub(active))
    }

    /// The live slots.
    pub fn live_slots(&self) -> Vec<u32> {
        let is_live = |index: &u32| {
            let slot = self.tables.slot(*index).expect("a slot");
            slot.control.load() & conn::LIFE == conn::LIFE_LIVE
                && !conn::is_past(slot.expires.load(), self.tables.now())
        };
        (0..self.tables.slot_count()).filter(is_live).collect()
    }
}

fn parse(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is no address"))
}

fn frame_of(packet: &[u8]) -> HostFrame {
    let mut bytes = Vec::new();
    bytes.extend(LINK.destination);
    bytes.extend(LINK.source);
    let kind: u16 = if packet.first().is_some_and(|byte| byte >> 4 == 6) { 0x86DD } else { 0x0800 };
    bytes.extend(kind.to_be_bytes());
    bytes.extend(packet);
    HostFrame::skb(&bytes)
}

fn outcome(verdict: u64, frame: &HostFrame) -> Outcome {
    let mut packet = frame.bytes().get(14..).unwrap_or_default().to_vec();
    packet.truncate(ip_len(&packet));
    match verdict::code(verdict) {
        verdict::DROP => Outcome::Dropped,
        verdict::REDIRECT if verdict::interface(verdict) == 2 => Outcome::Sent(Side::Server, packet),
        verdict::REDIRECT => Outcome::Sent(Side::Client, packet),
        _ => Outcome::Passed(packet),
    }
}

/// Bytes of an IP packet; what the link padded it with is not compared.
fn ip_len(packet: &[u8]) -> usize {
    let word =
        |at: usize| packet.get(at..at + 2).map_or(0, |word| usize::from(word[0]) << 8 | usize::from(word[1]));
    if packet.first().is_some_and(|byte| byte >> 4 == 6) { 40 + word(4) } else { word(2) }
}

/// The lines of a recorded file but its header.
pub fn recorded(name: &str) -> Vec<Value> {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let path = PathBuf::from(own).join("golden").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let line =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}: {line}"));
    text.lines().map(line).filter(|value: &Value| value.get("header").is_none()).collect()
}

/// The recorded files of a folder by name.
pub fn recordings(folder: &str) -> Vec<String> {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let path = PathBuf::from(own).join("golden").join(folder);
    let entries = std::fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| format!("{folder}/{}", entry.file_name().to_string_lossy()))
        .filter(|name| name.ends_with(".jsonl"))
        .collect();
    names.sort();
    names
}
