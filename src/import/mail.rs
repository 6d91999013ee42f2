//! Mail that keepalived sends, as a `[[notify]]`.

use super::keepalived::Directive;
use super::report::{Fate, Report};
use super::write::{list, quoted};

/// Settings of `global_defs`.
pub(super) const SETTINGS: [&str; 5] =
    ["notification_email", "notification_email_from", "smtp_server", "smtp_connect_timeout", "smtp_helo_name"];

/// People who get mail; more are left out.
const RECIPIENTS_MAX: usize = 32;

/// What the files say.
#[derive(Debug, Default)]
pub(super) struct Mail {
    settings: Vec<Directive>,
    /// `smtp_alert` of all instances, or of one of them by the block that it is in.
    alerts: Vec<(Directive, String)>,
}

impl Mail {
    /// Keeps a line of [`SETTINGS`].
    pub(super) fn setting(&mut self, directive: &Directive) {
        self.settings.push(directive.clone());
    }

    /// Keeps `smtp_alert`.
    pub(super) fn alert(&mut self, directive: &Directive, label: &str) {
        self.alerts.push((directive.clone(), label.to_owned()));
    }

    /// The `[[notify]]`, and what became of the lines.
    pub(super) fn settle(&self, report: &mut Report) -> Vec<String> {
        let find = |keyword: &str| self.settings.iter().find(|d| d.keyword() == keyword);
        let mut to: Vec<String> = Vec::new();
        for line in self.settings.iter().filter(|d| d.keyword() == "notification_email") {
            for address in line.inside().iter().flat_map(|d| &d.words).chain(line.words.iter().skip(1)) {
                let address = mailbox(address);
                if to.len() < RECIPIENTS_MAX && !to.contains(&address) {
                    to.push(address);
                }
            }
        }
        let off = |directive: &Directive| matches!(directive.word(1), "off" | "no" | "false");
        let told = self.alerts.iter().any(|(directive, _)| !off(directive));
        let sends = !to.is_empty() && told;
        for directive in &self.settings {
            let (fate, note) = match directive.keyword() {
                _ if !told => (Fate::Dropped, "keepalived sends no mail of VRRP without smtp_alert"),
                _ if to.is_empty() => (Fate::Dropped, "there is nobody to send mail to"),
                "smtp_connect_timeout" | "smtp_helo_name" => (Fate::Dropped, "a [[notify]] has nothing like it"),
                _ => (Fate::Mapped, "notify.email"),
            };
            report.add(directive, "global_defs", fate, note);
        }
        for (directive, label) in &self.alerts {
            let note = "[[notify]] with `email`, which is told of all VIPs and groups";
            let (fate, note) = match (sends, off(directive)) {
                (_, true) => (Fate::Dropped, "a [[notify]] is told of all VIPs"),
                (true, false) => (Fate::Mapped, note),
                (false, false) => (Fate::Dropped, "there is nobody to send mail to"),
            };
            report.add(directive, label, fate, note);
        }
        if !sends {
            return Vec::new();
        }
        let server = find("smtp_server").map_or_else(
            || "127.0.0.1".to_owned(),
            |d| match d.word(2).parse::<u16>() {
                Ok(port) if d.word(1).contains(':') => format!("[{}]:{port}", d.word(1)),
                Ok(port) => format!("{}:{port}", d.word(1)),
                Err(_) => d.word(1).to_owned(),
            },
        );
        let from = find("notification_email_from").map_or_else(|| mailbox("keepalived"), |d| mailbox(d.word(1)));
        let email = format!(
            "email = {{ server = {}, tls = \"none\", from = {}, to = {} }}",
            quoted(&server),
            quoted(&from),
            list(&to)
        );
        vec![format!("\n[[notify]]\nname = \"mail\"\n{email}")]
    }
}

/// An address with its host.
fn mailbox(text: &str) -> String {
    if text.contains('@') { text.to_owned() } else { format!("{text}@localhost") }
}
