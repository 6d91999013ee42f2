//! Tables against the JSON Schema: unknown keys, wrong types, unknown words, numbers out of range, missing keys.
//!
//! Everything wrong is reported and taken out, so that what remains deserialises. Must never judge meaning.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::problem::{Place, Problem, Problems};
use super::schema::schema;
use super::suggest::nearest;
use super::written::DURATION_PATTERN;

/// Words of keepalived and HAProxy, our key for them, and what to do.
const FOREIGN_WORDS: [(&str, &str, &str); 27] = [
    ("virtual_router_id", "vrid", "write `vrid`"),
    ("virtual_ipaddress", "addresses", "write `addresses = [\"192.168.83.111/24\"]`"),
    ("ip", "address", "write `address` in [[node]] and `server`, `addresses` in [[vip]]"),
    ("advert_int", "advert_interval", "write `advert_interval = \"1s\"`"),
    ("nopreempt", "preempt", "write `preempt = false`"),
    ("state", "prefer", "leave it out: `prefer` or `priority` says who comes first"),
    ("unicast_peer", "transport", "write `transport = \"unicast\"`: the peers are the other nodes"),
    ("unicast_src_ip", "transport", "leave it out: it is the `address` of the [[node]]"),
    ("mcast_src_ip", "transport", "leave it out: it is the `address` of the [[node]]"),
    (
        "track_script",
        "track",
        "leave it out for the proxy itself, which is always watched; else write `track` and a [[tracker]]",
    ),
    ("track_interface", "track", "write `track = [{ tracker = \"link\" }]` and a [[tracker]] with `interface`"),
    ("track_file", "track", "write `track = [{ tracker = \"file\", weight = 1 }]` and a [[tracker]] with `file`"),
    ("virtual_ipaddress_excluded", "excluded", "write `excluded = [\"192.168.83.111/24\"]`"),
    ("virtual_routes", "routes", "write `routes = [{ to = \"10.0.0.0/8\", via = \"192.168.83.1\" }]`"),
    ("virtual_rules", "rules", "write `rules = [{ from = \"192.168.83.111/32\", table = 100, preference = 1000 }]`"),
    ("use_vmac", "vmac", "write `vmac = true`"),
    ("down_timer_adverts", "down_multiplier", "write `down_multiplier = 3`"),
    ("vrrp_sync_group", "group", "write a [[group]] with `name` and `vips`"),
    ("auth_hmac", "auth", "write `auth = { hmac = { keys = { 1 = \"hex:...\" } } }`"),
    ("garp_master_repeat", "announce", "write `announce = { repeat = 5 }`"),
    ("garp_master_delay", "announce", "write `announce = { delay = \"5s\" }`"),
    ("garp_master_refresh", "announce", "write `announce = { refresh = \"60s\" }`"),
    (
        "authentication",
        "auth",
        "leave it out for VRRPv3, which has none; else write `auth = { password = \"secret12\" }`",
    ),
    ("inter", "interval", "write `interval`"),
    ("option", "raw", "write the whole line in `raw`"),
    ("acl", "raw", "write the whole line in `raw`"),
    ("use_backend", "raw", "write the whole line in `raw`"),
];

/// Tables that lost a key: what is absent there may have been written.
pub(super) type Damaged = BTreeSet<Place>;

/// Checks a whole file and takes out what is wrong.
pub(super) fn check(table: &mut DeTable<'_>, file: usize, problems: &mut Problems, damaged: &mut Damaged) {
    let mut walk = Walk { file, problems, damaged };
    walk.table(table, 0..0, schema(), "");
}

struct Walk<'a> {
    file: usize,
    problems: &'a mut Problems,
    damaged: &'a mut Damaged,
}

/// What a value is called in messages.
#[derive(Clone, Copy)]
struct Named<'a> {
    /// The table it stands in, such as `[[vip]]`; empty at the top level.
    table: &'a str,
    key: &'a str,
}

impl Named<'_> {
    fn value(self) -> String {
        if self.table.is_empty() { format!("`{}`", self.key) } else { format!("`{}` of {}", self.key, self.table) }
    }

    /// What a table that is the value is called.
    fn inner(self, schema: &Value) -> String {
        match (self.table.is_empty(), type_of(schema)) {
            (true, "array") => format!("[[{}]]", self.key),
            (true, _) => format!("[{}]", self.key),
            (false, _) => self.value(),
        }
    }
}

