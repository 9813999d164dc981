//! The words of ipvsadm: options, commands, and which goes with which.

use crate::popt::{Spec, Takes};

/// What an option contributes to the check of options against the command; in the order of that check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Numeric,
    Connection,
    Service,
    Scheduler,
    Persistent,
    Netmask,
    Server,
    Forward,
    Weight,
    UpperThreshold,
    LowerThreshold,
    MulticastInterface,
    Timeout,
    Daemon,
    Stats,
    Rate,
    Thresholds,
    PersistentConnections,
    NoSort,
    SyncId,
    Exact,
    OnePacket,
    Engine,
    SchedulerFlags,
    MulticastGroup,
    MulticastPort,
    MulticastTtl,
    SyncMaxLen,
    TunnelInfo,
    TunnelType,
    TunnelPort,
    TunnelNoChecksum,
    TunnelChecksum,
    TunnelRemoteChecksum,
}

impl Kind {
    /// Every kind with its name in messages.
    pub(super) const ALL: [(Self, &'static str); 34] = [
        (Self::Numeric, "numeric"),
        (Self::Connection, "connection"),
        (Self::Service, "service-address"),
        (Self::Scheduler, "scheduler"),
        (Self::Persistent, "persistent"),
        (Self::Netmask, "netmask"),
        (Self::Server, "real-server"),
        (Self::Forward, "forwarding-method"),
        (Self::Weight, "weight"),
        (Self::UpperThreshold, "u-threshold"),
        (Self::LowerThreshold, "l-threshold"),
        (Self::MulticastInterface, "mcast-interface"),
        (Self::Timeout, "timeout"),
        (Self::Daemon, "daemon"),
        (Self::Stats, "stats"),
        (Self::Rate, "rate"),
        (Self::Thresholds, "thresholds"),
        (Self::PersistentConnections, "persistent-conn"),
        (Self::NoSort, "nosort"),
        (Self::SyncId, "syncid"),
        (Self::Exact, "exact"),
        (Self::OnePacket, "ops"),
        (Self::Engine, "pe"),
        (Self::SchedulerFlags, "sched-flags"),
        (Self::MulticastGroup, "mcast-group"),
        (Self::MulticastPort, "mcast-port"),
        (Self::MulticastTtl, "mcast-ttl"),
        (Self::SyncMaxLen, "sync-maxlen"),
        (Self::TunnelInfo, "tun-info"),
        (Self::TunnelType, "tun-type"),
        (Self::TunnelPort, "tun-port"),
        (Self::TunnelNoChecksum, "tun-nocsum"),
        (Self::TunnelChecksum, "tun-csum"),
        (Self::TunnelRemoteChecksum, "tun-remcsum"),
    ];

    pub(super) fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// The kinds of option that were given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Given(u64);

impl Given {
    pub(super) fn has(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u32 != 0
    }

    pub(super) fn has_any(self, kinds: &[Kind]) -> bool {
        kinds.iter().any(|kind| self.has(*kind))
    }

    /// Adds a kind; false if it was there.
    pub(super) fn insert(&mut self, kind: Kind) -> bool {
        let new = !self.has(kind);
        self.0 |= 1 << kind as u32;
        new
    }
}

/// What the first option asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    AddService,
    EditService,
    DeleteService,
    Flush,
    List,
    AddServer,
    DeleteServer,
    EditServer,
    Set,
    StartDaemon,
    StopDaemon,
    Restore,
    Save,
    Zero,
}

impl Verb {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::AddService => "add-service",
            Self::EditService => "edit-service",
            Self::DeleteService => "delete-service",
            Self::Flush => "flush",
            Self::List => "list",
            Self::AddServer => "add-server",
            Self::DeleteServer => "delete-server",
            Self::EditServer => "edit-server",
            Self::Set => "set",
            Self::StartDaemon => "start-daemon",
            Self::StopDaemon => "stop-daemon",
            Self::Restore => "restore",
            Self::Save => "save",
            Self::Zero => "zero",
        }
    }

    /// One letter for each kind of option: `+` required, ` ` optional, `1` at most one of these, `x` illegal.
    pub(super) const fn rules(self) -> &'static [u8; 34] {
        match self {
            Self::AddService | Self::EditService => b"xx+   xxxxxxxxxxxxxxx   xxxxxxxxxx",
            Self::DeleteService => b"xx+xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            Self::List => b" 11xxxxxxxxx11       xxxxxxx xxxxx",
            Self::AddServer | Self::EditServer => b"xx+xxx+    xxxxxxxxxxxxxxxxxx     ",
            Self::DeleteServer => b"xx+xxx+xxxxxxxxxxxxxxxxxxxxxxxxxxx",
            Self::StartDaemon => b"xxxxxxxxxxx xxxxxxx xxxx    xxxxxx",
            Self::StopDaemon => b"xxxxxxxxxxxxxxxxxxx xxxxxxxxxxxxxx",
            Self::Save => b" xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            Self::Zero => b"xx xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            Self::Flush | Self::Set | Self::Restore => b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        }
    }
}

