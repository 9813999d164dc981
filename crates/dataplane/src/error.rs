//! What can go wrong between this process and the kernel, each with one line that says what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the data plane could not be loaded, attached or read.
#[derive(Debug)]
pub enum Error {
    /// This build has no eBPF object.
    NoObject,
    /// The kernel is older than 6.1.
    KernelTooOld(String),
    /// The pin folder is not on a BPF file system.
    NotBpffs(PathBuf),
    /// A capability is missing.
    MissingCapability(&'static str),
    /// A pinned map is not what this version would make.
    StalePin {
        /// The pin.
        path: PathBuf,
        /// In what it differs.
        difference: String,
    },
    /// Programs of another layout version are in force.
    OtherVersion(PathBuf),
    /// Another process has the pin folder.
    Busy(PathBuf),
    /// No interface of that name.
    NoInterface(String),
    /// The data plane is not attached to it.
    NotAttached(String),
    /// The interface does not take the program in this mode.
    Refused {
        /// The interface.
        interface: String,
        /// The mode.
        mode: &'static str,
        /// What the kernel said.
        why: String,
    },
    /// The kernel refused a program: its last words.
    Verifier {
        /// The program.
        program: String,
        /// The end of the verifier's log.
        why: String,
    },
    /// The object lacks something.
    Object(String),
    /// A system call failed.
    System {
        /// What was to be done.
        doing: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Error {
    /// A failed system call.
    pub(crate) fn system(doing: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::System { doing: doing.into(), source: source.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoObject => {
                write!(f, "this build carries no eBPF object: run `cargo xtask ebpf` and build again")
            }
            Self::KernelTooOld(found) => write!(f, "kernel {found} is too old: 6.1 is the oldest that works"),
            Self::NotBpffs(path) => write!(
                f,
                "{} is not on a BPF file system: mount one (mount -t bpf bpf /sys/fs/bpf) or name another with --pin-dir",
                path.display()
            ),
            Self::MissingCapability(name) => {
                write!(f, "capability {name} is missing: run as root or grant it")
            }
            Self::StalePin { path, difference } => write!(
                f,
                "{} was pinned by another build of lvs ({difference}): stop its traffic with `lvsd --detach` first",
                path.display()
            ),
            Self::OtherVersion(path) => write!(
                f,
                "programs of another version of lvs are attached ({}): stop their traffic with `lvsd --detach` first",
                path.display()
            ),
            Self::Busy(path) => write!(f, "another lvsd runs with the pins in {}", path.display()),
            Self::NoInterface(name) => write!(f, "there is no interface {name}"),
            Self::NotAttached(name) => write!(f, "interface {name} is not attached"),
            Self::Refused { interface, mode, why } => {
                write!(f, "interface {interface} does not take mode {mode}: {why}")
            }
            Self::Verifier { program, why } => write!(f, "the kernel refuses program {program}: {why}"),
            Self::Object(what) => write!(f, "the eBPF object is not ours: {what}"),
            Self::System { doing, source } => write!(f, "{doing}: {source}"),
        }
    }
}

impl std::error::Error for Error {}
