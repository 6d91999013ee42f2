//! The JSON Schema of the files: for editors, and for [`super::shape`], which checks with it. So they cannot disagree.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::raw::RawFile;

/// The schema with everything inlined.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<RawFile>().to_value();
    tidy(&mut schema);
    schema
});

/// The JSON Schema of a configuration file (draft 2020-12), for `vipkeeper schema`.
pub fn json_schema() -> Value {
    SCHEMA.clone()
}

pub(super) fn schema() -> &'static Value {
    &SCHEMA
}

/// TOML has no null and one kind of integer: what schemars says of Rust's `Option` and `i64` would only confuse.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.remove("format");
            if object.get("default").is_some_and(|default| default.is_null() || default.is_array()) {
                object.remove("default");
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(alternatives)) = object.get_mut("anyOf") {
                alternatives.retain(|alternative| alternative.get("type") != Some(&Value::from("null")));
                if let [Value::Object(only)] = alternatives.as_mut_slice() {
                    let only = std::mem::take(only);
                    object.remove("anyOf");
                    for (key, value) in only {
                        object.entry(key).or_insert(value);
                    }
                }
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(list) => list.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
