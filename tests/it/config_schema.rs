//! The JSON Schema, the keys that are accepted, and the reference page agree.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use vipkeeper::config::{Colour, Config, Notifier, Tracker, VipConfig, json_schema, load};

use crate::config::{PAIR, example_paths, loaded, one, pair_with};

/// Every key of the schema as `(table, key, schema)`; the table as a path such as `vip.announce`.
fn keys(schema: &Value, path: &str, found: &mut Vec<(String, String, Value)>) {
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        found.push((path.to_owned(), key.clone(), inner.clone()));
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let alternatives = inner["anyOf"].as_array().cloned().unwrap_or_default();
        let items = alternatives.iter().chain([inner]).flat_map(|one| [one.clone(), one["items"].clone()]);
        let nested = inner["items"]["anyOf"].as_array().cloned().unwrap_or_default();
        items.chain(nested).for_each(|one| keys(&one, &path, found));
    }
}

fn all_keys() -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    keys(&json_schema(), "", &mut found);
    assert!(found.len() > 80, "{}", found.len());
    found
}

#[test]
fn every_key_of_the_schema_is_described_and_typed() {
    for (table, key, schema) in all_keys() {
        let description = schema["description"].as_str().unwrap_or_default();
        assert!(description.ends_with('.') && description.len() > 10, "{table}.{key}: {description:?}");
        let typed = ["type", "anyOf", "oneOf", "enum"].iter().any(|word| !schema[*word].is_null());
        assert!(typed, "{table}.{key} has no type: {schema}");
        assert!(!schema.to_string().contains("null"), "{table}.{key} speaks of null, which TOML has not: {schema}");
    }
}

#[test]
fn the_schema_has_a_title_and_a_version() {
    let schema = json_schema();
    assert_eq!(schema["title"], "vipkeeper configuration");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(
        schema["properties"]["vip"]["items"]["required"],
        serde_json::json!(["name", "addresses", "interface", "vrid"])
    );
}

/// Tables of which there is one.
const SINGLE: [&str; 4] = ["proxy", "hooks", "http", "peers"];

/// Keys whose value is a list of tables.
const LISTS: [&str; 11] =
    ["server", "script", "bind", "track", "addresses", "excluded", "routes", "rules", "route", "header", "users"];

/// A text with the key at its place; whatever is wrong with its value, the key itself must be known.
fn text_with(table: &str, key: &str) -> String {
    let path: Vec<&str> = table.split('.').filter(|part| !part.is_empty()).collect();
    let Some((top, fields)) = path.split_first() else { return format!("{key} = 1") };
    let line = fields.iter().rev().fold(format!("{key} = 1"), |inner, field| {
        if LISTS.contains(field) { format!("{field} = [{{ {inner} }}]") } else { format!("{field} = {{ {inner} }}") }
    });
    if SINGLE.contains(top) { format!("[{top}]\n{line}\n") } else { format!("[[{top}]]\n{line}\n") }
}

fn report(text: &str) -> String {
    let sources = one(text);
    load(&sources).map_or_else(|problems| problems.report(&sources, Colour::None), |_| String::new())
}

#[test]
fn a_key_is_accepted_exactly_when_the_schema_has_it() {
    for (table, key, _) in all_keys() {
        let good = report(&text_with(&table, &key));
        assert!(!good.contains("unknown key"), "{table}.{key} is in the schema and refused:\n{good}");
        assert!(!good.contains("unknown field"), "{table}.{key} is unknown to serde:\n{good}");
        let wrong = report(&text_with(&table, &format!("{key}_zz")));
        assert!(wrong.contains("unknown key"), "{table}.{key}_zz is accepted:\n{wrong}");
    }
}

/// Good values for every key of the schema, in one file: serde knows each of them under that name.
#[test]
fn a_file_with_every_key_loads() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config/every-key.toml"))
        .unwrap();
    assert_eq!(report(&text), "");
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    for (table, key, _) in all_keys() {
        assert!(words.contains(key.as_str()), "{table}.{key} is not in every-key.toml");
    }
}

/// A validator of the few words of JSON Schema that ours uses.
fn violation(schema: &Value, value: &toml::Value) -> Option<String> {
    if let Some(alternatives) = schema["anyOf"].as_array() {
        let all: Vec<_> = alternatives.iter().map(|one| violation(one, value)).collect();
        return if all.iter().any(Option::is_none) { None } else { all.into_iter().flatten().next() };
    }
    if let Some(words) = schema["oneOf"].as_array() {
        let known = words.iter().any(|word| word["const"].as_str() == value.as_str());
        return (!known).then(|| format!("{value} is none of {words:?}"));
    }
    let expected = schema["type"].as_str().unwrap_or_default();
    #[allow(clippy::wildcard_enum_match_arm, reason = "anything else is of the wrong type")]
    match value {
        toml::Value::Table(table) if expected == "object" => table.iter().find_map(|(key, value)| {
            let inner = schema["properties"].get(key).or(schema.get("additionalProperties").filter(|s| s.is_object()));
            inner.map_or(Some(format!("unknown {key}")), |inner| violation(inner, value))
        }),
        toml::Value::Array(list) if expected == "array" => list.iter().find_map(|one| violation(&schema["items"], one)),
        toml::Value::Integer(number) if expected == "integer" => {
            let inside = schema["minimum"].as_i64().is_none_or(|min| *number >= min)
                && schema["maximum"].as_i64().is_none_or(|max| *number <= max);
            (!inside).then(|| format!("{number} out of range"))
        }
        toml::Value::String(_) if expected == "string" => None,
        toml::Value::Boolean(_) if expected == "boolean" => None,
        other => Some(format!("{other} is not of type {expected:?}")),
    }
}

