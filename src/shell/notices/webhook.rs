//! A POST to an HTTP server.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::time::Duration;

use super::ATTEMPT_WITHIN;

/// To connect.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Posts a body. An answer of 200-299 is a success.
pub(super) async fn post(url: &str, headers: &BTreeMap<String, String>, body: String) -> Result<(), String> {
    crate::shell::tls::choose_provider();
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT_WITHIN)
        .timeout(ATTEMPT_WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("vipkeeper/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| e.to_string())?;
    let mut request = client.post(url).header("Content-Type", "application/json");
    for (name, value) in headers {
        let value = match value.strip_prefix("env:") {
            Some(variable) => std::env::var(variable).map_err(|_| format!("there is no variable {variable}"))?,
            None => value.clone(),
        };
        request = request.header(name, value);
    }
    let answer = request.body(body).send().await.map_err(|error| {
        // Without the URL, which may hold a secret.
        let error = error.without_url();
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        text
    })?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("the server answers {}", answer.status())) }
}
