//! What balances on the director: ours, the kernel's own means, and two proxies.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lvs_model::api::SOCKET_VARIABLE;

use super::load::{ECHO_PORT, SINK_PORT};
use super::world::{SERVER_COUNT, VIRTUAL, World, bind, director_devices, server_address};
use crate::machine::DIRECTOR_CPU;
use crate::namespace::{Namespace, run};

/// Port of the UDP service.
pub(crate) const UDP_PORT: u16 = 9000;
/// How long a daemon may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(20);

/// One way to bring packets to servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The kernel's routing, to one server by its own address.
    Forwarding,
    /// nftables, DNAT by a running number.
    Nftables,
    /// HAProxy in TCP mode, one thread.
    Haproxy,
    /// nginx stream, one worker.
    Nginx,
    /// lvs: attachment and `ipvsadm`'s option for the method.
    Lvs(&'static str, &'static str),
}

impl Kind {
    /// All that are compared.
    pub(crate) const ALL: [Self; 9] = [
        Self::Forwarding,
        Self::Nftables,
        Self::Haproxy,
        Self::Nginx,
        Self::Lvs("xdp", "-g"),
        Self::Lvs("xdp", "-m"),
        Self::Lvs("xdp", "-i"),
        Self::Lvs("tc", "-g"),
        Self::Lvs("tc", "-m"),
    ];

    /// As results name it.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Forwarding => "plain forwarding".to_owned(),
            Self::Nftables => "nftables DNAT".to_owned(),
            Self::Haproxy => "HAProxy tcp".to_owned(),
            Self::Nginx => "nginx stream".to_owned(),
            Self::Lvs(hook, method) => {
                let method = match method {
                    "-g" => "DR",
                    "-m" => "NAT",
                    _ => "ipip",
                };
                format!("lvs {hook} {method}")
            }
        }
    }

    /// Are its UDP packets counted? The proxies take few or none; and what TC hands to a cable's other end
    /// (`bpf_redirect_peer`) passes by the XDP program that counts.
    pub(crate) fn takes_udp(self) -> bool {
        !matches!(self, Self::Haproxy | Self::Nginx | Self::Lvs("tc", _))
    }

    /// Is XDP at work, so that the ends must make their checksums?
    pub(crate) fn is_xdp(self) -> bool {
        matches!(self, Self::Lvs("xdp", _))
    }

    /// Where clients send to.
    pub(crate) fn target(self, port: u16) -> SocketAddr {
        let address = if self == Self::Forwarding { server_address(1) } else { VIRTUAL.to_owned() };
        SocketAddr::new(address.parse().unwrap_or_else(|_| [0, 0, 0, 0].into()), port)
    }
}

