//! Words to [`Request`]: reads options left to right, each value checked as it comes.

use std::net::{IpAddr, Ipv4Addr};

use super::complaint::Complaint;
use super::option::{Given, Kind, SPECS, Verb, Word};
use crate::address;
use crate::names::Names;
use crate::number;
use crate::popt::Reader;

/// Longest persistence or protocol timeout ipvsadm takes: 31 days.
const MAX_TIMEOUT_S: i64 = 31 * 24 * 3600;

/// Persistence timeout of `-p` without a value.
const DEFAULT_PERSISTENCE_S: u32 = 360;

/// What a command line asks for.
pub(super) enum Parsed {
    Help,
    Version,
    Request(Box<Request>),
}

/// A command line whose every word is understood; what goes together is checked later.
pub(super) struct Request {
    pub(super) verb: Verb,
    pub(super) given: Given,
    pub(super) service: Service,
    pub(super) server: Server,
    /// Of `--set`: tcp, tcpfin, udp.
    pub(super) timeouts_s: [u32; 3],
}

/// The protocol of a service option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Udp,
    Sctp,
}

impl Transport {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// What is said about the service.
#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) transport: Option<Transport>,
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
    /// Firewall mark; 0 = none.
    pub(super) mark: u32,
    pub(super) is_ipv6: bool,
    /// Empty = not given.
    pub(super) scheduler: String,
    pub(super) scheduler_flags: Vec<String>,
    pub(super) persistence_s: Option<u32>,
    /// None = all bits.
    pub(super) netmask: Option<Netmask>,
}

/// How much of the client's address counts for persistence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Netmask {
    Mask(Ipv4Addr),
    Prefix(u8),
}

/// What is said about the real server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
    pub(super) method: Method,
    pub(super) tunnel: Tunnel,
    pub(super) weight: u32,
    pub(super) upper_threshold: u32,
    pub(super) lower_threshold: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Masquerade,
    Tunnel,
    DirectRoute,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tunnel {
    Ipip,
    Gue,
    Gre,
}

impl Request {
    fn new(verb: Verb) -> Self {
        let server = Server {
            address: None,
            port: 0,
            method: Method::DirectRoute,
            tunnel: Tunnel::Ipip,
            weight: 1,
            upper_threshold: 0,
            lower_threshold: 0,
        };
        Self { verb, given: Given::default(), service: Service::default(), server, timeouts_s: [0; 3] }
    }
}

/// Reads a command line without the program's name.
pub(super) fn parse(words: &[String], names: &dyn Names) -> Result<Parsed, Complaint> {
    let mut reader = Reader::new(SPECS, words);
    let mut request = match reader.next_option() {
        Some(Ok((Word::Verb(verb), value))) => {
            check_daemon_role(verb, value)?;
            Request::new(verb)
        }
        Some(Ok((Word::Help, _))) => return Ok(Parsed::Help),
        Some(Ok((Word::Version, _))) => return Ok(Parsed::Version),
        _ => return Err(Complaint::try_help()),
    };
    while let Some(option) = reader.next_option() {
        let (word, value) = option
            .map_err(|problem| Complaint::refused(format!("{}: {}", reader.last_word(), problem.text())))?;
        match word {
            Word::Verb(_) | Word::Help | Word::Version => {
                return Err(Complaint::arguments(format!("invalid option `{}'", reader.last_word())));
            }
            Word::Plain(kind) => request.take_plain(kind, value, names)?,
            word => request.take(word, value.unwrap_or_default(), names)?,
        }
    }
    request.take_leftovers(reader.leftovers())?;
    check_scheduler_flags(&request.service)?;
    Ok(Parsed::Request(Box::new(request)))
}

fn check_daemon_role(verb: Verb, value: Option<&str>) -> Result<(), Complaint> {
    if matches!(value, None | Some("master" | "backup")) {
        return Ok(());
    }
    Err(Complaint::arguments(match verb {
        Verb::StartDaemon => "illegal start-daemon parameter specified",
        _ => "illegal start_daemon specified",
    }))
}

