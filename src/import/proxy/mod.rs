//! `haproxy.cfg` in vipkeeper's words: keys where they mean the same, and HAProxy's own lines for all others.

mod backend;
mod balance;
mod bind;
mod check;
mod frontend;
mod global;
mod listen;
mod routes;
mod server;
mod values;

use super::Gathered;
use super::haproxy::{Line, Section};
use super::keepalived::At;
use super::report::{Fate, Report};
use super::write::{name_of, quoted};
pub(super) use values::network;

/// A line that counts in a section: its own, or one of its `defaults`.
#[derive(Debug, Clone, Copy)]
struct Given<'p> {
    line: &'p Line,
    /// It was told of where it stands.
    inherited: bool,
}

/// A frontend or a backend, as it will be written.
#[derive(Debug, Clone)]
struct Part<'p> {
    /// In vipkeeper's spelling.
    name: String,
    /// For reports, such as "frontend www".
    label: String,
    lines: Vec<Given<'p>>,
    at: &'p At,
    /// `proxy.log` has the lines about logs.
    logs: bool,
    /// Of the frontend of a `listen` section: its other half.
    backend: Option<String>,
}

impl Part<'_> {
    /// Tells what became of a line, once.
    fn tell(&self, given: &Given<'_>, report: &mut Report, fate: Fate, note: &str) {
        if !given.inherited {
            report.remark(Some(&given.line.at), &format!("{}: {}", self.label, shown(given.line)), fate, note);
        }
    }

    /// The last value of a keyword with one value.
    fn value(&self, keyword: &str) -> Option<&str> {
        let lines = self.lines.iter().rev().filter(|given| given.line.keyword() == keyword);
        lines.filter_map(|given| given.line.words.get(1)).map(|word| word.text.as_str()).next()
    }

    /// Its mode, where it or its defaults say one.
    fn mode(&self) -> Option<&'static str> {
        match self.value("mode") {
            Some("http") => Some("http"),
            Some("tcp") => Some("tcp"),
            Some(_) | None => None,
        }
    }

    /// Conditions that HAProxy judges while it reads the file: what they enclose cannot be taken apart.
    fn conditional(&self) -> bool {
        self.lines.iter().any(|given| given.line.keyword().starts_with('.'))
    }
}

/// What is written of a section.
enum Written<'p> {
    Frontend(Part<'p>),
    Backend(Part<'p>),
    /// As HAProxy reads it, and why.
    Whole(&'p Section, &'static str),
}

/// Writes `[proxy]` and what it serves.
pub(super) fn write(all: &Gathered, sections: &[Section], out: &mut Vec<String>, report: &mut Report) {
    if sections.is_empty() {
        placeholder(all, out, report);
        return;
    }
    let global = global::read(sections, report);
    let mut written = Vec::new();
    for (number, section) in sections.iter().enumerate() {
        let inherited = global.inherited(sections, number);
        match section.kind.as_str() {
            "global" | "defaults" => {}
            kind @ ("frontend" | "backend") => {
                let part = part(section, kind, inherited, &global);
                written.push(if kind == "frontend" { Written::Frontend(part) } else { Written::Backend(part) });
            }
            "listen" => written.extend(listen::split(section, &inherited, &global)),
            _ => written.push(Written::Whole(section, "a section of HAProxy's own")),
        }
    }
    let written = settle(written, sections, all);
    let stats = written.iter().find_map(|one| match one {
        Written::Whole(section, _) => Some((listen::stats(section, all)?, *section)),
        Written::Frontend(_) | Written::Backend(_) => None,
    });
    out.push("\n[proxy]".to_owned());
    out.extend(global.lines.iter().cloned());
    if let Some((stats, section)) = &stats {
        out.push(format!("stats = {stats}"));
        for line in &section.lines {
            report.remark(
                Some(&line.at),
                &format!("{} {}: {}", section.kind, section.name, line.text),
                Fate::Mapped,
                "proxy.stats",
            );
        }
    }
    let of_stats = stats.as_ref().map(|(_, section)| *section);
    let whole = |one: &Written<'_>| match one {
        Written::Whole(section, why) if !of_stats.is_some_and(|of| std::ptr::eq(of, *section)) => {
            Some(raw_section(section, why, &global, sections, report))
        }
        Written::Whole(..) | Written::Frontend(_) | Written::Backend(_) => None,
    };
    let raw: Vec<String> = written.iter().filter_map(whole).flatten().collect();
    lines("raw_sections", raw.into_iter(), out);
    let backends: Vec<(String, Option<&'static str>)> = backends(&written);
    for one in &written {
        match one {
            Written::Frontend(part) => {
                if backends.iter().any(|(name, _)| *name == part.name) {
                    let note =
                        "a backend is called so too, which HAProxy refuses from version 3.3 on: rename one of them";
                    report.remark(Some(part.at), &part.label, Fate::Approximated, note);
                }
                frontend::write(part, all, &backends, out, report);
            }
            Written::Backend(part) => backend::write(part, part.mode(), global.known(), out, report),
            Written::Whole(..) => {}
        }
    }
}

/// The backends that have tables of their own, with their modes where they say them.
fn backends(written: &[Written<'_>]) -> Vec<(String, Option<&'static str>)> {
    let of = |one: &Written<'_>| match one {
        Written::Backend(part) => Some((part.name.clone(), part.mode())),
        Written::Frontend(_) | Written::Whole(..) => None,
    };
    written.iter().filter_map(of).collect()
}

fn part<'p>(section: &'p Section, kind: &str, inherited: Vec<Given<'p>>, global: &global::Global<'_>) -> Part<'p> {
    let own = section.lines.iter().map(|line| Given { line, inherited: false });
    let first = section.name.split_whitespace().next().unwrap_or_default();
    Part {
        name: name_of(first, kind),
        label: format!("{kind} {first}"),
        lines: inherited.into_iter().chain(own).collect(),
        at: &section.at,
        logs: global.logs,
        backend: None,
    }
}

