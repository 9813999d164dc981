//! The state file: the model as text, replaced at once on every change, made durable soon after; and beside it the
//! statistics, which are only what was counted and may be lost.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lvs_model::{Model, save};

use crate::error::Error;
use crate::log;
use crate::statistics::Book;

/// How long a change may wait before it is made durable; a thousand changes in a second cost some ten fsyncs.
const SYNC_DELAY: Duration = Duration::from_millis(100);

/// A model with more real servers is large: its text takes some milliseconds.
const LARGE_SERVERS: usize = 1024;

/// Where the statistics lie.
fn statistics_path(state: &Path) -> PathBuf {
    with_suffix(state, ".statistics")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The saved model; an empty one when there is no file.
pub(crate) fn load(path: &Path) -> Result<Model, Error> {
    match fs::read_to_string(path) {
        Ok(text) => save::from_json(&text).map_err(|why| Error::State { path: path.to_owned(), why }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Model::new()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(Error::State { path: path.to_owned(), why: save::LoadError::NotState })
        }
        Err(error) => Err(Error::system(format!("reading {}", path.display()), error)),
    }
}

/// The saved statistics, if there are any.
pub(crate) fn load_statistics(state: &Path) -> Option<Book> {
    let path = statistics_path(state);
    let text = fs::read_to_string(&path).ok()?;
    match serde_json::from_str(&text) {
        Ok(book) => Some(book),
        Err(error) => {
            log(&format!("{} is damaged ({error}): statistics begin at zero", path.display()));
            None
        }
    }
}

/// Writes both files, and has another thread make them durable.
///
/// A state of ordinary size is in the file before its command is answered, so that a killed daemon loses nothing. A large
/// one is written by the other thread, at most [`SYNC_DELAY`] later: writing it for every single command would take
/// longer than the command.
pub(crate) struct Keeper {
    path: PathBuf,
    changed: Option<SyncSender<()>>,
    syncing: Option<JoinHandle<()>>,
    large: Arc<Mutex<Large>>,
}

/// A large model that is still to be written.
#[derive(Default)]
struct Large {
    model: Option<Model>,
    /// How many models were kept until now, large or not.
    kept: u64,
}

impl Keeper {
    /// A keeper of the state file at `path`, whose folder is made if need be.
    pub(crate) fn new(path: &Path) -> Result<Self, Error> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        fs::create_dir_all(&folder)
            .map_err(|error| Error::system(format!("making {}", folder.display()), error))?;
        let (changed, changes) = mpsc::sync_channel(1);
        let path = path.to_owned();
        let file = path.clone();
        let large = Arc::new(Mutex::new(Large::default()));
        let to_write = Arc::clone(&large);
        let syncing = thread::Builder::new()
            .name("lvsd-sync".to_owned())
            .spawn(move || sync_loop(&changes, &to_write, &file, &folder))
            .map_err(|error| Error::system("starting a thread", error))?;
        Ok(Self { path, changed: Some(changed), syncing: Some(syncing), large })
    }

    /// Replaces the state file, or has it replaced soon.
    pub(crate) fn keep(&self, model: &Model) -> io::Result<()> {
        let mut large = self.large.lock().unwrap_or_else(PoisonError::into_inner);
        large.kept += 1;
        if model.servers().nth(LARGE_SERVERS).is_some() {
            large.model = Some(model.clone());
        } else {
            large.model = None;
            replace(&self.path, save::to_json(model).as_bytes())?;
        }
        drop(large);
        if let Some(changed) = &self.changed {
            // Full: the thread is about to look anyway.
            let _ = changed.try_send(());
        }
        Ok(())
    }

    /// Replaces the file of statistics.
    pub(crate) fn keep_statistics(&self, book: &Book) -> io::Result<()> {
        let text = serde_json::to_string(book).map_err(io::Error::other)?;
        replace(&statistics_path(&self.path), text.as_bytes())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.changed = None;
        if let Some(syncing) = self.syncing.take() {
            let _ = syncing.join();
        }
    }
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let new = with_suffix(path, ".new");
    let mut file = File::create(&new)?;
    file.write_all(text)?;
    fs::rename(&new, path)
}

/// Waits for a change, lets more come for a while, and makes them durable together; the last ones too when the keeper
/// goes.
fn sync_loop(changes: &Receiver<()>, large: &Mutex<Large>, path: &Path, folder: &Path) {
    while changes.recv().is_ok() {
        let end = Instant::now() + SYNC_DELAY;
        while let Some(rest) = end.checked_duration_since(Instant::now()) {
            if changes.recv_timeout(rest).is_err() {
                break;
            }
        }
        if let Err(error) = make_durable(large, path, folder) {
            log(&format!("making {} durable: {error}", path.display()));
        }
    }
}

fn make_durable(large: &Mutex<Large>, path: &Path, folder: &Path) -> io::Result<()> {
    let (model, kept) = {
        let mut large = large.lock().unwrap_or_else(PoisonError::into_inner);
        (large.model.take(), large.kept)
    };
    if let Some(model) = model {
        let text = save::to_json(&model);
        let large = large.lock().unwrap_or_else(PoisonError::into_inner);
        // A later model is in the file already, or comes with the next round.
        if large.kept == kept {
            replace(path, text.as_bytes())?;
        }
    }
    File::open(path)?.sync_all()?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use lvs_model::{ChangeSet, Command, Protocol, ServiceKey, ServiceRequest};

    use super::*;

    fn model() -> Model {
        let mut model = Model::new();
        let key = ServiceKey::new(Protocol::Tcp, [10, 1, 0, 100].into(), 80);
        let command = Command::AddService(ServiceRequest::new(key, "rr"));
        model.apply(&command, &mut ChangeSet::new()).unwrap();
        model
    }

    #[test]
    fn what_was_kept_is_loaded_and_damage_is_told() {
        let folder = std::env::temp_dir().join(format!("lvsd-state-{}", std::process::id()));
        let path = folder.join("state");
        let keeper = Keeper::new(&path).unwrap();
        assert_eq!(load(&path).unwrap().services().count(), 0);
        keeper.keep(&model()).unwrap();
        assert_eq!(load(&path).unwrap().services().count(), 1);
        drop(keeper);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() / 2]).unwrap();
        let error = load(&path).unwrap_err();
        assert_eq!(error.exit_code(), 65);
        assert!(!error.to_string().contains('\n'));
        fs::write(&path, [0xFF; 8]).unwrap();
        assert_eq!(load(&path).unwrap_err().exit_code(), 65);
        fs::remove_dir_all(&folder).unwrap();
    }
}