impl Request {
    fn note(&mut self, kind: Kind) -> Result<(), Complaint> {
        if self.given.insert(kind) {
            return Ok(());
        }
        Err(Complaint::arguments(format!("multiple '{}' options specified", kind.name())))
    }

    /// Options that share their kind with others, or have none.
    fn take(&mut self, word: Word, value: &str, names: &dyn Names) -> Result<(), Complaint> {
        match word {
            Word::Tcp => self.take_service(Transport::Tcp, value, names)?,
            Word::Udp => self.take_service(Transport::Udp, value, names)?,
            Word::Sctp => self.take_service(Transport::Sctp, value, names)?,
            Word::Mark => self.take_mark(value)?,
            Word::Ipv6 if self.service.mark == 0 => {
                return Err(Complaint::arguments("-6 used before -f\n"));
            }
            Word::Ipv6 => (self.service.is_ipv6, self.service.netmask) = (true, None),
            Word::Masquerade => self.take_method(Method::Masquerade)?,
            Word::Ipip => self.take_method(Method::Tunnel)?,
            Word::DirectRoute => self.take_method(Method::DirectRoute)?,
            _ => {}
        }
        Ok(())
    }

    fn take_method(&mut self, method: Method) -> Result<(), Complaint> {
        self.note(Kind::Forward)?;
        self.server.method = method;
        Ok(())
    }

    fn take_service(
        &mut self,
        transport: Transport,
        value: &str,
        names: &dyn Names,
    ) -> Result<(), Complaint> {
        self.note(Kind::Service)?;
        let (address, port) = address::parse(value, Some(transport.name()), names)
            .ok_or_else(|| Complaint::arguments("illegal virtual server address[:port] specified"))?;
        let service = &mut self.service;
        (service.transport, service.address) = (Some(transport), Some(address));
        service.port = port.unwrap_or(0);
        service.is_ipv6 = address.is_ipv6();
        if service.is_ipv6 {
            service.netmask = None;
        }
        Ok(())
    }

    fn take_mark(&mut self, value: &str) -> Result<(), Complaint> {
        self.note(Kind::Service)?;
        let mark = number::parse(value, 1, i64::from(u32::MAX))
            .ok_or_else(|| Complaint::arguments(format!("invalid fwmark value `{value}' specified")))?;
        self.service.mark = mark as u32;
        // The original does the same, "even though it is not used": named ports of -r are TCP's.
        self.service.transport = Some(Transport::Tcp);
        self.service.is_ipv6 = false;
        Ok(())
    }

    /// Options known by their kind.
    fn take_plain(&mut self, kind: Kind, value: Option<&str>, names: &dyn Names) -> Result<(), Complaint> {
        self.note(kind)?;
        let text = value.unwrap_or_default();
        let ranged = |min, max, what: &str| {
            number::parse(text, min, max)
                .map(|number| number as u32)
                .ok_or_else(|| Complaint::arguments(format!("illegal {what} specified")))
        };
        let int_max = i64::from(i32::MAX);
        match kind {
            Kind::Scheduler => self.service.scheduler = text.chars().take(15).collect(),
            Kind::Persistent => {
                let timeout_s = value.map_or(Ok(DEFAULT_PERSISTENCE_S), |text| timeout(text, 1))?;
                self.service.persistence_s = Some(timeout_s);
            }
            Kind::Netmask => self.service.netmask = Some(self.read_netmask(text, names)?),
            Kind::Server => self.take_server(text, names)?,
            Kind::Weight => self.server.weight = ranged(0, int_max, "weight")?,
            Kind::UpperThreshold => self.server.upper_threshold = ranged(0, int_max, "u_threshold")?,
            Kind::LowerThreshold => self.server.lower_threshold = ranged(0, int_max, "l_threshold")?,
            Kind::SchedulerFlags => {
                self.service.scheduler_flags =
                    text.split(',').filter(|flag| !flag.is_empty()).map(str::to_owned).collect();
            }
            Kind::TunnelType => self.server.tunnel = read_tunnel(text)?,
            Kind::TunnelPort => drop(ranged(1, 65535, "tunnel port")?),
            Kind::SyncId => drop(ranged(0, 255, "syncid")?),
            Kind::SyncMaxLen => drop(ranged(1, 65507, "sync-maxlen")?),
            Kind::MulticastPort => drop(ranged(1, 65535, "mcast-port")?),
            Kind::MulticastTtl => drop(ranged(1, 255, "mcast-ttl")?),
            Kind::MulticastGroup => check_group(text)?,
            _ => {}
        }
        Ok(())
    }