/// What vipkeeper cannot say becomes a section of HAProxy's; first backends, then frontends that need them.
fn settle<'p>(written: Vec<Written<'p>>, sections: &'p [Section], all: &Gathered) -> Vec<Written<'p>> {
    let section_of = |at: &At| sections.iter().find(|section| section.at == *at);
    let backends_first: Vec<Written<'p>> = written
        .into_iter()
        .map(|one| match one {
            Written::Backend(part) if part.conditional() || backend::addresses(&part).is_none() => {
                let why = "a backend needs servers, each with its address and port and a name of its own";
                section_of(part.at)
                    .map_or_else(|| Written::Backend(part.clone()), |section| Written::Whole(section, why))
            }
            other @ (Written::Frontend(_) | Written::Backend(_) | Written::Whole(..)) => other,
        })
        .collect();
    let known = backends(&backends_first);
    let mut settled: Vec<Written<'p>> = Vec::new();
    for one in backends_first {
        let one = match one {
            Written::Frontend(part) => match frontend::refused(&part, all, &known).zip(section_of(part.at)) {
                Some((why, section)) => Written::Whole(section, why),
                None => Written::Frontend(part),
            },
            other @ (Written::Backend(_) | Written::Whole(..)) => other,
        };
        settled.push(one);
    }
    // Both halves of a `listen` go together.
    let whole: Vec<At> = settled
        .iter()
        .filter_map(|one| match one {
            Written::Whole(section, _) if section.kind == "listen" => Some(section.at.clone()),
            Written::Whole(..) | Written::Frontend(_) | Written::Backend(_) => None,
        })
        .collect();
    let mut seen: Vec<At> = Vec::new();
    settled.retain(|one| match one {
        Written::Frontend(part) | Written::Backend(part) => !whole.contains(part.at),
        Written::Whole(section, _) => {
            let first = !seen.contains(&section.at);
            seen.push(section.at.clone());
            first
        }
    });
    settled
}

/// A section as it was written, with what its `defaults` said if those are not the ones of the file.
fn raw_section(
    section: &Section,
    why: &str,
    global: &global::Global<'_>,
    sections: &[Section],
    report: &mut Report,
) -> Vec<String> {
    let label = format!("{} {}", section.kind, section.name);
    let serves = matches!(section.kind.as_str(), "frontend" | "backend" | "listen");
    let watched = if matches!(section.kind.as_str(), "frontend" | "listen") {
        "; vipkeeper does not see whether it serves, and its binds need net.ipv4.ip_nonlocal_bind or `transparent`"
    } else {
        ""
    };
    report.remark(Some(&section.at), label.trim(), Fate::Raw, &format!("proxy.raw_sections: {why}{watched}"));
    let mut text = vec![label.trim().to_owned()];
    let number = sections.iter().position(|one| one.at == section.at).unwrap_or_default();
    let inherited = if serves { global.whole(sections, number) } else { Vec::new() };
    // The defaults of the file stand in [proxy], but for what became keys of single sections.
    text.extend(inherited.iter().map(|given| format!("    {}", given.line.text)));
    text.extend(section.lines.iter().map(|line| format!("    {}", line.text)));
    for line in &section.lines {
        report.remark(Some(&line.at), &format!("{}: {}", label.trim(), shown(line)), Fate::Raw, "proxy.raw_sections");
    }
    text
}

/// A line for reports, which passwords are not for.
fn shown(line: &Line) -> String {
    let words: Vec<&str> = line.words.iter().map(|word| word.text.as_str()).collect();
    match words.as_slice() {
        ["stats", "auth", ..] => "stats auth ***".to_owned(),
        ["user", name, ..] => format!("user {name} ***"),
        _ => line.text.clone(),
    }
}

/// A place to begin at, where no file says what the proxy serves.
fn placeholder(all: &Gathered, out: &mut Vec<String>, report: &mut Report) {
    let mut what = "what the proxy serves; --with haproxy.cfg takes it over";
    if all.nginx {
        out.push("\n[proxy]\nengine = \"nginx\"".to_owned());
        what = "what nginx serves (docs/nginx.md)";
    }
    // Of RFC 5737's range for documentation: nobody's own.
    out.push(
        "\n# FILL IN: what the proxy serves; this frontend and this backend are examples.\n[[frontend]]\nname = \"www\"\n\
         bind = [\"*:80\"]\ndefault_backend = \"web\"\n\n[[backend]]\nname = \"web\"\n\
         server = [{ name = \"web1\", address = \"192.0.2.80:80\" }]"
            .to_owned(),
    );
    report.fill_in.push(format!("[[frontend]] and [[backend]]: {what}"));
}

/// A list of HAProxy's lines.
fn lines(key: &str, lines: impl Iterator<Item = String>, out: &mut Vec<String>) {
    let lines: Vec<String> = lines.map(|line| format!("  {},", quoted(&line))).collect();
    if !lines.is_empty() {
        out.push(format!("{key} = [\n{}\n]", lines.join("\n")));
    }
}

#[cfg(test)]
mod tests;
