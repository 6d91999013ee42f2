//! What there is, for programs: OpenAPI 3.1, with the schemas of the very types that are sent and read.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::api::{Act, Answer, MaintenanceBody, ReleaseBody, ResumeBody, ServerBody, SwitchoverBody};
use crate::node::Status;
use crate::node::status::VipStatus;

/// The description.
pub fn openapi() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
    let mut schemas = settings.into_generator();
    let mut paths = Map::new();
    look(&mut schemas, &mut paths);
    for (name, act) in Act::ALL {
        paths.insert(format!("/api/v1/{name}"), json!({ "post": operation(&mut schemas, name, act) }));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "vipkeeper",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "One node of vipkeeper. Whatever changes something takes the token of `token_file` in [http].",
        },
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn look(schemas: &mut SchemaGenerator, paths: &mut Map<String, Value>) {
    let status = content(schema::<Status>(schemas));
    let vip = content(schema::<VipStatus>(schemas));
    let answer = content(schema::<Answer>(schemas));
    let text = |media: &str| json!({ media: { "schema": { "type": "string" } } });
    let get = |summary: &str, content: &Value| {
        json!({ "get": {
            "summary": summary,
            "responses": { "200": { "description": "As asked for.", "content": content } },
        } })
    };
    paths.insert("/api/v1/status".into(), get("Everything that `vipkeeper status --json` shows.", &status));
    let mut one = get("One VIP of the status.", &vip);
    if let Some(get) = one.get_mut("get").and_then(Value::as_object_mut) {
        let name = json!([{ "name": "name", "in": "path", "required": true, "schema": { "type": "string" } }]);
        get.insert("parameters".into(), name);
        if let Some(responses) = get.get_mut("responses").and_then(Value::as_object_mut) {
            responses.insert("404".into(), json!({ "description": "There is no such VIP here.", "content": answer }));
        }
    }
    paths.insert("/api/v1/vips/{name}".into(), one);
    let events =
        "Server-sent events named `status`, each with the whole status: when something changed, and every 5 s.";
    paths.insert("/api/v1/events".into(), get(events, &text("text/event-stream")));
    paths.insert("/metrics".into(), get("The status for Prometheus.", &text("text/plain")));
    paths.insert("/healthz".into(), get("vipkeeper answers.", &text("text/plain")));
    let mut ready = get("This node could hold a VIP.", &text("text/plain"));
    if let Some(responses) = ready.pointer_mut("/get/responses").and_then(Value::as_object_mut) {
        responses.insert("503".into(), json!({ "description": "It could not; why.", "content": text("text/plain") }));
    }
    paths.insert("/readyz".into(), ready);
}

fn operation(schemas: &mut SchemaGenerator, name: &str, act: Act) -> Value {
    let (summary, body) = match act {
        Act::Reload => ("Reads the files again, and answers once they are in force or refused.", None),
        Act::Release => ("Gives up VIPs.", Some((false, schema::<ReleaseBody>(schemas)))),
        Act::Resume => ("Lets VIPs take part again.", Some((false, schema::<ResumeBody>(schemas)))),
        Act::Switchover => ("Hands VIPs over, make before break.", Some((false, schema::<SwitchoverBody>(schemas)))),
        Act::Maintenance => {
            ("Holds no VIP, also over restarts, or takes part again.", Some((true, schema::<MaintenanceBody>(schemas))))
        }
        Act::Server => ("Changes a server of the proxy at run time.", Some((true, schema::<ServerBody>(schemas)))),
    };
    let answer = content(schema::<Answer>(schemas));
    let response = |description: &str| json!({ "description": description, "content": answer });
    let mut operation = json!({
        "operationId": name,
        "summary": summary,
        "security": [{ "token": [] }],
        "responses": {
            "200": response("Done."),
            "400": response("The body is wrong."),
            "401": response("The token is missing or wrong."),
            "403": response("Nothing may be changed here: [http] has no `token_file`."),
            "409": response("Refused by the node in the state it is in."),
        },
    });
    if let (Some((required, schema)), Some(operation)) = (body, operation.as_object_mut()) {
        operation.insert("requestBody".into(), json!({ "required": required, "content": content(schema) }));
    }
    operation
}

fn schema<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    schemas.subschema_for::<T>().to_value()
}

fn content(schema: Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}
