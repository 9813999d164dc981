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
    let mut ebpf = loader.load(OBJECT).map_err(|error| Error::Object(chain(&error)))?;
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
