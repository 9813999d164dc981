//! What the operator says at the start: command line over configuration file over defaults.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use lvs_model::api::{AttachMode, DEFAULT_SOCKET};
use serde::Deserialize;

use crate::error::{EXIT_CODES, Error};

/// What `lvsd` is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Run the daemon.
    Run(Box<Settings>),
    /// End all traffic handling.
    Detach(Box<Settings>),
    /// Only look at the configuration.
    Check,
    /// Print a text.
    Print(String),
}

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Configuration file, read again on SIGHUP.
    pub config: Option<PathBuf>,
    /// Where the API listens.
    pub socket: PathBuf,
    /// Where the model is kept.
    pub state: PathBuf,
    /// Where tables and links are pinned.
    pub pin_dir: PathBuf,
    /// Where the files of `/proc/net/ip_vs*` format lie.
    pub proc_dir: PathBuf,
    /// Interfaces to attach to.
    pub interfaces: BTreeMap<String, AttachMode>,
    /// Connections the table has room for.
    pub max_connections: u64,
    /// Group whose members may use the API.
    pub api_group: Option<String>,
}

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    socket: Option<PathBuf>,
    state: Option<PathBuf>,
    pin_dir: Option<PathBuf>,
    proc_dir: Option<PathBuf>,
    #[serde(default)]
    interface: BTreeMap<String, AttachMode>,
    max_connections: Option<u64>,
    api_group: Option<String>,
}

/// Connections unless told otherwise.
const MAX_CONNECTIONS: u64 = 1_000_000;
/// Most connections: the connection table then takes 12 GB.
const MAX_CONNECTIONS_LIMIT: u64 = 100_000_000;

impl Default for Settings {
    fn default() -> Self {
        Self {
            config: None,
            socket: DEFAULT_SOCKET.into(),
            state: "/var/lib/lvs/state".into(),
            pin_dir: "/sys/fs/bpf/lvs".into(),
            proc_dir: "/run/lvs/proc".into(),
            interfaces: BTreeMap::new(),
            max_connections: MAX_CONNECTIONS,
            api_group: None,
        }
    }
}

/// The help text.
fn help() -> String {
    format!(
        "lvsd: the director of a Linux virtual server

Usage: lvsd [OPTION]...

  --config FILE          TOML file with the same settings (see below)
  --socket PATH          where ipvsadm and lvsctl find it ({DEFAULT_SOCKET})
  --state FILE           where services and real servers are kept (/var/lib/lvs/state)
  --pin-dir DIR          where tables and links are pinned, on a BPF file system (/sys/fs/bpf/lvs)
  --proc-dir DIR         where ip_vs, ip_vs_conn, ip_vs_stats, ip_vs_stats_percpu are written (/run/lvs/proc)
  --interface NAME=MODE  attach to an interface; MODE is auto, xdp, tc or generic; may be repeated
  --max-connections N    room in the connection table, fixed when it is made ({MAX_CONNECTIONS})
  --api-group GROUP      members of this group may use the API, besides root
  --detach               end all traffic handling: detach, remove tables, exit
  --check                only check the command line and the configuration file
  --help, --version

Signals: SIGTERM and SIGINT end lvsd, traffic goes on; SIGHUP reads the interfaces of the configuration file again.

Configuration file, every key optional:
  socket = \"/run/lvs/lvsd.sock\"
  max-connections = 1000000
  [interface]
  eth0 = \"auto\"

Exit codes:
{EXIT_CODES}
"
    )
}

