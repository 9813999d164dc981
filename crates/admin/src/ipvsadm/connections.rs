//! The listing of connections, `-L -c`.

use lvs_model::listing::ConnectionRow;

use super::list::service_protocol;
use super::option::{Given, Kind};
use crate::address;
use crate::names::Names;

/// The two lines above the connections.
pub(super) fn title(given: Given) -> &'static str {
    if given.has(Kind::PersistentConnections) {
        "IPVS connection entries\npro expire state       source             virtual            destination        pe name          pe_data\n"
    } else {
        "IPVS connection entries\npro expire state       source             virtual            destination\n"
    }
}

/// One connection. Persistence engines, which would add two columns, come later.
pub(super) fn row(row: &ConnectionRow, given: Given, names: &dyn Names) -> String {
    let place = |socket: std::net::SocketAddr| {
        let protocol = service_protocol(row.protocol);
        address::show(socket.ip(), socket.port(), protocol, given.has(Kind::Numeric), names)
    };
    let expires = format!("{:02}:{:02}", row.expires_s / 60, row.expires_s % 60);
    format!(
        "{:<3} {expires:<6} {:<11} {:<18} {:<18} {}\n",
        row.protocol.name(),
        row.state,
        place(row.client),
        place(row.virtual_address),
        place(row.server),
    )
}
