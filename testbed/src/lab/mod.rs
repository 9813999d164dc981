//! The lab: a client, a director and real servers as network namespaces, with real programs on real TCP stacks.
//!
//! Owns the two networks, the hosts and everything that runs on them, and removes all of it when dropped. A lab that
//! cannot be built, a daemon that does not start and a tool that fails where it should not are failed tests: the
//! functions here panic and say what they saw. Labs do not see each other, so tests run side by side.
//!
//! ```no_run
//! use lvs_testbed::lab::{Family, Hook, Lab};
//!
//! let mut lab = Lab::builder().servers(3).hook(Hook::Tc).build();
//! lab.start_lvsd();
//! lab.ipvsadm("-A -t 10.1.0.100:80 -s rr").expect_ok();
//! lab.ipvsadm("-a -t 10.1.0.100:80 -r 10.2.0.11:80 -m").expect_ok();
//! assert_eq!(lab.http(Family::V4.http(), 10).of("server1"), 10);
//! ```

mod addresses;
mod daemon;
mod host;
mod load;
mod net;
mod ns;
mod programs;
mod servers;
mod sweep;

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub use addresses::{CLIENT_ADDRESS_COUNT, Family, HTTP_PORT, UDP_PORT};
pub use host::{Host, Process, Ran};
pub use load::{Held, Load, Tally, http_once, udp_here};
pub use net::{INSIDE, OUTSIDE, SERVER_INTERFACE};
pub use programs::{BIN_VARIABLE, program, program_if_built, root_or_skip};
pub use servers::BIG_FILE_LEN;
pub use sweep::sweep;

use ns::Namespace;
use servers::UdpServer;
use sweep::Identity;

/// Real servers in a lab at most; the addresses leave room for no more.
pub const SERVER_COUNT_MAX: usize = 80;
/// Connections that lvsd is told to hold, unless the builder says otherwise.
const CONNECTIONS_MAX: u32 = 100_000;
/// Open files a lab asks for: thousands of held connections, both ends on this machine.
const FILES_MAX: u64 = 65_536;
/// How long a decapsulator may take to attach.
const DECAP_LIMIT: Duration = Duration::from_secs(5);

/// Where lvsd takes packets from the director's interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// tcx.
    Tc,
    /// Native XDP; the hosts make their checksums themselves then.
    Xdp,
    /// lvsd chooses.
    Auto,
}

impl Hook {
    /// Both that exist.
    pub const ALL: [Self; 2] = [Self::Tc, Self::Xdp];

    /// As on lvsd's command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tc => "tc",
            Self::Xdp => "xdp",
            Self::Auto => "auto",
        }
    }
}

/// What is wanted of a lab.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    server_count: usize,
    hook: Hook,
    connections_max: u32,
    lvsd_prefix: Vec<String>,
}

impl Builder {
    /// Number of real servers; 2 unless said otherwise.
    pub fn servers(mut self, count: usize) -> Self {
        assert!((1..=SERVER_COUNT_MAX).contains(&count), "1 to {SERVER_COUNT_MAX} real servers");
        self.server_count = count;
        self
    }

    /// Where lvsd takes its packets; [`Hook::Auto`] unless said otherwise.
    pub fn hook(mut self, hook: Hook) -> Self {
        self.hook = hook;
        self
    }

    /// Size of the connection table.
    pub fn connections_max(mut self, count: u32) -> Self {
        self.connections_max = count;
        self
    }

