//! What lvsd refuses and with which privileges it is content. Every refusal is one clear line and an exit code, and the
//! services that run go on.

use std::fs;

use lvs_testbed::lab::{Family, Hook, Lab, Ran, root_or_skip};

/// Starts another lvsd with these words of the lab's replaced; it is expected to end by itself.
fn another_lvsd(lab: &Lab, replaced: &[(&str, &str)]) -> Ran {
    let mut words = lab.lvsd_words();
    for word in &mut words {
        for (from, to) in replaced {
            *word = word.replace(from, to);
        }
    }
    let words: Vec<&str> = ["timeout", "10"].into_iter().chain(words.iter().map(String::as_str)).collect();
    lab.director().run(&words)
}

#[track_caller]
fn refused_in_one_line(ran: &Ran) {
    let code = ran.status.code();
    assert!(code.is_some_and(|code| code != 0 && code != 124), "it ended by itself with an error: {ran:?}");
    assert_eq!(ran.stderr.trim_end().lines().count(), 1, "one line: {ran:?}");
}

#[test]
fn three_capabilities_are_enough() {
    if !root_or_skip("three_capabilities_are_enough") {
        return;
    }
    for hook in Hook::ALL {
        let prefix = ["setpriv", "--bounding-set=-all,+bpf,+net_admin,+perfmon", "--no-new-privs"];
        let mut lab = Lab::builder().servers(2).hook(hook).lvsd_prefix(&prefix).build();
        lab.start_lvsd();
        for family in Family::ALL {
            lab.add_tcp_service(family.http(), "wlc", "-m");
            let tally = lab.http(family.http(), 40);
            assert_eq!((tally.answered(), tally.failed()), (40, 0), "{hook:?} {family:?}: {tally}");
        }
        lab.restart_lvsd();
        assert_eq!(lab.http(Family::V4.http(), 40).failed(), 0);
    }
}

#[test]
fn a_second_lvsd_is_refused_and_the_first_goes_on() {
    if !root_or_skip("a_second_lvsd_is_refused_and_the_first_goes_on") {
        return;
    }
    let mut lab = Lab::builder().build();
    lab.start_lvsd();
    lab.add_tcp_service(Family::V4.http(), "rr", "-m");
    refused_in_one_line(&another_lvsd(&lab, &[]));
    assert_eq!(lab.http(Family::V4.http(), 20).of("server1"), 10);
    let _ = lab.ipvsadm("-Ln").expect_ok();
}

#[test]
fn a_missing_interface_is_named() {
    if !root_or_skip("a_missing_interface_is_named") {
        return;
    }
    let lab = Lab::builder().build();
    let ran = another_lvsd(&lab, &[("d1=", "d9=")]);
    refused_in_one_line(&ran);
    assert!(ran.stderr.contains("d9"), "{ran:?}");
}

#[test]
fn a_damaged_state_file_is_refused_and_traffic_goes_on() {
    if !root_or_skip("a_damaged_state_file_is_refused_and_traffic_goes_on") {
        return;
    }
    let mut lab = Lab::builder().build();
    lab.start_lvsd();
    lab.add_tcp_service(Family::V4.http(), "rr", "-m");
    let mut held = lab.hold(Family::V4.http(), 20);
    lab.kill_lvsd();
    let whole = fs::read(lab.state_file()).expect("lvsd keeps a state file");
    fs::write(lab.state_file(), &whole[..whole.len() / 2]).expect("it is writable");
    let ran = another_lvsd(&lab, &[]);
    refused_in_one_line(&ran);
    assert!(ran.stderr.contains(&*lab.state_file().to_string_lossy()), "{ran:?}");
    assert_eq!(held.ask_all().failed(), 0);
    assert_eq!(lab.http(Family::V4.http(), 20).failed(), 0);
    fs::write(lab.state_file(), &whole).expect("it is writable");
    lab.start_lvsd();
    assert_eq!(held.ask_all().failed(), 0);
}

#[test]
fn services_return_when_the_pins_are_gone() {
    if !root_or_skip("services_return_when_the_pins_are_gone") {
        return;
    }
    // As after a reboot: the state file is all there is.
    let mut lab = Lab::builder().build();
    lab.start_lvsd();
    lab.add_tcp_service(Family::V6.http(), "wrr", "-m");
    let before = lab.ipvsadm("-Sn").expect_ok();
    lab.stop_lvsd();
    fs::remove_dir_all(lab.pin_folder()).expect("pins are files");
    lab.start_lvsd();
    assert_eq!(lab.ipvsadm("-Sn").expect_ok(), before);
    assert_eq!(lab.http(Family::V6.http(), 20).of("server2"), 10);
}

#[test]
fn a_full_table_refuses_and_spares_the_living() {
    if !root_or_skip("a_full_table_refuses_and_spares_the_living") {
        return;
    }
    const CONNECTIONS_MAX: u32 = 1024;
    let mut lab = Lab::builder().connections_max(CONNECTIONS_MAX).build();
    lab.start_lvsd();
    lab.add_tcp_service(Family::V4.http(), "rr", "-m");
    lab.add_udp_service(Family::V4.udp(), "rr", "-m");
    let mut held = lab.hold(Family::V4.http(), 500);
    // Far more new ones than there is room for; those that find none are not answered.
    let target = Family::V4.udp();
    lab.client().in_namespace(|| {
        for _ in 0..4 * CONNECTIONS_MAX {
            let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a free port");
            let _ = socket.send_to(b"who?\n", target);
        }
    });
    let tally = held.ask_all();
    assert_eq!((tally.answered(), tally.failed()), (500, 0), "{tally}");
}
