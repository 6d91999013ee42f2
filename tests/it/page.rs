//! The page in a real browser: what it says, that nothing from outside is more than text, and that everybody can read it.

use vipkeeper::node::Status;
use vipkeeper::node::status::{PeerVipStatus, TrackerStatus, VipStatus};

use crate::page_fixture::{Browser, Site, in_browser};

fn calm() -> Status {
    serde_json::from_str(include_str!("../data/page/calm.json")).unwrap()
}

/// A dead proxy, a silent peer, a stranger, a refused reload.
fn night() -> Status {
    serde_json::from_str(include_str!("../data/page/night.json")).unwrap()
}

/// Everything that comes from outside or from the configuration tries to be markup.
fn hostile() -> Status {
    let evil = |what: &str| format!("{what}<img src=x onerror=\"document.title='owned'\"><script>alert(1)</script>");
    let mut status = night();
    status.node = evil("me");
    status.proxy.why = evil("proxy");
    status.proxy.version = Some(evil("version"));
    status.proxy.frontends = vec![(evil("frontend"), evil("state"))];
    status.proxy.backends = vec![(evil("backend"), evil("state"))];
    status.config.last_reload.as_mut().unwrap().message = evil("reload");
    status.peers_note = Some(evil("Note"));
    for vip in &mut status.vips {
        vip.name = evil(&vip.name);
        vip.why = evil("why");
        vip.group = Some(evil("group"));
        vip.troubles.push(evil("trouble"));
        vip.weights.push((evil("weight"), -1));
        vip.counters.insert(evil("counter"), 1);
        vip.transitions[0].why = evil("transition");
    }
    for peer in &mut status.peers {
        peer.name = evil("peer");
        peer.address = evil("address");
        peer.dropped.insert(evil("dropped"), 1);
        peer.vips = status.vips.iter().map(|vip| said(vip, &evil("unfit"))).collect();
    }
    status.trackers = vec![TrackerStatus { name: evil("tracker"), why: evil("failed"), ..status.trackers[0].clone() }];
    status
}

fn said(vip: &VipStatus, why: &str) -> PeerVipStatus {
    PeerVipStatus { name: vip.name.clone(), state: "fault".to_owned(), priority: None, fit: false, why: why.to_owned() }
}

/// As many VIPs as a configuration may have; one has a trouble.
fn many() -> Status {
    let mut status = calm();
    let www = status.vips[0].clone();
    status.vips = (0..1_000).map(|n| VipStatus { name: format!("vip-{n:03}"), ..www.clone() }).collect();
    status.vips[777].troubles = vec!["lb2 does not hear our adverts, only our hellos: a firewall".to_owned()];
    let backup = PeerVipStatus { state: "backup".to_owned(), priority: Some(253), fit: true, ..said(&www, "") };
    let name = |vip: &VipStatus| PeerVipStatus { name: vip.name.clone(), ..backup.clone() };
    status.peers[0].vips = status.vips.iter().map(name).collect();
    status
}

#[test]
fn a_calm_night_is_one_sentence() {
    in_browser("a_calm_night_is_one_sentence", |mut page| async move {
        let site = Site::new(&calm()).await;
        page.open(&site).await;
        assert_eq!(page.text_of("[role=status] h1").await, "All is well.");
        assert_eq!(page.text_of(".lead").await, "lb1 holds www and lb2 holds api. Each could take over.");
        assert_eq!(page.text("document.title").await, "✓ lb1: All is well");
        assert_eq!(page.texts_of(".problems").await, [""; 0]);
        let cells = page.texts_of(".cell").await;
        assert_eq!(
            cells,
            [
                "lb1: active, priority 254for 3 h 7 minclients arrive here",
                "lb2: backup, priority 253could take it",
                "lb1: backup, priority 243for 1 d 2 h",
                "lb2: active, priority 254clients arrive here",
            ]
        );
        let heads = page.texts_of(".node-head").await.join("\n");
        assert!(heads.contains("1,286 of 8,000 connections") && heads.contains("same configuration"), "{heads}");
        assert_eq!(
            page.texts_of(".vip:nth-of-type(2) .ledger tr").await,
            ["253base, from the configuration", "− 10tracker disk: 71 of 80 wanted", "243priority"]
        );
        page.has_no_complaint();
    });
}

