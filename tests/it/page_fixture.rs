//! A server that has nothing but the page and a status, and a real Chromium that is told what to do through a pipe.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::watch;
use vipkeeper::node::Status;
use vipkeeper::shell::clock::now;
use vipkeeper::web;

/// An event comes at least as often.
const EVENT_EVERY: Duration = Duration::from_secs(2);
/// A browser that takes longer hangs.
const TEST_WITHIN: Duration = Duration::from_secs(180);
/// Browsers are large: one at a time.
static ONE_BROWSER: Mutex<()> = Mutex::new(());

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Serves the page until the runtime ends.
pub(crate) struct Site {
    address: SocketAddr,
    status: watch::Sender<Option<Value>>,
}

impl Site {
    pub(crate) async fn new(status: &Status) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, receiver) = watch::channel(Some(serde_json::to_value(status).unwrap()));
        let start = now();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let receiver = receiver.clone();
                let service = service_fn(move |request: hyper::Request<Incoming>| {
                    let receiver = receiver.clone();
                    async move { Ok::<_, Infallible>(answer(request.uri().path(), receiver, start)) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { address, status: sender }
    }

    pub(crate) fn says(&self, status: &Status) {
        self.status.send_replace(Some(serde_json::to_value(status).unwrap()));
    }

    /// Nothing is answered any more, and events end.
    pub(crate) fn is_gone(&self) {
        self.status.send_replace(None);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

/// As it is said now of what was so at the start: everything is that much older, but what is heard again and again.
fn aged(mut status: Value, by: Duration) -> Value {
    fn age(value: &mut Value, by: u64) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let is_age = matches!(name.as_str(), "up_ms" | "for_ms" | "ms_ago" | "loaded_ms_ago");
                    match value.as_u64().filter(|_| is_age) {
                        Some(ms) => *value = json!(ms + by),
                        None => age(value, by),
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| age(value, by)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    age(&mut status, u64::try_from(by.as_millis()).unwrap());
    status
}

fn answer(path: &str, status: watch::Receiver<Option<Value>>, start: Instant) -> Response<Body> {
    let said = status.borrow().clone();
    let (media_type, body): (_, Body) = match (path, said) {
        (_, None) => ("text/plain", Full::from("gone").boxed_unsync()),
        ("/api/v1/status", Some(said)) => {
            ("application/json", Full::from(aged(said, start.elapsed()).to_string()).boxed_unsync())
        }
        ("/api/v1/events", Some(_)) => ("text/event-stream", events(status.clone(), start)),
        (path, Some(_)) => match web::asset(path) {
            Some(asset) => (asset.media_type, Full::from(asset.text).boxed_unsync()),
            None => ("text/plain", Full::from("there is no such thing").boxed_unsync()),
        },
    };
    let known = media_type != "text/plain";
    let mut response = Response::new(body);
    *response.status_mut() = match (status.borrow().is_some(), known) {
        (false, _) => StatusCode::SERVICE_UNAVAILABLE,
        (true, true) => StatusCode::OK,
        (true, false) => StatusCode::NOT_FOUND,
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(web::POLICY));
    response
}

/// The status now, whenever it changes, and now and then.
fn events(status: watch::Receiver<Option<Value>>, start: Instant) -> Body {
    let all = stream::unfold((status, true), move |(mut status, first)| async move {
        if !first {
            // Whether it changed or the time is over does not matter.
            drop(tokio::time::timeout(EVENT_EVERY, status.changed()).await);
        }
        let json = aged(status.borrow_and_update().clone()?, start.elapsed());
        let event = Frame::data(Bytes::from(format!(": alive\n\nevent: status\ndata: {json}\n\n")));
        Some((Ok::<_, Infallible>(event), (status, false)))
    });
    StreamBody::new(all).boxed_unsync()
}

/// A page in a browser. Its DevTools protocol is JSON between zero bytes, on descriptors 3 and 4 of the browser.
pub(crate) struct Browser {
    to: tokio::process::ChildStdin,
    from: BufReader<tokio::process::ChildStdout>,
    session: Option<String>,
    last: u64,
    /// What the page complained of.
    pub(crate) complaints: Vec<String>,
    /// The last navigation that came to its end.
    loaded: Value,
    _child: tokio::process::Child,
}

impl Browser {
    async fn start(program: &str, profile: &Path) -> Self {
        let script = "exec 3<&0 4>&1 </dev/null >/dev/null 2>&1; exec \"$@\"";
        let mut child = tokio::process::Command::new("sh")
            .args(["-c", script, "sh", program])
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut browser =
            Self { to, from, session: None, last: 0, complaints: Vec::new(), loaded: Value::Null, _child: child };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach).await;
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.call(domain, json!({})).await;
        }
        browser.call("Page.setLifecycleEventsEnabled", json!({ "enabled": true })).await;
        browser
    }

    /// Waits for the answer; what the page complains of meanwhile is kept.
    pub(crate) async fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).await.unwrap();
        loop {
            let mut message = self.receive().await;
            if message["id"] == json!(self.last) {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].take();
            }
        }
    }

    async fn receive(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).await.unwrap();
        assert_eq!(bytes.pop(), Some(0), "the browser ended");
        let message: Value = serde_json::from_slice(&bytes).unwrap();
        let parameters = &message["params"];
        match message["method"].as_str() {
            Some("Log.entryAdded") => self.complaints.push(parameters["entry"].to_string()),
            Some("Runtime.exceptionThrown" | "Runtime.consoleAPICalled") => {
                self.complaints.push(parameters.to_string())
            }
            Some("Page.lifecycleEvent") if parameters["name"] == "load" => self.loaded = parameters["loaderId"].clone(),
            _ => {}
        }
        message
    }

    /// The value of an expression, or of the promise that it is.
    pub(crate) async fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut answer = self.call("Runtime.evaluate", parameters).await;
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// The same, as text.
    pub(crate) async fn text(&mut self, expression: &str) -> String {
        self.value(expression).await.as_str().unwrap_or_else(|| panic!("{expression} is no text")).to_owned()
    }

    /// The text of the first element, as it is read.
    pub(crate) async fn text_of(&mut self, selector: &str) -> String {
        self.text(&format!("document.querySelector({selector:?}).textContent")).await
    }

    /// The texts of all elements.
    pub(crate) async fn texts_of(&mut self, selector: &str) -> Vec<String> {
        let all = self.value(&format!("[...document.querySelectorAll({selector:?})].map((e) => e.textContent)")).await;
        all.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn until(&mut self, condition: &str) {
        let look = format!(
            "new Promise((done) => {{ const look = () => ({condition}) ? done(true) : setTimeout(look, 20); look(); }})"
        );
        self.value(&look).await;
    }

    /// Opens the page and waits until it shows something.
    pub(crate) async fn open(&mut self, site: &Site) {
        let navigation = self.call("Page.navigate", json!({ "url": site.url() })).await;
        while self.loaded != navigation["loaderId"] {
            self.receive().await;
        }
        self.until("document.documentElement.dataset.link === 'live' && document.querySelector('.board')").await;
    }

    pub(crate) async fn size(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// `light` or `dark`, and nothing moves.
    pub(crate) async fn scheme(&mut self, scheme: &str) {
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    pub(crate) fn has_no_complaint(&self) {
        assert!(self.complaints.is_empty(), "{:#?}", self.complaints);
    }
}

/// Chromium, by one of its names.
fn chromium() -> Option<&'static str> {
    let runs = |name: &&str| {
        Command::new(name).arg("--version").stderr(Stdio::null()).output().is_ok_and(|o| o.status.success())
    };
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find(runs)
}

/// Runs the test with a browser of its own, or says loudly that it was skipped.
pub(crate) fn in_browser<F: Future<Output = ()>>(test: &str, run: impl FnOnce(Browser) -> F + Send + 'static) {
    let Some(program) = chromium() else { return crate::skip(test, "chromium is not installed") };
    let turn = ONE_BROWSER.lock().unwrap_or_else(PoisonError::into_inner);
    let thread = std::thread::spawn(move || {
        let profile = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let whole = async { run(Browser::start(program, profile.path()).await).await };
            tokio::time::timeout(TEST_WITHIN, whole).await.expect("in time");
        });
        runtime.shutdown_background();
    });
    let ended = thread.join();
    drop(turn);
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}
