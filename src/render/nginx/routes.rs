//! Routes in nginx's words: the first one whose conditions hold counts, whatever its action.
//!
//! Each route, or run of routes that ask for hosts alone, has a variable that is its number where its conditions hold, and
//! 0 elsewhere. They are put side by side in the order of the file, and the first number is taken. nginx fills a variable
//! when it is asked for, and once for a request, so that a path which is changed afterwards changes nothing.

use super::rules::{preread, quoted};
use super::word;
use crate::config::{
    Action, Body, Conditions, Frontend, HeaderMatch, HostMatch, Mode, Networks, PathMatch, RedirectTo, Rewrite, Route,
};
use crate::render::RenderError;
use crate::render::model::one_line;
use crate::render::routes::hosts_alone;
use crate::units::Name;

/// The path as the client wrote it, without query.
pub(super) const PATH: &str = "$vipkeeper_path";

/// What routes need beside the `location` that passes requests on.
pub(super) struct Proxied {
    pub(super) maps: Vec<String>,
    pub(super) rules: Vec<String>,
    pub(super) target: Option<String>,
}

/// Which module a frontend is of, and where its conditions look.
#[derive(Clone, Copy)]
struct Sources {
    sni: &'static str,
}

pub(super) fn http(number: usize, frontend: &Frontend) -> Result<Proxied, RenderError> {
    let (routes, default) = (&frontend.rules.routes, &frontend.default_backend);
    let mut all = Proxied::to(default.as_ref());
    if routes.is_empty() {
        return Ok(all);
    }
    all.select(number, routes, Sources { sni: "$ssl_server_name" })?;
    if default.is_none() {
        all.rules.push(format!("if ($vipkeeper_{number}_route = 0) {{ return 503; }}"));
    }
    for (route, of) in routes.iter().zip(1_usize..) {
        all.act(number, of, &route.action)?;
    }
    all.choose(number, frontend);
    Ok(all)
}

pub(super) fn tcp(number: usize, frontend: &Frontend) -> Result<Proxied, RenderError> {
    let routes = &frontend.rules.routes;
    let mut all = Proxied::to(frontend.default_backend.as_ref());
    if routes.is_empty() {
        return Ok(all);
    }
    let ends_tls = frontend.binds.iter().any(|bind| bind.tls.is_some());
    let sni = if ends_tls { "$ssl_server_name" } else { "$ssl_preread_server_name" };
    if !ends_tls && routes.iter().any(|route| !route.when.sni.is_empty()) {
        all.rules.extend(["ssl_preread on;".to_owned(), preread()]);
    }
    all.select(number, routes, Sources { sni })?;
    all.choose(number, frontend);
    Ok(all)
}

impl Proxied {
    fn to(default: Option<&Name>) -> Self {
        Self { maps: Vec::new(), rules: Vec::new(), target: default.map(ToString::to_string) }
    }

    /// `$vipkeeper_N_route` is the number of the route that counts, 0 where none does.
    fn select(&mut self, number: usize, routes: &[Route], from: Sources) -> Result<(), RenderError> {
        let mut slots: Vec<String> = Vec::new();
        let mut at = 0_usize;
        while let Some(rest) = routes.get(at..).filter(|rest| !rest.is_empty()) {
            let run = hosts_alone(rest).len();
            let of = at.saturating_add(1);
            self.maps.push(format!("# route {of}"));
            if run > 1 {
                let variable = format!("$vipkeeper_{number}_{of}");
                self.maps.push(format!("map $host {variable} {{"));
                self.maps.push("    default 0;".to_owned());
                for (route, of) in rest.iter().take(run).zip(of..) {
                    for host in &route.when.hosts {
                        self.maps.push(format!("    {} {of};", host_key(host)?));
                    }
                }
                self.maps.push("}".to_owned());
                slots.push(variable);
                at = at.saturating_add(run);
            } else {
                let Some(route) = rest.first() else { break };
                slots.push(self.conditions(number, of, &route.when, from)?);
                at = of;
            }
        }
        let found = format!("vipkeeper_{number}_found");
        self.maps.push(format!("map {} $vipkeeper_{number}_route {{", quoted(&slots.join("/"))));
        self.maps.push("    default 0;".to_owned());
        self.maps.push(format!("    \"~^(?:0/)*(?<{found}>[1-9][0-9]*)\" ${found};"));
        self.maps.push("}".to_owned());
        Ok(())
    }

