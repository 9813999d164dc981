//! Everything that can happen to a packet and is worth a number, but what is counted per real server (`Traffic`). Per processor; names are part of the interface.

macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// An outcome that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Counter { $($(#[$doc])* $variant,)* }

        impl Counter {
            /// All counters in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name operators see.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

counters! {
    /// Passed up: neither for a virtual service nor from a real server.
    PassedOther = "passed_other",
    /// Passed up: for a virtual service, but no connection and not one that opens one.
    PassedNoConnection = "passed_no_connection",
    /// Passed up: the next hop's neighbour or route must be found by the kernel.
    PassedUnresolved = "passed_unresolved",
    /// Passed up from XDP to TC: more than XDP can do.
    PassedToTc = "passed_to_tc",
    /// Delivered to the director's own stack.
    DeliveredLocally = "delivered_locally",
    /// An ICMP error was relayed.
    IcmpRelayed = "icmp_relayed",
    /// An ICMP error was sent: time exceeded.
    IcmpTimeExceeded = "icmp_time_exceeded",
    /// An ICMP error was sent: fragmentation needed or packet too big.
    IcmpTooBig = "icmp_too_big",
    /// An ICMP error was sent: port unreachable, since no real server could be chosen.
    IcmpUnreachable = "icmp_unreachable",
    /// An ICMP error was not sent: too many in this second.
    IcmpSuppressed = "icmp_suppressed",
    /// Dropped: no real server could be chosen.
    DroppedNoServer = "dropped_no_server",
    /// Dropped: the connection's real server was removed.
    DroppedServerRemoved = "dropped_server_removed",
    /// Dropped: no route to the real server.
    DroppedUnreachable = "dropped_unreachable",
    /// Dropped: no slot for a new connection.
    DroppedTableFull = "dropped_table_full",
    /// Dropped: TTL or hop limit used up.
    DroppedTtl = "dropped_ttl",
    /// Dropped: larger than the way to the real server allows.
    DroppedTooBig = "dropped_too_big",
    /// Dropped: transport header cut short.
    DroppedShort = "dropped_short",
    /// Dropped: wrong ICMP checksum.
    DroppedIcmpChecksum = "dropped_icmp_checksum",
    /// Dropped: fragment whose first fragment was not seen.
    DroppedFragment = "dropped_fragment",
    /// Dropped: 127/8 or ::1 as real server of a client elsewhere.
    DroppedLoopback = "dropped_loopback",
    /// Dropped: the tunnel's path is too narrow for any packet (spec 2.7, MTU floor).
    DroppedTunnelMtu = "dropped_tunnel_mtu",
    /// Dropped: the frame could not be rewritten (no room).
    DroppedRewrite = "dropped_rewrite",
    /// A connection was made.
    ConnectionMade = "connection_made",
    /// Two processors made the same connection; one withdrew.
    ConnectionTwice = "connection_twice",
    /// An expired connection was cleared away by the packet path.
    ConnectionReclaimed = "connection_reclaimed",
    /// A used-up connection gave way to a new one of the same client port.
    ConnectionReused = "connection_reused",
}

const _: () = assert!(Counter::ALL.len() < crate::table::COUNTERS_MAX as usize);
