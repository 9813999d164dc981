//! Checksums against the definition, weighted round robin against its description, marks of time.
use lvs_core::{
    address::Address,
    sched::{self, wrr},
    table::{SCHEDULER_WRR, Tables, seconds_of_ticks, ticks_of_seconds},
    wire::checksum,
};
use lvs_testbed::host::{HostTables, Random};

/// RFC 1071: the sum of 16-bit words with the carries added back.
fn plain_sum(words: &[u16]) -> u16 {
    let mut sum = words.iter().map(|word| u32::from(*word)).sum::<u32>();
    while sum > 0xFFFF {
        sum = (sum >> 16) + (sum & 0xFFFF);
    }
    sum as u16
}

fn words_of(address: Address) -> [u16; 8] {
    std::array::from_fn(|index| {
        let half = if index < 4 { address.high } else { address.low };
        (half >> (48 - 16 * (index % 4))) as u16
    })
}

#[test]
fn a_changed_checksum_is_that_of_the_changed_bytes() {
    let seed = Random::seed_from_env("LVS_ARITHMETIC_SEED");
    println!("LVS_ARITHMETIC_SEED={seed}");
    let mut random = Random::new(seed);
    // Zero and all ones are one number to this sum, and the words that are likely to go wrong.
    let word = |random: &mut Random| {
        if random.once_in(3) { random.of(&[0, 0xFFFF, 1, 0xFFFE]) } else { random.next() }
    };
    for _ in 0..200_000 {
        let rest: Vec<u16> = (0..6).map(|_| word(&mut random) as u16).collect();
        let address = |random: &mut Random| Address { high: word(random), low: word(random) };
        let (old, new) = (address(&mut random), address(&mut random));
        let (old_port, new_port) = (word(&mut random) as u16, word(&mut random) as u16);
        let of = |address: Address, port: u16| {
            let words = [&words_of(address)[..], &[port], &rest].concat();
            !plain_sum(&words)
        };
        let before = of(old, old_port);
        let difference =
            checksum::address_change(old, new) + checksum::change(u32::from(old_port), u32::from(new_port));
        let after = checksum::apply(before, difference);
        let wanted = of(new, new_port);
        assert_eq!(
            after % 0xFFFF,
            wanted % 0xFFFF,
            "{old:?} {old_port} -> {new:?} {new_port}, rest {rest:?}"
        );
        let halves = checksum::apply(
            checksum::apply(before, u64::from(checksum::fold(checksum::address_change(old, new)))),
            u64::from(checksum::fold(checksum::change(u32::from(old_port), u32::from(new_port)))),
        );
        assert_eq!(halves % 0xFFFF, wanted % 0xFFFF, "in two steps");
        assert_eq!(
            checksum::fold(checksum::address_sum(old)) % 0xFFFF,
            u32::from(plain_sum(&words_of(old))) % 0xFFFF
        );
    }
}

#[test]
fn ticks_hold_whole_seconds() {
    for seconds in [0, 1, 2, 3, 10, 59, 60, 300, 900, 86_400, 8_000_000] {
        let shown = seconds_of_ticks(ticks_of_seconds(seconds));
        assert!(shown == seconds || shown + 1 == seconds, "{seconds} s are shown as {shown}");
    }
}

/// Weighted round robin as spec 4.2 tells it: one level of the current weight after the other.
struct Plain {
    /// Weight, is it overloaded.
    servers: Vec<(u32, bool)>,
    /// Place of the last pick; none: the head.
    last: Option<usize>,
    current: u32,
    greatest: u32,
    divisor: u32,
}

impl Plain {
    fn plan(&mut self) {
        let gcd = |a: u32, b: u32| {
            let (mut a, mut b) = (a, b);
            while b != 0 {
                (a, b) = (b, a % b);
            }
            a
        };
        self.divisor =
            self.servers.iter().map(|(weight, _)| *weight).filter(|weight| *weight > 0).fold(0, gcd).max(1);
        let max = self.servers.iter().map(|(weight, _)| *weight).max().unwrap_or(0);
        self.greatest = if max == 0 { 0 } else { max - (self.divisor - 1) };
        self.last = None;
        if self.current > self.greatest || self.current == 0 {
            self.current = self.greatest;
        } else if self.divisor > 1 {
            self.current = self.current / self.divisor * self.divisor + 1;
        }
    }

    fn pick(&mut self) -> Option<usize> {
        if self.greatest == 0 {
            return None;
        }
        let (mut from, mut current) = (self.last.map_or(0, |last| last + 1), self.current);
        // More passes than there are levels: nobody can be chosen.
        for _ in 0..self.greatest / self.divisor + 3 {
            let found = (from..self.servers.len()).find(|place| {
                self.servers[*place].0 >= current && self.servers[*place].0 > 0 && !self.servers[*place].1
            });
            if let Some(place) = found {
                (self.last, self.current) = (Some(place), current);
                return found;
            }
            current = if current > self.divisor { current - self.divisor } else { self.greatest };
            from = 0;
        }
        None
    }
}

fn write(tables: &HostTables, plain: &Plain, replan: bool) {
    let service = tables.service(1).expect("a service");
    for (place, (weight, is_overloaded)) in plain.servers.iter().enumerate() {
        let server = tables.server(place as u32 + 1).expect("a server");
        server.weight.store(*weight);
        server.overloaded.store(u32::from(*is_overloaded));
        tables.member(place as u32).expect("a member").server.store(place as u32 + 1);
    }
    service.members.store(plain.servers.len() as u64);
    service.scheduler.store(SCHEDULER_WRR);
    if replan {
        let plan = wrr::plan(plain.servers.iter().map(|(weight, _)| *weight));
        service.weights.store(u64::from(plan.0) << 32 | u64::from(plan.1));
        let cursor = service.cursor.load();
        service.cursor.store(u64::from(wrr::replan(cursor as u32, plan)));
    }
}

#[test]
fn weighted_round_robin_is_as_described() {
    let seed = Random::seed_from_env("LVS_ARITHMETIC_SEED");
    println!("LVS_ARITHMETIC_SEED={seed}");
    let mut random = Random::new(seed);
    for round in 0..400 {
        let tables = HostTables::new(1);
        let mut plain = Plain { servers: Vec::new(), last: None, current: 0, greatest: 0, divisor: 1 };
        let factor = random.of(&[1, 1, 2, 3, 10]);
        for step in 0..60 {
            let count = if random.once_in(20) { 100 } else { 6 };
            match random.below(4) {
                0 if plain.servers.len() < count => {
                    plain.servers.insert(0, (random.below(6) as u32 * factor, false));
                    plain.plan();
                    write(&tables, &plain, true);
                }
                1 if !plain.servers.is_empty() => {
                    let place = random.below(plain.servers.len() as u64) as usize;
                    plain.servers[place].1 ^= random.once_in(3);
                    write(&tables, &plain, false);
                }
                2 if !plain.servers.is_empty() && random.once_in(3) => {
                    let place = random.below(plain.servers.len() as u64) as usize;
                    plain.servers[place].0 = random.below(6) as u32 * factor;
                    plain.plan();
                    write(&tables, &plain, true);
                }
                _ => {}
            }
            for _ in 0..random.below(12) {
                let found = sched::pick(&tables, tables.service(1).expect("a service"));
                let wanted = plain.pick().map_or(0, |place| place as u32 + 1);
                assert_eq!(found, wanted, "round {round}, step {step}, {:?}", plain.servers);
            }
        }
    }
}
