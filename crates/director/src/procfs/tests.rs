//! The samples of spec 12, byte for byte.

use lvs_model::{ForwardingMethod, RealServer, Scheduler, ServerId, ServiceId, VirtualService};

use super::*;

fn server(address: &str, port: u16, active: u32, inactive: u32) -> ServerListing {
    ServerListing {
        id: ServerId(1),
        server: RealServer {
            address: address.parse().unwrap(),
            port,
            method: ForwardingMethod::Masquerade,
            weight: 1,
            upper_threshold: 0,
            lower_threshold: 0,
        },
        active,
        inactive,
        persistent: 0,
        statistics: Statistics::default(),
        rates: Rates::default(),
    }
}

fn service(address: &str, port: u16, servers: Vec<ServerListing>) -> ServiceListing {
    let key = ServiceKey::new(Protocol::Tcp, address.parse().unwrap(), port);
    ServiceListing {
        id: ServiceId(0),
        service: VirtualService { key, scheduler: Scheduler::Rr },
        statistics: Statistics::default(),
        rates: Rates::default(),
        servers,
    }
}

#[test]
fn ip_vs_is_the_kernels() {
    let listing = Listing {
        table_size: 4096,
        timeouts: lvs_model::Timeouts::default(),
        services: vec![
            service("10.1.0.100", 8080, vec![server("10.2.0.2", 8000, 20, 0)]),
            service("2001:db8:1::100", 80, vec![server("2001:db8:2::2", 80, 1, 0)]),
        ],
    };
    let wanted = "IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A010064:1F90 rr\x20\x20
  -> 0A020002:1F40      Masq    1      20         0\x20\x20\x20\x20\x20\x20\x20\x20\x20
TCP  [2001:0db8:0001:0000:0000:0000:0000:0100]:0050 rr\x20
  -> [2001:0db8:0002:0000:0000:0000:0000:0002]:0050      Masq    1      1          0\x20\x20\x20\x20\x20\x20\x20\x20\x20
";
    assert_eq!(ip_vs(&listing), wanted);
}

#[test]
fn a_connection_is_the_kernels() {
    let row = ConnectionRow {
        protocol: Protocol::Tcp,
        expires_s: 899,
        state: "ESTABLISHED".to_owned(),
        client: "10.1.0.2:3001".parse().unwrap(),
        virtual_address: "10.1.0.100:80".parse().unwrap(),
        server: "10.2.0.2:8000".parse().unwrap(),
    };
    let mut text = String::new();
    connection_line(&mut text, &row);
    assert_eq!(text, "TCP 0A010002 0BB9 0A010064 0050 0A020002 1F40 ESTABLISHED     899\n");
}

const SUM: Statistics = Statistics {
    connections: 0x14,
    inbound_packets: 0x28,
    outbound_packets: 0x14,
    inbound_bytes: 0x5460,
    outbound_bytes: 0x320,
};
const RATES: Rates = Rates {
    connections: 0,
    inbound_packets: 1,
    outbound_packets: 0,
    inbound_bytes: 0x1E0,
    outbound_bytes: 0x12,
};

#[test]
fn totals_are_the_kernels() {
    let wanted = "   Total Incoming Outgoing         Incoming         Outgoing
   Conns  Packets  Packets            Bytes            Bytes
      14       28       14             5460              320

 Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
       0        1        0              1E0               12
";
    assert_eq!(ip_vs_stats(&SUM, &RATES), wanted);
}

#[test]
fn processors_are_the_kernels() {
    let own = Statistics {
        connections: 0x21,
        inbound_packets: 0x36,
        outbound_packets: 0x15,
        inbound_bytes: 0x5690,
        outbound_bytes: 0x348,
    };
    let wanted = "       Total Incoming Outgoing         Incoming         Outgoing
CPU    Conns  Packets  Packets            Bytes            Bytes
  0       21       36       15             5690              348
  ~       14       28       14             5460              320

     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
           0        1        0              1E0               12
";
    assert_eq!(ip_vs_stats_percpu([own].into_iter(), &SUM, &RATES), wanted);
}
