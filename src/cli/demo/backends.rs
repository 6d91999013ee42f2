//! Web servers for a demo or a test: each says who it is, and from which address the proxy asked.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, header::HeaderValue};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::net;

/// Header that names the server.
pub const SERVER_HEADER: &str = "x-server";

/// Header with the address from which the proxy asked: it tells which host served the client.
pub const VIA_HEADER: &str = "x-via";

/// A server in a thread of its own, in its namespace; ends when dropped.
#[derive(Debug)]
pub struct Backend {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Backend {
    /// Serves `name` at `address` inside a namespace; returns when it accepts connections.
    ///
    /// # Errors
    /// What went wrong, for people: the namespace cannot be entered or the address cannot be bound.
    pub fn start(namespace: &str, name: &'static str, address: Ipv4Addr, port: u16) -> Result<Self, String> {
        let namespace = namespace.to_owned();
        let (stop, stopped) = oneshot::channel();
        let (ready, listening) = oneshot::channel();
        let thread = thread::spawn(move || {
            let served = || -> Result<_, String> {
                net::enter(&namespace).map_err(|e| e.to_string())?;
                let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
                let runtime = runtime.map_err(|e| e.to_string())?;
                let bound = runtime.block_on(TcpListener::bind(SocketAddr::from((address, port))));
                Ok((runtime, bound.map_err(|e| format!("cannot listen at {address}:{port}: {e}"))?))
            };
            match served() {
                Err(error) => drop(ready.send(Err(error))),
                Ok((runtime, listener)) => {
                    drop(ready.send(Ok(())));
                    runtime.block_on(async {
                        tokio::select! {
                            () = accept(listener, name) => {}
                            _ = stopped => {}
                        }
                    });
                }
            }
        });
        let backend = Self { stop: Some(stop), thread: Some(thread) };
        listening.blocking_recv().map_err(|_| format!("the server {name} died at its start"))??;
        Ok(backend)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Accepts until the runtime ends; a connection that fails concerns nobody else.
async fn accept(listener: TcpListener, name: &'static str) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => drop(tokio::spawn(serve(stream, peer, name))),
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, name: &'static str) {
    let answer = service_fn(move |_: Request<Incoming>| async move { Ok::<_, Infallible>(answer(name, peer)) });
    // A client that hangs up in the middle is an everyday event.
    drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
}

fn answer(name: &'static str, peer: SocketAddr) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{name}\n"))));
    response.headers_mut().insert(SERVER_HEADER, HeaderValue::from_static(name));
    if let Ok(via) = HeaderValue::from_str(&peer.ip().to_string()) {
        response.headers_mut().insert(VIA_HEADER, via);
    }
    response
}
