//! The state file: the model as text, replaced at once on every change, made durable soon after; and beside it the
//! statistics, which are only what was counted and may be lost.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lvs_model::{Model, save};

use crate::error::Error;
use crate::log;
use crate::statistics::Book;

/// How long a change may wait before it is made durable; a thousand changes in a second cost some ten fsyncs.
const SYNC_DELAY: Duration = Duration::from_millis(100);

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
pub(crate) struct Keeper {
    path: PathBuf,
    changed: Option<SyncSender<()>>,
    syncing: Option<JoinHandle<()>>,
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
        let syncing = thread::Builder::new()
            .name("lvsd-sync".to_owned())
            .spawn(move || sync_loop(&changes, &file, &folder))
            .map_err(|error| Error::system("starting a thread", error))?;
        Ok(Self { path, changed: Some(changed), syncing: Some(syncing) })
    }

    /// Replaces the state file.
    pub(crate) fn keep(&self, model: &Model) -> io::Result<()> {
        replace(&self.path, save::to_json(model).as_bytes())?;
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

/// Waits for a change, lets more come for a while, and makes them durable together.
fn sync_loop(changes: &Receiver<()>, path: &Path, folder: &Path) {
    while changes.recv().is_ok() {
        let end = Instant::now() + SYNC_DELAY;
        let mut is_last = false;
        while let Some(rest) = end.checked_duration_since(Instant::now()) {
            match changes.recv_timeout(rest) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    is_last = true;
                    break;
                }
            }
        }
        let synced = File::open(path).and_then(|file| file.sync_all());
        let synced = synced.and_then(|()| File::open(folder)?.sync_all());
        if let Err(error) = synced {
            log(&format!("making {} durable: {error}", path.display()));
        }
        if is_last {
            break;
        }
    }
}
