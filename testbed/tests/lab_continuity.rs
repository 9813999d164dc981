//! What must not cost a connection: restart and kill of lvsd, changes of weight, removal and return of a real server.
//! Held connections are asked before, during and after; short ones run all the time.

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

use lvs_testbed::lab::{Family, Held, Hook, Lab, Load, root_or_skip};

const HELD_COUNT: usize = 300;
const WORKER_COUNT: usize = 2;
const MOMENT: Duration = Duration::from_millis(500);
/// Longer than the time between two runs of the estimator.
const ESTIMATION: Duration = Duration::from_millis(2300);

/// Three real servers by NAT, held connections and load.
fn busy_lab(hook: Hook, service: SocketAddr) -> (Lab, Held, Load) {
    let mut lab = Lab::builder().servers(3).hook(hook).build();
    lab.start_lvsd();
    lab.add_tcp_service(service, "rr", "-m");
    let held = lab.hold(service, HELD_COUNT);
    let load = lab.load(service, WORKER_COUNT);
    sleep(MOMENT);
    (lab, held, load)
}

#[track_caller]
fn all_answer(held: &mut Held, when: &str) {
    let tally = held.ask_all();
    assert_eq!((tally.answered(), tally.failed()), (held.count() as u64, 0), "{when}: {tally}");
}

/// New connections so far, as `ipvsadm -Ln --stats --exact` counts them for the one service.
fn connections_counted(lab: &Lab) -> u64 {
    let listing = lab.ipvsadm("-Ln --stats --exact").expect_ok();
    let service = listing.lines().find(|line| line.starts_with("TCP ")).expect("the service is listed");
    service.split_whitespace().nth(2).and_then(|count| count.parse().ok()).expect("Conns is a number")
}

fn restart(hook: Hook) {
    if !root_or_skip("restart") {
        return;
    }
    let (mut lab, mut held, load) = busy_lab(hook, Family::V4.http());
    sleep(ESTIMATION);
    let before = connections_counted(&lab);
    assert!(before > 0, "connections are counted");
    lab.restart_lvsd();
    all_answer(&mut held, "after the restart");
    assert!(connections_counted(&lab) >= before, "the counters go on");
    sleep(MOMENT);
    let tally = load.stop();
    assert_eq!(tally.failed(), 0, "short connections: {tally}");
    let listing = lab.ipvsadm("-Ln").expect_ok();
    assert_eq!(listing.matches("Masq").count(), 3, "{listing}");
    // Listings show the sums of the last estimator run, up to 2 s ago (spec 9.2).
    sleep(ESTIMATION);
    let conns = connections_counted(&lab);
    assert_eq!(conns, tally.answered() + HELD_COUNT as u64, "every connection is counted once");
}

#[test]
fn restart_under_load_tc() {
    restart(Hook::Tc);
}

#[test]
fn restart_under_load_xdp() {
    restart(Hook::Xdp);
}

fn kill(hook: Hook) {
    if !root_or_skip("kill") {
        return;
    }
    let (mut lab, mut held, load) = busy_lab(hook, Family::V6.http());
    for _ in 0..3 {
        lab.kill_lvsd();
        // Without lvsd old connections go on and new ones are made.
        all_answer(&mut held, "while lvsd is dead");
        let fresh = lab.http(Family::V6.http(), 30);
        assert_eq!((fresh.of("server2") > 0, fresh.failed()), (true, 0), "new connections: {fresh}");
        lab.start_lvsd();
        all_answer(&mut held, "after its return");
    }
    let tally = load.stop();
    assert_eq!(tally.failed(), 0, "short connections: {tally}");
}

#[test]
fn kill_under_load_tc() {
    kill(Hook::Tc);
}

#[test]
fn kill_under_load_xdp() {
    kill(Hook::Xdp);
}

#[test]
fn a_quiesced_server_keeps_its_connections_and_gets_no_new_ones() {
    if !root_or_skip("a_quiesced_server_keeps_its_connections_and_gets_no_new_ones") {
        return;
    }
    let service = Family::V4.http();
    let (lab, mut held, load) = busy_lab(Hook::Auto, service);
    let server = lab.real(service, 2);
    let _ = lab.ipvsadm(&format!("-e -t {service} -r {server} -m -w 0")).expect_ok();
    let fresh = lab.http(service, 60);
    assert_eq!((fresh.of("server2"), fresh.failed()), (0, 0), "{fresh}");
    assert_eq!(held.of("server2"), HELD_COUNT / 3);
    all_answer(&mut held, "server2 has weight 0");
    let _ = lab.ipvsadm(&format!("-e -t {service} -r {server} -m -w 1")).expect_ok();
    let fresh = lab.http(service, 60);
    assert!(fresh.of("server2") > 0 && fresh.failed() == 0, "{fresh}");
    let tally = load.stop();
    assert_eq!(tally.failed(), 0, "short connections: {tally}");
}

#[test]
fn removal_of_a_server_leaves_the_others_connections_alone() {
    if !root_or_skip("removal_of_a_server_leaves_the_others_connections_alone") {
        return;
    }
    let service = Family::V4.http();
    let (lab, mut held, load) = busy_lab(Hook::Auto, service);
    let server = lab.real(service, 2);
    // As an operator does it: quiesce, let the short ones end, remove.
    let _ = lab.ipvsadm(&format!("-e -t {service} -r {server} -m -w 0")).expect_ok();
    held.release("server2");
    sleep(MOMENT);
    let _ = lab.ipvsadm(&format!("-d -t {service} -r {server}")).expect_ok();
    all_answer(&mut held, "after the removal of server2");
    let _ = lab.ipvsadm(&format!("-a -t {service} -r {server} -m")).expect_ok();
    let fresh = lab.http(service, 60);
    assert!(fresh.of("server2") > 0 && fresh.failed() == 0, "server2 is back: {fresh}");
    all_answer(&mut held, "after the return of server2");
    let tally = load.stop();
    assert_eq!(tally.failed(), 0, "short connections: {tally}");
}

#[test]
fn a_server_that_returns_finds_its_connections() {
    if !root_or_skip("a_server_that_returns_finds_its_connections") {
        return;
    }
    let service = Family::V4.http();
    let mut lab = Lab::builder().servers(2).build();
    lab.start_lvsd();
    lab.add_tcp_service(service, "rr", "-m");
    let mut held = lab.hold(service, 100);
    let server = lab.real(service, 1);
    let _ = lab.ipvsadm(&format!("-d -t {service} -r {server}")).expect_ok();
    let fresh = lab.http(service, 20);
    assert_eq!((fresh.of("server2"), fresh.failed()), (20, 0), "{fresh}");
    let _ = lab.ipvsadm(&format!("-a -t {service} -r {server} -m")).expect_ok();
    all_answer(&mut held, "after the return");
}
