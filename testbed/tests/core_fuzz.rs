//! The fuzz targets for a few seconds, without libFuzzer: random bytes, and packets of ours with some of their bits
//! turned. `LVS_FUZZ_SEED` repeats a run, `LVS_FUZZ_SECONDS` sets its length. `fuzz/` runs the same without an end.
use std::time::{Duration, Instant};

use lvs_testbed::host::packet::{self, Packet};
use lvs_testbed::host::{Link, Random, fuzz, number_from_env};

const SECONDS: u64 = 2;

fn run(target: fn(&[u8])) {
    let seed = Random::seed_from_env("LVS_FUZZ_SEED");
    println!("LVS_FUZZ_SEED={seed}");
    let mut random = Random::new(seed);
    let end = Instant::now() + Duration::from_secs(number_from_env("LVS_FUZZ_SECONDS").unwrap_or(SECONDS));
    let mut count = 0u64;
    while Instant::now() < end {
        for _ in 0..1000 {
            target(&input(&mut random));
        }
        count += 1000;
    }
    println!("{count} inputs");
    assert!(count >= 10_000, "only {count} inputs");
}

fn input(random: &mut Random) -> Vec<u8> {
    if random.once_in(4) {
        let len = random.below(200) as usize;
        let mut bytes = random.bytes(len);
        // Most bytes are not even IP; say so for some.
        if bytes.len() > 16 && random.once_in(2) {
            let kind = random.of(&[[0x08, 0x00, 0x45], [0x86, 0xDD, 0x60], [0x81, 0x00, 0x00]]);
            bytes[13..16].copy_from_slice(&kind);
        }
        return bytes;
    }
    let mut bytes = vec![random.next() as u8];
    bytes.extend(any_packet(random).frame(Link { destination: [4; 6], source: [6; 6], vlan: 0 }));
    for _ in 0..random.below(4) {
        let at = random.below(bytes.len().min(120) as u64) as usize;
        bytes[at] ^= 1 << random.below(8);
    }
    if random.once_in(6) {
        let short_by = if random.once_in(2) { 1 + random.below(4) } else { random.below(bytes.len() as u64) };
        bytes.truncate(bytes.len() - short_by as usize);
    }
    bytes
}

fn any_packet(random: &mut Random) -> Packet {
    let (client, services, server) = random.of(&[
        ("10.1.0.2", "10.1.0.100", "10.2.0.2"),
        ("[2001:db8:1::2]", "[2001:db8:1::100]", "[2001:db8:2::2]"),
    ]);
    let client = format!("{client}:{}", 4000 + random.below(50));
    let service = format!("{services}:{}", 80 + random.below(4));
    let server = format!("{server}:{}", 80 + random.below(4));
    let (from, to) = if random.once_in(3) { (server, client) } else { (client, service) };
    let flags = random.of(&["S", "A", "FA", "R", "SA", "PA"]);
    let payload_len = random.of(&[0, 1, 7, 100, 1400, 1500]);
    let payload = random.bytes(payload_len);
    let packet = if random.once_in(2) {
        packet::tcp(&from, &to, flags).payload(&payload)
    } else {
        packet::udp(&from, &to, &payload)
    };
    let quoted = packet.ip();
    match random.below(6) {
        0 => {
            let (from, to): (std::net::SocketAddr, std::net::SocketAddr) =
                (from.parse().expect("an address"), to.parse().expect("an address"));
            let kind = random.of(&[(3, 4), (11, 0), (2, 0), (1, 4)]);
            packet::icmp(to.ip(), from.ip(), kind, 1400, &quoted[..quoted.len().min(60)])
        }
        1 => packet.fragment(random.below(3) as usize, 64, true),
        2 => packet.options(random.below(10) as usize).extension(60, 1 + random.below(4) as usize),
        3 => packet.vlan(7).ttl(random.below(3) as u8),
        _ => packet,
    }
}

#[test]
fn parsing_any_bytes_does_not_panic() {
    // The first byte chooses the director's hook.
    run(|bytes| fuzz::flow_parse(bytes.get(1..).unwrap_or_default()));
}

#[test]
fn the_director_takes_any_bytes() {
    run(fuzz::director_ingress);
}
