//! Clients: short connections, connections that are held, datagrams; each counts who answered.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Host;

/// A client waits this long for anything.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who answered how often, and what went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Answers by server.
    pub answers: BTreeMap<String, u64>,
    /// Failures by kind; a failure is an answer that a user missed.
    pub failures: BTreeMap<String, u64>,
}

impl Tally {
    /// All answers.
    pub fn answered(&self) -> u64 {
        self.answers.values().sum()
    }

    /// All failures.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Answers of one server.
    pub fn of(&self, server: &str) -> u64 {
        self.answers.get(server).copied().unwrap_or_default()
    }

    /// Another's counts to these.
    pub fn add(&mut self, other: &Self) {
        for (server, count) in &other.answers {
            *self.answers.entry(server.clone()).or_default() += count;
        }
        for (kind, count) in &other.failures {
            *self.failures.entry(kind.clone()).or_default() += count;
        }
    }

    fn count(&mut self, outcome: io::Result<String>) {
        match outcome {
            Ok(server) => *self.answers.entry(server).or_default() += 1,
            Err(error) => *self.failures.entry(error.kind().to_string()).or_default() += 1,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (server, count) in &self.answers {
            write!(f, "{server} {count}  ")?;
        }
        write!(f, "failed {}", self.failed())?;
        for (kind, count) in &self.failures {
            write!(f, " ({kind} {count})")?;
        }
        Ok(())
    }
}

/// `count` requests one after the other, each on a connection of its own.
pub(crate) fn http(client: &Host, service: SocketAddr, count: u32) -> Tally {
    client.in_namespace(|| {
        let mut tally = Tally::default();
        for _ in 0..count {
            tally.count(http_once(service, "/").and_then(name_in));
        }
        tally
    })
}

/// One request on a connection of its own: the body of a good answer.
pub fn http_once(service: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    let mut connection = connect(service)?;
    ask(&mut connection, path, "close")?;
    read_answer(&mut BufReader::new(connection))
}

/// `count` datagrams to the service and their answers, from `socket_count` sockets in turn.
pub(crate) fn udp(client: &Host, service: SocketAddr, count: u32, socket_count: usize) -> Tally {
    client.in_namespace(|| udp_here(service, count, socket_count))
}

/// As [`super::Lab::udp`], from the host that the calling thread is on.
pub fn udp_here(service: SocketAddr, count: u32, socket_count: usize) -> Tally {
    let any: IpAddr = if service.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let sockets: Vec<_> =
        (0..socket_count).map(|_| UdpSocket::bind((any, 0)).expect("a free port")).collect();
    let mut tally = Tally::default();
    for socket in sockets.iter().cycle().take(count as usize) {
        tally.count(udp_once(socket, service));
    }
    tally
}

fn udp_once(socket: &UdpSocket, service: SocketAddr) -> io::Result<String> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(service)?;
    socket.send(b"who?\n")?;
    let mut answer = [0; 64];
    let len = socket.recv(&mut answer)?;
    name_in(answer[..len].to_vec())
}

/// Short connections from several threads until stopped.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<Tally>>,
}

impl Load {
    /// `worker_count` clients, each asking without a pause, a new connection each time.
    pub fn start(client: &Host, service: SocketAddr, worker_count: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let worker = |_| {
            let (stop, client) = (stop.clone(), client.clone());
            thread::spawn(move || {
                client.namespace().enter().expect("the namespace of a living lab can be entered");
                let mut tally = Tally::default();
                while !stop.load(Ordering::Relaxed) {
                    tally.count(http_once(service, "/").and_then(name_in));
                }
                tally
            })
        };
        let workers = (0..worker_count).map(worker).collect();
        Self { stop, workers }
    }

    /// Lets every client finish its request, and counts.
    pub fn stop(mut self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Tally::default();
        for worker in self.workers.drain(..) {
            sum.add(&worker.join().expect("a client thread does not panic"));
        }
        sum
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Connections that stay open; each can be asked again and again.
#[derive(Debug)]
pub struct Held {
    connections: Vec<Kept>,
}

/// A connection and the server that took it.
#[derive(Debug)]
struct Kept {
    server: String,
    stream: BufReader<TcpStream>,
}

impl Held {
    /// Opens `count` connections to the service, and asks each once, so that a server has taken it.
    #[track_caller]
    pub fn open(client: &Host, service: SocketAddr, count: usize) -> Self {
        let open = || (0..count).map(|_| Kept::open(service)).collect::<io::Result<Vec<_>>>();
        let connections = client.in_namespace(open);
        let connections =
            connections.unwrap_or_else(|error| panic!("{count} connections to {service}: {error}"));
        Self { connections }
    }

    /// One request on each connection, in order. A broken one counts as a failure each time, and so does an answer from
    /// another server than the connection's own.
    pub fn ask_all(&mut self) -> Tally {
        let mut tally = Tally::default();
        for connection in &mut self.connections {
            tally.count(connection.ask());
        }
        tally
    }

    /// Number of connections.
    pub fn count(&self) -> usize {
        self.connections.len()
    }

    /// Number of connections that this server has.
    pub fn of(&self, server: &str) -> usize {
        self.connections.iter().filter(|connection| connection.server == server).count()
    }

    /// Closes the connections of one server.
    pub fn release(&mut self, server: &str) {
        self.connections.retain(|connection| connection.server != server);
    }
}

impl Kept {
    fn open(service: SocketAddr) -> io::Result<Self> {
        let stream = BufReader::new(connect(service)?);
        let mut kept = Self { server: String::new(), stream };
        kept.server = kept.ask()?;
        Ok(kept)
    }

    fn ask(&mut self) -> io::Result<String> {
        ask(self.stream.get_mut(), "/", "keep-alive")?;
        let server = name_in(read_answer(&mut self.stream)?)?;
        if self.server.is_empty() || self.server == server {
            return Ok(server);
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} became {server}", self.server)))
    }
}

fn connect(service: SocketAddr) -> io::Result<TcpStream> {
    let connection = TcpStream::connect_timeout(&service, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    Ok(connection)
}

fn ask(connection: &mut TcpStream, path: &str, after: &str) -> io::Result<()> {
    connection
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: {after}\r\n\r\n").as_bytes())
}

/// The body; nginx gives its length for everything that the lab asks.
fn read_answer(connection: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut lines = connection.by_ref().lines();
    let status = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
    if status != "HTTP/1.1 200 OK" {
        return Err(io::Error::other(status));
    }
    let mut body_len = 0;
    loop {
        let line = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
        if line.is_empty() {
            break;
        }
        if let Some(len) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            body_len = len.parse().map_err(|_| io::ErrorKind::InvalidData)?;
        }
    }
    let mut body = vec![0; body_len];
    connection.read_exact(&mut body)?;
    Ok(body)
}

fn name_in(body: Vec<u8>) -> io::Result<String> {
    let text = String::from_utf8(body).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(text.trim_end().to_owned())
}
