//! The hosts of the lab: a client, a director with one processor of its own, four servers.
//!
//! ```text
//!   client c0 --------- dc director d1..d4 --------- s0 server 1..4
//!     |  c1..c4 -------------------------------------- s1   (answers of direct routing and tunnels)
//! ```
//!
//! The director's devices poll in threads of their own on [`DIRECTOR_CPU`]; their run time is what the director costs.

use std::fs;
use std::process::Command;

use crate::machine::{DIRECTOR_CPU, OTHER_CPU};
use crate::namespace::{Namespace, run, set};

/// Servers of the lab.
pub(crate) const SERVER_COUNT: usize = 4;
/// The address that is balanced.
pub(crate) const VIRTUAL: &str = "10.1.0.100";
/// The client's address.
pub(crate) const CLIENT: &str = "10.1.0.2";

const EVERY_HOST: [(&str, &str); 5] = [
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/tcp_congestion_control", "reno"),
    ("ipv6/conf/all/disable_ipv6", "1"),
    ("ipv6/conf/default/disable_ipv6", "1"),
];

/// All hosts, and what runs for the length of the lab.
pub(crate) struct World {
    /// Who asks.
    pub(crate) client: Namespace,
    /// Who balances.
    pub(crate) director: Namespace,
    /// Who answers.
    pub(crate) servers: Vec<Namespace>,
}

/// A server's address on its cable to the director.
pub(crate) fn server_address(index: usize) -> String {
    format!("10.2.{index}.11")
}

/// The director's devices.
pub(crate) fn director_devices() -> Vec<String> {
    std::iter::once("dc".to_owned()).chain((1..=SERVER_COUNT).map(|index| format!("d{index}"))).collect()
}

impl World {
    /// Builds hosts, cables, addresses.
    pub(crate) fn build() -> Result<Self, String> {
        let client = Namespace::create("client")?;
        let director = Namespace::create("director")?;
        let servers = (1..=SERVER_COUNT).map(|index| Namespace::create(&format!("server{index}")));
        let world = Self { client, director, servers: servers.collect::<Result<_, _>>()? };
        world.inside(&world.client, |_| {
            set(&EVERY_HOST)?;
            set(&[("ipv4/ip_local_port_range", "1025 65000"), ("ipv4/tcp_tw_reuse", "1")])
        })?;
        world.inside(&world.director, |_| {
            set(&EVERY_HOST)?;
            set(&[
                ("ipv4/ip_forward", "1"),
                ("ipv4/conf/all/send_redirects", "0"),
                ("ipv4/conf/default/send_redirects", "0"),
            ])
        })?;
        for server in &world.servers {
            world.inside(server, |_| {
                set(&EVERY_HOST)?;
                set(&[("ipv4/conf/all/arp_ignore", "1"), ("core/somaxconn", "65535")])
            })?;
        }
        world.cables()?;
        world.offloads(true, false)?;
        world.poll_in_threads()?;
        Ok(world)
    }