    /// Words before lvsd's own, such as `setpriv` and its options.
    pub fn lvsd_prefix(mut self, words: &[&str]) -> Self {
        self.lvsd_prefix = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Builds it: hosts, cables, real servers that answer; no lvsd yet.
    #[track_caller]
    pub fn build(self) -> Lab {
        sweep();
        raise_file_limit();
        let identity = Identity::new();
        let folder = identity.folder();
        fs::create_dir_all(&folder).expect("the folder for temporary files is writable");
        // From here on `Remains` cleans up, whatever panics.
        let remains = Remains(identity.clone());
        let host = |label: &str| {
            let namespace = Namespace::create(&identity.host(label));
            Host::new(label, namespace.unwrap_or_else(|error| panic!("host {label}: {error}")), &folder)
        };
        let (client, director, switch) = (host("client"), host("director"), host("switch"));
        let servers: Vec<Host> =
            (1..=self.server_count).map(|index| host(&format!("server{index}"))).collect();
        let hosts = net::Hosts { client: &client, director: &director, switch: &switch, servers: &servers };
        net::connect(&hosts, self.hook);
        let settings = daemon::Settings {
            prefix: self.lvsd_prefix,
            hook: self.hook,
            connections_max: self.connections_max,
            socket: folder.join("lvsd.sock"),
            state: folder.join("state"),
            pins: identity.pins(),
            proc: folder.join("proc"),
        };
        let mut lab = Lab {
            lvsd: None,
            programs: Vec::new(),
            udp_servers: Vec::new(),
            client,
            director,
            _switch: switch,
            servers,
            settings,
            folder,
            _remains: remains,
        };
        for index in 1..=self.server_count {
            lab.start_servers(index);
        }
        lab
    }
}

/// A client, a director, real servers. Fields are dropped in order: programs before the hosts they run on.
#[derive(Debug)]
pub struct Lab {
    lvsd: Option<Process>,
    programs: Vec<Process>,
    udp_servers: Vec<UdpServer>,
    client: Host,
    director: Host,
    _switch: Host,
    servers: Vec<Host>,
    settings: daemon::Settings,
    folder: PathBuf,
    _remains: Remains,
}

/// Removes what a lab has made in the machine.
#[derive(Debug)]
struct Remains(Identity);

impl Drop for Remains {
    fn drop(&mut self) {
        self.0.remove();
    }
}

impl Lab {
    /// A lab of two real servers, until told otherwise.
    pub fn builder() -> Builder {
        Builder {
            server_count: 2,
            hook: Hook::Auto,
            connections_max: CONNECTIONS_MAX,
            lvsd_prefix: Vec::new(),
        }
    }

    /// The host that asks.
    pub fn client(&self) -> &Host {
        &self.client
    }

    /// The host that balances.
    pub fn director(&self) -> &Host {
        &self.director
    }

    /// Real server `index`, from 1.
    pub fn server(&self, index: usize) -> &Host {
        &self.servers[index - 1]
    }

    /// Number of real servers.
    pub fn server_count(&self) -> usize {
        self.servers.len()
    }

    /// The folder of logs, configuration, state and the socket.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// lvsd's socket.
    pub fn socket(&self) -> &Path {
        &self.settings.socket
    }

    /// lvsd's state file.
    pub fn state_file(&self) -> &Path {
        &self.settings.state
    }

    /// The folder of pinned tables and programs.
    pub fn pin_folder(&self) -> &Path {
        &self.settings.pins
    }

    /// The folder with lvsd's `ip_vs`, `ip_vs_conn` and `ip_vs_stats`.
    pub fn proc_folder(&self) -> &Path {
        &self.settings.proc
    }

    /// The words that start lvsd here, for who starts one of his own.
    pub fn lvsd_words(&self) -> Vec<String> {
        self.settings.words()
    }

    /// The running lvsd, if one was started.
    pub fn lvsd(&mut self) -> Option<&mut Process> {
        self.lvsd.as_mut()
    }

    /// Starts lvsd and waits until it answers.
    #[track_caller]
    pub fn start_lvsd(&mut self) {
        assert!(self.lvsd.is_none(), "lvsd runs already");
        self.lvsd = Some(daemon::start(&self.director, &self.settings));
    }

    /// Ends lvsd as systemd would; its programs stay.
    #[track_caller]
    pub fn stop_lvsd(&mut self) {
        daemon::stop(self.lvsd.as_mut().expect("lvsd was started"));
        self.lvsd = None;
    }

    /// `kill -9`.
    #[track_caller]
    pub fn kill_lvsd(&mut self) {
        self.lvsd.take().expect("lvsd was started").kill();
    }

    /// Stops and starts it.
    #[track_caller]
    pub fn restart_lvsd(&mut self) {
        self.stop_lvsd();
        self.start_lvsd();
    }

    /// Runs our ipvsadm on the director.
    #[track_caller]
    pub fn ipvsadm(&self, line: &str) -> Ran {
        daemon::tool(&self.director, &self.settings, "ipvsadm", line)
    }

