//! What operators see of the proxy: stats page, error pages, log format, tables shared by the nodes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::binds::{self, Targets};
use super::{Cx, Names};
use crate::config::document::Item;
use crate::config::limits::STATS_REFRESH;
use crate::config::problem::Problem;
use crate::config::raw::{RawLogFormat, RawProxy, RawStats};
use crate::config::written::At;
use crate::config::{LogFormat, Stats};
use crate::units::Name;

/// Statuses that HAProxy has an answer of its own for (`errorfile`).
const ERROR_PAGES: [u16; 19] =
    [200, 400, 401, 403, 404, 405, 407, 408, 410, 413, 421, 422, 425, 429, 500, 501, 502, 503, 504];

pub(super) fn log_format(cx: &mut Cx<'_>, item: &Item<RawProxy>) -> Option<LogFormat> {
    let Some(written) = &item.raw.get().log_format else { return Some(LogFormat::Haproxy) };
    let format = match written.get() {
        RawLogFormat::Haproxy => LogFormat::Haproxy,
        RawLogFormat::Clf => LogFormat::Clf,
        RawLogFormat::Json => LogFormat::Json,
    };
    if item.raw.get().log.is_none() && format != LogFormat::Haproxy && cx.is_whole(&item.place()) {
        let problem = Problem::new(item.at(written), "`log_format` means nothing without `log`").label("never used");
        cx.add(problem.fix("add `log = \"stdout format raw local0\"`, or remove it"));
        return None;
    }
    Some(format)
}

pub(super) fn error_pages(cx: &mut Cx<'_>, item: &Item<RawProxy>) -> Option<BTreeMap<u16, PathBuf>> {
    let Some(written) = &item.raw.get().error_pages else { return Some(BTreeMap::new()) };
    let mut pages = BTreeMap::new();
    for (status, file) in written.get() {
        match status.get().parse::<u16>().ok().filter(|status| ERROR_PAGES.contains(status)) {
            Some(status) => drop(pages.insert(status, cx.file(item.file, "error_pages", file)?)),
            None => {
                let all = ERROR_PAGES.map(|status| status.to_string()).join(", ");
                let problem = Problem::new(item.at(status), "`error_pages` are for statuses that HAProxy answers with");
                cx.add(problem.label("not such a status").fix(format!("write one of {all}")));
                return None;
            }
        }
    }
    Some(pages)
}

/// `Some(None)`: there is no such page.
#[allow(clippy::option_option, reason = "absent, and wrong")]
pub(super) fn stats(
    cx: &mut Cx<'_>,
    proxy: Option<&Item<RawProxy>>,
    targets: &mut Targets<'_>,
    userlists: &Names<()>,
) -> Option<Option<Stats>> {
    let Some((item, written)) = proxy.and_then(|item| Some((item, item.raw.get().stats.as_ref()?))) else {
        return Some(None);
    };
    let RawStats { bind, uri, userlist, refresh, admin, prometheus } = written.get();
    let bind = bind.as_ref().and_then(|bind| binds::plain(cx, item.at(bind), bind.get(), targets));
    let uri = match uri {
        Some(uri) => super::routing::path(cx, item.at(uri), uri.get()),
        None => Some("/".to_owned()),
    };
    let refresh = match refresh {
        Some(refresh) => cx.duration(item.file, "stats.refresh", Some(refresh), STATS_REFRESH).map(Some),
        None => Some(None),
    };
    let users = match userlist {
        Some(list) => {
            userlists.resolve(cx, item.at(list), list.get()).and_then(|()| Name::new(list.get()).ok()).map(Some)
        }
        None => Some(None),
    };
    let is = |flag: &Option<At<bool>>| flag.as_ref().is_some_and(|flag| *flag.get());
    if let Some(admin) = admin.as_ref().filter(|admin| *admin.get() && userlist.is_none()) {
        let problem = Problem::new(item.at(admin), "`admin` of the stats page needs a `userlist`");
        let problem = problem.label("anybody could stop servers");
        cx.add(problem.fix("add `userlist` with the name of a [[userlist]], or remove `admin`"));
        return None;
    }
    if let (Some(path), true) = (&uri, is(prometheus))
        && path == "/metrics"
    {
        let problem = Problem::new(item.at(written), "the stats page cannot be at /metrics with `prometheus = true`");
        cx.add(problem.label("both answer there").fix("write another `uri`"));
        return None;
    }
    Some(Some(Stats {
        bind: bind?,
        uri: uri?,
        userlist: users?,
        refresh: refresh?,
        admin: is(admin),
        prometheus: is(prometheus),
        origin: cx.origin(&item.at(written)),
    }))
}