    /// What is the route's number where all of its conditions hold.
    fn conditions(
        &mut self,
        number: usize,
        route: usize,
        when: &Conditions,
        from: Sources,
    ) -> Result<String, RenderError> {
        let groups = groups(when, from)?;
        let slot = format!("$vipkeeper_{number}_{route}");
        match groups.as_slice() {
            [] => return Ok(route.to_string()),
            [group] => self.group(group, &slot, &route.to_string()),
            _ => {
                let mut names = Vec::new();
                for (group, n) in groups.iter().zip(1_usize..) {
                    let name = format!("{slot}_{n}");
                    self.group(group, &name, "1");
                    names.push(name);
                }
                self.maps.push(format!("map {} {slot} {{", quoted(&names.concat())));
                self.maps.push("    default 0;".to_owned());
                self.maps.push(format!("    {} {route};", "1".repeat(names.len())));
                self.maps.push("}".to_owned());
            }
        }
        Ok(slot)
    }

    fn group(&mut self, group: &Group, variable: &str, value: &str) {
        let Group { block, from, hostnames, keys } = group;
        let from = if from.is_empty() { String::new() } else { format!("{from} ") };
        self.maps.push(format!("{block} {from}{variable} {{"));
        if *hostnames {
            self.maps.push("    hostnames;".to_owned());
        }
        self.maps.push("    default 0;".to_owned());
        self.maps.extend(keys.iter().map(|key| format!("    {key} {value};")));
        self.maps.push("}".to_owned());
    }

    /// What nginx does itself.
    fn act(&mut self, number: usize, route: usize, action: &Action) -> Result<(), RenderError> {
        let mut when = |what: String| self.rules.push(format!("if ($vipkeeper_{number}_route = {route}) {{ {what} }}"));
        match action {
            Action::Backend { name: _, rewrite } => {
                let Rewrite { strip, add } = rewrite;
                let add = add.as_deref().unwrap_or_default();
                match strip {
                    // Nothing but a slash or the end may follow: `/api` is no part of `/apis`.
                    Some(strip) => {
                        when(format!("rewrite {} {add}/$1;", quoted(&format!("^{}(?:/(.*))?$", escaped(strip)))))
                    }
                    None if add.is_empty() => {}
                    None => when(format!("rewrite \"^(.*)$\" {add}$1;")),
                }
            }
            Action::Redirect { to, code } => {
                let to = match to {
                    RedirectTo::Scheme(scheme) => format!("{scheme}://$http_host$request_uri"),
                    RedirectTo::Prefix(prefix) => format!("{prefix}$request_uri"),
                    RedirectTo::Location(location) => location.clone(),
                };
                when(format!("return {code} {};", quoted(one_line("a redirect", &to)?)));
            }
            Action::Return { status, content_type, body } => {
                let body = match body {
                    Body::Empty => String::new(),
                    Body::Text(text) if text.contains('$') => {
                        return Err(RenderError("nginx takes `$` in a body for a variable".to_owned()));
                    }
                    Body::Text(text) => one_line("a body", text)?.to_owned(),
                    Body::File(file) => {
                        return Err(RenderError(format!("nginx does not answer with the file {}", file.display())));
                    }
                };
                // A place of its own, since only there the type can be said.
                let place = format!("/.vipkeeper/{route}");
                when(format!("rewrite ^ {place} last;"));
                self.rules.extend([
                    format!("location = {place} {{"),
                    "    internal;".to_owned(),
                    format!("    default_type {};", quoted(one_line("a content type", content_type)?)),
                    format!("    return {status} {};", quoted(&body)),
                    "}".to_owned(),
                ]);
            }
            Action::Deny(status) => when(format!("return {status};")),
            Action::Reject => when("return 444;".to_owned()),
        }
        Ok(())
    }