#[test]
fn a_bad_night_is_told_worst_first() {
    in_browser("a_bad_night_is_told_worst_first", |mut page| async move {
        let site = Site::new(&night()).await;
        page.open(&site).await;
        assert_eq!(page.text_of("[role=status] h1").await, "Nobody holds www.");
        assert_eq!(page.text_of(".lead").await, "3 things are wrong, 5 more need a look.");
        let problems = page.texts_of(".problems .head").await;
        assert_eq!(
            problems,
            [
                "Nobody holds www",
                "HAProxy on lb1 is not fit",
                "Backend api is DOWN",
                "api: 192.168.83.7 speaks for VRID 52 too, with priority 100, and is no node of the configuration",
                "lb2 is silent",
                "lb2 runs another configuration",
                "Tracker gateway failed",
                "The last reload was refused, nothing changed",
                "An operator set server web/web1 to drain",
            ]
        );
        let reload = page.text_of(".problems li:nth-child(8) .why").await;
        assert_eq!(reload, "unknown key `weigth`", "the error, not what is said before it");
        let peer = page.text_of(".cell.old").await;
        assert_eq!(peer, "lb2: backup, priority 253that was its last word");
        let story = page.texts_of(".log li").await;
        let what = [
            "www active →  to fault",
            "api backup →  to fault",
            "HAProxy failed",
            "Reload refused",
            "www backup →  to active",
        ];
        for (entry, what) in story.iter().zip(what) {
            assert!(entry.contains(what), "{entry:?} instead of {what:?}");
        }
        let ages = page.value("[...document.querySelectorAll('.log time')].map((e) => e.at)").await;
        let ages: Vec<f64> = ages.as_array().unwrap().iter().map(|age| age.as_f64().unwrap()).collect();
        assert!(ages.len() > 8 && ages.is_sorted_by(|a, b| a >= b), "newest first: {ages:?}");
        page.has_no_complaint();
    });
}

#[test]
fn what_an_operator_wants_is_no_alarm() {
    in_browser("what_an_operator_wants_is_no_alarm", |mut page| async move {
        let mut status = calm();
        status.maintenance = true;
        let lb2 = status.vips[1].holder.clone();
        for vip in &mut status.vips {
            vip.state = "fault".to_owned();
            vip.why = "this node is in maintenance".to_owned();
            (vip.priority, vip.holder) = (None, lb2.clone());
            vip.installed.clear();
        }
        let site = Site::new(&status).await;
        page.open(&site).await;
        assert_eq!(page.text("document.documentElement.dataset.level").await, "wish");
        assert_eq!(page.text_of("h1").await, "lb1 is in maintenance.");
        assert_eq!(page.text_of(".lead").await, "lb2 holds www and api.");
        assert_eq!(page.texts_of(".hint").await, ["vipkeeper maintenance off"]);
        page.has_no_complaint();
    });
}

#[test]
fn names_and_reasons_from_outside_are_text() {
    in_browser("names_and_reasons_from_outside_are_text", |mut page| async move {
        let site = Site::new(&hostile()).await;
        page.open(&site).await;
        let text = page.text_of("body").await;
        for what in [
            "me",
            "proxy",
            "version",
            "frontend",
            "state",
            "backend",
            "reload",
            "Note",
            "www",
            "why",
            "group",
            "trouble",
            "weight",
            "counter",
            "transition",
            "peer",
            "address",
            "dropped",
            "tracker",
            "failed",
        ] {
            assert!(text.contains(&format!("{what}<img src=x onerror=")), "{what} is not shown");
        }
        let built = "document.querySelectorAll('img, body script, [onerror], [style], style, iframe').length";
        assert_eq!(page.value(built).await, 0);
        assert!(page.text("document.title").await.contains("<img"));
        page.has_no_complaint();
        // What would have told us.
        page.value("document.body.setAttribute('style', 'color: red')").await;
        while page.complaints.is_empty() {
            page.value("1").await;
        }
        assert!(page.complaints[0].contains("Content Security Policy"), "{:?}", page.complaints);
    });
}

