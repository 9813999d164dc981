//! The system's name databases, through the C library: this is the one place of this room with unsafe code.
#![allow(unsafe_code, reason = "getservbyname, getservbyport and getnameinfo have no safe form in std")]

use std::ffi::{CStr, CString};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

use super::Names;

/// `/etc/hosts`, DNS, `/etc/services` and whatever else nsswitch.conf names. For programs with one thread.
#[derive(Clone, Copy, Debug)]
pub struct SystemNames;

impl Names for SystemNames {
    fn address(&self, host: &str) -> Option<Ipv4Addr> {
        (host, 0).to_socket_addrs().ok()?.find_map(|found| match found {
            SocketAddr::V4(found) => Some(*found.ip()),
            SocketAddr::V6(_) => None,
        })
    }

    fn host(&self, address: IpAddr) -> Option<String> {
        match address {
            IpAddr::V4(address) => {
                // SAFETY: sockaddr_in is plain data, valid when zeroed.
                let mut socket: libc::sockaddr_in = unsafe { std::mem::zeroed() };
                socket.sin_family = libc::AF_INET as libc::sa_family_t;
                socket.sin_addr.s_addr = u32::from(address).to_be();
                name_of(&socket)
            }
            IpAddr::V6(address) => {
                // SAFETY: sockaddr_in6 is plain data, valid when zeroed.
                let mut socket: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
                socket.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                socket.sin6_addr.s6_addr = address.octets();
                name_of(&socket)
            }
        }
    }

    fn port(&self, service: &str, protocol: &str) -> Option<u16> {
        let (service, protocol) = (CString::new(service).ok()?, CString::new(protocol).ok()?);
        // SAFETY: both are C strings that live until after the call. The answer is null or points to a record that
        // stays until the next call of this family; it is read at once, in programs with one thread.
        let port = unsafe { libc::getservbyname(service.as_ptr(), protocol.as_ptr()).as_ref()?.s_port };
        Some(u16::from_be(port as u16))
    }

    fn service(&self, port: u16, protocol: &str) -> Option<String> {
        let protocol = CString::new(protocol).ok()?;
        // SAFETY: as in `port`; the name in the record is a C string, copied before any other call.
        unsafe {
            let entry = libc::getservbyport(i32::from(port.to_be()), protocol.as_ptr()).as_ref()?;
            Some(CStr::from_ptr(entry.s_name).to_string_lossy().into_owned())
        }
    }
}

/// The host's name for a `sockaddr_in` or `sockaddr_in6`.
fn name_of<T>(socket: &T) -> Option<String> {
    let mut name: [libc::c_char; 1025] = [0; 1025];
    // SAFETY: the address is a live socket address of `size_of::<T>()` bytes, the name has room for its own length,
    // and no service name is asked for.
    let result = unsafe {
        libc::getnameinfo(
            std::ptr::from_ref(socket).cast(),
            size_of::<T>() as libc::socklen_t,
            name.as_mut_ptr(),
            name.len() as libc::socklen_t,
            std::ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        )
    };
    if result != 0 {
        return None;
    }
    // SAFETY: getnameinfo wrote a C string, and the array's last byte was zero before.
    Some(unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned())
}
