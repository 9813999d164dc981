//! The API over the unix socket: who may ask, and what each request does. The requests are those of [`lvs_model::api`].

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use lvs_model::api::{AttachRequest, CommandsRequest, Done, ErrorAnswer, ExplainRequest, Interfaces, path};
use lvs_model::limits::MAX_COMMANDS;
use lvs_model::refusal::errno;
use rustix::net::sockopt::socket_peercred;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::connections;
use crate::director::{Director, failure};
use crate::error::Error;
use crate::explain;
use crate::http::{self, Bad, Request};
use crate::log;

/// Requests at one time; more are told to come again.
const REQUESTS_MAX: usize = 32;

/// A status and a JSON body.
type Answer = (u16, Vec<u8>);

/// Opens the socket, in place of one that a dead lvsd left: this process holds the lock that says it is dead.
pub(crate) fn listen(socket: &Path) -> Result<UnixListener, Error> {
    let doing = || format!("listening at {}", socket.display());
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::system(doing(), error)),
        _ => {}
    }
    let listener = UnixListener::bind(socket).map_err(|error| Error::system(doing(), error))?;
    // Everyone may knock; credentials decide, so that those who may not are told so in words.
    fs::set_permissions(socket, fs::Permissions::from_mode(0o666))
        .map_err(|error| Error::system(doing(), error))?;
    Ok(listener)
}

/// Answers requests until lvsd ends.
pub(crate) fn serve(director: &Arc<Director>, listener: &UnixListener) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if director.is_ending() {
            break;
        }
        let Ok(stream) = stream else { continue };
        if open.fetch_add(1, Ordering::SeqCst) >= REQUESTS_MAX {
            open.fetch_sub(1, Ordering::SeqCst);
            refuse(stream);
            continue;
        }
        let (director, counted) = (Arc::clone(director), Counted(Arc::clone(&open)));
        let started = thread::Builder::new().name("lvsd-request".to_owned()).spawn(move || {
            let _counted = counted;
            handle(&director, stream);
        });
        if let Err(error) = started {
            log(&format!("starting a thread: {error}"));
        }
    }
}

/// One request less when it is dropped, whatever happened.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn refuse(mut stream: UnixStream) {
    let (_, body) = error(503, &ErrorAnswer::new(errno::ENOSPC, "too many requests at a time"));
    let _ = http::limit(&stream, http::STRANGER_LIMIT).and_then(|()| http::answer(&mut stream, 503, &body));
}

fn handle(director: &Director, mut stream: UnixStream) {
    let permitted = is_permitted(director, &stream);
    let limit = if permitted { http::REQUEST_LIMIT } else { http::STRANGER_LIMIT };
    if http::limit(&stream, limit).is_err() {
        return;
    }
    let request = match http::read(&mut stream, limit) {
        Ok(request) => request,
        Err(Bad::Gone) => return,
        Err(Bad::Status(status, why)) => {
            let (status, body) = error(status, &ErrorAnswer::new(errno::EINVAL, why));
            let _ = http::answer(&mut stream, status, &body);
            return;
        }
    };
    // A peer that went away in the middle is no trouble of ours.
    let _ = if !permitted {
        let (status, body) = error(403, &ErrorAnswer::not_permitted());
        http::answer(&mut stream, status, &body)
    } else if request.method == "GET" && request.path == path::CONNECTIONS {
        list_connections(director, &stream)
    } else {
        let (status, body) = route(director, &request);
        http::answer(&mut stream, status, &body)
    };
}

/// Root, lvsd's own user, and members of the group that was named.
fn is_permitted(director: &Director, stream: &UnixStream) -> bool {
    let Ok(peer) = socket_peercred(stream) else { return false };
    if peer.uid.is_root() || peer.uid == rustix::process::geteuid() {
        return true;
    }
    let Some(group) = &director.settings.api_group else { return false };
    is_member(group, peer.uid.as_raw(), peer.gid.as_raw())
}

fn is_member(group: &str, user: u32, user_group: u32) -> bool {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    is_member_by(&users, &groups, group, user, user_group)
}

/// By the lines of `/etc/passwd` and `/etc/group`.
fn is_member_by(users: &str, groups: &str, group: &str, user: u32, user_group: u32) -> bool {
    let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
    let Some(line) = groups.lines().map(fields).find(|line| line.len() == 4 && line[0] == group) else {
        return false;
    };
    if line[2].parse() == Ok(user_group) {
        return true;
    }
    let name = users.lines().map(fields).find(|line| line.len() > 2 && line[2].parse() == Ok(user));
    name.is_some_and(|name| line[3].split(',').any(|member| member == name[0]))
}

