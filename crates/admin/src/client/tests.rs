use std::os::unix::net::UnixListener;

use super::*;

/// Answers one request with these bytes, and tells what was asked.
fn with_answer<T>(answer: &str, ask: impl FnOnce(&mut Client) -> T) -> (T, String) {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("lvs-admin-{}-{number}.sock", std::process::id()));
    let answer = answer.to_owned();
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        let mut part = [0; 4096];
        while !asked.windows(4).any(|window| window == b"\r\n\r\n") {
            let read = stream.read(&mut part).unwrap();
            asked.extend_from_slice(&part[..read]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(asked).unwrap()
    });
    let result = ask(&mut Client::connect_to(path.clone()).unwrap());
    let asked = server.join().unwrap();
    std::fs::remove_file(path).unwrap();
    (result, asked)
}

#[test]
fn timeouts_are_asked_and_read() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 39\r\n\r\n{\"tcp_s\":900,\"tcp_fin_s\":120,\"udp_s\":3}";
    let (timeouts, asked) = with_answer(answer, |client| client.timeouts());
    assert_eq!(timeouts, Ok(Timeouts { tcp_s: 900, tcp_fin_s: 120, udp_s: 3 }));
    assert!(asked.starts_with("GET /v1/timeouts HTTP/1.1\r\n"));
}

#[test]
fn a_refusal_comes_with_its_number() {
    let answer = "HTTP/1.1 409 Conflict\r\n\r\n{\"errno\":17,\"text\":\"it exists\",\"index\":3}";
    let (result, asked) = with_answer(answer, |client| client.apply(&[Command::Flush]));
    let Err(Failure::Refused(refused)) = result else { panic!("{result:?}") };
    assert_eq!((refused.errno, refused.index), (17, Some(3)));
    assert!(asked.ends_with("\r\n\r\n{\"commands\":[\"flush\"]}"), "{asked}");
}

#[test]
fn connections_come_line_by_line() {
    let rest = r#""client":"10.0.0.1:5","virtual":"[::1]:80","server":"10.0.0.2:80"}"#;
    let lines = [("tcp", "NONE"), ("udp", "UDP")].map(|(protocol, state)| {
        format!(r#"{{"protocol":"{protocol}","expires_s":9,"state":"{state}",{rest}"#) + "\n"
    });
    let mut answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    // Chunks end where they like.
    for chunk in lines.concat().as_bytes().chunks(50) {
        answer += &format!("{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap());
    }
    answer += "0\r\n\r\n";
    let mut rows = Vec::new();
    let (result, _) = with_answer(&answer, |client| client.connections(&mut |row| rows.push(row)));
    assert_eq!(result, Ok(()));
    assert_eq!(rows.iter().map(|row| row.state.as_str()).collect::<Vec<_>>(), ["NONE", "UDP"]);
}

#[test]
fn what_is_no_answer_is_a_failure() {
    for answer in
        ["", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{", "HTTP/1.1 500 Oh\r\n\r\nno"]
    {
        let (result, _) = with_answer(answer, |client| client.timeouts());
        assert!(result.is_err(), "{answer:?}");
    }
    let missing = Client::connect_to("/nonexistent/lvsd.sock".into()).unwrap_err();
    assert_eq!(
        missing,
        Failure::Unreachable { text: "No such file or directory".to_owned(), errno: Some(2) }
    );
}
