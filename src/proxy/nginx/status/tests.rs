use super::*;
use crate::units::Digest;

fn http(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

const IDENTITY: &str = "vipkeeper generation 00000000000000ab\npid 3733\nversion 1.22.1\nlimit 512\n";
const STATUS: &str =
    "Active connections: 4 \nserver accepts handled requests\n 20 17 44 \nReading: 0 Writing: 1 Waiting: 3 \n";

#[test]
fn an_answer_is_a_sample() {
    let sample = parse(&(http(IDENTITY) + &http(STATUS))).unwrap();
    assert_eq!((sample.pid, sample.version, sample.version_text.as_str()), (3733, (1, 22), "1.22.1"));
    assert_eq!(sample.generation, Some(Digest(0xab)));
    assert_eq!((sample.connections, sample.connections_max, sample.refused), (3, 512, 3));
}

#[test]
fn another_nginx_has_no_generation() {
    let other = IDENTITY.replace("vipkeeper", "somebody");
    assert_eq!(parse(&(http(&other) + &http(STATUS))).unwrap().generation, None);
}

#[test]
fn what_is_missing_fails_the_probe() {
    let whole = http(IDENTITY) + &http(STATUS);
    for end in 0..whole.len() {
        let part = whole.get(..end).unwrap();
        assert!(parse(part).is_err(), "{part:?}");
    }
    assert_eq!(parse(""), Err(StatusError::Empty));
    let gone = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(parse(gone), Err(StatusError::Refused("HTTP/1.1 404 Not Found".to_owned())));
    for (from, to, field) in [
        ("pid 3733", "pid x", "pid"),
        ("version 1.22.1", "version one", "version"),
        ("limit 512", "limits 512", "limit"),
    ] {
        let answer = http(&IDENTITY.replace(from, to)) + &http(STATUS);
        assert_eq!(parse(&answer), Err(StatusError::Field(field)));
    }
    for (from, to) in [("Active connections: 4", "Active: 4"), (" 20 17 44", " 20")] {
        let answer = http(IDENTITY) + &http(&STATUS.replace(from, to));
        assert!(matches!(parse(&answer), Err(StatusError::Field(_))), "{to}");
    }
}
