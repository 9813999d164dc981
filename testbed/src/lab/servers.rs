//! What answers in a lab: nginx and a UDP server on each host, both with the host's name.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::addresses::{HTTP_PORT, UDP_PORT};
use super::{Host, Process};

/// Size of the file `/big`.
pub const BIG_FILE_LEN: u64 = 16 << 20;
/// How long a server may take to listen.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How often the UDP server looks whether it shall end.
const POLL_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// nginx, answering `/` with the host's name and `/big` with a large file.
pub(crate) fn start_nginx(host: &Host, folder: &Path) -> Process {
    let folder = folder.join(format!("nginx-{}", host.label()));
    fs::create_dir_all(&folder).expect("the lab's folder is writable");
    let big = fs::File::create(folder.join("big")).expect("the lab's folder is writable");
    big.set_len(BIG_FILE_LEN).expect("a sparse file costs nothing");
    fs::write(folder.join("nginx.conf"), nginx_configuration(host.label()))
        .expect("the lab's folder is writable");
    let prefix = folder.to_string_lossy();
    let mut nginx = host.spawn(&["nginx", "-p", &prefix, "-c", "nginx.conf", "-e", "stderr"]);
    wait_until_listening(host, &mut nginx);
    nginx
}

/// One process, so that no worker outlives its master; nothing outside its own folder.
fn nginx_configuration(name: &str) -> String {
    format!(
        "daemon off;
master_process off;
pid nginx.pid;
worker_rlimit_nofile 65536;
events {{ worker_connections 30000; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_timeout 3600;
    keepalive_requests 1000000;
    client_max_body_size 64m;
    sendfile on;
    server {{
        listen 0.0.0.0:{HTTP_PORT} backlog=16384;
        listen [::]:{HTTP_PORT} backlog=16384;
        location = /big {{ root .; default_type application/octet-stream; }}
        location / {{ default_type text/plain; return 200 '{name}\\n'; }}
    }}
}}
"
    )
}

fn wait_until_listening(host: &Host, server: &mut Process) {
    let end = Instant::now() + START_LIMIT;
    let address = SocketAddr::new(IpAddr::from([127, 0, 0, 1]), HTTP_PORT);
    while host.in_namespace(|| std::net::TcpStream::connect(address)).is_err() {
        assert!(server.is_running() && Instant::now() < end, "nginx on {}:\n{}", host.label(), server.log());
        thread::sleep(Duration::from_millis(5));
    }
}

/// Answers every datagram with the host's name, from the address it was sent to.
#[derive(Debug)]
pub(crate) struct UdpServer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl UdpServer {
    /// One socket for each address: a socket for all of them would answer from the host's own, not from the virtual one.
    pub(crate) fn start(host: &Host, addresses: &[IpAddr]) -> Self {
        let bind = |address: &IpAddr| UdpSocket::bind((*address, UDP_PORT));
        let sockets: io::Result<Vec<_>> = host.in_namespace(|| addresses.iter().map(bind).collect());
        let sockets = sockets.unwrap_or_else(|error| panic!("UDP server on {}: {error}", host.label()));
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, name) = (stop.clone(), format!("{}\n", host.label()));
        let thread = thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                answer_waiting(&sockets, name.as_bytes());
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for UdpServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; there is nothing to add.
            let _ = thread.join();
        }
    }
}

fn answer_waiting(sockets: &[UdpSocket], name: &[u8]) {
    let mut waiting: Vec<_> = sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
    if poll(&mut waiting, Some(&POLL_INTERVAL)).is_err() {
        return;
    }
    for (socket, _) in sockets.iter().zip(waiting).filter(|(_, state)| !state.revents().is_empty()) {
        let mut question = [0; 2048];
        // An ICMP error shows up here as well; the next question is as good.
        if let Ok((_, client)) = socket.recv_from(&mut question) {
            let _ = socket.send_to(name, client);
        }
    }
}
