//! `lvs-lab`: the lab for people. Builds client, director and real servers, starts lvsd, and gives a shell or runs a
//! script; removes everything afterwards, also when it is killed.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use lvs_model::api::SOCKET_VARIABLE;
use lvs_testbed::lab::{
    Family, Hook, Host, Lab, SERVER_INTERFACE, program, program_if_built, root_or_skip, sweep, udp_here,
};

const HELP: &str = "\
lvs-lab [--servers N] [--hook auto|tc|xdp] [--no-lvsd] shell
lvs-lab [--servers N] [--hook auto|tc|xdp] [--no-lvsd] run SCRIPT [ARGUMENT...]
lvs-lab udp ADDRESS:PORT COUNT     ask a UDP service COUNT times, each time from another port, and count who answers
lvs-lab sweep                      remove the labs of processes that are dead

In the shell and in scripts these run on the hosts of the lab:
  client COMMAND...      director COMMAND...      server N COMMAND...
  ipvsadm ...            lvsctl ...               restart-lvsd [TERM|KILL]
  decap N                udp ADDRESS:PORT COUNT   (unpack tunnels on server N; ask from the client)
and these are set: VIP VIP6 RIP_1.. RIP6_1.. SERVERS LAB (its folder)";

/// What the command line asks for.
struct Wish {
    server_count: usize,
    hook: Hook,
    with_lvsd: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        // By ourselves, see `janitor`.
        Some("janitor") => {
            let _ = io::stdin().read_to_end(&mut Vec::new());
            sweep();
            ExitCode::SUCCESS
        }
        Some("sweep") => {
            sweep();
            ExitCode::SUCCESS
        }
        Some("udp") => ask_udp(&words[1..]),
        _ => parse(&words).map_or_else(complain, |(wish, command)| in_lab(&wish, command)),
    }
}

fn parse(words: &[String]) -> Result<(Wish, &[String]), String> {
    let mut wish = Wish { server_count: 3, hook: Hook::Auto, with_lvsd: true };
    let mut rest = words;
    while let [flag, tail @ ..] = rest {
        rest = match (flag.as_str(), tail) {
            ("--servers", [count, tail @ ..]) => {
                wish.server_count = count.parse().map_err(|_| format!("--servers {count}: not a number"))?;
                tail
            }
            ("--hook", [word, tail @ ..]) => {
                let hooks = [Hook::Auto, Hook::Tc, Hook::Xdp];
                let named = hooks.into_iter().find(|hook| hook.word() == word);
                wish.hook = named.ok_or_else(|| format!("--hook {word}: auto, tc or xdp"))?;
                tail
            }
            ("--no-lvsd", tail) => {
                wish.with_lvsd = false;
                tail
            }
            ("shell", []) => return Ok((wish, &[])),
            ("run", [_script, ..]) => return Ok((wish, tail)),
            _ => return Err(HELP.to_owned()),
        };
    }
    Err(HELP.to_owned())
}

fn complain(why: String) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(2)
}

fn in_lab(wish: &Wish, command: &[String]) -> ExitCode {
    if !root_or_skip("lvs-lab") {
        return ExitCode::FAILURE;
    }
    let janitor = janitor();
    let mut lab = Lab::builder().servers(wish.server_count).hook(wish.hook).build();
    if wish.with_lvsd {
        lab.start_lvsd();
    }
    write_commands(&mut lab).expect("the lab's folder is writable");
    let status = user_command(&lab, command).status();
    drop(lab);
    drop(janitor);
    match status {
        Ok(status) => {
            status.code().map_or(ExitCode::FAILURE, |code| ExitCode::from(code.clamp(0, 255) as u8))
        }
        Err(error) => complain(format!("{command:?}: {error}")),
    }
}

/// A process of its own group that waits for our end and removes what we could not. It hears of the end by its input,
/// which closes however we die.
fn janitor() -> io::Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("janitor").stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0).spawn()
}

/// The script, or a shell; it ends when we do.
fn user_command(lab: &Lab, command: &[String]) -> Command {
    let mut user = Command::new("setpriv");
    user.args(["--pdeathsig", "TERM", "bash"]);
    if command.is_empty() {
        user.arg("--rcfile").arg(lab.folder().join("bashrc"));
    }
    user.args(command);
    let mut path = OsString::from(lab.folder().join("bin"));
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    user.env("PATH", path).env("LAB", lab.folder()).env(SOCKET_VARIABLE, lab.socket());
    user.env("SERVERS", lab.server_count().to_string());
    user.env("VIP", Family::V4.virtual_address().to_string())
        .env("VIP6", Family::V6.virtual_address().to_string());
    for index in 1..=lab.server_count() {
        user.env(format!("RIP_{index}"), Family::V4.server(index).to_string());
        user.env(format!("RIP6_{index}"), Family::V6.server(index).to_string());
    }
    user
}