/// Elements that stick out on the right.
const OUTSIDE: &str = "[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5 \
                       && !e.closest('.unseen, pre')).map((e) => `${e.localName}.${e.className.baseVal ?? e.className}`).join(' ')";

#[test]
fn a_phone_shows_everything_without_scrolling_sideways() {
    in_browser("a_phone_shows_everything_without_scrolling_sideways", |mut page| async move {
        page.size(375, 700).await;
        let mut long = night();
        long.node = "a-node-whose-name-never-seems-to-end-and-has-no-place-to-break-it.example.com".repeat(2);
        long.vips[0].name = "x".repeat(120);
        long.vips[0].addresses = vec!["2001:db8:1111:2222:3333:4444:5555:6666/128".to_owned(); 9];
        for status in [calm(), night(), hostile(), long, many()] {
            let site = Site::new(&status).await;
            page.open(&site).await;
            assert_eq!(page.value("document.documentElement.scrollWidth").await, 375);
            assert_eq!(page.text(OUTSIDE).await, "");
        }
    });
}

/// Texts whose contrast with what is behind them is below 4.5 (WCAG AA), or 3 for large ones.
const FAINT: &str = r"(() => {
  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = numbers(colour).slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    const colour = getComputedStyle(e).backgroundColor;
    return numbers(colour)[3] === 0 && e.parentElement ? behind(e.parentElement) : colour;
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !e.checkVisibility() || e.closest('.unseen, .skip, noscript, option')) continue;
    seen += 1;
    const style = getComputedStyle(e);
    const [a, b] = [light(style.color), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) faint.push(`${ratio.toFixed(1)} ${e.className}: ${walker.currentNode.data}`);
  }
  return seen > 50 ? faint.join('\n') : `only ${seen} texts`;
})()";

#[test]
fn every_text_has_contrast_in_light_and_dark() {
    in_browser("every_text_has_contrast_in_light_and_dark", |mut page| async move {
        for status in [calm(), night()] {
            let site = Site::new(&status).await;
            for scheme in ["light", "dark"] {
                page.scheme(scheme).await;
                page.open(&site).await;
                assert_eq!(page.text(FAINT).await, "", "{scheme}");
            }
            site.is_gone();
            page.until("document.documentElement.dataset.level === 'lost'").await;
            assert_eq!(page.text(FAINT).await, "", "lost");
        }
    });
}

#[test]
fn only_what_changed_is_drawn_again() {
    in_browser("only_what_changed_is_drawn_again", |mut page| async move {
        let mut status = calm();
        let site = Site::new(&status).await;
        page.open(&site).await;
        let watch = "globalThis.changed = [];
            new MutationObserver((all) => changed.push(...all.map((m) => (m.target.closest ? m.target : m.target.parentElement))))
              .observe(document.querySelector('main'), { subtree: true, childList: true, characterData: true, attributes: true })";
        page.value(watch).await;
        status.proxy.connections = Some((4_000, 8_000));
        site.says(&status);
        page.until("document.querySelector('#proxy .traffic').textContent.startsWith('4,000')").await;
        let drawn = page.text("[...new Set(changed.filter((e) => !e.matches('time')).map((e) => e.closest('.traffic, .vip, .log, #config')?.className))].join()");
        assert_eq!(drawn.await, "traffic");
        // The VIP moves; an element that a reader looks at stays the same one.
        page.value("globalThis.cell = document.querySelector('.vip .cell:nth-child(2)')").await;
        status.vips[0].state = "backup".to_owned();
        status.vips[0].installed.clear();
        status.vips[0].holder = status.vips[1].holder.clone();
        status.peers[0].vips[0].state = "active".to_owned();
        site.says(&status);
        page.until("cell.matches('.active')").await;
        assert_eq!(page.text_of(".lead").await, "lb2 holds www and api. lb1 stands ready.");
        assert_eq!(page.value("cell.isConnected").await, true);
        page.has_no_complaint();
    });
}