/// A balancer at work; it ends when dropped.
pub(crate) struct Running {
    children: Vec<Child>,
    decapsulators: Vec<Child>,
    director: String,
    folder: PathBuf,
    pins: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end_decapsulators();
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ =
            Command::new("ip").args(["netns", "exec", &self.director, "nft", "flush", "ruleset"]).output();
        let _ = lvs_dataplane::detach_all(&self.pins);
        let _ = fs::remove_dir_all(&self.pins);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Running {
    /// Starts it; `Err` with the reason when it is not on this machine.
    pub(crate) fn start(kind: Kind, world: &World) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("lvs-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let pins = PathBuf::from(format!("/sys/fs/bpf/lvs-bench-{}-lab", std::process::id()));
        let director = world.director.name().to_owned();
        let mut running = Self { children: Vec::new(), decapsulators: Vec::new(), director, folder, pins };
        match kind {
            Kind::Forwarding => {}
            Kind::Nftables => running.nftables()?,
            Kind::Haproxy => {
                running.proxy(&world.director, "haproxy", &haproxy_configuration(), &["-db", "-f"])?
            }
            Kind::Nginx => {
                running.proxy(&world.director, "nginx", &nginx_configuration()?, &["-e", "stderr", "-c"])?
            }
            Kind::Lvs(hook, method) => running.lvs(world, hook, method)?,
        }
        Ok(running)
    }

    /// The processes on the director whose time counts.
    pub(crate) fn processes(&self) -> Vec<u32> {
        self.children.iter().map(Child::id).collect()
    }

    /// Ends the decapsulators, whose place at the servers the sink takes.
    pub(crate) fn end_decapsulators(&mut self) {
        for mut child in self.decapsulators.drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn nftables(&self) -> Result<(), String> {
        let map: Vec<String> =
            (1..=SERVER_COUNT).map(|index| format!("{} : {}", index - 1, server_address(index))).collect();
        let rules = format!(
            "table ip bench {{\nchain pre {{\ntype nat hook prerouting priority -100;\n\
             ip daddr {VIRTUAL} dnat to numgen inc mod {SERVER_COUNT} map {{ {} }}\n}}\n}}\n",
            map.join(", ")
        );
        run(Command::new("ip").args(["netns", "exec", &self.director, "nft", &rules])).map(|_| ())
    }

    fn proxy(
        &mut self,
        director: &Namespace,
        program: &str,
        text: &str,
        options: &[&str],
    ) -> Result<(), String> {
        let file = self.folder.join(format!("{program}.conf"));
        fs::write(&file, text).map_err(|error| error.to_string())?;
        let child = Command::new("ip")
            .args(["netns", "exec", director.name(), program])
            .args(options)
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        bind(child.id(), DIRECTOR_CPU);
        self.children.push(child);
        std::thread::sleep(Duration::from_millis(300));
        match self.children.last_mut().map(Child::try_wait) {
            Some(Ok(None)) => Ok(()),
            _ => Err(format!("{program} does not run with {text}")),
        }
    }

    fn lvs(&mut self, world: &World, hook: &str, method: &str) -> Result<(), String> {
        let socket = self.folder.join("lvsd.sock");
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", world.director.name())).arg(program("lvsd")?);
        command.arg("--socket").arg(&socket).arg("--state").arg(self.folder.join("state"));
        command.arg("--pin-dir").arg(&self.pins).arg("--proc-dir").arg(self.folder.join("proc"));
        command.args(["--max-connections", "1048576"]);
        for device in director_devices() {
            command.args(["--interface", &format!("{device}={hook}")]);
        }
        let log = fs::File::create(self.folder.join("lvsd.log")).map_err(|error| error.to_string())?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        self.children.push(child.map_err(|error| format!("lvsd: {error}"))?);
        let end = Instant::now() + START_LIMIT;
        while tool(&socket, "ipvsadm", "-L").is_err() {
            if Instant::now() > end || !matches!(self.children[0].try_wait(), Ok(None)) {
                let said = fs::read_to_string(self.folder.join("lvsd.log")).unwrap_or_default();
                return Err(format!("lvsd does not answer: {said}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        for (option, port) in [("-t", ECHO_PORT), ("-t", SINK_PORT), ("-u", UDP_PORT)] {
            tool(&socket, "ipvsadm", &format!("-A {option} {VIRTUAL}:{port} -s rr"))?;
            for index in 1..=SERVER_COUNT {
                let server = server_address(index);
                tool(
                    &socket,
                    "ipvsadm",
                    &format!("-a {option} {VIRTUAL}:{port} -r {server}:{port} {method}"),
                )?;
            }
        }
        if method == "-i" {
            for server in &world.servers {
                let mut command = Command::new("nsenter");
                command
                    .arg(format!("--net=/run/netns/{}", server.name()))
                    .arg(program("lvsctl")?)
                    .args(["decap", "s0"]);
                let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
                self.decapsulators.push(child.map_err(|error| format!("lvsctl: {error}"))?);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        Ok(())
    }
}

/// One of our own programs, beside this one.
pub(crate) fn program(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let path = own.with_file_name(name);
    path.is_file()
        .then_some(path)
        .ok_or_else(|| format!("{name} is not built: cargo build --release --workspace --bins"))
}

/// Runs one of our tools against a daemon.
pub(crate) fn tool(socket: &Path, name: &str, line: &str) -> Result<String, String> {
    let mut command = Command::new(program(name)?);
    run(command.args(line.split_whitespace()).env(SOCKET_VARIABLE, socket))
}

fn haproxy_configuration() -> String {
    let mut text = "global\n nbthread 1\n maxconn 4000\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n \
                    timeout server 60s\n"
        .to_owned();
    for port in [ECHO_PORT, SINK_PORT] {
        text += &format!("listen l{port}\n bind {VIRTUAL}:{port}\n balance roundrobin\n");
        for index in 1..=SERVER_COUNT {
            text += &format!(" server s{index} {}:{port}\n", server_address(index));
        }
    }
    text
}

fn nginx_configuration() -> Result<String, String> {
    let module = "/usr/lib/nginx/modules/ngx_stream_module.so";
    if !Path::new(module).is_file() {
        return Err("nginx has no stream module here (package libnginx-mod-stream)".into());
    }
    let mut text = format!(
        "load_module {module};\ndaemon off;\nmaster_process off;\npid /dev/null;\nworker_rlimit_nofile 65536;\n\
         events {{ worker_connections 30000; }}\nstream {{\n"
    );
    for port in [ECHO_PORT, SINK_PORT] {
        text += &format!("upstream u{port} {{\n");
        for index in 1..=SERVER_COUNT {
            text += &format!("server {}:{port};\n", server_address(index));
        }
        text += &format!("}}\nserver {{ listen {VIRTUAL}:{port}; tcp_nodelay on; proxy_pass u{port}; }}\n");
    }
    Ok(text + "}\n")
}
