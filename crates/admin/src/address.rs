//! Addresses with ports, as ipvsadm reads and prints them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::names::Names;
use crate::number;

/// Reads `host[:port]`, `[v6]:port` or a bare IPv6 address; the port is none if there is none.
///
/// `protocol` is that of the service option, if one came before: without it only numeric ports are known. A peculiarity
/// of the original is kept: of `[1.2.3.4]:80` and `[host]:80` the port is lost.
pub fn parse(text: &str, protocol: Option<&str>, names: &dyn Names) -> Option<(IpAddr, Option<u16>)> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (host, bracket_port) = match text.strip_prefix('[') {
        Some(inner) => {
            let (host, behind) = inner.split_once(']')?;
            (host, Some(behind.strip_prefix(':')?))
        }
        None => (text, None),
    };
    let (address, port) = match host.parse::<Ipv6Addr>() {
        Ok(address) => (address.into(), bracket_port),
        Err(_) => {
            let (host, port) = host.rsplit_once(':').map_or((host, None), |(host, port)| (host, Some(port)));
            (parse_ipv4(host).or_else(|| names.address(host))?.into(), port)
        }
    };
    let Some(port) = port else { return Some((address, None)) };
    let port =
        number::parse(port, 0, 65535).map(|port| port as u16).or_else(|| names.port(port, protocol?))?;
    Some((address, Some(port)))
}

/// An IPv4 address as `inet_aton` takes it: one to four numbers, decimal, octal or hexadecimal; the last one fills the
/// rest; after a blank anything may follow.
pub fn parse_ipv4(text: &str) -> Option<Ipv4Addr> {
    let text = text.split(number::is_blank).next().unwrap_or_default();
    let numbers: Vec<u32> = text.split('.').map(c_number).collect::<Option<_>>()?;
    let (last, heads) = numbers.split_last()?;
    let bits_left = 32_u32.checked_sub(8 * heads.len() as u32).filter(|bits| *bits > 0)?;
    if heads.iter().any(|number| *number > 255) || u64::from(*last) >> bits_left != 0 {
        return None;
    }
    let head = heads.iter().zip([24, 16, 8]).map(|(number, shift)| number << shift).sum::<u32>();
    Some(Ipv4Addr::from(head | last))
}

/// A number of C: `0x` hexadecimal, `0` octal, else decimal.
fn c_number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    (!digits.starts_with('+')).then(|| u32::from_str_radix(digits, radix).ok())?
}

/// `address:port` or `[address]:port`, by numbers or, where there are any, by names.
pub fn show(address: IpAddr, port: u16, protocol: &str, numeric: bool, names: &dyn Names) -> String {
    let named = |name: Option<String>| name.filter(|_| !numeric);
    let host =
        named((!numeric).then(|| names.host(address)).flatten()).unwrap_or_else(|| show_address(address));
    let port = named((!numeric).then(|| names.service(port, protocol)).flatten())
        .unwrap_or_else(|| port.to_string());
    if address.is_ipv6() { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// An address as `inet_ntop` writes it.
pub fn show_address(address: IpAddr) -> String {
    match address {
        // std writes ::ffff:1.2.3.4 like the C library, but the old ::1.2.3.4 in hexadecimal.
        IpAddr::V6(v6) => match v6.segments() {
            [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
                format!("::{}", Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
            }
            _ => v6.to_string(),
        },
        IpAddr::V4(v4) => v4.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_is_read_as_inet_aton_does() {
        let read = |text: &str| parse_ipv4(text).map(|address| address.to_string());
        for (text, address) in [
            ("1.2.3.4", "1.2.3.4"),
            ("1.2.3", "1.2.0.3"),
            ("10.1", "10.0.0.1"),
            ("24", "0.0.0.24"),
            ("0x01020304", "1.2.3.4"),
            ("010.1.0.1", "8.1.0.1"),
            ("4294967295", "255.255.255.255"),
            ("1.2.3.4 x", "1.2.3.4"),
        ] {
            assert_eq!(read(text).as_deref(), Some(address), "{text}");
        }
        for bad in [
            "",
            "256.1.1.1",
            "1.2.3.4.5",
            "4294967296",
            "1..2",
            "1.2.3.256",
            "08",
            "+1.2.3.4",
            " 1.2.3.4",
            "x",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn ipv6_is_written_as_inet_ntop_does() {
        for text in
            ["::", "::1", "::1.2.3.4", "::ffff:1.2.3.4", "2001:db8::1", "1:0:0:2::", "64:ff9b::102:304"]
        {
            assert_eq!(show_address(text.parse().unwrap()), text);
        }
    }
}