#[test]
fn every_example_follows_the_schema() {
    let every_key = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config/every-key.toml");
    for path in example_paths().into_iter().chain([every_key]) {
        let value: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        assert_eq!(violation(&json_schema(), &toml::Value::Table(value)), None, "{}", path.display());
    }
    let wrong: toml::Table = "[[vip]]\nvrid = 256\n".parse().unwrap();
    assert!(violation(&json_schema(), &toml::Value::Table(wrong)).is_some());
}

/// Lines of a VIP with a table that lacks one key.
const NESTED: [(&str, &str); 15] = [
    ("notify", "more: [[notify]]\nname = \"n\"\nfifo = \"/run/fifo\"\nstates = [\"master\"] MORE\n"),
    (
        "notify.email",
        "more: [[notify]]\nname = \"n\"\nemail = { to = [\"a@b\"], server = \"m\", from = \"a@b\" MORE }\n",
    ),
    ("vip.addresses", "excluded = []\naddresses = [{ address = \"10.1.1.2/24\" MORE }]"),
    ("vip.excluded", "excluded = [{ address = \"10.1.1.1/24\" MORE }]"),
    ("vip.track", "track = [{ backend = \"web\" MORE }]"),
    (
        "vip.auth.hmac",
        "auth = { hmac = { keys = { 1 = \"hex:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\" } MORE } }",
    ),
    ("backend.hash", "backend: balance = \"source\"\nhash = { MORE }"),
    ("backend.server.tls", "server: tls = { sni = \"a\" MORE }"),
    ("backend.server_defaults.tls", "backend: server_defaults = { tls = { sni = \"a\" MORE } }"),
    ("resolvers", "more: [[resolvers]]\nname = \"dns\"\nnameservers = [\"192.0.2.53\"] MORE\n"),
    ("backend.agent", "backend: agent = { port = 9777 MORE }"),
    ("backend.cookie", "backend: cookie = { name = \"SRV\" MORE }"),
    ("backend.stick", "backend: stick = { source = true MORE }"),
    ("backend.forwardfor", "backend: forwardfor = { except = \"10.0.0.0/8\" MORE }"),
    ("backend.server_defaults", "backend: server_defaults = { maxqueue = 9 MORE }"),
];

fn pair_and(lines: &str) -> String {
    if let Some(of_backend) = lines.strip_prefix("backend: ") {
        return pair_with("name = \"web\"", &format!("name = \"web\"\n{of_backend}"));
    }
    if lines.contains("\naddresses = ") {
        return pair_with("addresses = [\"192.168.83.111/24\"]", lines);
    }
    if let Some(of_server) = lines.strip_prefix("server: ") {
        return pair_with("8080\" }", &format!("8080\", {of_server} }}"));
    }
    if let Some(more) = lines.strip_prefix("more: ") {
        return format!("{PAIR}{more}");
    }
    pair_with("vrid = 51", &format!("vrid = 51\n{lines}"))
}

fn around(config: &Config) -> (Vec<VipConfig>, Vec<Tracker>, Vec<Notifier>) {
    (config.vips.clone(), config.trackers.clone(), config.notifiers.clone())
}

