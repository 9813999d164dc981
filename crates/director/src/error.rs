//! Why lvsd ends, each with one line and an exit code (those of sysexits.h where they fit).

use std::fmt;
use std::io;
use std::path::PathBuf;

use lvs_model::save::LoadError;

/// Why lvsd could not start, or had to stop.
#[derive(Debug)]
pub enum Error {
    /// The command line makes no sense.
    Usage(String),
    /// The configuration file makes no sense.
    Config {
        /// The file.
        path: PathBuf,
        /// Where and why.
        why: String,
    },
    /// The state file cannot be used.
    State {
        /// The file.
        path: PathBuf,
        /// Why.
        why: LoadError,
    },
    /// Another lvsd runs.
    Second(PathBuf),
    /// The data plane.
    Dataplane(lvs_dataplane::Error),
    /// A system call failed.
    System {
        /// What was to be done.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Exit codes and what they mean, for `--help` and the manual.
pub const EXIT_CODES: &str = "\
  0   ended as asked; traffic goes on (or, with --detach, has ended)
  1   another lvsd runs
  64  the command line makes no sense
  65  the state file is damaged or of another version
  66  there is no such interface
  69  the kernel is older than 6.1, or an interface does not take the programs
  70  the kernel refuses a program, or this build carries none
  71  a system call failed
  73  the pin folder is not on a BPF file system
  76  tables or programs of another build or version are pinned
  77  a capability is missing
  78  the configuration file makes no sense";

impl Error {
    /// A failed system call.
    pub(crate) fn system(doing: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::System { doing: doing.into(), source: source.into() }
    }

    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        use lvs_dataplane::Error as Dataplane;
        match self {
            Self::Second(_) | Self::Dataplane(Dataplane::Busy(_)) => 1,
            Self::Usage(_) => 64,
            Self::State { .. } => 65,
            Self::Config { .. } => 78,
            Self::System { .. } | Self::Dataplane(Dataplane::System { .. }) => 71,
            Self::Dataplane(error) => match error {
                Dataplane::NoInterface(_) | Dataplane::NotAttached(_) => 66,
                Dataplane::KernelTooOld(_) | Dataplane::Refused { .. } => 69,
                Dataplane::NotBpffs(_) => 73,
                Dataplane::StalePin { .. } | Dataplane::OtherVersion(_) => 76,
                Dataplane::MissingCapability(_) => 77,
                _ => 70,
            },
        }
    }
}

impl From<lvs_dataplane::Error> for Error {
    fn from(error: lvs_dataplane::Error) -> Self {
        Self::Dataplane(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(why) => write!(f, "{why} (see lvsd --help)"),
            Self::Config { path, why } => write!(f, "{}: {why}", path.display()),
            Self::State { path, why } => {
                write!(f, "{}: {why}; nothing was changed. Restore or remove the file", path.display())
            }
            Self::Second(path) => write!(f, "another lvsd runs (it holds {})", path.display()),
            Self::Dataplane(error) => error.fmt(f),
            Self::System { doing, source } => write!(f, "{doing}: {source}"),
        }
    }
}

impl std::error::Error for Error {}