    /// Runs work in a thread inside a host.
    pub(crate) fn inside<T: Send>(
        &self,
        host: &Namespace,
        work: impl FnOnce(&Namespace) -> Result<T, String> + Send,
    ) -> Result<T, String> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                host.enter()?;
                work(host)
            });
            thread.join().unwrap_or_else(|_| Err("a thread of the lab ended with a panic".to_owned()))
        })
    }

    fn cables(&self) -> Result<(), String> {
        let one = "numtxqueues 1 numrxqueues 1";
        let director = self.director.name();
        let mut lines =
            format!("link add c0 {one} type veth peer name dc netns {director} {one}\nlink set c0 up\n");
        lines += &format!("address add {CLIENT}/24 dev c0\n");
        for index in 1..=SERVER_COUNT {
            let server = self.servers[index - 1].name();
            lines += &format!(
                "link add c{index} {one} type veth peer name s1 netns {server} {one}\nlink set c{index} up\n"
            );
        }
        self.client.ip(&lines)?;
        let mut lines = "link set dc up\naddress add 10.1.0.1/24 dev dc\n".to_owned();
        for index in 1..=SERVER_COUNT {
            let server = self.servers[index - 1].name();
            lines += &format!(
                "link add d{index} {one} type veth peer name s0 netns {server} {one}\nlink set d{index} up\n"
            );
            lines += &format!("address add 10.2.{index}.1/24 dev d{index}\n");
        }
        self.director.ip(&lines)?;
        self.director.ip(&format!("address add {VIRTUAL}/32 dev dc\n"))?;
        let link = |host: &Namespace, device: &str| -> Result<String, String> {
            let shown =
                run(Command::new("ip").args(["-n", host.name(), "-o", "link", "show", "dev", device]))?;
            let mut words = shown.split_whitespace().skip_while(|word| *word != "link/ether").skip(1);
            words.next().map(str::to_owned).ok_or_else(|| format!("{device} has no link address"))
        };
        let to_client = link(&self.client, "c0")?;
        let from_client = link(&self.director, "dc")?;
        self.client.ip(&format!(
            "neighbour replace 10.1.0.1 lladdr {from_client} dev c0 nud permanent\nroute add default via 10.1.0.1\n\
             neighbour replace {VIRTUAL} lladdr {from_client} dev c0 nud permanent\n"
        ))?;
        self.director.ip(&format!("neighbour replace {CLIENT} lladdr {to_client} dev dc nud permanent\n"))?;
        for index in 1..=SERVER_COUNT {
            let server = &self.servers[index - 1];
            let (own, gateway) = (link(server, "s0")?, link(&self.director, &format!("d{index}"))?);
            let beside = link(&self.client, &format!("c{index}"))?;
            let address = server_address(index);
            self.director
                .ip(&format!("neighbour replace {address} lladdr {own} dev d{index} nud permanent\n"))?;
            server.ip(&format!(
                "link set s0 up\nlink set s1 up\naddress add {address}/24 dev s0\naddress add {VIRTUAL}/32 dev lo\n\
                 neighbour replace 10.2.{index}.1 lladdr {gateway} dev s0 nud permanent\nroute add default via 10.2.{index}.1\n\
                 neighbour replace {CLIENT} lladdr {beside} dev s1 nud permanent\n\
                 route add {CLIENT}/32 dev s1 table 100\nrule add from {VIRTUAL} lookup 100\n"
            ))?;
        }
        Ok(())
    }

    /// Checksums made by the ends or left to the device that is none; segmentation likewise.
    pub(crate) fn offloads(&self, checksums: bool, segments: bool) -> Result<(), String> {
        let word = |on| if on { "on" } else { "off" };
        let ethtool = |host: &Namespace, device: &str| {
            let words = ["netns", "exec", host.name(), "ethtool", "-K", device, "gro", "on"];
            // A device that refuses one of them keeps the others.
            for setting in [["tx", word(checksums)], ["tso", word(segments)]] {
                let _ = run(Command::new("ip").args(words).args(setting));
            }
        };
        for index in 0..=SERVER_COUNT {
            ethtool(&self.client, &format!("c{index}"));
        }
        for device in director_devices() {
            ethtool(&self.director, &device);
        }
        for server in &self.servers {
            ethtool(server, "s0");
            ethtool(server, "s1");
        }
        Ok(())
    }

    fn poll_in_threads(&self) -> Result<(), String> {
        for device in director_devices() {
            let order = format!("echo 1 > /sys/class/net/{device}/threaded");
            run(Command::new("ip").args(["netns", "exec", self.director.name(), "sh", "-c", &order]))?;
        }
        Ok(())
    }

    /// The threads in which the director's devices poll, bound to its processor.
    pub(crate) fn pollers(&self) -> Vec<u32> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Ok(name) = fs::read_to_string(entry.path().join("comm")) else { continue };
            let Ok(id) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let device =
                name.trim().strip_prefix("napi/").and_then(|rest| rest.split('-').next()).map(str::to_owned);
            if device.is_some_and(|device| director_devices().contains(&device)) {
                found.push(id);
            }
        }
        for id in &found {
            bind(*id, DIRECTOR_CPU);
        }
        found
    }
}

/// Binds a process or thread to a processor, with real-time priority.
pub(crate) fn bind(id: u32, cpu: usize) {
    let id = id.to_string();
    let _ = Command::new("taskset").args(["-pc", &cpu.to_string(), &id]).output();
    let _ = Command::new("chrt").args(["-f", "-p", "10", &id]).output();
}

/// Nanoseconds that threads have run.
pub(crate) fn run_time(ids: &[u32]) -> u64 {
    let of = |id: &u32| {
        let text = fs::read_to_string(format!("/proc/{id}/schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|word| word.parse::<u64>().ok()).unwrap_or_default()
    };
    ids.iter().map(of).sum()
}

const _: () = assert!(OTHER_CPU != DIRECTOR_CPU);