/// What is shown, without what ages.
const SHOWN: &str = "(() => { const body = document.body.cloneNode(true);
    for (const e of body.querySelectorAll('time, .when .mono, #link')) e.remove(); return body.innerHTML; })()";

#[test]
fn a_page_that_was_open_shows_what_a_fresh_one_does() {
    in_browser("a_page_that_was_open_shows_what_a_fresh_one_does", |mut page| async move {
        let (mut turned, mut fewer, mut none) = (calm(), calm(), calm());
        turned.vips.reverse();
        fewer.vips.remove(0);
        fewer.peers.clear();
        none.vips.clear();
        none.trackers.clear();
        let site = Site::new(&calm()).await;
        page.open(&site).await;
        for (n, mut status) in [night(), turned, night(), fewer, calm(), none, calm()].into_iter().enumerate() {
            // A mark by which to see that it is drawn.
            status.config.digest = format!("digest-{n}");
            site.says(&status);
            page.until(&format!("document.getElementById('config').textContent.includes('digest-{n}')")).await;
            let kept = page.text(SHOWN).await;
            page.open(&site).await;
            assert_eq!(kept, page.text(SHOWN).await);
        }
    });
}

#[test]
fn a_lost_connection_is_seen_and_mended() {
    in_browser("a_lost_connection_is_seen_and_mended", |mut page| async move {
        let site = Site::new(&calm()).await;
        page.open(&site).await;
        site.is_gone();
        page.until("document.documentElement.dataset.level === 'lost'").await;
        let (head, lead) = (page.text_of("h1").await, page.text_of(".lead").await);
        assert!(head.starts_with("No word from lb1 since "), "{head}");
        assert_eq!(lead, "What follows is what it said last: All is well.");
        assert!(page.text_of("#link").await.starts_with("lost "));
        assert!(page.text("document.title").await.starts_with("✓? lb1"));
        site.says(&night());
        page.until("document.documentElement.dataset.link === 'live'").await;
        page.until("document.querySelector('h1').textContent === 'Nobody holds www.'").await;
    });
}

#[test]
fn a_thousand_vips_stay_usable() {
    in_browser("a_thousand_vips_stay_usable", |mut page| async move {
        let site = Site::new(&many()).await;
        page.open(&site).await;
        assert_eq!(page.text_of("#count").await, "1,000 VIPs");
        let elements = page.value("document.getElementsByTagName('*').length").await.as_u64().unwrap();
        assert!(elements < 3_000, "{elements} elements");
        assert!(page.text_of(".vip h3").await.ends_with("vip-777"), "what needs a look comes first");
        assert!(page.texts_of(".log li").await[0].contains("vip-000, vip-001, vip-002 and 997 more"));
        find(&mut page, "vip-04").await;
        page.until("document.getElementById('count').textContent === '10 of 1,000 VIPs'").await;
        assert_eq!(page.texts_of(".vip h3").await.first().unwrap(), "vip-040");
        find(&mut page, "").await;
        page.until("document.querySelectorAll('.vip').length === 40").await;
        page.value("document.querySelector('.board > .more').click()").await;
        page.until("document.querySelectorAll('.vip').length === 80").await;
        page.value("document.querySelector('.vip summary').click()").await;
        page.until("document.querySelector('.vip .ledger')").await;
        assert_eq!(page.value("document.querySelectorAll('.ledger').length").await, 1);
        page.has_no_complaint();
    });
}

async fn find(page: &mut Browser, what: &str) {
    let type_it =
        format!("const i = document.getElementById('find'); i.value = {what:?}; i.dispatchEvent(new Event('input'))");
    page.value(&format!("{{ {type_it} }}")).await;
}
