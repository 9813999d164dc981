//! From the command line to the end: locks, start, threads, signals.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use lvs_dataplane::netlink::Netlink;
use lvs_model::api::AttachMode;
use rustix::fs::{FlockOperation, flock};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::director::Director;
use crate::error::Error;
use crate::notify::notify;
use crate::options::{self, Action, Settings};
use crate::{api, log, routes, work};

/// Does what the command line says.
pub fn run(words: impl IntoIterator<Item = OsString>) -> Result<(), Error> {
    match options::parse(words)? {
        Action::Print(text) => print!("{text}"),
        Action::Check => println!("lvsd: the configuration is good"),
        Action::Detach(settings) => detach(&settings)?,
        Action::Run(settings) => serve(*settings)?,
    }
    Ok(())
}

fn detach(settings: &Settings) -> Result<(), Error> {
    let found = lvs_dataplane::detach_all(&settings.pin_dir)?;
    let what = if found { "traffic handling has ended" } else { "nothing was attached" };
    log(what);
    Ok(())
}

fn serve(settings: Settings) -> Result<(), Error> {
    // From here on a signal is an event; one that comes early ends lvsd as soon as it is up.
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])
        .map_err(|error| Error::system("waiting for signals", error))?;
    let _lock = lock(&settings.socket)?;
    check_interfaces(&settings.interfaces)?;
    let socket = settings.socket.clone();
    let config = settings.config.clone();
    let mut configured = settings.interfaces.clone();
    let director = Arc::new(Director::start(settings)?);
    let listener = api::listen(&socket)?;
    let threads = [
        start("lvsd-sweep", &director, |director| work::sweep(director))?,
        start("lvsd-tick", &director, |director| work::tick(director))?,
        start("lvsd-routes", &director, |director| routes::watch(director))?,
        start("lvsd-api", &director, move |director| api::serve(director, &listener))?,
    ];
    notify("READY=1");
    for signal in signals.forever() {
        if signal != SIGHUP {
            break;
        }
        if let Some(config) = &config {
            reload(&director, config, &mut configured);
        }
    }
    notify("STOPPING=1");
    director.end();
    // The accepting thread waits for a connection: this one is the last.
    let _ = UnixStream::connect(&socket);
    for thread in threads {
        let _ = thread.join();
    }
    let _ = fs::remove_file(&socket);
    Ok(())
}

fn start(
    name: &str,
    director: &Arc<Director>,
    work: impl FnOnce(&Arc<Director>) + Send + 'static,
) -> Result<JoinHandle<()>, Error> {
    let director = Arc::clone(director);
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || work(&director));
    thread.map_err(|error| Error::system("starting a thread", error))
}

/// Makes this the only lvsd at its socket, for as long as the file stays open.
fn lock(socket: &Path) -> Result<File, Error> {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .map_err(|error| Error::system(format!("making {}", folder.display()), error))?;
    }
    let file = File::options().create(true).write(true).truncate(false).open(&path);
    let file = file.map_err(|error| Error::system(format!("opening {}", path.display()), error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Second(path)),
        Err(error) => Err(Error::system(format!("locking {}", path.display()), error)),
    }
}

/// All interfaces are there, before anything is attached to any of them.
fn check_interfaces(wanted: &BTreeMap<String, AttachMode>) -> Result<(), Error> {
    let devices = Netlink::open().and_then(|mut netlink| netlink.devices());
    let devices = devices.map_err(|error| Error::system("listing interfaces", error))?;
    match wanted.keys().find(|name| !devices.iter().any(|device| device.name == **name)) {
        Some(missing) => Err(lvs_dataplane::Error::NoInterface(missing.clone()).into()),
        None => Ok(()),
    }
}

/// Makes the attached interfaces those of the configuration file; what is wrong there changes nothing.
fn reload(director: &Director, config: &Path, configured: &mut BTreeMap<String, AttachMode>) {
    let wanted = options::interfaces_of(config).and_then(|wanted| check_interfaces(&wanted).map(|()| wanted));
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(error) => return log(&format!("{error}; nothing was changed")),
    };
    for (name, mode) in &wanted {
        if configured.get(name) != Some(mode)
            && let Err(error) = director.attach(name, *mode)
        {
            log(&error.to_string());
        }
    }
    for name in configured.keys().filter(|name| !wanted.contains_key(*name)) {
        if let Err(error) = director.detach(name) {
            log(&error.to_string());
        }
    }
    *configured = wanted;
}