/// Small scripts for the lab's hosts. `nsenter` and not `ip netns exec`, which would hide bpffs.
fn write_commands(lab: &mut Lab) -> io::Result<()> {
    let folder = lab.folder().join("bin");
    fs::create_dir_all(&folder)?;
    for host in [lab.client(), lab.director()] {
        write_script(&folder.join(host.label()), &format!("exec {} \"$@\"", enter(host)))?;
    }
    let server = lab.server(1);
    let any_server = enter(server).replace(server.label(), "server\"$host\"");
    write_script(&folder.join("server"), &format!("host=$1\nshift\nexec {any_server} \"$@\""))?;
    for tool in ["ipvsadm", "ipvsadm-save", "ipvsadm-restore", "lvsctl"] {
        if let Some(path) = program_if_built(tool) {
            let line = format!("exec {} {} \"$@\"", enter(lab.director()), path.display());
            write_script(&folder.join(tool), &line)?;
        }
    }
    if let Some(lvsctl) = program_if_built("lvsctl") {
        let line = format!("host=$1\nexec {any_server} {} decap {SERVER_INTERFACE}", lvsctl.display());
        write_script(&folder.join("decap"), &line)?;
    }
    let own = env::current_exe()?;
    write_script(&folder.join("udp"), &format!("exec {} {} udp \"$@\"", enter(lab.client()), own.display()))?;
    if let Some(id) = lab.lvsd().map(|lvsd| lvsd.id()) {
        fs::write(lab.folder().join("lvsd.pid"), id.to_string())?;
        write_script(&folder.join("restart-lvsd"), &restart_lines(lab))?;
    }
    let shell = format!(
        "PS1='lab# '\ncat <<'END'\n{}\n\nReal servers: nginx on port 80, UDP on 9000. Leave with `exit`; everything is removed.\nEND\n",
        HELP.split_once("\n\n").map_or("", |(_, commands)| commands)
    );
    fs::write(lab.folder().join("bashrc"), shell)
}

fn enter(host: &Host) -> String {
    format!("nsenter --net=/run/netns/{}", host.namespace_name())
}

/// Ends lvsd by the signal named and starts it again, as a service manager would. It has ended when it is gone, or when
/// it is a zombie of which no other thread is left; until then it holds its lock.
fn restart_lines(lab: &Lab) -> String {
    format!(
        "id=$(cat {folder}/lvsd.pid)
kill -s \"${{1:-TERM}}\" \"$id\"
until [ ! -d /proc/\"$id\" ] || {{ grep -q '^State:.Z' /proc/\"$id\"/status && [ \"$(ls /proc/\"$id\"/task | wc -l)\" -le 1 ]; }}; do
    sleep 0.01
done
{enter} {words} >>{folder}/lvsd-restarted.log 2>&1 &
echo $! >{folder}/lvsd.pid
for _ in $(seq 500); do {lvsctl} status >/dev/null 2>&1 && exit 0; sleep 0.02; done
cat {folder}/lvsd-restarted.log >&2
exit 1",
        folder = lab.folder().display(),
        enter = enter(lab.director()),
        words = lab.lvsd_words().join(" "),
        lvsctl = program("lvsctl").display(),
    )
}

fn write_script(file: &Path, lines: &str) -> io::Result<()> {
    let mut script = fs::File::create(file)?;
    writeln!(script, "#!/bin/sh\n{lines}")?;
    script.set_permissions(fs::Permissions::from_mode(0o755))
}

fn ask_udp(words: &[String]) -> ExitCode {
    let [service, count] = words else { return complain(HELP.to_owned()) };
    let (Ok(service), Ok(count)) = (service.parse::<SocketAddr>(), count.parse::<u32>()) else {
        return complain(HELP.to_owned());
    };
    let tally = udp_here(service, count, count as usize);
    for (server, answers) in &tally.answers {
        println!("{answers:7} {server}");
    }
    for (kind, failures) in &tally.failures {
        println!("{failures:7} failed: {kind}");
    }
    if tally.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
