//! Configurations, texts and times for the tests of nodes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{self, Config, Source, Sources};
use crate::node::event::Loaded;
use crate::render::Rendered;
use crate::units::{Digest, Name};

#[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
pub(in crate::node) fn t0() -> Instant {
    Instant::now()
}

pub(in crate::node) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(in crate::node) fn name(of: &str) -> Name {
    Name::new(of).unwrap()
}

/// So many nodes, lb1 at 10.0.0.11 and on, and these VIPs with who should hold them in which order: the first one at
/// 10.0.0.100 with VRID 51. One frontend listens on all of them.
pub(in crate::node) fn toml(nodes: usize, vips: &[(&str, &[&str])]) -> String {
    let mut toml = String::new();
    for n in 1..=nodes {
        toml += &format!("[[node]]\nname = \"lb{n}\"\naddress = \"10.0.0.{}\"\n", 10 + n);
    }
    for (n, (vip, prefer)) in vips.iter().enumerate() {
        toml += &format!(
            "[[vip]]\nname = \"{vip}\"\naddresses = [\"10.0.0.{}/24\"]\ninterface = \"eth0\"\nvrid = {}\nprefer = {prefer:?}\n",
            100 + n,
            51 + n
        );
    }
    let binds: Vec<String> = vips.iter().map(|(vip, _)| format!("{vip}:80")).collect();
    toml + &format!(
        "[proxy]\nengine = \"haproxy\"\n[[frontend]]\nname = \"www\"\nbind = {binds:?}\ndefault_backend = \"web\"\n[[backend]]\n\
         name = \"web\"\nserver = [{{ name = \"web1\", address = \"10.0.0.31:8080\" }}]\n"
    )
}

/// Two nodes, and VIP a, which lb1 should hold.
pub(in crate::node) fn one() -> String {
    toml(2, &[("a", &["lb1", "lb2"])])
}

pub(in crate::node) fn config(text: &str) -> Config {
    config::load(&Sources { files: vec![Source { path: "vipkeeper.toml".into(), text: text.to_owned() }] }).unwrap()
}

pub(in crate::node) fn rendered(text: &str, generation: u64) -> Arc<Rendered> {
    Arc::new(Rendered {
        text: text.to_owned(),
        generation: Digest(generation),
        origins: Vec::new(),
        sources: Arc::new(Sources { files: Vec::new() }),
        files: Vec::new(),
        reads: BTreeMap::new(),
    })
}

/// Without a key.
pub(in crate::node) fn loaded(config: Config, rendered: Arc<Rendered>) -> Loaded {
    Loaded { config: Arc::new(config), rendered, key: None, key_note: None }
}
