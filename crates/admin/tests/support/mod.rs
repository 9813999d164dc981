//! A director in memory, and names that do not depend on the machine.
#![allow(dead_code, reason = "every test file uses its part")]

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use lvs_admin::director::{Director, Failure};
use lvs_admin::ipvsadm::{self, World};
use lvs_admin::names::Names;
use lvs_model::api::{
    AttachRequest, ErrorAnswer, ExplainRequest, Explanation, Interface, Interfaces, Status, Totals,
};
use lvs_model::listing::{ConnectionRow, Listing, Rates, ServerListing, ServiceListing, Statistics};
use lvs_model::{ChangeSet, Command, Model, ServerKey, ServiceKey, Timeouts};

/// Counters of a service (no server) or of a server.
pub(crate) type Counted = HashMap<(ServiceKey, Option<ServerKey>), (Statistics, Rates, u32, u32)>;

/// The model alone, with counters and connections as a test sets them.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) model: Model,
    pub(crate) counted: Counted,
    pub(crate) rows: Vec<ConnectionRow>,
}

impl Director for Memory {
    fn apply(&mut self, commands: &[Command]) -> Result<(), Failure> {
        // Through JSON and back, as over the socket.
        let text = serde_json::to_string(commands).unwrap();
        let commands: Vec<Command> = serde_json::from_str(&text).unwrap();
        let result = self.model.apply_all(&commands, &mut ChangeSet::new());
        result.map_err(|refused| Failure::Refused(ErrorAnswer::from(refused)))
    }

    fn listing(&mut self) -> Result<Listing, Failure> {
        let services = self.model.services().map(|entry| {
            let counts = |server| self.counted.get(&(entry.service.key, server)).copied().unwrap_or_default();
            let (statistics, rates, ..) = counts(None);
            let servers = entry.servers().map(|id| {
                let server = self.model.server(id).unwrap();
                let (statistics, rates, active, inactive) = counts(Some(server.server.key()));
                ServerListing {
                    id,
                    server: server.server,
                    active,
                    inactive,
                    persistent: 0,
                    statistics,
                    rates,
                }
            });
            ServiceListing {
                id: entry.id,
                service: entry.service,
                statistics,
                rates,
                servers: servers.collect(),
            }
        });
        let listing =
            Listing { table_size: 4096, timeouts: self.model.timeouts(), services: services.collect() };
        Ok(serde_json::from_str(&serde_json::to_string(&listing).unwrap()).unwrap())
    }

    fn connections(&mut self, each: &mut dyn FnMut(ConnectionRow)) -> Result<(), Failure> {
        self.rows.iter().cloned().for_each(each);
        Ok(())
    }

    fn timeouts(&mut self) -> Result<Timeouts, Failure> {
        Ok(self.model.timeouts())
    }

    fn totals(&mut self) -> Result<Totals, Failure> {
        Ok(Totals::default())
    }

    fn status(&mut self) -> Result<Status, Failure> {
        Ok(Status::default())
    }

    fn interfaces(&mut self) -> Result<Interfaces, Failure> {
        Ok(Interfaces::default())
    }

    fn attach(&mut self, request: &AttachRequest) -> Result<Interface, Failure> {
        Ok(Interface { name: request.name.clone(), index: 1, mode: request.mode, attached: request.mode })
    }

    fn detach(&mut self, _name: &str) -> Result<(), Failure> {
        Ok(())
    }

    fn explain(&mut self, _request: &ExplainRequest) -> Result<Explanation, Failure> {
        Ok(Explanation::default())
    }
}

/// The names that recorded calls use, as the machine that recorded them had them.
pub(crate) struct FixedNames;

const SERVICES: [(&str, u16, &str); 14] = [
    ("tcpmux", 1, "tcp"),
    ("ssh", 22, "tcp"),
    ("domain", 53, "tcp"),
    ("domain", 53, "udp"),
    ("tftp", 69, "udp"),
    ("http", 80, "tcp"),
    ("poppassd", 106, "tcp"),
    ("https", 443, "tcp"),
    ("https", 443, "udp"),
    ("shell", 514, "tcp"),
    // An alias: the number is shown as "shell".
    ("syslog", 514, "tcp"),
    ("syslog", 514, "udp"),
    ("mdns", 5353, "udp"),
    ("sip", 5060, "udp"),
];

impl Names for FixedNames {
    fn address(&self, host: &str) -> Option<Ipv4Addr> {
        (host == "localhost").then_some(Ipv4Addr::LOCALHOST)
    }

    fn host(&self, address: IpAddr) -> Option<String> {
        (address == Ipv4Addr::LOCALHOST).then(|| "localhost".to_owned())
    }

    fn port(&self, service: &str, protocol: &str) -> Option<u16> {
        let found = SERVICES.iter().find(|(name, _, of)| *name == service && *of == protocol);
        found.map(|(_, port, _)| *port)
    }

    fn service(&self, port: u16, protocol: &str) -> Option<String> {
        let found = SERVICES.iter().find(|(_, number, of)| *number == port && *of == protocol);
        found.map(|(name, ..)| (*name).to_owned())
    }
}

/// What a call prints, and its exit code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) exit: i32,
}

/// Runs a program with these words on that director.
pub(crate) fn call(director: &mut Memory, program: &str, words: &[String], stdin: &str) -> Outcome {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut world = World {
        director,
        names: &FixedNames,
        stdin: &mut stdin.as_bytes(),
        stdout: &mut stdout,
        stderr: &mut stderr,
    };
    let exit = match program {
        "ipvsadm-restore" => ipvsadm::run_restore(&mut world),
        "ipvsadm-save" => ipvsadm::run_save(words, &mut world),
        _ => ipvsadm::run(words, &mut world),
    };
    Outcome { stdout: String::from_utf8(stdout).unwrap(), stderr: String::from_utf8(stderr).unwrap(), exit }
}

/// Words of a line without quotes.
pub(crate) fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}