    fn take_server(&mut self, text: &str, names: &dyn Names) -> Result<(), Complaint> {
        let transport = self.service.transport.map(Transport::name);
        let (address, port) = address::parse(text, transport, names)
            .ok_or_else(|| Complaint::arguments("illegal real server address[:port] specified"))?;
        self.server.address = Some(address);
        self.server.port = port.unwrap_or(self.service.port);
        Ok(())
    }

    fn read_netmask(&self, text: &str, names: &dyn Names) -> Result<Netmask, Complaint> {
        if self.service.is_ipv6 {
            return u8::try_from(number::parse_prefix(text))
                .ok()
                .filter(|prefix| (1..=128).contains(prefix))
                .map(Netmask::Prefix)
                .ok_or_else(|| Complaint::arguments("illegal ipv6 netmask specified"));
        }
        address::parse_ipv4(text)
            .or_else(|| names.address(text))
            .map(Netmask::Mask)
            .ok_or_else(|| Complaint::arguments("illegal virtual server persistent mask specified"))
    }

    /// Words that are no options: the three values of `--set`, and nothing else.
    fn take_leftovers(&mut self, mut words: &[&str]) -> Result<(), Complaint> {
        if self.verb == Verb::Set {
            let ([tcp, tcp_fin, udp], rest) = words
                .split_first_chunk()
                .ok_or_else(|| Complaint::arguments("--set option requires 3 timeout values"))?;
            self.timeouts_s = [timeout(tcp, 0)?, timeout(tcp_fin, 0)?, timeout(udp, 0)?];
            words = rest;
        }
        match words.first() {
            Some(word) => Err(Complaint::arguments(format!("unexpected argument {word}"))),
            None => Ok(()),
        }
    }
}

fn timeout(text: &str, min: i64) -> Result<u32, Complaint> {
    number::parse(text, min, MAX_TIMEOUT_S)
        .map(|timeout_s| timeout_s as u32)
        .ok_or_else(|| Complaint::arguments(format!("invalid timeout value `{text}' specified")))
}

fn read_tunnel(text: &str) -> Result<Tunnel, Complaint> {
    match text {
        "ipip" => Ok(Tunnel::Ipip),
        "gue" => Ok(Tunnel::Gue),
        "gre" => Ok(Tunnel::Gre),
        _ => Err(Complaint::arguments("illegal tunnel type specified")),
    }
}

fn check_group(text: &str) -> Result<(), Complaint> {
    if text.contains(':') {
        return match text.parse::<std::net::Ipv6Addr>() {
            Ok(group) if group.is_multicast() => Ok(()),
            _ => Err(Complaint::arguments(format!("invalid IPv6 mcast-group `{text}'"))),
        };
    }
    match text.parse::<Ipv4Addr>() {
        Ok(group) if group.is_multicast() => Ok(()),
        _ => Err(Complaint::arguments(format!("invalid IPv4 mcast-group `{text}'"))),
    }
}

/// Flags of sh and mh need that scheduler; whether the command takes flags at all is looked at later.
fn check_scheduler_flags(service: &Service) -> Result<(), Complaint> {
    for flag in &service.scheduler_flags {
        let needed = match flag.as_str() {
            "sh-fallback" | "sh-port" => "sh",
            "mh-fallback" | "mh-port" => "mh",
            "flag-1" | "flag-2" | "flag-3" => continue,
            _ => return Err(Complaint::arguments(format!("invalid scheduler flag `{flag}'"))),
        };
        if service.scheduler != needed {
            return Err(Complaint::arguments(format!("incompatible scheduler flag `{flag}'")));
        }
    }
    Ok(())
}