    /// Runs lvsctl on the director.
    #[track_caller]
    pub fn lvsctl(&self, line: &str) -> Ran {
        daemon::tool(&self.director, &self.settings, "lvsctl", line)
    }

    /// Lets real server `index` unpack tunnelled packets with our decapsulator; it runs as long as the lab.
    #[track_caller]
    pub fn decap(&mut self, index: usize) {
        let path = program("lvsctl");
        let host = self.server(index);
        let mut decap = host.spawn(&[&path.to_string_lossy(), "decap", SERVER_INTERFACE]);
        // It either stays in the foreground or attaches and ends; in both cases the interface shows a program.
        let shown = || host.run(&["ip", "-d", "link", "show", "dev", SERVER_INTERFACE]).expect_ok();
        let end = std::time::Instant::now() + DECAP_LIMIT;
        while !shown().contains("prog/") && decap.is_running() && std::time::Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        let failed = decap.wait(Duration::ZERO).is_some_and(|status| !status.success());
        assert!(!failed, "lvsctl decap on {}:\n{}", host.label(), decap.log());
        self.programs.push(decap);
    }

    /// A web server and a UDP server on the director itself, for the forwarding method local node.
    #[track_caller]
    pub fn start_local_node(&mut self) {
        let nginx = servers::start_nginx(&self.director, &self.folder);
        let addresses = Family::ALL.map(|family| [family.virtual_address(), family.director_inside()]);
        self.programs.push(nginx);
        self.udp_servers.push(UdpServer::start(&self.director, addresses.as_flattened()));
    }

    /// `count` web requests from the client, each on a connection of its own.
    pub fn http(&self, service: SocketAddr, count: u32) -> Tally {
        load::http(&self.client, service, count)
    }

    /// `count` datagrams from the client, from `socket_count` ports in turn.
    pub fn udp(&self, service: SocketAddr, count: u32, socket_count: usize) -> Tally {
        load::udp(&self.client, service, count, socket_count)
    }

    /// Short connections in the background, from so many clients at once.
    pub fn load(&self, service: SocketAddr, worker_count: usize) -> Load {
        Load::start(&self.client, service, worker_count)
    }

    /// Connections that stay open.
    #[track_caller]
    pub fn hold(&self, service: SocketAddr, count: usize) -> Held {
        Held::open(&self.client, service, count)
    }

    /// Makes a TCP service of all real servers; `method` is the option of `ipvsadm -a`.
    #[track_caller]
    pub fn add_tcp_service(&self, service: SocketAddr, scheduler: &str, method: &str) {
        self.add_service("-t", service, scheduler, method);
    }

    /// As [`Lab::add_tcp_service`], for UDP.
    #[track_caller]
    pub fn add_udp_service(&self, service: SocketAddr, scheduler: &str, method: &str) {
        self.add_service("-u", service, scheduler, method);
    }

    /// Real server `index` as `ipvsadm -r` wants it for this service.
    pub fn real(&self, service: SocketAddr, index: usize) -> SocketAddr {
        let family = if service.is_ipv4() { Family::V4 } else { Family::V6 };
        SocketAddr::new(family.server(index), service.port())
    }

    #[track_caller]
    fn add_service(&self, protocol: &str, service: SocketAddr, scheduler: &str, method: &str) {
        let _ = self.ipvsadm(&format!("-A {protocol} {service} -s {scheduler}")).expect_ok();
        for index in 1..=self.server_count() {
            let real = self.real(service, index);
            let _ = self.ipvsadm(&format!("-a {protocol} {service} -r {real} {method}")).expect_ok();
        }
    }

    fn start_servers(&mut self, index: usize) {
        let host = self.server(index).clone();
        let addresses = Family::ALL.map(|family| [family.virtual_address(), family.server(index)]);
        let addresses: &[IpAddr] = addresses.as_flattened();
        self.programs.push(servers::start_nginx(&host, &self.folder));
        self.udp_servers.push(UdpServer::start(&host, addresses));
    }
}

fn raise_file_limit() {
    let now = getrlimit(Resource::Nofile);
    if now.current.is_some_and(|current| current < FILES_MAX) {
        let current = now.maximum.map_or(FILES_MAX, |maximum| maximum.min(FILES_MAX));
        // A lower limit matters only to tests that hold thousands of connections, and they will say so.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: now.maximum });
    }
}