impl Walk<'_> {
    fn place(&self, span: Range<usize>) -> Place {
        Place::new(self.file, span)
    }

    /// A table: its keys, and those that must be there.
    fn table(&mut self, table: &mut DeTable<'_>, span: Range<usize>, schema: &Value, name: &str) {
        let properties = schema.get("properties");
        let others = schema.get("additionalProperties").filter(|others| others.is_object());
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let mut missing: Vec<&str> =
            required.filter_map(Value::as_str).filter(|key| !table.contains_key(*key)).collect();
        let mut lost = false;
        for (key, mut value) in std::mem::replace(table, DeTable::new()) {
            match properties.and_then(|p| p.get(key.get_ref().as_ref())).or(others) {
                Some(schema) => {
                    if self.value(&mut value, schema, Named { table: name, key: key.get_ref() }) {
                        table.insert(key, value);
                    } else {
                        lost = true;
                    }
                }
                None => {
                    let (problem, meant) = unknown_key(self.place(key.span()), key.get_ref(), properties, name);
                    self.problems.add(problem);
                    lost = true;
                    // A required key that is misspelt is not missing as well.
                    missing.retain(|key| Some(*key) != meant);
                }
            }
        }
        for key in missing {
            let field = properties.and_then(|p| p.get(key));
            let mut problem = Problem::new(self.place(span.clone()), format!("{name} needs `{key}`"));
            problem = problem.label(format!("`{key}` is missing"));
            problem.note = field.and_then(describe);
            problem.fix = field.and_then(example).map(|example| format!("add `{key} = {example}`"));
            self.problems.add(problem);
        }
        if lost {
            self.damaged.insert(self.place(span));
        }
    }

    /// One value; false if it has to go.
    fn value(&mut self, value: &mut Spanned<DeValue<'_>>, schema: &Value, named: Named<'_>) -> bool {
        let span = value.span();
        let alternatives = schema.get("anyOf").and_then(Value::as_array).map_or(std::slice::from_ref(schema), |a| a);
        let found = kind(value.get_ref());
        let Some(alternative) = alternatives.iter().find(|alternative| type_of(alternative) == found) else {
            let problem = wrong_type(self.place(span), value.get_ref(), schema, alternatives, named);
            self.problems.add(problem);
            return false;
        };
        match value.get_mut() {
            DeValue::Table(table) => {
                self.table(table, span, alternative, &named.inner(schema));
                true
            }
            DeValue::Array(array) => self.array(array, span, alternative, named),
            DeValue::Integer(integer) => self.integer(integer, span, schema, named),
            DeValue::String(text) => self.word(text, span, schema, named),
            DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => true,
        }
    }

    fn array(&mut self, array: &mut DeArray<'_>, span: Range<usize>, schema: &Value, named: Named<'_>) -> bool {
        if array.is_empty() && schema.get("minItems").is_some() {
            let problem = Problem::new(self.place(span), format!("{} must not be empty", named.value()));
            self.problems.add(with_example(with_description(problem, schema), schema, named));
            return false;
        }
        let Some(items) = schema.get("items") else { return true };
        // An entry is called as its list is: [[vip]], or `server` of [[backend]].
        let entries = std::mem::replace(array, DeArray::new());
        for mut entry in entries {
            let span = entry.span();
            let keep = if let (DeValue::Table(table), "object") = (entry.get_mut(), type_of(items)) {
                self.table(table, span, items, &named.inner(schema));
                true
            } else {
                self.value(&mut entry, items, named)
            };
            if keep {
                array.push(entry);
            }
        }
        // A list that lost all its entries would count as empty, which it was not.
        !array.is_empty() || schema.get("minItems").is_none()
    }

    fn integer(&mut self, integer: &DeInteger<'_>, span: Range<usize>, schema: &Value, named: Named<'_>) -> bool {
        let bound = |key: &str| schema.get(key).and_then(Value::as_i64);
        let (min, max) = (bound("minimum").unwrap_or(i64::MIN), bound("maximum").unwrap_or(i64::MAX));
        let number = i64::from_str_radix(integer.as_str(), integer.radix());
        if number.as_ref().is_ok_and(|number| (min..=max).contains(number)) {
            return true;
        }
        let rule = match (bound("minimum"), bound("maximum")) {
            (Some(min), Some(max)) => format!("{} must be from {min} to {max}", named.value()),
            _ => format!("{} is too large a number", named.value()),
        };
        let problem = Problem::new(self.place(span), rule).label("out of range");
        self.problems.add(with_example(with_description(problem, schema), schema, named));
        false
    }

    /// A text where only certain words are allowed.
    fn word(&mut self, text: &str, span: Range<usize>, schema: &Value, named: Named<'_>) -> bool {
        let words = words(schema);
        if words.is_empty() || words.contains(&text) {
            return true;
        }
        let list = words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" or ");
        let problem = Problem::new(self.place(span), format!("{} must be {list}", named.value()));
        let fix = nearest(text, words.iter().copied()).map(|word| format!("did you mean {word:?}?"));
        let problem = Problem { fix, ..problem.label("unknown word") };
        self.problems.add(with_description(problem, schema));
        false
    }
}

/// Also returns the key that was probably meant.
fn unknown_key<'s>(place: Place, key: &str, properties: Option<&'s Value>, name: &str) -> (Problem, Option<&'s str>) {
    let known: Vec<&str> =
        properties.and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    let table = if name.is_empty() { "the top level" } else { name };
    let problem = Problem::new(place, format!("unknown key `{}` in {table}", key.escape_debug()));
    let foreign = FOREIGN_WORDS.iter().find(|(word, _, _)| *word == key);
    let meant = match foreign {
        Some((_, ours, _)) => known.iter().copied().find(|known| known == ours),
        None => nearest(key, known.iter().copied()),
    };
    let fix = match (foreign, meant) {
        (Some((_, _, fix)), _) => (*fix).to_owned(),
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) => format!("known here: {}", known.join(", ")),
    };
    (problem.fix(fix), meant)
}

