//! The recorded packets: each one in again, and what comes out compared byte for byte, with connections and counters.
//!
//! What may differ, and why, stands in two places: [`normalise`] (fields that the kernel draws anew in every run) and
//! [`DEPARTURES`] (behaviour of ours that is another on purpose).
#[path = "golden_packets/reading.rs"]
mod reading;

use std::collections::BTreeMap;

use lvs_testbed::host::decode;
use lvs_testbed::host::stage::{Outcome, Side, Stage, recorded, recordings};
use serde_json::Value;

use reading::{connections, counters, ipvsadm, joined, normalise, route, whole};

/// The packet is left to the director's own stack as it came, and the recording shows what a stack says to it.
const STACK: &str = "the stack's";
const LAST_SERVICE: &str = "IPVS leaves its hooks with the last service; we go on as while there are others";
const OPTIONS: &str =
    "options of IPv4 are carried, not acted on: the packet does not pass the director's stack";
const HEADER: &str = "a wrong header checksum stays wrong and is refused by the next host";
const CUT: &str = "neither hook can cut a packet: a larger one that may be cut is dropped and counted";
const ERROR_CUT: &str = "the same for the outer packet of an error that is relayed";
const OWN_TUNNEL: &str = "errors about our own tunnel packets are left to the stack";
const FIRST_PART: &str = "each part goes on as it comes, so the error quotes the first part, not the whole";
const ORDER: &str = "parts that come before the first are left to the stack, which never sees the others";
const SHORT_PART: &str = "a first part without the whole transport header is left to the stack";
const NO_CHECKSUM: &str = "a sum over parts that are not there cannot be made: none stays none";
const LONE_PART: &str = "a first part alone made a connection, so round robin is one further";
const LOCAL_ERROR: &str = "an ICMP error of the director's stack about a local node is not translated";

/// Where we differ from the recordings: part of the file's name, the beginning of the step's note, and why.
const DEPARTURES: [(&str, &str, &str); 29] = [
    ("changes-", "no service at all: the packet of a connection", LAST_SERVICE),
    ("changes-nat-", "no service at all: the reply of a connection", LAST_SERVICE),
    ("", "option: record route with room for one", OPTIONS),
    ("", "option: loose source route, already at its end", OPTIONS),
    ("", "wrong IP header checksum", HEADER),
    ("direct-v4", "1,500 bytes, may be fragmented", CUT),
    ("direct-v4", "UDP of 1,500 bytes, may be fragmented", CUT),
    ("tunnel-v4", "1,500 bytes, may be fragmented", CUT),
    ("tunnel-v4", "UDP of 1,500 bytes, may be fragmented", CUT),
    ("errors-tunnel-v4", "error with DF, larger than the path", ERROR_CUT),
    ("errors-tunnel-v4", "too big, about the tunnel, all of it quoted", OWN_TUNNEL),
    ("errors-tunnel-v4", "the next big packet", OWN_TUNNEL),
    ("errors-tunnel-v4", "host unreachable, about the tunnel", OWN_TUNNEL),
    ("errors-tunnel-v4", "protocol unreachable, about the tunnel", OWN_TUNNEL),
    ("errors-tunnel-v4", "time exceeded, about the tunnel", OWN_TUNNEL),
    ("fragments-", "hop limit 1", FIRST_PART),
    ("fragments-", "the same connection, last part first", ORDER),
    ("fragments-", "three parts, first one in the middle", ORDER),
    ("fragments-", "UDP reply, last part first", ORDER),
    ("fragments-", "TCP header divided", SHORT_PART),
    ("fragments-nat-v4", "without checksum", NO_CHECKSUM),
    ("fragments-", "atomic fragment", LONE_PART),
    ("fragments-nat-v6", "UDP reply of 2,508 bytes", LONE_PART),
    ("fragments-nat-v6", "reply to no connection", LONE_PART),
    ("fragments-", "ports without service", STACK),
    ("nat-", "reply with hop limit 1", STACK),
    ("nat-", "reply of 1,500 bytes: too big", STACK),
    ("no-server-", "UDP in parts, no server", FIRST_PART),
    ("local-node-", "UDP, NAT to an own address", LOCAL_ERROR),
];

/// Files that need what belongs to later milestones.
const LATER: &str = "later-";

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn every_recorded_packet_comes_out_the_same() {
    let mut tally: BTreeMap<String, u32> = BTreeMap::new();
    let mut differences = Vec::new();
    let mut used = [false; DEPARTURES.len()];
    let mut steps = 0;
    for name in recordings("packets").into_iter().filter(|name| !name.contains(LATER)) {
        let mut replay = Replay::new(&name);
        let mut note = String::new();
        for step in recorded(&name) {
            steps += 1;
            // The summary at the end belongs to the last packet.
            if let Some(its) = step["note"].as_str() {
                note = its.to_owned();
            }
            let Err(difference) = replay.step(&step) else { continue };
            let known =
                DEPARTURES.iter().position(|(file, start, _)| name.contains(file) && note.starts_with(start));
            match known {
                Some(place) if DEPARTURES[place].2 != STACK || replay.is_passed => used[place] = true,
                Some(_) => differences.push(format!("{name}: {note}: not left to the stack\n{difference}")),
                None => {
                    *tally.entry(name.clone()).or_default() += 1;
                    differences.push(format!("{name}: {note}\n{difference}"));
                }
            }
        }
    }
    assert!(steps >= 1500, "only {steps} steps");
    assert!(differences.is_empty(), "{}\n{tally:?}", differences.join("\n"));
    for (place, is_used) in used.iter().enumerate() {
        assert!(is_used, "no recording shows this departure any more: {:?}", DEPARTURES[place]);
    }
}

