//! Attaching the programs to interfaces, so that they stay when this process goes, and are replaced without a gap.
//!
//! Every interface gets the TC pair; modes `xdp` and `generic` put XDP before it, which hands on what it cannot finish.
//! A link's pin is the record of an attachment: `link-INDEX-NAME-HOOK` ('%2E' for '.', which bpffs forbids). Below kernel
//! 6.6 there are no tcx links; a classic filter is used, and the pinned program `clsact-INDEX-NAME` is its record.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use aya::Ebpf;
use aya::programs::links::{FdLink, LinkError, PinnedLink};
use aya::programs::tc::{NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle, qdisc_add_clsact};
use aya::programs::xdp::{XdpLink, XdpMode};
use aya::programs::{LinkOrder, ProgramError, SchedClassifier, TcAttachType, Xdp};
use lvs_model::api::AttachMode;

use crate::clock;
use crate::error::Error;
use crate::netlink::{Device, Netlink};
use crate::object::{self, Object, chain, explain_program};

/// Names of the programs in the object.
const XDP: &str = "lvs_xdp";
const TC: [(&str, TcAttachType, &str); 2] = [
    ("lvs_tc_ingress", TcAttachType::Ingress, "tc_ingress"),
    ("lvs_tc_egress", TcAttachType::Egress, "tc_egress"),
];
/// Priority and handle of classic filters, by which they are found again.
const CLASSIC_PRIORITY: u16 = 0x4C56;
const CLASSIC_HANDLE: TcHandle = TcHandle::new(0, 1);

/// How often, and how long apart, an interface that is busy is tried again.
const BUSY_TRIES: u32 = 20;
const BUSY_WAIT: Duration = Duration::from_millis(10);

/// An interface the data plane is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// How: never `Auto`.
    pub mode: AttachMode,
}

/// What hangs on an interface, as the pins say it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pin {
    path: PathBuf,
    index: u32,
    name: String,
    hook: Hook,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hook {
    Xdp,
    Generic,
    Tc(usize),
    Classic,
}

impl Hook {
    fn name(self) -> &'static str {
        match self {
            Self::Xdp => "xdp",
            Self::Generic => "generic",
            Self::Tc(which) => TC[which].2,
            Self::Classic => "clsact",
        }
    }
}

fn pin_path(folder: &Path, device: &Device, hook: Hook) -> PathBuf {
    let name = device.name.replace('%', "%25").replace('.', "%2E");
    match hook {
        Hook::Classic => folder.join(format!("clsact-{}-{name}", device.index)),
        _ => folder.join(format!("link-{}-{name}-{}", device.index, hook.name())),
    }
}

fn pin_of(path: PathBuf) -> Option<Pin> {
    let file = path.file_name()?.to_str()?.to_owned();
    let (kind, rest) = file.split_once('-')?;
    let (index, rest) = rest.split_once('-')?;
    let (name, hook) = match kind {
        "clsact" => (rest, Hook::Classic),
        "link" => {
            let (name, hook) = rest.rsplit_once('-')?;
            let hooks = [Hook::Xdp, Hook::Generic, Hook::Tc(0), Hook::Tc(1)];
            (name, hooks.into_iter().find(|known| known.name() == hook)?)
        }
        _ => return None,
    };
    let name = name.replace("%2E", ".").replace("%25", "%");
    Some(Pin { path, index: index.parse().ok()?, name, hook })
}

fn pins(folder: &Path) -> Vec<Pin> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut pins: Vec<Pin> = entries.filter_map(|entry| pin_of(entry.path())).collect();
    pins.sort_by(|a, b| a.path.cmp(&b.path));
    pins
}

/// Ends all traffic handling of every version: links and filters first, then the tables. True if there was any.
pub fn detach_all(pin_dir: &Path) -> Result<bool, Error> {
    let _lock = object::lock(pin_dir)?;
    let mut found = false;
    for folder in object::version_folders(pin_dir) {
        for pin in pins(&folder) {
            remove(&pin)?;
        }
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            remove_file(&entry.path())?;
        }
        fs::remove_dir(&folder)
            .map_err(|error| Error::system(format!("removing {}", folder.display()), error))?;
        found = true;
    }
    Ok(found)
}

fn remove_file(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::system(format!("removing {}", path.display()), error))
        }
        _ => Ok(()),
    }
}

/// Takes an attachment away: the pin is its last reference.
fn remove(pin: &Pin) -> Result<(), Error> {
    if pin.hook == Hook::Classic {
        for (_, direction, _) in TC {
            // Dropping the handle removes the filter; a device that is gone took it along.
            drop(SchedClassifierLink::attached(&pin.name, direction, CLASSIC_PRIORITY, CLASSIC_HANDLE, None));
        }
    }
    remove_file(&pin.path)
}

