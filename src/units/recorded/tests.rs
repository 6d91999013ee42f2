//! Instants and bytes come back as they went.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{hex, moment};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Both {
    #[serde(with = "moment")]
    at: Instant,
    #[serde(with = "hex")]
    bytes: Vec<u8>,
}

fn start() -> Instant {
    #[allow(clippy::disallowed_methods, reason = "a base for virtual time")]
    Instant::now()
}

#[test]
fn instants_are_exact_before_and_after_the_start_and_move_with_it() {
    let (written, read) = (start(), start() + Duration::from_secs(77));
    for (nanos, text) in [(0, "0"), (1, "1"), (1_000_000_001, "1000000001")] {
        let after = Both { at: written + Duration::from_nanos(nanos), bytes: vec![0, 0x1f, 255] };
        let json = moment::since(written, || serde_json::to_string(&after)).unwrap();
        assert_eq!(json, format!(r#"{{"at":{text},"bytes":"001fff"}}"#));
        let again: Both = moment::since(read, || serde_json::from_str(&json)).unwrap();
        assert_eq!(again, Both { at: read + Duration::from_nanos(nanos), bytes: after.bytes });
    }
    let before = Both { at: written, bytes: Vec::new() };
    let json = moment::since(read, || serde_json::to_string(&before)).unwrap();
    let again: Both = moment::since(read, || serde_json::from_str(&json)).unwrap();
    assert_eq!(again, before);
}

#[test]
fn an_instant_needs_a_start_and_the_start_ends_with_the_work() {
    let both = Both { at: start(), bytes: Vec::new() };
    moment::since(start(), || moment::since(start(), || ()));
    assert!(serde_json::to_string(&both).unwrap_err().to_string().contains("without a start"));
    assert!(serde_json::from_str::<Both>(r#"{"at":1,"bytes":""}"#).is_err());
}

#[test]
fn what_is_no_hex_is_refused() {
    for bytes in ["0", "0g", "+1", "é0", "000"] {
        let json = format!(r#"{{"at":1,"bytes":"{bytes}"}}"#);
        assert!(moment::since(start(), || serde_json::from_str::<Both>(&json)).is_err(), "{bytes}");
    }
}