fn wrong_type(place: Place, value: &DeValue<'_>, schema: &Value, alternatives: &[Value], named: Named<'_>) -> Problem {
    let expected: Vec<&str> = alternatives.iter().map(called).collect();
    let rule = format!("{} must be {}", named.value(), expected.join(" or "));
    let fix = rewritten(value, schema, alternatives, named)
        .map(|text| format!("write {text}"))
        .or_else(|| example(schema).map(|example| format!("write, for example, `{} = {example}`", named.key)));
    let problem = Problem { fix, ..Problem::new(place, rule).label(format!("this is {}", called_kind(kind(value)))) };
    with_description(problem, schema)
}

/// The value as it was probably meant.
fn rewritten(value: &DeValue<'_>, schema: &Value, alternatives: &[Value], named: Named<'_>) -> Option<String> {
    let expected = alternatives.first()?;
    let duration = expected.get("pattern").and_then(Value::as_str) == Some(DURATION_PATTERN);
    match (type_of(expected), value) {
        ("string", DeValue::Integer(number)) if duration => Some(format!("`{} = \"{number}s\"`", named.key)),
        ("string", DeValue::Float(number)) if duration => {
            super::value::meant(&number.to_string()).map(|meant| format!("`{} = \"{meant}\"`", named.key))
        }
        ("string", DeValue::Integer(number)) => Some(format!("`\"{number}\"`")),
        ("integer", DeValue::String(text)) if text.parse::<i64>().is_ok() => Some(format!("`{text}` without quotes")),
        ("boolean", DeValue::String(text)) => match text.as_ref() {
            "true" | "yes" | "on" => Some("`true` without quotes".to_owned()),
            "false" | "no" | "off" => Some("`false` without quotes".to_owned()),
            _ => None,
        },
        ("array", DeValue::Table(_)) if named.table.is_empty() => {
            Some(format!("`[[{}]]` with double brackets: there may be several", named.key))
        }
        ("array", DeValue::Table(_)) => Some(format!("`{} = [{{ ... }}]`", named.key)),
        ("array", DeValue::String(text)) if item_type(expected) == "string" || expected.get("anyOf").is_some() => {
            Some(format!("`{} = [{text:?}]`", named.key))
        }
        ("object", DeValue::Array(_)) if named.table.is_empty() => {
            Some(format!("`[{}]` with single brackets: there is one in all", named.key))
        }
        _ => example(schema).map(|example| format!("`{} = {example}`", named.key)),
    }
}

fn item_type(schema: &Value) -> &str {
    let items = schema.get("items");
    let first = items.and_then(|items| items.get("anyOf")).and_then(|any| any.get(0)).or(items);
    first.map_or("", type_of)
}

fn type_of(schema: &Value) -> &str {
    match schema.get("type").and_then(Value::as_str) {
        Some(name) => name,
        // A list of words, each with its own description.
        None if schema.get("oneOf").is_some() => "string",
        None => "",
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Datetime(_) => "date",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    }
}

fn called(schema: &Value) -> &'static str {
    if schema.get("pattern").and_then(Value::as_str) == Some(DURATION_PATTERN) {
        return "a duration in quotes";
    }
    called_kind(type_of(schema))
}

fn called_kind(kind: &str) -> &'static str {
    match kind {
        "string" => "a string",
        "integer" => "a whole number",
        "number" => "a fractional number",
        "boolean" => "true or false",
        "date" => "a date",
        "array" => "a list",
        _ => "a table",
    }
}

/// The words that a schema allows; none: any.
fn words(schema: &Value) -> Vec<&str> {
    let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    let described = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    listed.chain(described.filter_map(|one| one.get("const"))).filter_map(Value::as_str).collect()
}

fn describe(schema: &Value) -> Option<String> {
    schema.get("description").and_then(Value::as_str).map(|text| text.replace('\n', " "))
}

fn with_description(problem: Problem, schema: &Value) -> Problem {
    Problem { note: describe(schema), ..problem }
}

fn with_example(problem: Problem, schema: &Value, named: Named<'_>) -> Problem {
    let fix = example(schema).map(|example| format!("write, for example, `{} = {example}`", named.key));
    Problem { fix, ..problem }
}

/// The first example of a schema, as TOML.
fn example(schema: &Value) -> Option<String> {
    let example = schema.get("examples").and_then(|examples| examples.get(0)).or_else(|| schema.get("default"))?;
    Some(as_toml(example).into_owned())
}

fn as_toml(value: &Value) -> Cow<'static, str> {
    match value {
        Value::Null => "\"\"".into(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string().into(),
        Value::Array(list) => format!("[{}]", list.iter().map(as_toml).collect::<Vec<_>>().join(", ")).into(),
        Value::Object(object) => {
            let pairs: Vec<_> = object.iter().map(|(key, value)| format!("{key} = {}", as_toml(value))).collect();
            format!("{{ {} }}", pairs.join(", ")).into()
        }
    }
}