/// An option as the command line has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A command; only the first option may be one.
    Verb(Verb),
    Help,
    Version,
    Tcp,
    Udp,
    Sctp,
    Mark,
    Ipv6,
    Masquerade,
    Ipip,
    DirectRoute,
    Sort,
    /// Everything else is known by its kind alone.
    Plain(Kind),
}

const fn flag(long: &'static str, short: Option<char>, tag: Word) -> Spec<Word> {
    Spec { long, short, takes: Takes::Nothing, tag }
}

const fn value(long: &'static str, short: Option<char>, tag: Word) -> Spec<Word> {
    Spec { long, short, takes: Takes::Value, tag }
}

/// Every option of ipvsadm 1.31.
pub(super) const SPECS: &[Spec<Word>] = &[
    flag("add-service", Some('A'), Word::Verb(Verb::AddService)),
    flag("edit-service", Some('E'), Word::Verb(Verb::EditService)),
    flag("delete-service", Some('D'), Word::Verb(Verb::DeleteService)),
    flag("clear", Some('C'), Word::Verb(Verb::Flush)),
    flag("list", Some('L'), Word::Verb(Verb::List)),
    flag("list", Some('l'), Word::Verb(Verb::List)),
    flag("zero", Some('Z'), Word::Verb(Verb::Zero)),
    flag("add-server", Some('a'), Word::Verb(Verb::AddServer)),
    flag("edit-server", Some('e'), Word::Verb(Verb::EditServer)),
    flag("delete-server", Some('d'), Word::Verb(Verb::DeleteServer)),
    flag("set", None, Word::Verb(Verb::Set)),
    flag("restore", Some('R'), Word::Verb(Verb::Restore)),
    flag("save", Some('S'), Word::Verb(Verb::Save)),
    value("start-daemon", None, Word::Verb(Verb::StartDaemon)),
    value("stop-daemon", None, Word::Verb(Verb::StopDaemon)),
    flag("help", Some('h'), Word::Help),
    flag("version", Some('v'), Word::Version),
    value("tcp-service", Some('t'), Word::Tcp),
    value("udp-service", Some('u'), Word::Udp),
    value("sctp-service", None, Word::Sctp),
    value("fwmark-service", Some('f'), Word::Mark),
    flag("ipv6", Some('6'), Word::Ipv6),
    value("scheduler", Some('s'), Word::Plain(Kind::Scheduler)),
    Spec {
        long: "persistent",
        short: Some('p'),
        takes: Takes::OptionalValue,
        tag: Word::Plain(Kind::Persistent),
    },
    value("netmask", Some('M'), Word::Plain(Kind::Netmask)),
    value("real-server", Some('r'), Word::Plain(Kind::Server)),
    flag("masquerading", Some('m'), Word::Masquerade),
    flag("ipip", Some('i'), Word::Ipip),
    flag("gatewaying", Some('g'), Word::DirectRoute),
    value("weight", Some('w'), Word::Plain(Kind::Weight)),
    value("u-threshold", Some('x'), Word::Plain(Kind::UpperThreshold)),
    value("l-threshold", Some('y'), Word::Plain(Kind::LowerThreshold)),
    flag("numeric", Some('n'), Word::Plain(Kind::Numeric)),
    flag("connection", Some('c'), Word::Plain(Kind::Connection)),
    value("mcast-interface", None, Word::Plain(Kind::MulticastInterface)),
    flag("timeout", None, Word::Plain(Kind::Timeout)),
    flag("daemon", None, Word::Plain(Kind::Daemon)),
    flag("stats", None, Word::Plain(Kind::Stats)),
    flag("rate", None, Word::Plain(Kind::Rate)),
    flag("thresholds", None, Word::Plain(Kind::Thresholds)),
    flag("persistent-conn", None, Word::Plain(Kind::PersistentConnections)),
    flag("nosort", None, Word::Plain(Kind::NoSort)),
    flag("sort", None, Word::Sort),
    flag("exact", None, Word::Plain(Kind::Exact)),
    value("syncid", None, Word::Plain(Kind::SyncId)),
    flag("ops", Some('o'), Word::Plain(Kind::OnePacket)),
    value("pe", None, Word::Plain(Kind::Engine)),
    value("sched-flags", Some('b'), Word::Plain(Kind::SchedulerFlags)),
    value("mcast-group", None, Word::Plain(Kind::MulticastGroup)),
    value("mcast-port", None, Word::Plain(Kind::MulticastPort)),
    value("mcast-ttl", None, Word::Plain(Kind::MulticastTtl)),
    value("sync-maxlen", None, Word::Plain(Kind::SyncMaxLen)),
    flag("tun-info", None, Word::Plain(Kind::TunnelInfo)),
    value("tun-type", None, Word::Plain(Kind::TunnelType)),
    value("tun-port", None, Word::Plain(Kind::TunnelPort)),
    flag("tun-nocsum", None, Word::Plain(Kind::TunnelNoChecksum)),
    flag("tun-csum", None, Word::Plain(Kind::TunnelChecksum)),
    flag("tun-remcsum", None, Word::Plain(Kind::TunnelRemoteChecksum)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_numbered_in_the_order_of_their_names() {
        for (number, (kind, _)) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
        }
    }
}