#[test]
fn writing_every_default_changes_nothing() {
    let plain = load(&one(PAIR)).unwrap();
    for (table, key, schema) in all_keys() {
        let Some(default) = schema.get("default") else { continue };
        if let Some(text) = NESTED.iter().find(|(name, _)| *name == table).map(|(_, text)| pair_and(text)) {
            let with = |more: &str| {
                let alone = more.trim_start_matches(", ");
                let (first, line) = (format!("{{ {alone}"), format!("]\n{alone}"));
                loaded(&one(&text.replace("{ MORE", &first).replace("] MORE", &line).replace(" MORE", more)))
            };
            let (before, after) = (with(""), with(&format!(", {key} = {default}")));
            assert_eq!(around(&before), around(&after), "{table}.{key}");
            assert_eq!((before.backends, before.resolvers), (after.backends, after.resolvers), "{table}.{key}");
            continue;
        }
        // The rest of the table must be there too: these are given by the pair.
        let line = format!("{key} = {default}");
        let text = match table.as_str() {
            "vip" => PAIR.replacen("vrid = 51", &format!("vrid = 51\n{line}"), 1),
            "vip.announce" => PAIR.replacen("vrid = 51", &format!("vrid = 51\nannounce = {{ {line} }}"), 1),
            "tracker" => {
                // What it may stand beside depends on the key; that nothing changes is seen on all trackers of a file.
                let what = if key == "up_percent" { "backend = \"web\"" } else { "file = \"/run/number\"" };
                let with = |more: &str| format!("{PAIR}[[tracker]]\nname = \"t\"\n{what}\n{more}\n");
                assert_eq!(loaded(&one(&with(&line))).trackers, loaded(&one(&with(""))).trackers, "{table}.{key}");
                continue;
            }
            "peers" => {
                let with = loaded(&one(&format!("{PAIR}[peers]\n{line}\n")));
                assert_eq!(with.peers, plain.peers, "{table}.{key}");
                continue;
            }
            "proxy" | "hooks" => format!("{PAIR}[{table}]\n{line}\n"),
            "frontend" => PAIR.replacen("default_backend", &format!("{line}\ndefault_backend"), 1),
            "backend" => PAIR.replacen("name = \"web\"", &format!("name = \"web\"\n{line}"), 1),
            "backend.server" => PAIR.replacen("8080\" }", &format!("8080\", {line} }}"), 1),
            "backend.check" => {
                let check = |more: &str| {
                    let kind = if key == "version" { "http = \"GET /\"" } else { "tcp = true" };
                    pair_with("name = \"web\"", &format!("name = \"web\"\ncheck = {{ {kind}{more} }}"))
                };
                let with = load(&one(&check(&format!(", {line}")))).unwrap();
                assert_eq!(with.backends[0].check, load(&one(&check(""))).unwrap().backends[0].check, "{table}.{key}");
                continue;
            }
            deeper => format!("{PAIR}[{deeper}]\n{line}\n"),
        };
        assert_ne!(text, PAIR, "{table}.{key}");
        let config =
            load(&one(&text)).unwrap_or_else(|p| panic!("{table}.{key}: {}", p.report(&one(&text), Colour::None)));
        assert_eq!(config.vips, plain.vips, "{table}.{key}");
        assert_eq!(config.hooks, plain.hooks, "{table}.{key}");
        assert_eq!(
            (config.proxy.health, config.proxy.timeouts),
            (plain.proxy.health, plain.proxy.timeouts),
            "{table}.{key}"
        );
        assert_eq!(
            (config.proxy.restart, config.proxy.on_stop),
            (plain.proxy.restart, plain.proxy.on_stop),
            "{table}.{key}"
        );
        assert_eq!(
            (&config.proxy.binary, config.proxy.hard_stop_after),
            (&plain.proxy.binary, plain.proxy.hard_stop_after)
        );
        assert_eq!(
            (config.frontends[0].mode, config.backends[0].mode),
            (plain.frontends[0].mode, plain.backends[0].mode)
        );
        assert_eq!(config.backends[0].balance, plain.backends[0].balance, "{table}.{key}");
        assert_eq!(config.backends[0].servers[0].weight, plain.backends[0].servers[0].weight, "{table}.{key}");
    }
}

/// Every required key as `(table, key)`.
fn required_keys(schema: &Value, path: &str) -> BTreeSet<(String, String)> {
    let own = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut found: BTreeSet<_> = own.map(|key| (path.to_owned(), key.to_owned())).collect();
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let nested = [inner.clone(), inner["items"].clone(), inner["items"]["anyOf"][1].clone()];
        nested.iter().for_each(|one| found.extend(required_keys(one, &path)));
    }
    found
}

#[test]
fn the_reference_page_has_every_key_with_its_default() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md")).unwrap();
    // Two tables with the same keys may share a section.
    let mut sections: Vec<String> = Vec::new();
    let mut rows: BTreeSet<(String, String, String)> = BTreeSet::new();
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            let names = title.split('`').skip(1).step_by(2);
            sections = names.map(|name| name.trim_matches(['[', ']']).to_owned()).collect();
            if sections.is_empty() {
                sections.push(String::new());
            }
        } else if let Some(key) = line.strip_prefix("| `").and_then(|row| row.split('`').next()) {
            let default = line.split(" | ").nth(2).unwrap_or_default().trim_matches('`').to_owned();
            rows.extend(sections.iter().map(|section| (section.clone(), key.to_owned(), default.clone())));
        }
    }
    let required = required_keys(&json_schema(), "");
    for (table, key, schema) in all_keys() {
        let row = rows.iter().find(|(section, row_key, _)| *section == table && *row_key == key);
        let (_, _, default) =
            row.unwrap_or_else(|| panic!("docs/configuration.md has no row for `{key}` under `{table}`"));
        if let Some(expected) = schema.get("default") {
            assert_eq!(*default, expected.to_string(), "default of {table}.{key}");
        }
        assert_eq!(*default == "required", required.contains(&(table.clone(), key.clone())), "{table}.{key}");
    }
    let known: BTreeSet<(String, String)> = all_keys().into_iter().map(|(table, key, _)| (table, key)).collect();
    for (section, key, _) in rows {
        assert!(known.contains(&(section.clone(), key.clone())), "docs/configuration.md invents {section}.{key}");
    }
}
