//! The files that the proxy reads by itself: certificates, lists, pages.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Action, Body, ClientCertificates, Config, Networks, ServerTls, Tls, TlsTrust};

impl Config {
    /// Files, and directories of files, that the proxy reads when it loads its configuration, but for those that raw lines
    /// name. Their names are in the configuration; what they hold is not, and may change while nothing else does.
    pub fn reads(&self) -> BTreeSet<&Path> {
        let mut all: BTreeSet<&Path> = self.proxy.error_pages.values().map(AsRef::as_ref).collect();
        for tls in self.binds().filter_map(|bind| bind.tls.as_ref()) {
            let Tls { certificates, crt_list, preset: _, min_version: _, alpn: _, client, strict_sni: _ } = tls;
            all.extend(certificates.iter().chain(crt_list).map(AsRef::<Path>::as_ref));
            match client {
                ClientCertificates::NotAsked => {}
                ClientCertificates::Optional(ca) | ClientCertificates::Required(ca) => all.extend([ca.as_path()]),
            }
        }
        for rules in self.frontends.iter().map(|frontend| &frontend.rules) {
            for networks in rules.allow.iter().chain(&rules.deny) {
                if let Networks::File(file) = networks {
                    all.insert(file);
                }
            }
            for route in &rules.routes {
                if let Action::Return { body: Body::File(file), .. } = &route.action {
                    all.insert(file);
                }
            }
        }
        for backend in &self.backends {
            let own = backend.servers.iter().map(|server| &server.settings).chain([&backend.server_defaults]);
            own.filter_map(|settings| settings.tls.as_ref()).for_each(|tls| all.extend(of_server(tls)));
            let of_check = backend.check.as_ref().and_then(|check| check.route.tls.as_ref());
            all.extend(of_check.and_then(|tls| tls.trust.as_ref()).and_then(authorities));
            all.extend(backend.traffic.errorfiles.iter().map(|(_, file)| file.as_path()));
        }
        all
    }
}

fn of_server(tls: &ServerTls) -> impl Iterator<Item = &Path> {
    tls.certificate.iter().map(AsRef::as_ref).chain(authorities(&tls.trust))
}

fn authorities(trust: &TlsTrust) -> Option<&Path> {
    match trust {
        TlsTrust::Anybody => None,
        TlsTrust::Authorities { ca, verify_host: _ } => ca.as_deref(),
    }
}