fn list_connections(director: &Director, stream: &UnixStream) -> io::Result<()> {
    let tables = &*director.tables;
    http::answer_lines(stream, |writer| {
        for row in connections::rows(tables, tables.slot_count()) {
            serde_json::to_writer(&mut *writer, &row).map_err(io::Error::other)?;
            writer.write_all(b"\n")?;
        }
        Ok(())
    })
}

fn route(director: &Director, request: &Request) -> Answer {
    let interface = request.path.strip_prefix(path::INTERFACES).and_then(|rest| rest.strip_prefix('/'));
    match (request.method.as_str(), request.path.as_str(), interface) {
        ("POST", path::COMMANDS, _) => with_body(request, |commands| apply(director, commands)),
        ("GET", path::SERVICES, _) => ok(&director.listing()),
        ("GET", path::TIMEOUTS, _) => ok(&director.lock().model.timeouts()),
        ("GET", path::STATISTICS, _) => ok(&director.totals()),
        ("GET", path::STATUS, _) => result(director.status()),
        ("GET", path::INTERFACES, _) => {
            result(director.interfaces().map(|interfaces| Interfaces { interfaces }))
        }
        ("POST", path::INTERFACES, _) => {
            with_body(request, |asked: AttachRequest| settle(director.attach(&asked.name, asked.mode)))
        }
        ("DELETE", _, Some(name)) => settle(director.detach(&decoded(name)).map(|()| Done {})),
        ("POST", path::EXPLAIN, _) => {
            with_body(request, |asked: ExplainRequest| result(explain::explain(director, &asked)))
        }
        _ => nothing_there(&request.path, interface.is_some()),
    }
}

fn nothing_there(asked: &str, is_interface: bool) -> Answer {
    let known = [
        path::COMMANDS,
        path::SERVICES,
        path::CONNECTIONS,
        path::TIMEOUTS,
        path::STATISTICS,
        path::STATUS,
        path::INTERFACES,
        path::EXPLAIN,
    ];
    if is_interface || known.contains(&asked) {
        error(405, &ErrorAnswer::new(errno::EINVAL, "there is no such method there"))
    } else {
        error(404, &ErrorAnswer::new(errno::ENOENT, "there is no such thing"))
    }
}

fn with_body<T: DeserializeOwned>(request: &Request, handle: impl FnOnce(T) -> Answer) -> Answer {
    match serde_json::from_slice(&request.body) {
        Ok(asked) => handle(asked),
        Err(why) => {
            error(400, &ErrorAnswer::new(errno::EINVAL, format!("the body is not understood: {why}")))
        }
    }
}

fn apply(director: &Director, asked: CommandsRequest) -> Answer {
    if asked.commands.len() > MAX_COMMANDS {
        let why = format!("more than {MAX_COMMANDS} commands at a time");
        return error(413, &ErrorAnswer::new(errno::ENOSPC, why));
    }
    result(director.apply(&asked.commands).map(|()| Done {}))
}

/// The answer to what was asked of the data plane.
fn settle<T: Serialize>(done: Result<T, lvs_dataplane::Error>) -> Answer {
    use lvs_dataplane::Error as Dataplane;
    match done {
        Ok(body) => ok(&body),
        Err(why) => {
            let status = match why {
                Dataplane::NoInterface(_) | Dataplane::NotAttached(_) => 404,
                Dataplane::Refused { .. } => 409,
                _ => 500,
            };
            error(status, &failure(&why))
        }
    }
}

fn result<T: Serialize>(done: Result<T, ErrorAnswer>) -> Answer {
    match done {
        Ok(body) => ok(&body),
        Err(why) => error(why.status(), &why),
    }
}

fn ok(body: &impl Serialize) -> Answer {
    match serde_json::to_vec(body) {
        Ok(body) => (200, body),
        Err(why) => error(500, &ErrorAnswer::new(errno::EINVAL, why.to_string())),
    }
}

fn error(status: u16, why: &ErrorAnswer) -> Answer {
    (status, serde_json::to_vec(why).unwrap_or_default())
}

/// A path's part with `%XX` resolved; a broken one stays as it is, and names no interface then.
fn decoded(part: &str) -> String {
    let bytes = part.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = part.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_the_group_may_ask() {
        let users = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:1001:::\n";
        let groups = "root:x:0:\nlvs:x:77:ann,carl\n";
        assert!(is_member_by(users, groups, "lvs", 1000, 1000));
        assert!(!is_member_by(users, groups, "lvs", 1001, 1001));
        assert!(is_member_by(users, groups, "lvs", 1001, 77));
        assert!(!is_member_by(users, groups, "none", 1000, 77));
    }

    #[test]
    fn names_are_decoded() {
        assert_eq!(decoded("eth0%2E100"), "eth0.100");
        assert_eq!(decoded("a%2"), "a%2");
        assert_eq!(decoded("%zz%25"), "%zz%");
    }
}