    /// The backend of the route that counts. Connections are rejected here too, by nobody's name.
    fn choose(&mut self, number: usize, frontend: &Frontend) {
        let mut lines = Vec::new();
        for (route, of) in frontend.rules.routes.iter().zip(1_usize..) {
            match &route.action {
                Action::Backend { name, rewrite: _ } => lines.push(format!("    {of} {name};")),
                Action::Reject if frontend.mode == Mode::Tcp => lines.push(format!("    {of} \"\";")),
                Action::Reject | Action::Redirect { .. } | Action::Return { .. } | Action::Deny(_) => {}
            }
        }
        if lines.is_empty() {
            return;
        }
        let variable = format!("$vipkeeper_{number}_backend");
        self.maps.push(format!("map $vipkeeper_{number}_route {variable} {{"));
        if let Some(default) = &frontend.default_backend {
            self.maps.push(format!("    default {default};"));
        }
        self.maps.extend(lines);
        self.maps.push("}".to_owned());
        self.target = Some(variable);
    }
}

/// Alternatives of one kind.
struct Group {
    /// `map` or `geo`.
    block: &'static str,
    /// What a map looks at.
    from: String,
    hostnames: bool,
    keys: Vec<String>,
}

fn groups(when: &Conditions, from: Sources) -> Result<Vec<Group>, RenderError> {
    let Conditions { hosts, paths, methods, headers, sources, sni } = when;
    let map = |from: &str, keys: Vec<String>| Group { block: "map", from: from.to_owned(), hostnames: false, keys };
    let mut all = Vec::new();
    for (from, hosts) in [("$host", hosts), (from.sni, sni)] {
        if !hosts.is_empty() {
            let keys = hosts.iter().map(host_key).collect::<Result<_, _>>()?;
            all.push(Group { hostnames: true, ..map(from, keys) });
        }
    }
    if !paths.is_empty() {
        all.push(map(PATH, paths.iter().map(path_key).collect::<Result<_, _>>()?));
    }
    if !methods.is_empty() {
        let names: Vec<&str> = methods.iter().map(|m| one_line("a method", m)).collect::<Result<_, _>>()?;
        let names: Vec<String> = names.into_iter().map(escaped).collect();
        all.push(map("$request_method", vec![quoted(&format!("~^(?:{})$", names.join("|")))]));
    }
    for header in headers {
        all.push(header_group(header)?);
    }
    if !sources.is_empty() {
        let keys = sources.iter().map(|network| Networks::One(network.clone()));
        let keys = keys.map(|network| match &network {
            Networks::One(network) => one_line("a network", network).map(str::to_owned),
            Networks::File(_) => Ok(String::new()),
        });
        let keys = keys.collect::<Result<_, RenderError>>()?;
        all.push(Group { block: "geo", from: String::new(), hostnames: false, keys });
    }
    Ok(all)
}

fn host_key(host: &HostMatch) -> Result<String, RenderError> {
    Ok(match host {
        HostMatch::Exact(host) => word(one_line("a host", host)?),
        HostMatch::Below(domain) => word(&format!("*.{}", one_line("a host", domain)?)),
    })
}

/// As a regular expression, which minds the case; plain keys of a map do not.
fn path_key(path: &PathMatch) -> Result<String, RenderError> {
    Ok(quoted(&match path {
        PathMatch::Exact(text) => format!("~^{}$", escaped(one_line("a path", text)?)),
        PathMatch::Prefix(text) => format!("~^{}", escaped(one_line("a path", text)?)),
        PathMatch::Suffix(text) => format!("~{}$", escaped(one_line("a path", text)?)),
        PathMatch::Regex(text) => format!("~{}", one_line("a path", text)?),
    }))
}

/// HAProxy looks at each of the values that commas part.
fn header_group(header: &HeaderMatch) -> Result<Group, RenderError> {
    let HeaderMatch { name, value } = header;
    let good = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !good {
        return Err(RenderError(format!("nginx has no variable for the header {name:?}")));
    }
    let key = match value {
        Some(value) => format!("~(?:^|,)[ \\t]*{}[ \\t]*(?:,|$)", escaped(one_line("the value of a header", value)?)),
        None => "~.".to_owned(),
    };
    let from = format!("$http_{}", name.to_ascii_lowercase().replace('-', "_"));
    Ok(Group { block: "map", from, hostnames: false, keys: vec![quoted(&key)] })
}

/// A text that a regular expression takes literally.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_punctuation() && c != '_' && c != '/' && c != '-' {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
