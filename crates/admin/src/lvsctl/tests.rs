use lvs_model::api::{Explanation, Interface, Interfaces, Status, Totals};
use lvs_model::listing::ConnectionRow;
use lvs_model::listing::Listing;
use lvs_model::{Command, ForwardingMethod, Timeouts};

use super::*;

/// Answers what is asked with something to see.
struct Example;

impl Director for Example {
    fn apply(&mut self, _: &[Command]) -> Result<(), Failure> {
        Ok(())
    }

    fn listing(&mut self) -> Result<Listing, Failure> {
        Ok(Listing::default())
    }

    fn connections(&mut self, _: &mut dyn FnMut(ConnectionRow)) -> Result<(), Failure> {
        Ok(())
    }

    fn timeouts(&mut self) -> Result<Timeouts, Failure> {
        Ok(Timeouts::default())
    }

    fn totals(&mut self) -> Result<Totals, Failure> {
        let mut totals = Totals::default();
        (totals.statistics.connections, totals.rates.inbound_bytes) = (12, 34);
        Ok(totals)
    }

    fn status(&mut self) -> Result<Status, Failure> {
        let interfaces = self.interfaces()?.interfaces;
        let counters = [("no_route".to_owned(), 3)].into();
        let version = "0.1.0".to_owned();
        Ok(Status {
            version,
            uptime_s: 3661,
            connection_limit: 10,
            interfaces,
            counters,
            ..Status::default()
        })
    }

    fn interfaces(&mut self) -> Result<Interfaces, Failure> {
        let (mode, attached) = (AttachMode::Auto, AttachMode::Tc);
        Ok(Interfaces { interfaces: vec![Interface { name: "eth0".to_owned(), index: 2, mode, attached }] })
    }

    fn attach(&mut self, request: &AttachRequest) -> Result<Interface, Failure> {
        Ok(Interface { name: request.name.clone(), index: 3, mode: request.mode, attached: AttachMode::Xdp })
    }

    fn detach(&mut self, name: &str) -> Result<(), Failure> {
        let text = format!("{name} is not attached");
        Err(Failure::Refused(lvs_model::api::ErrorAnswer::new(2, text)))
    }

    fn explain(&mut self, request: &ExplainRequest) -> Result<Explanation, Failure> {
        Ok(Explanation {
            steps: vec![format!("a {} packet to {}", request.protocol.name(), request.virtual_address)],
            verdict: "forward".to_owned(),
            server: Some(SocketAddr::from(([10, 2, 0, 2], 8000))),
            method: Some(ForwardingMethod::Masquerade),
            interface: Some("eth1".to_owned()),
            ..Explanation::default()
        })
    }
}

fn lvsctl(line: &str) -> Answer {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    run(&words, &mut || Ok(Box::new(Example)))
}

fn out(line: &str) -> String {
    let answer = lvsctl(line);
    assert_eq!((answer.exit, answer.stderr.as_str()), (0, ""), "{line}");
    answer.stdout
}

#[test]
fn people_read_short_lines() {
    assert_eq!(out("interfaces"), "eth0             tc (auto)\n");
    assert_eq!(out("interfaces attach eth1 xdp"), "eth1             xdp\n");
    assert_eq!(
        out("explain 10.1.0.2:3001 10.1.0.100:80 udp"),
        " 1. a UDP packet to 10.1.0.100:80\n=> forward to 10.2.0.2:8000 by Masq through eth1\n"
    );
    let status = out("status");
    assert!(status.starts_with("lvsd               0.1.0 (process 0, up 1 h 1 min)\n"), "{status}");
    assert!(
        status.contains("\ninterfaces         eth0 (tc)\n") && status.ends_with("\nno_route           3\n")
    );
    assert!(out("statistics").contains("connections                          12               0\n"));
}

#[test]
fn programs_read_json() {
    assert_eq!(
        out("--json interfaces"),
        "{\"interfaces\":[{\"name\":\"eth0\",\"index\":2,\"mode\":\"auto\",\"attached\":\"tc\"}]}\n"
    );
    for line in [
        "status --json",
        "statistics --json",
        "explain [::1]:1 [::2]:2 --json",
        "interfaces attach eth1 --json",
    ] {
        assert!(serde_json::from_str::<serde_json::Value>(&out(line)).is_ok(), "{line}");
    }
}

#[test]
fn wrong_words_end_with_2_and_refusals_with_1() {
    for line in [
        "",
        "bogus",
        "status now",
        "interfaces attach",
        "interfaces attach eth0 fast",
        "interfaces detach",
        "explain 10.1.0.2:1",
        "explain 10.1.0.2 10.1.0.1:80",
        "explain 10.1.0.2:1 [::1]:80",
        "explain 10.1.0.2:1 10.1.0.1:80 sctp",
    ] {
        let answer = lvsctl(line);
        assert!(
            answer.exit == 2 && answer.stderr.starts_with("lvsctl: ") && answer.stdout.is_empty(),
            "{line}"
        );
    }
    let answer = lvsctl("interfaces detach eth9");
    assert_eq!((answer.exit, answer.stderr.as_str()), (1, "lvsctl: eth9 is not attached\n"));
    assert!(out("--help").starts_with("lvsctl shows") && out("status -h") == out("--help"));
}

#[test]
fn without_a_director_one_line_says_so() {
    let nobody = Failure::Unreachable { text: "No such file or directory".to_owned(), errno: Some(2) };
    let answer = run(&["status".to_owned()], &mut || Err(nobody.clone()));
    assert_eq!(answer.exit, 2);
    assert!(answer.stderr.starts_with("lvsctl: cannot reach lvsd on "), "{}", answer.stderr);
    assert_eq!(run(&["--version".to_owned()], &mut || Err(nobody.clone())).exit, 0);
}
