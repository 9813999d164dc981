//! The real server's side of tunnels, for kernels without ipip: a small XDP program that takes the outer header off.

use std::path::Path;

use aya::EbpfLoader;
use aya::programs::Xdp;
use aya::programs::links::FdLink;
use aya::programs::xdp::XdpMode;

use crate::OBJECT;
use crate::error::Error;
use crate::object::{chain, explain_program};

/// Name of the program in the object.
const PROGRAM: &str = "lvs_decap";
/// The director's tables, made as small as they can be: this program uses none, and they go when it is loaded.
const UNUSED_TABLES: [&str; 7] =
    ["ENDPOINTS", "SERVICES", "MEMBERS", "SERVERS", "SLOTS", "TRAFFIC", "NEXT_HOPS"];

/// The program on an interface; it ends with this, unless it was pinned.
#[derive(Debug)]
pub struct Decapsulator {
    _link: FdLink,
}

/// Attaches the decapsulator to an interface: in the driver, or in the generic path when the driver has no hook. With
/// `pin` it stays when the process ends, until that file is removed.
pub fn run(interface: &str, pin: Option<&Path>) -> Result<Decapsulator, Error> {
    if OBJECT.is_empty() {
        return Err(Error::NoObject);
    }
    let mut loader = EbpfLoader::new();
    for name in UNUSED_TABLES {
        loader.map_max_entries(name, 1);
    }
    let bytes = without_pins(OBJECT);
    let mut ebpf = loader.load(&bytes).map_err(|error| Error::Object(chain(&error)))?;
    let program =
        ebpf.program_mut(PROGRAM).ok_or_else(|| Error::Object(format!("it has no program {PROGRAM}")))?;
    let program: &mut Xdp = program.try_into().map_err(|error| explain_program(PROGRAM, &error))?;
    program.load().map_err(|error| explain_program(PROGRAM, &error))?;
    let id = match program.attach(interface, XdpMode::Driver) {
        Err(aya::programs::ProgramError::UnknownInterface { name }) => return Err(Error::NoInterface(name)),
        Err(_) => program.attach(interface, XdpMode::Skb),
        attached => attached,
    };
    let refused =
        |why: String| Error::Refused { interface: interface.to_owned(), mode: "decapsulation", why };
    let id = id.map_err(|error| refused(chain(&error)))?;
    let link = program.take_link(id).map_err(|error| refused(chain(&error)))?;
    let link = FdLink::try_from(link).map_err(|_| refused("the kernel gives no link for it".to_owned()))?;
    let link = match pin {
        Some(path) => link.pin(path).map_err(|error| refused(chain(&error)))?.into(),
        None => link,
    };
    Ok(Decapsulator { _link: link })
}

/// The object with its tables' wish to be pinned taken out: the last word of every definition in section "maps".
fn without_pins(object: &[u8]) -> Vec<u8> {
    const DEFINITION_LEN: usize = 28;
    const PINNING: usize = 24;
    let mut bytes = object.to_vec();
    if let Some((start, len)) = section(object, b"maps")
        && let Some(definitions) = bytes.get_mut(start..start + len)
    {
        for definition in definitions.chunks_exact_mut(DEFINITION_LEN) {
            definition[PINNING..].fill(0);
        }
    }
    bytes
}

/// Where a section of a 64-bit little-endian ELF file lies.
fn section(elf: &[u8], name: &[u8]) -> Option<(usize, usize)> {
    let number = |at: usize, len: usize| -> Option<usize> {
        let bytes = elf.get(at..at + len)?;
        Some(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    let (headers, header_len) = (number(0x28, 8)?, number(0x3A, 2)?);
    let (count, names) = (number(0x3C, 2)?, number(0x3E, 2)?);
    let place = |index: usize| -> Option<(usize, usize)> {
        let header = headers + index * header_len;
        Some((number(header + 24, 8)?, number(header + 32, 8)?))
    };
    let (names, _) = place(names)?;
    (0..count).find_map(|index| {
        let own_name = names + number(headers + index * header_len, 4)?;
        let end = elf.get(own_name..)?.iter().position(|byte| *byte == 0)?;
        if elf.get(own_name..own_name + end)? == name { place(index) } else { None }
    })
}
