//! What ipvsadm says when it will not, and the exit code that goes with it.

use lvs_model::refusal::errno;

use super::option::Verb;
use crate::director::Failure;

/// A message for standard error and the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) text: String,
    pub(super) exit: i32,
}

/// Exit code of a complaint about arguments.
const ARGUMENTS: i32 = 2;

/// Exit code when the director refused, and of what libpopt cannot read: -1 as the shell sees it.
pub(super) const REFUSED: i32 = 255;

impl Complaint {
    pub(super) fn arguments(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit: ARGUMENTS }
    }

    pub(super) fn refused(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit: REFUSED }
    }

    /// The command line begins with no command.
    pub(super) fn try_help() -> Self {
        Self::refused("Try `ipvsadm -h' or 'ipvsadm --help' for more information.")
    }

    /// Right by the grammar, but this version cannot do it.
    pub(super) fn later(what: &str) -> Self {
        Self::refused(format!("ipvsadm: {what} not supported by this version of lvs"))
    }

    /// The director's refusal of a command, in the words of the original.
    pub(super) fn from_failure(verb: Verb, failure: Failure) -> Self {
        match failure {
            Failure::Refused(answer) => Self::refused(refusal_text(verb, answer.errno, &answer.text)),
            failure => Self::unreachable(&failure),
        }
    }

    /// A listing that failed.
    pub(super) fn from_listing_failure(failure: Failure) -> Self {
        Self { exit: 1, ..Self::from_failure(Verb::List, failure) }
    }

    /// There is no director, or nothing that answers as one.
    pub(super) fn unreachable(failure: &Failure) -> Self {
        let text = match failure {
            Failure::Unreachable { errno: Some(1 | 13), .. } => "Permission denied (you must be root)",
            Failure::Unreachable { text, .. } | Failure::Garbled(text) => text,
            Failure::Refused(answer) => &answer.text,
        };
        let socket = crate::client::socket_path();
        Self::arguments(format!(
            "Can't initialize ipvs: {text}\nIs lvsd running? (socket {})",
            socket.display()
        ))
    }
}

/// The original's text for an error number of the kernel (`ipvs_strerror`), or ours where it has none.
fn refusal_text(verb: Verb, errno: i32, text: &str) -> String {
    let known = match (verb, errno) {
        (Verb::AddService, errno::EEXIST) => "Service already exists",
        (Verb::AddService | Verb::EditService, errno::ENOENT) => "Scheduler or persistence engine not found",
        (Verb::EditService | Verb::DeleteService | Verb::Zero | Verb::List, errno::ESRCH) => {
            "No such service"
        }
        (Verb::AddServer | Verb::EditServer | Verb::DeleteServer, errno::ESRCH) => "Service not defined",
        (Verb::AddServer, errno::EEXIST) => "Destination already exists",
        (Verb::EditServer | Verb::DeleteServer, errno::ENOENT) => "No such destination",
        (_, errno::EPERM) => "Permission denied (you must be root)",
        (_, errno::EINVAL) => "Invalid operation.  Possibly wrong module version, address not unicast, ...",
        // A limit of ours: "No space left on device" would send people looking at their disks.
        (_, errno::ENOSPC) => return format!("ipvsadm: {text}"),
        (_, errno::ENOMEM) => "Memory allocation problem",
        (_, errno::EIO) => return format!("ipvsadm: {text}"),
        _ => return system_text(errno),
    };
    known.to_owned()
}

/// The C library's text for an error number.
fn system_text(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
