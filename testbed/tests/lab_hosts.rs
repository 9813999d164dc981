//! The lab itself, before anything of ours stands in it: hosts, networks, servers, and that nothing stays behind.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lvs_testbed::lab::{
    BIG_FILE_LEN, Family, HTTP_PORT, Hook, Lab, UDP_PORT, http_once, root_or_skip, sweep,
};

#[test]
fn every_server_answers_through_the_directors_kernel() {
    if !root_or_skip("every_server_answers_through_the_directors_kernel") {
        return;
    }
    for hook in Hook::ALL {
        let lab = Lab::builder().servers(3).hook(hook).build();
        for family in Family::ALL {
            for index in 1..=3 {
                let name = format!("server{index}");
                let tally = lab.http((family.server(index), HTTP_PORT).into(), 20);
                assert_eq!((tally.of(&name), tally.failed()), (20, 0), "{tally}");
                let tally = lab.udp((family.server(index), UDP_PORT).into(), 20, 4);
                assert_eq!((tally.of(&name), tally.failed()), (20, 0), "{tally}");
            }
        }
        let service = (Family::V4.server(1), HTTP_PORT).into();
        let big = lab.client().in_namespace(|| http_once(service, "/big")).expect("the large file arrives");
        assert_eq!(big.len() as u64, BIG_FILE_LEN);
    }
}

#[test]
fn the_virtual_address_is_the_directors() {
    if !root_or_skip("the_virtual_address_is_the_directors") {
        return;
    }
    let mut lab = Lab::builder().servers(2).build();
    // Nobody serves there yet: the director refuses, and no real server answers in its place.
    for family in Family::ALL {
        let tally = lab.http(family.http(), 3);
        assert_eq!(tally.failures.get("connection refused"), Some(&3), "{tally}");
    }
    lab.start_local_node();
    for family in Family::ALL {
        assert_eq!(lab.http(family.http(), 3).of("director"), 3);
        assert_eq!(lab.udp(family.udp(), 3, 1).of("director"), 3);
    }
}

#[test]
fn held_connections_and_load_are_counted() {
    if !root_or_skip("held_connections_and_load_are_counted") {
        return;
    }
    let lab = Lab::builder().servers(1).build();
    let service = (Family::V4.server(1), HTTP_PORT).into();
    let mut held = lab.hold(service, 300);
    let load = lab.load(service, 2);
    std::thread::sleep(Duration::from_millis(200));
    let tally = load.stop();
    assert!(tally.answered() > 100 && tally.failed() == 0, "{tally}");
    assert_eq!(held.ask_all().of("server1"), held.count() as u64);
}

#[test]
fn a_lab_leaves_nothing_behind() {
    if !root_or_skip("a_lab_leaves_nothing_behind") {
        return;
    }
    let lab = Lab::builder().servers(1).build();
    let namespace = Path::new("/run/netns").join(lab.client().namespace_name());
    let folder = lab.folder().to_owned();
    let mut stray = Command::new("nsenter");
    stray.arg(format!("--net={}", namespace.display())).args(["sleep", "600"]).stdout(Stdio::null());
    let mut stray = stray.spawn().expect("nsenter is there");
    std::thread::sleep(Duration::from_millis(100));
    assert!(namespace.exists() && folder.exists());
    drop(lab);
    assert!(!namespace.exists() && !folder.exists());
    let ended = stray.wait().expect("it was started");
    assert!(!ended.success(), "what ran inside is killed");
}

#[test]
fn a_dead_owners_lab_is_swept() {
    if !root_or_skip("a_dead_owners_lab_is_swept") {
        return;
    }
    // Start time 1: no process of today.
    let name = format!("lvs-{}-1-0-client", std::process::id());
    let added = Command::new("ip").args(["netns", "add", &name]).status().expect("ip is there");
    assert!(added.success());
    sweep();
    assert!(!Path::new("/run/netns").join(name).exists());
}
