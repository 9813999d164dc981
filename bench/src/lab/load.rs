//! What the lab's client and servers do over TCP: a byte there and back, or as much as goes through.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};

use crate::machine;
use crate::namespace::Namespace;

/// Port where every byte is sent back.
pub(crate) const ECHO_PORT: u16 = 7000;
/// Port where everything is read and forgotten.
pub(crate) const SINK_PORT: u16 = 7001;
/// Connections at a time.
pub(crate) const TOGETHER: usize = 64;
/// A byte that is not answered by then is lost.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Servers in the background, until dropped.
pub(crate) struct Servers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Servers {
    /// One thread in each host.
    pub(crate) fn start(hosts: &[Namespace]) -> Result<Self, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut servers = Self { stop: stop.clone(), threads: Vec::new() };
        for host in hosts {
            let stop = stop.clone();
            let sockets = thread::scope(|scope| {
                let open = || -> Result<_, String> {
                    host.enter()?;
                    let listen =
                        |port| TcpListener::bind(("0.0.0.0", port)).map_err(|error| error.to_string());
                    Ok((listen(ECHO_PORT)?, listen(SINK_PORT)?))
                };
                scope.spawn(open).join().unwrap_or_else(|_| Err("a server ended with a panic".to_owned()))
            })?;
            servers.threads.push(thread::spawn(move || {
                machine::stay_on(machine::OTHER_CPU);
                if let Err(error) = serve(&sockets.0, &sockets.1, &stop) {
                    eprintln!("server: {error}");
                }
            }));
        }
        Ok(servers)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn serve(echo: &TcpListener, sink: &TcpListener, stop: &AtomicBool) -> io::Result<()> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    echo.set_nonblocking(true)?;
    sink.set_nonblocking(true)?;
    let listeners = [(echo, true), (sink, false)];
    for (index, (listener, _)) in listeners.iter().enumerate() {
        epoll::add(&poll, listener, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
    }
    let mut known: HashMap<u64, (TcpStream, bool)> = HashMap::new();
    let mut buffer = vec![0; 1 << 18];
    while !stop.load(Ordering::Relaxed) {
        for event in wait(&poll)? {
            if let Some((listener, answers)) = listeners.get(event as usize) {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let key = stream.as_raw_fd() as u64 + listeners.len() as u64;
                    epoll::add(&poll, &stream, epoll::EventData::new_u64(key), epoll::EventFlags::IN)?;
                    known.insert(key, (stream, *answers));
                }
                continue;
            }
            let Some((stream, answers)) = known.get_mut(&event) else { continue };
            let done = match stream.read(&mut buffer) {
                Ok(0) => true,
                Ok(len) => *answers && stream.write(&buffer[..len]).is_err(),
                Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            };
            if done {
                known.remove(&event);
            }
        }
    }
    Ok(())
}

/// The data of what is ready, waiting a little.
fn wait(poll: &OwnedFd) -> io::Result<Vec<u64>> {
    let mut events = Vec::with_capacity(256);
    let patience = rustix::event::Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    match epoll::wait(poll, rustix::buffer::spare_capacity(&mut events), Some(&patience)) {
        Ok(_) => Ok(events.iter().map(|event| event.data.u64()).collect()),
        Err(rustix::io::Errno::INTR) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// What the client counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    /// Connections or answers.
    pub(crate) done: u64,
    /// Lost ones.
    pub(crate) lost: u64,
}

struct Asked {
    stream: TcpStream,
    since: Instant,
}

/// Connects, a byte there, a byte back, reset; so many at a time, for so long.
pub(crate) fn new_connections(to: SocketAddr, time: Duration) -> io::Result<Count> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut count = Count::default();
    let mut slots: Vec<Option<Asked>> = (0..TOGETHER).map(|_| None).collect();
    let end = Instant::now() + time;
    while Instant::now() < end {
        for (index, slot) in slots.iter_mut().enumerate() {
            if slot.as_ref().is_some_and(|asked| asked.since.elapsed() > PATIENCE) {
                count.lost += 1;
                *slot = None;
            }
            if slot.is_none() {
                *slot = Some(ask(&poll, to, index as u64)?);
            }
        }
        for event in wait(&poll)? {
            let Some(slot) = slots.get_mut(event as usize) else { continue };
            let Some(asked) = slot.as_mut() else { continue };
            let mut answer = [0; 8];
            match asked.stream.read(&mut answer) {
                Ok(1..) => count.done += 1,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // Connected: the byte goes now, and only its answer wakes us again.
                    let _ = asked.stream.write(b"x");
                    epoll::modify(
                        &poll,
                        &asked.stream,
                        epoll::EventData::new_u64(event),
                        epoll::EventFlags::IN,
                    )?;
                    continue;
                }
                _ => count.lost += 1,
            }
            *slot = None;
        }
    }
    Ok(count)
}

fn ask(poll: &OwnedFd, to: SocketAddr, index: u64) -> io::Result<Asked> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    match connect(&socket, &to) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    epoll::add(poll, &socket, epoll::EventData::new_u64(index), epoll::EventFlags::OUT)?;
    Ok(Asked { stream: socket.into(), since: Instant::now() })
}

/// A byte there and back on connections that stay; the time of each, when there is only one.
pub(crate) fn requests(
    to: SocketAddr,
    together: usize,
    time: Duration,
) -> io::Result<(Count, Vec<Duration>)> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut streams = Vec::new();
    for index in 0..together {
        let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        epoll::add(&poll, &stream, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
        streams.push(stream);
    }
    let mut times = Vec::new();
    let mut count = Count::default();
    let started = Instant::now();
    let mut since = started;
    for stream in &mut streams {
        stream.write_all(b"x")?;
    }
    while started.elapsed() < time {
        for event in wait(&poll)? {
            let Some(stream) = streams.get_mut(event as usize) else { continue };
            let mut answer = [0; 8];
            if !matches!(stream.read(&mut answer), Ok(1..)) {
                count.lost += 1;
                continue;
            }
            count.done += 1;
            if together == 1 {
                times.push(since.elapsed());
                since = Instant::now();
            }
            stream.write_all(b"x")?;
        }
    }
    Ok((count, times))
}

/// As many bytes as go through one connection.
pub(crate) fn bulk(to: SocketAddr, time: Duration) -> io::Result<u64> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
    let buffer = vec![0; 1 << 18];
    let (mut sent, started) = (0, Instant::now());
    while started.elapsed() < time {
        sent += stream.write(&buffer)? as u64;
    }
    Ok(sent)
}
