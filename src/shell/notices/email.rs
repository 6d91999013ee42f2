//! Mail by SMTP.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::ATTEMPT_WITHIN;
use crate::config::MailTls;

/// A password is shorter.
const PASSWORD_BYTES_MAX: u64 = 4096;

/// Who takes the mail.
#[derive(Debug)]
pub(super) struct Server<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) tls: MailTls,
    pub(super) login: Option<&'a (String, PathBuf)>,
}

/// Sends one mail to all.
pub(super) async fn send(
    server: &Server<'_>,
    from: &str,
    to: &[String],
    subject: String,
    text: String,
) -> Result<(), String> {
    crate::shell::tls::choose_provider();
    let mailbox = |address: &str| address.parse::<Mailbox>().map_err(|e| format!("{address}: {e}"));
    let mut message = Message::builder().from(mailbox(from)?).subject(subject);
    for address in to {
        message = message.to(mailbox(address)?);
    }
    let message = message.body(text).map_err(|e| e.to_string())?;
    let parameters = || TlsParameters::new(server.host.to_owned()).map_err(|e| e.to_string());
    let tls = match server.tls {
        MailTls::Starttls => Tls::Required(parameters()?),
        MailTls::Tls => Tls::Wrapper(parameters()?),
        MailTls::None => Tls::None,
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host)
        .port(server.port)
        .tls(tls)
        .timeout(Some(ATTEMPT_WITHIN / 2).filter(|within| *within > Duration::ZERO));
    if let Some((user, file)) = server.login {
        transport = transport.credentials(Credentials::new(user.clone(), password(file).await?));
    }
    transport.build().send(message).await.map(|_| ()).map_err(|e| e.to_string())
}

async fn password(file: &Path) -> Result<String, String> {
    let file = file.to_owned();
    let work = tokio::task::spawn_blocking(move || {
        let read = || -> std::io::Result<String> {
            let mut text = String::new();
            std::fs::File::open(&file)?.take(PASSWORD_BYTES_MAX).read_to_string(&mut text)?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        };
        read().map_err(|e| format!("cannot read {}: {e}", file.display()))
    });
    work.await.map_err(|e| e.to_string())?
}