struct Replay {
    stage: Stage,
    has_fragments: bool,
    /// Do servers stand on the director itself?
    is_local: bool,
    /// Was the last packet left to the stack as it came?
    is_passed: bool,
    /// Packets that came out of us and of the kernel since the last step at which neither held back a fragment.
    ours: Vec<(Side, Vec<u8>)>,
    theirs: Vec<(Side, Vec<u8>)>,
}

impl Replay {
    fn new(name: &str) -> Self {
        let (has_fragments, is_local) = (name.contains("/fragments-"), name.contains("/local-node-"));
        Self {
            stage: Stage::new(),
            has_fragments,
            is_local,
            is_passed: false,
            ours: Vec::new(),
            theirs: Vec::new(),
        }
    }

    fn step(&mut self, step: &Value) -> Result<(), String> {
        if let Some(commands) = step["setup"].as_array() {
            for command in commands {
                ipvsadm(&mut self.stage, text(command));
            }
        }
        if let Some(command) = step["ipvsadm"].as_str()
            && step["exit"] == 0
        {
            ipvsadm(&mut self.stage, command);
        }
        if let Some(mtus) = step["mtu"].as_object() {
            for (interface, mtu) in mtus {
                let side = if interface == "d0" { Side::Client } else { Side::Server };
                self.stage.set_mtu(side, mtu.as_u64().unwrap_or_default() as u32);
            }
        }
        if let Some(seconds) = step["wait"].as_u64() {
            self.stage.wait(seconds as u32);
        }
        if step["packet"].is_string() {
            self.packet(step)?;
        }
        if step["conns"].is_array() {
            connections(&self.stage, &step["conns"], self.has_fragments)?;
            if !self.has_fragments {
                counters(&self.stage, &step["servers"])?;
            }
        }
        Ok(())
    }

    fn packet(&mut self, step: &Value) -> Result<(), String> {
        let packet = decode::from_hex(text(&step["packet"]));
        let by_stack = step["by"] == "stack";
        for out in step["out"].as_array().ok_or("no out")? {
            self.theirs.push((Side::named(text(&out["to"])), decode::from_hex(text(&out["packet"]))));
        }
        let mut outcome = self.stage.receive(Side::named(text(&step["from"])), &packet);
        self.is_passed = matches!(&outcome, Outcome::Passed(passed) if *passed == packet);
        if self.is_local
            && let Outcome::Passed(passed) = &outcome
            && let Some(reset) = reading::reset(passed)
            && let Outcome::Passed(answer) = self.stage.send(&reset)
        {
            outcome = Outcome::Sent(Side::Client, answer);
        }
        match &outcome {
            Outcome::Sent(side, packet) => self.ours.push((*side, packet.clone())),
            // What the stack sends of its own is not ours to compare.
            Outcome::Passed(passed) if by_stack || route(&self.stage, passed).is_none() => {
                self.theirs.clear();
                self.ours.clear();
                return if by_stack || step["out"] == Value::Array(Vec::new()) {
                    Ok(())
                } else {
                    Err(format!("  passed to the stack: {}\n  recorded {}", decode::ip(passed), step["out"]))
                };
            }
            Outcome::Passed(passed) => self.ours.extend(route(&self.stage, passed)),
            Outcome::Dropped => {}
        }
        if reading::is_part(&packet) && self.theirs.is_empty() {
            return Ok(());
        }
        let (ours, theirs) = (std::mem::take(&mut self.ours), std::mem::take(&mut self.theirs));
        let put_together = if self.has_fragments { whole } else { joined };
        compare(&put_together(&ours), &put_together(&theirs))
            .map_err(|difference| format!("  in       {}\n{difference}", decode::ip(&packet)))
    }
}

fn compare(ours: &[(Side, Vec<u8>)], theirs: &[(Side, Vec<u8>)]) -> Result<(), String> {
    let show = |packets: &[(Side, Vec<u8>)]| {
        let lines = packets.iter().map(|(side, bytes)| {
            format!("to {} {}\n           {}", side.name(), decode::ip(bytes), decode::hex(bytes))
        });
        lines.collect::<Vec<_>>().join("\n           ")
    };
    let normal = |packets: &[(Side, Vec<u8>)]| -> Vec<(Side, Vec<u8>)> {
        packets.iter().map(|(side, bytes)| (*side, normalise(bytes))).collect()
    };
    if normal(ours) == normal(theirs) {
        return Ok(());
    }
    Err(format!("  ours     {}\n  recorded {}", show(ours), show(theirs)))
}