/// Reads the command line and the configuration file it names.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Action, Error> {
    let mut given = File::default();
    let mut config = None;
    let (mut detach, mut check) = (false, false);
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let word = text(word)?;
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
            _ => (word, None),
        };
        let mut value = || match attached.clone() {
            Some(value) => Ok(value),
            None => words.next().map_or_else(|| Err(Error::Usage(format!("{name} needs a value"))), text),
        };
        match name.as_str() {
            "--config" => config = Some(PathBuf::from(value()?)),
            "--socket" => given.socket = Some(value()?.into()),
            "--state" => given.state = Some(value()?.into()),
            "--pin-dir" => given.pin_dir = Some(value()?.into()),
            "--proc-dir" => given.proc_dir = Some(value()?.into()),
            "--interface" => {
                let (name, mode) = interface(&value()?)?;
                given.interface.insert(name, mode);
            }
            "--max-connections" => {
                let number = value()?;
                let bad = |_| Error::Usage(format!("--max-connections: '{number}' is no number"));
                given.max_connections = Some(number.parse().map_err(bad)?);
            }
            "--api-group" => given.api_group = Some(value()?),
            "--detach" => detach = true,
            "--check" => check = true,
            "--help" | "-h" => return Ok(Action::Print(help())),
            "--version" | "-V" => return Ok(Action::Print(format!("lvsd {}\n", env!("CARGO_PKG_VERSION")))),
            other => return Err(Error::Usage(format!("'{other}' is no option of lvsd"))),
        }
    }
    let file = config.as_deref().map_or_else(|| Ok(File::default()), read)?;
    let settings = Box::new(settings(given, file, config)?);
    Ok(match (check, detach) {
        (true, _) => Action::Check,
        (_, true) => Action::Detach(settings),
        _ => Action::Run(settings),
    })
}

fn text(word: OsString) -> Result<String, Error> {
    word.into_string().map_err(|word| Error::Usage(format!("'{}' is not UTF-8", word.to_string_lossy())))
}

fn interface(word: &str) -> Result<(String, AttachMode), Error> {
    let (name, mode) = word.split_once('=').unwrap_or((word, "auto"));
    match AttachMode::from_name(mode) {
        Some(mode) if !name.is_empty() => Ok((name.to_owned(), mode)),
        _ => Err(Error::Usage(format!("--interface: '{word}' is not NAME=auto, xdp, tc or generic"))),
    }
}

fn read(path: &Path) -> Result<File, Error> {
    let bad = |why: String| Error::Config { path: path.to_owned(), why };
    let text = fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    toml::from_str(&text).map_err(|error| bad(error.to_string().trim_end().replace('\n', " ")))
}

fn settings(given: File, file: File, config: Option<PathBuf>) -> Result<Settings, Error> {
    let default = Settings::default();
    let max_connections = given.max_connections.or(file.max_connections).unwrap_or(default.max_connections);
    if max_connections > MAX_CONNECTIONS_LIMIT {
        return Err(Error::Usage(format!(
            "max-connections {max_connections} is above {MAX_CONNECTIONS_LIMIT}"
        )));
    }
    let mut interfaces = file.interface;
    interfaces.extend(given.interface);
    Ok(Settings {
        config,
        socket: given.socket.or(file.socket).unwrap_or(default.socket),
        state: given.state.or(file.state).unwrap_or(default.state),
        pin_dir: given.pin_dir.or(file.pin_dir).unwrap_or(default.pin_dir),
        proc_dir: given.proc_dir.or(file.proc_dir).unwrap_or(default.proc_dir),
        interfaces,
        max_connections,
        api_group: given.api_group.or(file.api_group),
    })
}

/// The interfaces of the configuration file as it is now.
pub(crate) fn interfaces_of(path: &Path) -> Result<BTreeMap<String, AttachMode>, Error> {
    read(path).map(|file| file.interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str]) -> Result<Settings, String> {
        match parse(words.iter().map(OsString::from)) {
            Ok(Action::Run(settings)) => Ok(*settings),
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn words_become_settings() {
        let settings =
            run(&["--interface", "eth0=xdp", "--interface=eth1", "--max-connections=5", "--socket", "/s"]);
        let settings = settings.unwrap();
        let wanted = [("eth0".to_owned(), AttachMode::Xdp), ("eth1".to_owned(), AttachMode::Auto)];
        assert_eq!(settings.interfaces, BTreeMap::from(wanted));
        assert_eq!((settings.max_connections, settings.socket), (5, PathBuf::from("/s")));
    }

    #[test]
    fn nonsense_is_refused() {
        for words in
            [&["--interface", "eth0=fast"][..], &["--max-connections", "many"], &["eth0"], &["--state"]]
        {
            assert!(run(words).is_err_and(|why| why.ends_with("(see lvsd --help)")), "{words:?}");
        }
    }

    #[test]
    fn the_file_has_the_same_words() {
        let file: File = toml::from_str("max-connections = 7\n[interface]\neth0 = \"tc\"\n").unwrap();
        let settings = settings(File::default(), file, None).unwrap();
        assert_eq!((settings.max_connections, settings.interfaces["eth0"]), (7, AttachMode::Tc));
        assert!(toml::from_str::<File>("max_connections = 7\n").is_err());
    }
}