impl Object {
    /// Loads the programs this object has into the kernel, which is when the verifier speaks.
    pub(crate) fn load_programs(ebpf: &mut Ebpf) -> Result<(), Error> {
        for name in [XDP, clock::PROGRAM] {
            if let Some(program) = ebpf.program_mut(name) {
                let xdp: &mut Xdp = program.try_into().map_err(|error| explain_program(name, &error))?;
                xdp.load().map_err(|error| explain_program(name, &error))?;
            }
        }
        for (name, ..) in TC {
            if let Some(program) = ebpf.program_mut(name) {
                let tc: &mut SchedClassifier =
                    program.try_into().map_err(|error| explain_program(name, &error))?;
                tc.load().map_err(|error| explain_program(name, &error))?;
            }
        }
        Ok(())
    }

    /// The attached interfaces, by name.
    pub fn attached(&self) -> Result<Vec<Attached>, Error> {
        Ok(self.attached_to(&devices()?))
    }

    pub(crate) fn attached_to(&self, devices: &[Device]) -> Vec<Attached> {
        let mut found: Vec<Attached> = Vec::new();
        for pin in pins(&self.folder) {
            let Some(device) = devices.iter().find(|device| device.index == pin.index) else { continue };
            let mode = match pin.hook {
                Hook::Xdp => AttachMode::Xdp,
                Hook::Generic => AttachMode::Generic,
                Hook::Tc(_) | Hook::Classic => AttachMode::Tc,
            };
            match found.iter_mut().find(|known| known.index == device.index) {
                Some(known) if mode != AttachMode::Tc => known.mode = mode,
                Some(_) => {}
                None => found.push(Attached { index: device.index, name: device.name.clone(), mode }),
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// Attaches to an interface, or changes how; what is attached already is replaced without a gap.
    pub fn attach(&mut self, name: &str, mode: AttachMode) -> Result<Attached, Error> {
        let devices = devices()?;
        let device = find(&devices, name)?;
        let before = self.attached_to(&devices).into_iter().find(|known| known.index == device.index);
        let attached = match self.attach_device(device, mode) {
            Ok(attached) => attached,
            Err(error) if before.is_none() => {
                let _ = self.detach_index(device.index);
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        self.refresh_ports()?;
        Ok(Attached { index: device.index, name: device.name.clone(), mode: attached })
    }

    fn attach_device(&mut self, device: &Device, mode: AttachMode) -> Result<AttachMode, Error> {
        let wanted = match mode {
            AttachMode::Auto if device.kind.is_empty() => AttachMode::Xdp,
            AttachMode::Auto => AttachMode::Tc,
            mode => mode,
        };
        self.attach_tc(device)?;
        let result = match wanted {
            AttachMode::Xdp => self.attach_xdp(device, Hook::Xdp),
            AttachMode::Generic => self.attach_xdp(device, Hook::Generic),
            AttachMode::Tc | AttachMode::Auto => Ok(()),
        };
        let attached = match result {
            Ok(()) => wanted,
            Err(Error::Refused { .. }) if mode == AttachMode::Auto => AttachMode::Tc,
            Err(error) => return Err(error),
        };
        for (hook, of) in [(Hook::Xdp, AttachMode::Xdp), (Hook::Generic, AttachMode::Generic)] {
            if attached != of {
                remove_file(&pin_path(&self.folder, device, hook))?;
            }
        }
        Ok(attached)
    }

    fn attach_xdp(&mut self, device: &Device, hook: Hook) -> Result<(), Error> {
        let path = pin_path(&self.folder, device, hook);
        let mode = if hook == Hook::Xdp { XdpMode::Driver } else { XdpMode::Skb };
        if path.exists() {
            return self.replace(&Pin { path, index: device.index, name: device.name.clone(), hook });
        }
        // The two XDP modes exclude each other: the other one has to go first.
        let other = if hook == Hook::Xdp { Hook::Generic } else { Hook::Xdp };
        remove_file(&pin_path(&self.folder, device, other))?;
        let refused = |why: String| Error::Refused { interface: device.name.clone(), mode: hook.name(), why };
        let xdp = xdp(&mut self.ebpf)?;
        let id =
            attach_when_free(xdp, device.index, mode).map_err(|error| refused(explain_refusal(&error)))?;
        let link = xdp.take_link(id).map_err(|error| refused(chain(&error)))?;
        // aya falls back to netlink when the kernel refuses a link; such an attachment would end with this process.
        let link =
            FdLink::try_from(link).map_err(|_| refused("the kernel gives no link for it".to_owned()))?;
        link.pin(&path).map_err(|error| refused(chain(&error)))?;
        Ok(())
    }

    fn attach_tc(&mut self, device: &Device) -> Result<(), Error> {
        if !has_tcx() {
            return self.attach_classic(device);
        }
        for (which, (name, direction, _)) in TC.into_iter().enumerate() {
            let path = pin_path(&self.folder, device, Hook::Tc(which));
            if path.exists() {
                let pin = Pin { path, index: device.index, name: device.name.clone(), hook: Hook::Tc(which) };
                self.replace(&pin)?;
                continue;
            }
            let refused = |why: String| Error::Refused { interface: device.name.clone(), mode: "tc", why };
            let program = tc(&mut self.ebpf, name)?;
            let options = TcAttachOptions::TcxOrder(LinkOrder::default());
            let id = program
                .attach_with_options(&device.name, direction, options)
                .map_err(|error| refused(explain_refusal(&error)))?;
            let link = program.take_link(id).map_err(|error| refused(chain(&error)))?;
            let link = FdLink::try_from(link).map_err(|error| refused(chain(&error)))?;
            link.pin(&path).map_err(|error| refused(chain(&error)))?;
        }
        Ok(())
    }

    fn attach_classic(&mut self, device: &Device) -> Result<(), Error> {
        let path = pin_path(&self.folder, device, Hook::Classic);
        let refused = |why: String| Error::Refused { interface: device.name.clone(), mode: "tc", why };
        if path.exists() {
            return self.replace(&Pin {
                path,
                index: device.index,
                name: device.name.clone(),
                hook: Hook::Classic,
            });
        }
        // It may be there already; if not, attaching says what is wrong.
        let _ = qdisc_add_clsact(&device.name);
        for (name, direction, _) in TC {
            let program = tc(&mut self.ebpf, name)?;
            let options = TcAttachOptions::Netlink(NlOptions {
                priority: CLASSIC_PRIORITY,
                handle: CLASSIC_HANDLE,
                classid: None,
            });
            let id = program
                .attach_with_options(&device.name, direction, options)
                .map_err(|error| refused(explain_refusal(&error)))?;
            // The filter holds the program; the handle would remove it.
            std::mem::forget(program.take_link(id));
        }
        tc(&mut self.ebpf, TC[0].0)?.pin(&path).map_err(|error| refused(chain(&error)))
    }

    /// Puts this object's programs into every pinned link; pins whose device is gone are removed.
    pub fn take_over(&mut self) -> Result<Vec<Attached>, Error> {
        let devices = devices()?;
        for pin in pins(&self.folder) {
            if devices.iter().any(|device| device.index == pin.index) {
                self.replace(&pin)?;
            } else {
                remove(&pin)?;
            }
        }
        self.refresh_ports()?;
        Ok(self.attached_to(&devices))
    }

    fn replace(&mut self, pin: &Pin) -> Result<(), Error> {
        let result = match pin.hook {
            Hook::Xdp | Hook::Generic => replace_xdp(xdp(&mut self.ebpf)?, &pin.path),
            Hook::Tc(which) => replace_tc(tc(&mut self.ebpf, TC[which].0)?, &pin.path),
            Hook::Classic => self.replace_filters(&pin.name)?,
        };
        match result {
            Ok(()) => Ok(()),
            Err(Replacing::Gone) => remove_file(&pin.path),
            Err(Replacing::Refused(why)) => {
                Err(Error::Refused { interface: pin.name.clone(), mode: pin.hook.name(), why })
            }
        }
    }

    fn replace_filters(&mut self, interface: &str) -> Result<Result<(), Replacing>, Error> {
        for (name, direction, _) in TC {
            if let Err(error) = replace_classic(tc(&mut self.ebpf, name)?, interface, direction) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    /// Detaches an interface: its packets are the kernel's alone again.
    pub fn detach(&mut self, name: &str) -> Result<(), Error> {
        let devices = devices()?;
        let index = find(&devices, name)?.index;
        if !self.attached_to(&devices).iter().any(|known| known.index == index) {
            return Err(Error::NotAttached(name.to_owned()));
        }
        self.detach_index(index)?;
        self.refresh_ports()
    }

    fn detach_index(&mut self, index: u32) -> Result<(), Error> {
        pins(&self.folder).iter().filter(|pin| pin.index == index).try_for_each(remove)
    }
}

/// Attaches XDP; an attachment of ours that was just taken away needs a moment until the kernel has let it go.
fn attach_when_free(
    program: &mut Xdp,
    index: u32,
    mode: XdpMode,
) -> Result<aya::programs::xdp::XdpLinkId, ProgramError> {
    let mut tries = 0;
    loop {
        match program.attach_to_if_index(index, mode) {
            Err(ProgramError::SyscallError(error)) if is_busy(&error.io_error) && tries < BUSY_TRIES => {
                tries += 1;
                thread::sleep(BUSY_WAIT);
            }
            attached => return attached,
        }
    }
}

fn is_busy(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error())
}

/// Why a link did not take another program.
enum Replacing {
    /// Its device vanished.
    Gone,
    Refused(String),
}

impl From<LinkError> for Replacing {
    fn from(error: LinkError) -> Self {
        match &error {
            LinkError::SyscallError(call) if is_gone(&call.io_error) => Self::Gone,
            _ => Self::Refused(chain(&error)),
        }
    }
}

impl From<ProgramError> for Replacing {
    fn from(error: ProgramError) -> Self {
        match &error {
            ProgramError::SyscallError(call) if is_gone(&call.io_error) => Self::Gone,
            _ => Self::Refused(chain(&error)),
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOLINK.raw_os_error())
}

fn replace_xdp(program: &mut Xdp, path: &Path) -> Result<(), Replacing> {
    let link = XdpLink::try_from(FdLink::from(PinnedLink::from_pin(path)?))?;
    let id = program.attach_to_link(link)?;
    // The handle is closed; the pin holds the link.
    drop(program.take_link(id)?);
    Ok(())
}

fn replace_tc(program: &mut SchedClassifier, path: &Path) -> Result<(), Replacing> {
    let link = SchedClassifierLink::try_from(FdLink::from(PinnedLink::from_pin(path)?))?;
    let id = program.attach_to_link(link)?;
    drop(program.take_link(id)?);
    Ok(())
}

fn replace_classic(
    program: &mut SchedClassifier,
    interface: &str,
    direction: TcAttachType,
) -> Result<(), Replacing> {
    let link = SchedClassifierLink::attached(interface, direction, CLASSIC_PRIORITY, CLASSIC_HANDLE, None)
        .map_err(|error| Replacing::Refused(error.to_string()))?;
    let id = program.attach_to_link(link)?;
    std::mem::forget(program.take_link(id)?);
    Ok(())
}

/// Below 6.6 there are no tcx links.
fn has_tcx() -> bool {
    object::kernel_version() >= (6, 6)
}

fn explain_refusal(error: &ProgramError) -> String {
    use rustix::io::Errno;
    let code = match error {
        ProgramError::SyscallError(error) => error.io_error.raw_os_error(),
        _ => None,
    };
    match code.map(Errno::from_raw_os_error) {
        Some(Errno::BUSY | Errno::EXIST) => "another program is attached there".to_owned(),
        Some(Errno::OPNOTSUPP) => "its driver has no such hook".to_owned(),
        Some(Errno::RANGE | Errno::INVAL) => "its driver refuses it (MTU or offloads)".to_owned(),
        Some(Errno::PERM) => "not permitted (CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are needed)".to_owned(),
        _ => chain(error),
    }
}

fn devices() -> Result<Vec<Device>, Error> {
    let read = Netlink::open().and_then(|mut netlink| netlink.devices());
    read.map_err(|error| Error::system("listing interfaces", error))
}

fn find<'a>(devices: &'a [Device], name: &str) -> Result<&'a Device, Error> {
    let found = devices.iter().find(|device| device.name == name);
    found.ok_or_else(|| Error::NoInterface(name.to_owned()))
}

fn xdp(ebpf: &mut Ebpf) -> Result<&mut Xdp, Error> {
    let program = ebpf.program_mut(XDP).ok_or_else(|| Error::Object(format!("it has no program {XDP}")))?;
    program.try_into().map_err(|error| explain_program(XDP, &error))
}

fn tc<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut SchedClassifier, Error> {
    let program = ebpf.program_mut(name).ok_or_else(|| Error::Object(format!("it has no program {name}")))?;
    program.try_into().map_err(|error| explain_program(name, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_says_what_hangs_where() {
        let device = Device { index: 7, name: "eth0-x.100".to_owned(), ..Device::default() };
        for hook in [Hook::Xdp, Hook::Generic, Hook::Tc(0), Hook::Tc(1), Hook::Classic] {
            let path = pin_path(Path::new("/pins/v1"), &device, hook);
            assert!(!path.file_name().unwrap().to_str().unwrap().contains('.'));
            let pin = pin_of(path).unwrap();
            assert_eq!((pin.index, pin.name.as_str(), pin.hook), (7, "eth0-x.100", hook));
        }
        assert_eq!(pin_of(PathBuf::from("/pins/v1/SLOTS")), None);
    }
}
