// The page of one node: shows what `api/v1/status` says, kept up by the server-sent events of `api/v1/events`.
//
// It only looks: nothing here sends anything but these two requests. Names and reasons come from outside, so all text
// becomes text nodes; nothing is ever parsed as HTML. The view is a function of the last status; `fill` changes only what differs.

const STATUS_URL = "api/v1/status";
const EVENTS_URL = "api/v1/events";
/** An event comes every 5 s at least; two missing ones and a bit: the connection is dead, whatever TCP thinks. */
const SILENT_AFTER_MS = 12_000;
const ASK_WITHIN_MS = 5_000;
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000];
/** Asked at this pace where events do not come through, such as behind a proxy that buffers them. */
const POLL_MS = 5_000;
const RENDER_EVERY_MS = 200;
/** From this number of VIPs on there is a filter, and details are closed. */
const FILTER_FROM = 9;
const OPEN_UP_TO = 3;
const VIPS_STEP = 40;
const LOG_STEP = 25;
const STORY_MAX = 500;
/** The same change of several VIPs within this time is one. */
const TOGETHER_MS = 1_000;
const PROBLEMS_MAX = 12;
const CHIPS_MAX = 40;
const ADDRESSES_MAX = 3;
const NAMES_MAX = 3;
/** A hand-over has two holders, and addresses under way, for a moment. */
const SETTLED_MS = 3_000;
/** A peer that was not heard by then is worth a word. */
const HEARD_BY_MS = 10_000;
/** Connections above this part of the limit are. */
const FULL_FROM = 0.9;

// ---------------------------------------------------------------- DOM

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "path", "rect", "circle"]);
/** What people change, or the ticker: never touched after creation. */
const KEPT = new Set(["open", "datetime", "title"]);
const PRIVATE = new Set(["key", "at", "hold", "on", "open"]);

/** A node that is wanted. `key`: the same one wherever it moves; `at`: an instant of the node, shown as an age. */
function h(tag, attrs, ...children) {
  return { tag, attrs: attrs ?? {}, children: children.flat(9).filter((c) => c !== null && c !== undefined && c !== false && c !== "") };
}

/** Makes the children of `parent` those that are wanted. */
function fill(parent, wanted) {
  const known = new Map();
  for (const node of parent.childNodes) {
    if (node.key !== undefined) known.set(node.key, node);
  }
  const keys = new Set(wanted.map((want) => want.attrs?.key));
  let here = parent.firstChild;
  for (const want of wanted) {
    while (here?.key !== undefined && !keys.has(here.key)) {
      const gone = here;
      here = here.nextSibling;
      gone.remove();
    }
    const node = match(here, known, want) ?? make(want);
    if (node !== here) parent.insertBefore(node, here);
    if (typeof want === "object") update(node, want);
    else if (node.data !== String(want)) node.data = String(want);
    here = node.nextSibling;
  }
  while (here) {
    const gone = here;
    here = here.nextSibling;
    gone.remove();
  }
}

function match(here, known, want) {
  if (typeof want !== "object") return here?.nodeType === Node.TEXT_NODE ? here : undefined;
  const { key } = want.attrs;
  const node = key === undefined ? here : known.get(key);
  return node?.localName === want.tag && node.key === key ? node : undefined;
}

function make(want) {
  if (typeof want !== "object") return document.createTextNode("");
  const node = SVG_TAGS.has(want.tag) ? document.createElementNS(SVG, want.tag) : document.createElement(want.tag);
  node.key = want.attrs.key;
  for (const [event, handler] of Object.entries(want.attrs.on ?? {})) node.addEventListener(event, handler);
  if (want.attrs.open) node.setAttribute("open", "");
  return node;
}

function update(node, want) {
  for (const [name, value] of Object.entries(want.attrs)) {
    if (PRIVATE.has(name)) continue;
    if (value === false || value === null || value === undefined) node.removeAttribute(name);
    else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
  }
  for (const name of node.getAttributeNames()) {
    if (!(name in want.attrs) && !KEPT.has(name)) node.removeAttribute(name);
  }
  if (want.attrs.at === undefined) return fill(node, want.children);
  // The clocks of both ends and the way between them make an instant tremble by a little.
  if (!(Math.abs(node.at - want.attrs.at) < 1_000)) node.at = want.attrs.at;
  node.hold = want.attrs.hold === true;
  tickOne(node);
}

/** Even the same value would be a change of the document. */
function hide(id, hidden) {
  if ($(id).hidden !== hidden) $(id).hidden = hidden;
}

const $ = (id) => document.getElementById(id);
const set = (id, ...children) => fill($(id), h("x", {}, ...children).children);

// ---------------------------------------------------------------- words

const numbers = new Intl.NumberFormat("en");
const count = (n) => numbers.format(n);
const plural = (n, one, many) => `${count(n)} ${n === 1 ? one : many ?? `${one}s`}`;

/** As the command line words it, in whole seconds. */
function span(ms) {
  const secs = Math.max(0, Math.floor(ms / 1_000));
  const two = (big, bigName, small, smallName) => (small === 0 ? `${big} ${bigName}` : `${big} ${bigName} ${small} ${smallName}`);
  if (secs < 60) return `${secs} s`;
  if (secs < 3_600) return two(Math.floor(secs / 60), "min", secs % 60, "s");
  if (secs < 86_400) return two(Math.floor(secs / 3_600), "h", Math.floor((secs % 3_600) / 60), "min");
  return two(Math.floor(secs / 86_400), "d", Math.floor((secs % 86_400) / 3_600), "h");
}

const exactSpan = (ms) => (ms < 1_000 ? `${ms} ms` : ms < 10_000 ? `${(ms / 1_000).toFixed(1)} s` : span(ms));
const list = (words) => (words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`);

/** `www`, `www and api`, `www, api, mail and 997 more`. */
function names(all) {
  const some = all.slice(0, all.length === NAMES_MAX + 1 ? NAMES_MAX + 1 : NAMES_MAX);
  const more = all.length - some.length;
  return list(more > 0 ? [...some, `${count(more)} more`] : some);
}

function clock(time) {
  const day = new Date(time).toDateString() === new Date().toDateString();
  const hms = new Date(time).toLocaleTimeString("en-GB");
  return day ? hms : `${new Date(time).toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${hms}`;
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const program = (engine) => ({ haproxy: "HAProxy", nginx: "nginx" })[engine] ?? (engine || "The proxy");
const isGood = (state) => state === "OPEN" || state.startsWith("UP");

// ---------------------------------------------------------------- what is known

/** The last status, and when it came by this browser's clock. */
let status = null;
let receivedAt = 0;
/** When its vipkeeper started by that clock; kept while it trembles, so that no second flickers. */
let startedAt = 0;

/** An instant of the node: milliseconds since its vipkeeper started. */
const ago = (ms) => status.up_ms - ms;
const nodeNow = () => status.up_ms + Math.max(0, Date.now() - receivedAt);
/** That instant by this browser's clock. */
const wall = (at) => startedAt + at;

/** An age that lives on. `hold`: it is only known to hold until we heard last, such as "active for". */
const since = (ms, hold = false) => h("time", { at: ago(ms), hold, class: "tick" });

function tickOne(node) {
  if (status === null) return;
  const text = span((node.hold && isStale() ? status.up_ms : nodeNow()) - node.at);
  if (node.textContent === text) return;
  node.textContent = text;
  const time = wall(node.at);
  // Both tremble with the instant; what is off by a second is as good.
  if (Math.abs(Date.parse(node.getAttribute("datetime")) - time) < 2_000) return;
  node.setAttribute("datetime", `${new Date(time).toISOString().slice(0, 19)}Z`);
  node.setAttribute("title", `since ${clock(time)}`);
}

/** Who holds a VIP as far as this node knows; null: nobody. */
function holderOf(vip) {
  if (vip.state === "active") return { name: status.node, here: true, address: vip.holder?.address ?? "" };
  if (vip.holder) return { name: vip.holder.node ?? vip.holder.address, here: false, ...vip.holder, foreign: vip.holder.node === null };
  const peer = status.peers.find((p) => p.state === "fresh" && saysOf(p, vip)?.state === "active");
  return peer ? { name: peer.name, here: false, address: peer.address, said: true } : null;
}

const said = new WeakMap();
/** What a peer said of a VIP last. */
function saysOf(peer, vip) {
  if (!said.has(peer)) said.set(peer, new Map(peer.vips.map((v) => [v.name, v])));
  return said.get(peer).get(vip.name);
}

const missing = (vip) => (vip.state === "active" ? vip.addresses.filter((a) => !vip.installed.includes(a)) : []);
const surplus = (vip) => (vip.state === "active" ? [] : vip.installed);

/** What contradicts the state, and what the node itself calls a trouble. */
function troublesOf(vip) {
  const found = [];
  if (vip.for_ms > SETTLED_MS && missing(vip).length > 0) found.push(`not on ${vip.interface} yet: ${names(missing(vip))}`);
  if (vip.for_ms > SETTLED_MS && surplus(vip).length > 0) found.push(`still on ${vip.interface}: ${names(surplus(vip))}`);
  return [...found, ...vip.troubles];
}

/** `wrong`, `look`, `wish` or `well`. */
function levelOf(vip) {
  if (holderOf(vip) === null) return "wrong";
  if (troublesOf(vip).length > 0) return "look";
  if (status.maintenance || vip.operator) return "wish";
  return vip.state === "fault" ? "look" : "well";
}

/** Values by what they have in common. */
function grouped(pairs) {
  const groups = new Map();
  for (const [common, value] of pairs) {
    if (!groups.has(common)) groups.set(common, []);
    groups.get(common).push(value);
  }
  return [...groups];
}

/** A sentence of the node, split where its reason begins. */
function split(text) {
  const at = text.indexOf(": ");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 2)];
}

/** The line of a longer message that says it: its first error, or its first line. */
function gist(message) {
  const lines = message.trim().split("\n");
  return (lines.find((line) => line.startsWith("error: ")) ?? lines[0]).replace(/^error: /, "");
}

// ---------------------------------------------------------------- verdict

/**
 * Everything that is not as it should be, worst first. `wrong`: clients may feel it; `look`: they do not, but something
 * is broken; `wish`: an operator wants it so.
 */
function problems() {
  const found = [];
  const add = (level, head, why = "", more = {}) => found.push({ level, head, why, ...more });
  if (status.phase !== "running") add("look", `vipkeeper on ${status.node} is ${status.phase}`);
  vipProblems(add);
  proxyProblems(add);
  peerProblems(add);
  for (const t of status.trackers.filter((t) => t.verdict === "failed")) {
    add("look", `Tracker ${t.name} failed`, t.why || t.kind, { since: t.for_ms });
  }
  const reload = status.config.last_reload;
  if (reload && !reload.ok) {
    add("look", "The last reload was refused, nothing changed", gist(reload.message), { past: reload.ms_ago, hint: "vipkeeper check" });
  }
  wishes(add);
  const rank = { wrong: 0, look: 1, wish: 2 };
  return found.sort((a, b) => rank[a.level] - rank[b.level]);
}

function vipProblems(add) {
  const nobody = status.vips.filter((v) => holderOf(v) === null).map((v) => v.name);
  if (nobody.length > 0) {
    const level = status.phase === "starting" ? "look" : "wrong";
    add(level, `Nobody holds ${names(nobody)}`, `as far as ${status.node} knows`, { hint: `vipkeeper explain ${nobody[0]}` });
  }
  const twice = status.vips.filter((v) => v.state === "active" && v.for_ms > SETTLED_MS).flatMap((v) => {
    const rivals = status.peers.filter((p) => p.state === "fresh" && saysOf(p, v)?.state === "active");
    return rivals.map((p) => [p.name, v.name]);
  });
  for (const [peer, vips] of grouped(twice)) add("wrong", `${status.node} and ${peer} both hold ${names(vips)}`);
  const told = status.vips.flatMap((v) => troublesOf(v).map((text) => [text, v]));
  for (const [text, vips] of grouped(told)) {
    const [head, why] = split(text);
    const absent = vips.some((v) => missing(v).length > 0) && text.startsWith("not on ");
    add(absent ? "wrong" : "look", `${names(vips.map((v) => v.name))}: ${head}`, why, { hint: `vipkeeper explain ${vips[0].name}` });
  }
  const unable = status.vips.filter((v) => v.state === "fault" && !wanted(v) && status.proxy.healthy && holderOf(v) !== null);
  for (const [why, vips] of grouped(unable.map((v) => [v.why, v.name]))) add("look", `${status.node} cannot hold ${names(vips)}`, why);
}

/** How a node words that an operator wants it to abstain. */
const WISHED = /in maintenance|released by an operator/;
const wanted = (vip) => status.maintenance || vip.operator === "released";

function proxyProblems(add) {
  const { proxy } = status;
  const holds = status.vips.some((v) => v.state === "active" || holderOf(v) === null);
  const level = holds ? "wrong" : "look";
  if (!proxy.healthy) add(level, `${program(proxy.engine)} on ${status.node} is not fit`, proxy.why, { since: proxy.for_ms });
  const odd = (pairs) => grouped(pairs.filter(([, state]) => !isGood(state)).map(([name, state]) => [state, name]));
  for (const [state, all] of proxy.healthy ? odd(proxy.frontends) : []) add(level, `Frontend ${names(all)} is ${state}`);
  for (const [state, all] of odd(proxy.backends)) add(level, `Backend ${names(all)} is ${state}`, "no server of it can take requests");
  const [now, max] = proxy.connections ?? [0, 0];
  if (max > 0 && now >= max * FULL_FROM) add("look", `${program(proxy.engine)} is nearly full`, `${count(now)} of ${count(max)} connections`);
}

function peerProblems(add) {
  if (status.peers_note) {
    const [head, why] = split(status.peers_note);
    add("look", capital(head), why, { hint: "vipkeeper doctor" });
  }
  for (const peer of status.peers) {
    const late = status.up_ms > HEARD_BY_MS;
    if (peer.state === "silent") add("look", `${peer.name} is silent`, "none of its hellos arrives", { since: peer.heard_ms_ago });
    if (peer.state === "unknown" && late) add("look", `${peer.name} was never heard`, "", { hint: "vipkeeper doctor" });
    if (peer.state === "proving" && late) add("look", `${peer.name} has not proved yet to be no recording`);
    if (peer.same_config === false) add("look", `${peer.name} runs another configuration`, "", { hint: "vipkeeper diff" });
    if (peer.state !== "fresh") continue;
    const unfit = peer.vips.filter((v) => !v.fit).map((v) => [v.why, v.name]);
    for (const [why, vips] of grouped(unfit)) {
      const level = WISHED.test(why) ? "wish" : "look";
      add(level, `${peer.name} could not take ${names(vips)}`, `it says: ${why}`);
    }
  }
}

function wishes(add) {
  if (status.maintenance) add("wish", `${status.node} is in maintenance`, "it holds no VIP", { hint: "vipkeeper maintenance off" });
  for (const [wish, vips] of grouped(status.vips.filter((v) => v.operator).map((v) => [v.operator, v.name]))) {
    const head = wish === "released" ? `An operator released ${names(vips)} here` : `An operator lets others go first for ${names(vips)}`;
    add("wish", head, "", { hint: `vipkeeper resume ${vips[0]}` });
  }
  for (const one of status.proxy.intents) add("wish", `An operator set server ${serverWish(one)}`, "", { since: one.for_ms });
}

function serverWish(one) {
  const wants = [one.state, one.weight === null ? null : `weight ${one.weight}`].filter(Boolean);
  return `${one.server} to ${list(wants)}`;
}

/** Who has what, in one or two sentences. */
function calm() {
  const held = grouped(status.vips.map((v) => [holderOf(v)?.name, v.name]));
  const who = held.map(([holder, vips]) => {
    return `${holder} holds ${held.length === 1 && vips.length > NAMES_MAX ? `all ${count(vips.length)} VIPs` : names(vips)}`;
  });
  const spare = held.length > 0 ? spares(new Set(held.map(([holder]) => holder))) : "";
  if (who.length > NAMES_MAX) return `Each of ${count(status.vips.length)} VIPs has a holder.${spare}`;
  return who.length === 0 ? `${status.node} takes part in no VIP.` : `${list(who)}.${spare}`;
}

/** Who could take over from those. */
function spares(holders) {
  const fit = status.peers.filter((p) => p.state === "fresh" && p.vips.length > 0 && p.vips.every((v) => v.fit)).map((p) => p.name);
  if (status.proxy.healthy && status.vips.every((v) => v.state !== "fault")) fit.push(status.node);
  const idle = fit.filter((node) => !holders.has(node)).sort();
  if (idle.length > 0) return ` ${names(idle)} ${idle.length === 1 ? "stands" : "stand"} ready.`;
  return fit.length > 1 ? " Each could take over." : "";
}

function judge() {
  const all = problems();
  const level = all[0]?.level ?? "well";
  const of = (l) => all.filter((p) => p.level === l).length;
  const [wrong, look] = [of("wrong"), of("look")];
  const parts = [
    wrong > 0 && `${plural(wrong, "thing is", "things are")} wrong`,
    look > 0 && (wrong > 0 ? `${count(look)} more ${look === 1 ? "needs" : "need"} a look` : `${plural(look, "thing needs", "things need")} a look`),
  ].filter(Boolean);
  const held = status.vips.length > 0 && status.vips.every((v) => holderOf(v) !== null);
  const sums = parts.length > 0 ? `${parts.join(", ")}. ${held ? "Every VIP has a holder." : ""}`.trim() : "";
  const lead = level === "well" || level === "wish" ? calm() : sums;
  return { level, head: level === "well" ? "All is well." : `${all[0].head}.`, lead, all };
}

// ---------------------------------------------------------------- view: top

const MARKS = {
  well: ["path", { d: "M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zM4.6 8.2l2.4 2.4 4.4-4.8" }],
  look: ["path", { d: "M8 1.8 15 14.2H1zM8 6.2v4M8 11.6v.9" }],
  wrong: ["path", { d: "M5 1.2h6L14.8 5v6L11 14.8H5L1.2 11V5zM5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2" }],
  wish: ["path", { d: "M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zM6.2 5.4v5.2M9.8 5.4v5.2" }],
};
const WORDS = { well: "well", look: "needs a look", wrong: "wrong", wish: "wanted by an operator" };

function mark(level, spoken = true) {
  const [tag, attrs] = MARKS[level];
  const name = spoken ? { role: "img", "aria-label": WORDS[level] } : { "aria-hidden": "true" };
  return h("svg", { class: `mark ${level}`, viewBox: "0 0 16 16", ...name }, h(tag, attrs));
}

function showTop() {
  const { level, head, lead, all } = judge();
  const root = document.documentElement;
  const stale = isStale();
  set("node", status.node);
  set("about", `vipkeeper ${status.version}, up `, since(status.up_ms, true), status.phase === "running" ? "" : `, ${status.phase}`);
  const title = stale ? `No word from ${status.node} since ${clock(link.since)}.` : head;
  const after = stale ? `What follows is what it said last: ${head}` : lead;
  set("verdict", h("h1", {}, title), h("p", { class: "lead" }, after));
  set("problems", all.length > 0 && problemList(all));
  root.dataset.level = stale ? "lost" : level;
  document.title = `${{ well: "✓", wish: "‖", look: "!", wrong: "✕" }[level]}${stale ? "?" : ""} ${status.node}: ${title.replace(/\.$/, "")}`;
  showIcon(stale ? "lost" : level);
}

function problemList(all) {
  const rows = all.slice(0, PROBLEMS_MAX).map((p) =>
    h("li", { class: p.level }, mark(p.level), h("div", { class: "text" },
      h("span", { class: "head" }, p.head), p.why && [": ", h("span", { class: "why" }, p.why)],
      p.hint && [" ", h("code", { class: "hint" }, p.hint)]),
      typeof p.since === "number" && h("span", { class: "age" }, "for ", since(p.since, true)),
      typeof p.past === "number" && h("span", { class: "age" }, since(p.past), " ago")));
  const more = all.length - rows.length;
  return h("ul", { class: "problems" }, rows, more > 0 && h("li", {}, `and ${count(more)} more`));
}

let iconOf = "";
function showIcon(level) {
  if (iconOf === level) return;
  iconOf = level;
  const colour = { well: "#0a7a5a", wish: "#556", look: "#b07800", wrong: "#c02a1c", lost: "#888" }[level];
  const shape = level === "lost" ? "fill='none' stroke-width='3' stroke-dasharray='4 3' stroke" : "fill";
  const image = `<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><circle cx='8' cy='8' r='6' ${shape}='${colour}'/></svg>`;
  $("icon").href = `data:image/svg+xml,${encodeURIComponent(image)}`;
}

// ---------------------------------------------------------------- view: nodes and VIPs

const ui = { vips: VIPS_STEP, log: LOG_STEP, opened: new Map() };

/** All nodes that are known, in the same order on whichever of their pages. */
function nodes() {
  const known = new Map([[status.node, { name: status.node, here: true }]]);
  for (const peer of status.peers) known.set(peer.name, { name: peer.name, peer });
  for (const { holder } of status.vips) {
    if (holder?.node && !known.has(holder.node)) known.set(holder.node, { name: holder.node, address: holder.address });
  }
  return [...known.values()].sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

function bar(now, max) {
  const part = max > 0 ? Math.min(100, (100 * now) / max) : 0;
  // What is there at all is seen.
  const width = now > 0 ? Math.max(part, 1) : 0;
  const words = `${count(now)} of ${plural(max, "connection")}`;
  return h("div", { class: "traffic" },
    h("svg", { class: part >= 100 * FULL_FROM ? "bar full" : "bar", role: "img", "aria-label": words },
      h("rect", { class: "max", width: "100%", height: "100%" }), h("rect", { class: "now", width: `${width.toFixed(1)}%`, height: "100%" })),
    h("span", { "aria-hidden": "true" }, words));
}

function nodeHead(node) {
  const name = h("h3", {}, node.name, node.here && h("span", { class: "soft" }, " this node"));
  const lines = [];
  if (node.here) {
    const { proxy, connections = proxy.connections } = status;
    lines.push(fact(proxy.healthy ? "well" : "wrong", proxy.healthy ? `${program(proxy.engine)} is fit` : `${program(proxy.engine)} is not fit`));
    if (status.maintenance) lines.push(fact("wish", "in maintenance"));
    if (connections) lines.push(bar(...connections));
  } else if (node.peer) {
    const { peer } = node;
    const heard = peer.heard_ms_ago === null ? [] : [", heard ", since(peer.heard_ms_ago), " ago"];
    lines.push(fact(peer.state === "fresh" ? "well" : "look", peer.state, heard));
    if (peer.same_config === true) lines.push(fact("well", "same configuration"));
    if (peer.same_config === false) lines.push(fact("look", "another configuration"));
    lines.push(h("p", { class: "soft mono" }, peer.address));
    const dropped = reasons(peer.dropped);
    if (dropped) lines.push(h("p", { class: "soft" }, `dropped: ${dropped}`));
  } else {
    lines.push(h("p", { class: "soft" }, "known by its adverts only"), h("p", { class: "soft mono" }, node.address));
  }
  return h("div", { key: node.name, class: node.here ? "node-head here" : "node-head" }, name, lines);
}

const fact = (level, ...words) => h("p", { class: `fact ${level}` }, mark(level, false), h("span", {}, words));

/** What a node says of a VIP; of this one what is so. */
function cell(node, vip) {
  const shown = node.here
    ? { state: vip.state, priority: vip.priority, fit: vip.state !== "fault", why: vip.why }
    : node.peer ? saysOf(node.peer, vip) : vip.holder?.node === node.name ? { state: "active", priority: vip.holder.priority, fit: true, why: "" } : null;
  const old = node.peer && node.peer.state !== "fresh";
  if (!shown) return h("li", { key: node.name, class: "cell none" }, whose(node), h("span", { class: "soft" }, "says nothing"));
  const { state, priority, fit } = shown;
  const notes = [];
  if (old) notes.push("that was its last word");
  else if (node.here) notes.push(["for ", since(vip.for_ms, true)]);
  else if (state === "backup" && fit) notes.push("could take it");
  if (state === "active" && !old) notes.push("clients arrive here");
  const wished = !fit && (node.here ? wanted(vip) : WISHED.test(shown.why));
  if (wished && node.here) notes.push("an operator wants it so");
  if (!fit && !node.here) notes.push(h("span", { class: "why" }, shown.why || "not fit"));
  const standing = priority === null ? h("span", { class: "soft" }, "abstains") : h("span", { class: "priority" }, h("span", { class: "unseen" }, ", priority "), priority);
  return h("li", { key: node.name, class: `cell ${state}${old ? " old" : ""}${fit ? "" : " unfit"}${wished ? " wished" : ""}` },
    whose(node), h("span", { class: "top" }, h("strong", {}, state), standing), notes.map((n) => h("span", { class: "note" }, n)));
}

/** A holder that is no node of the configuration. */
function stranger(vip) {
  const holder = holderOf(vip);
  return holder?.foreign && h("li", { class: "cell active foreign" },
    h("span", { class: "whose mono" }, holder.address), h("span", { class: "top" }, h("strong", {}, "active"), h("span", { class: "priority" }, h("span", { class: "unseen" }, ", priority "), holder.priority)),
    h("span", { class: "note" }, "no node of the configuration"));
}

const whose = (node) => h("span", { class: "whose" }, node.name, h("span", { class: "unseen" }, ": "));

function sentence(vip) {
  const holder = holderOf(vip);
  if (holder === null) return [h("strong", {}, "Nobody"), ` holds it, as far as ${status.node} knows. ${mine(vip)}, for `, since(vip.for_ms, true), ": ", h("span", { class: "why" }, vip.why)];
  const who = h("strong", {}, holder.foreign ? `${holder.address}, no node of ours,` : holder.name);
  if (holder.here) return [who, " holds it, for ", since(vip.for_ms, true), ": ", h("span", { class: "why" }, vip.why)];
  return [who, ` holds it. ${mine(vip)}, for `, since(vip.for_ms, true), ": ", h("span", { class: "why" }, vip.why)];
}

const mine = (vip) => (vip.state === "fault" ? `${status.node} cannot` : `${status.node} is ${vip.state}`);

function vipRow(vip, all) {
  const level = levelOf(vip);
  const open = isOpen(vip);
  const some = vip.addresses.slice(0, ADDRESSES_MAX);
  const more = vip.addresses.length - some.length;
  const wish = vip.operator === "released" ? "an operator released it here" : vip.operator && "an operator lets others go first";
  return h("article", { key: vip.name, class: `vip ${level}`, "aria-label": vip.name },
    h("div", { class: "who" },
      h("h3", {}, level !== "well" && mark(level), vip.name, vip.group && h("span", { class: "soft" }, ` in group ${vip.group}`)),
      h("p", { class: "mono" }, some.map((a, i) => [i > 0 && " ", h("span", { class: "nobreak" }, a)]), more > 0 && ` and ${count(more)} more`),
      h("p", {}, sentence(vip)),
      wish && h("p", { class: "fact wish" }, mark("wish", false), h("span", {}, wish))),
    h("ul", { class: "cells" }, all.map((node) => cell(node, vip)), stranger(vip)),
    troublesOf(vip).length > 0 && h("ul", { class: "troubles" }, troublesOf(vip).map((t) => h("li", {}, mark("look"), h("span", {}, t)))),
    h("details", { open, on: { toggle: toggled(vip.name) } },
      h("summary", {}, priorityWords(vip), h("span", { class: "unseen" }, `: details of ${vip.name}`)), open && details(vip)));
}

const isOpen = (vip) => ui.opened.get(vip.name) ?? status.vips.length <= OPEN_UP_TO;

function toggled(vip) {
  return (event) => {
    if (event.target.localName !== "details" || ui.opened.get(vip) === event.target.open) return;
    ui.opened.set(vip, event.target.open);
    soon();
  };
}

function priorityWords(vip) {
  if (vip.priority === null) return `Abstains (base priority ${vip.base_priority})`;
  const sum = vip.weights.slice(0, NAMES_MAX).map(([, weight]) => ` ${signed(weight)}`).join("");
  const more = vip.weights.length > NAMES_MAX ? " …" : "";
  return `Priority ${vip.priority}${sum ? ` = ${vip.base_priority}${sum}${more}` : ""}`;
}

const signed = (weight) => `${weight < 0 ? "−" : "+"} ${count(Math.abs(weight))}`;

/** The priority as a sum on paper. */
function ledger(vip) {
  const rows = [[count(vip.base_priority), "base, from the configuration"]];
  for (const [what, weight] of vip.weights) rows.push([signed(weight), what]);
  const sum = vip.weights.reduce((total, [, weight]) => total + weight, vip.base_priority);
  const total = vip.priority === null ? ["none", "it abstains"]
    : [String(vip.priority), vip.priority === sum ? "priority" : `priority: held at ${vip.priority}`];
  const row = ([n, what], last) => h("tr", { class: last ? "total" : "" }, h("td", {}, n), h("th", { scope: "row" }, what));
  return h("table", { class: "ledger" }, h("caption", { class: "unseen" }, `Priority of ${vip.name}`),
    h("tbody", {}, rows.map((r) => row(r, false)), row(total, true)));
}

function details(vip) {
  const addresses = vip.addresses.slice(0, CHIPS_MAX).map((a) => {
    const on = vip.installed.includes(a);
    const odd = on !== (vip.state === "active");
    return h("li", {}, odd && [mark("look"), " "], h("span", { class: "mono" }, a), h("span", { class: "soft" }, on ? " on the interface" : " not here"));
  });
  const rest = vip.addresses.length - addresses.length;
  const part = (title, items) => items.length > 0 && h("div", {}, h("h4", {}, title), h("ul", { class: "plain" }, items.map((i) => h("li", {}, i))));
  return h("div", { class: "details" },
    h("div", {}, h("h4", {}, "Priority"), ledger(vip)),
    h("div", {}, h("h4", {}, `Addresses on ${vip.interface}, VRID ${vip.vrid}`), h("ul", { class: "plain" }, addresses, rest > 0 && h("li", {}, `and ${count(rest)} more`))),
    part("Routes and rules", vip.routing.map(([what, why]) => [h("span", { class: "mono" }, what), h("span", { class: "soft" }, why === null ? " there" : ` not there: ${why}`)])),
    part("Others that speak for this VRID", vip.speakers.map((s) => [`${s.address}, priority ${s.priority}, `, since(s.ms_ago), " ago"])),
    part("Others that claim an address", vip.duplicates.map((d) => [`${d.mac} claims ${d.address}, `, since(d.ms_ago), " ago"])),
    part("Refused", vip.refused.map((r) => [`${r.address}: ${r.reason}, `, since(r.ms_ago), " ago"])),
    part("Counted since the start", Object.entries(vip.counters).map(([what, n]) => `${what} ${count(n)}`)),
    part("Packets dropped", Object.entries(vip.dropped).map(([what, n]) => `${what} ${count(n)}`)));
}

function matching() {
  const filter = status.vips.length >= FILTER_FROM;
  hide("filter", !filter);
  if (!filter) return status.vips;
  const find = $("find").value.trim().toLowerCase();
  const which = $("which").value;
  const rank = { wrong: 0, look: 1, wish: 2, well: 3 };
  const chosen = status.vips.filter((vip) => {
    const holder = holderOf(vip);
    const fits = { all: true, look: levelOf(vip) !== "well", here: holder?.here === true, elsewhere: holder?.here === false, nobody: holder === null };
    const text = [vip.name, vip.interface, vip.group ?? "", holder?.name ?? "", ...vip.addresses].join("\n").toLowerCase();
    return fits[which] && text.includes(find);
  });
  const sorted = chosen.map((vip) => [rank[levelOf(vip)], vip]).sort((a, b) => a[0] - b[0]).map(([, vip]) => vip);
  set("count", sorted.length === status.vips.length ? `${count(sorted.length)} VIPs` : `${count(sorted.length)} of ${count(status.vips.length)} VIPs`);
  return sorted;
}

function showBoard() {
  const all = nodes();
  const vips = matching();
  const shown = vips.slice(0, ui.vips);
  const rest = vips.length - shown.length;
  const more = () => { ui.vips += VIPS_STEP; soon(); };
  set("board", h("div", { class: `board nodes-${all.length <= 4 ? all.length : "many"}` },
    h("div", { class: "heads", role: "group", "aria-label": "Nodes" }, h("span", { class: "blank" }), h("div", { class: "head-cells" }, all.map(nodeHead))),
    shown.map((vip) => vipRow(vip, all)),
    status.vips.length === 0 && h("p", { class: "empty" }, `${status.node} takes part in no VIP.`),
    status.vips.length > 0 && vips.length === 0 && h("p", { class: "empty" }, "No VIP is like that."),
    rest > 0 && h("button", { type: "button", key: "more", class: "more", on: { click: more } }, `Show ${count(Math.min(rest, VIPS_STEP))} of ${count(rest)} more`)));
}

// ---------------------------------------------------------------- view: proxy and the rest

const row = (what, ...value) => [h("dt", {}, what), h("dd", {}, ...value)];
const reasons = (counts) => Object.entries(counts).map(([reason, n]) => `${reason} ${count(n)}`).join(", ");

/** Names with their states; what is not well first, what is beyond the limit only counted. */
function chips(pairs) {
  const sorted = [...pairs.filter(([, s]) => !isGood(s)), ...pairs.filter(([, s]) => isGood(s))];
  const shown = sorted.slice(0, CHIPS_MAX);
  const rest = grouped(sorted.slice(CHIPS_MAX).map(([n, s]) => [s, n])).map(([s, all]) => `${count(all.length)} ${s}`);
  const chip = ([n, s]) => h("li", { class: isGood(s) ? "good" : "bad" }, mark(isGood(s) ? "well" : "wrong", false), h("span", {}, n, " "), h("strong", {}, s));
  return h("ul", { class: "chips" }, shown.map(chip), rest.length > 0 && h("li", {}, `and ${list(rest)}`));
}

function showProxy() {
  const { proxy } = status;
  const installed = proxy.installed_version && proxy.installed_version !== proxy.version && proxy.installed_version;
  const old = proxy.old_workers.map((w) => h("li", { key: String(w.pid) },
    `${w.pid}: `, w.connections === null ? "no answer" : plural(w.connections, "connection"),
    w.memory_kib !== null && `, ${count(Math.ceil(w.memory_kib / 1_024))} MiB`, ", replaced ", since(w.replaced_ms_ago), " ago, up ", since(w.up_ms)));
  if (proxy.old_workers_more > 0) old.push(h("li", { key: "more" }, `and ${count(proxy.old_workers_more)} more`));
  set("proxy",
    h("p", { class: `state ${proxy.healthy ? "well" : "wrong"}` }, mark(proxy.healthy ? "well" : "wrong", false),
      h("span", {}, h("strong", {}, proxy.healthy ? "Healthy" : "Failed"), " for ", since(proxy.for_ms, true), ": ", h("span", { class: "why" }, proxy.why))),
    h("dl", {},
      row("Program", `${program(proxy.engine)} ${proxy.version ?? "(does not answer)"}`, installed && h("span", { class: "soft" }, `; installed is ${installed}, from the next reload on`)),
      row("Doing", proxy.doing, h("span", { class: "soft" }, `; started ${proxy.starts === 1 ? "once" : plural(proxy.starts, "time")}`)),
      proxy.connections && row("Traffic", bar(...proxy.connections),
        typeof proxy.accepted === "number" && h("span", { class: "soft" }, `${count(proxy.accepted)} accepted since the worker's start, probes of vipkeeper included`)),
      row("Processes", list([proxy.master_pid && `master ${proxy.master_pid}`, proxy.worker_pid && `worker ${proxy.worker_pid}`].filter(Boolean)) || "none",
        proxy.generation && h("span", { class: "soft" }, `; generation ${proxy.generation}`)),
      old.length > 0 && row("Old workers", h("ul", { class: "plain" }, old)),
      proxy.frontends.length > 0 && row("Frontends", chips(proxy.frontends)),
      proxy.backends.length > 0 && row("Backends", chips(proxy.backends)),
      proxy.intents.length > 0 && row("Wishes", h("ul", { class: "plain" }, proxy.intents.map((i) => h("li", {}, serverWish(i), ", for ", since(i.for_ms))))),
      proxy.features.length > 0 && row("Built with", h("span", { class: "soft" }, proxy.features.join(", ")))));
}

function showTrackers() {
  const { trackers } = status;
  hide("trackers-section", trackers.length === 0);
  const level = { good: "well", failed: "wrong" };
  set("trackers", h("ul", { class: "trackers" }, trackers.map((t) => h("li", { key: t.name },
    mark(level[t.verdict] ?? "wish", false),
    h("div", {}, h("strong", {}, t.name), ` ${t.verdict}`, h("span", { class: "soft" }, " for ", since(t.for_ms, true), t.value !== null && `, value ${count(t.value)}`),
      t.why && [": ", h("span", { class: "why" }, t.why)], h("p", { class: "soft" }, t.kind))))));
}

function showConfig() {
  const { config, peers } = status;
  const reload = config.last_reload;
  const same = peers.filter((p) => p.same_config === true).map((p) => p.name);
  const other = peers.filter((p) => p.same_config === false).map((p) => p.name);
  set("config", h("dl", {},
    row("In force", h("span", { class: "mono" }, config.digest), " for ", since(config.loaded_ms_ago, true)),
    same.length > 0 && row("Same on", list(same)),
    other.length > 0 && row("Another on", fact("look", list(other))),
    row("Last reload", !reload ? "none since the start" : [
      fact(reload.ok ? "well" : "wrong", h("strong", {}, reload.ok ? "applied" : "refused, nothing changed"), h("span", { class: "soft" }, " ", since(reload.ms_ago), ` ago, took ${exactSpan(reload.took_ms)}`)),
      reload.message.trim() && h("pre", { tabindex: "0", "aria-label": "What it said" }, reload.message.trim())])));
}

function showDropped() {
  const all = Object.entries(status.dropped).filter(([, counts]) => Object.keys(counts).length > 0);
  hide("dropped-section", all.length === 0);
  set("dropped", h("dl", {}, all.map(([where, counts]) => row(where, reasons(counts)))));
}

// ---------------------------------------------------------------- view: what happened

/** Changes of all VIPs, newest first; those that are one (a sync group, a dead proxy) in one entry. */
function story() {
  const entries = status.vips.flatMap((vip) => vip.transitions.map((t) => ({ ...t, vips: [vip.name] })));
  const { proxy, config } = status;
  if (config.last_reload) {
    const { ok, message, ms_ago } = config.last_reload;
    entries.push({ what: ok ? "Configuration applied" : "Reload refused", to: ok ? "fine" : "fault", why: gist(message), ms_ago });
  }
  if (proxy.for_ms < status.up_ms) {
    entries.push({ what: `${program(proxy.engine)} ${proxy.healthy ? "became healthy" : "failed"}`, to: proxy.healthy ? "fine" : "fault", why: proxy.why, ms_ago: proxy.for_ms });
  }
  entries.push({ what: "vipkeeper started", to: "fine", why: "", ms_ago: status.up_ms });
  entries.sort((a, b) => a.ms_ago - b.ms_ago);
  const merged = [];
  for (const entry of entries) {
    const twin = merged.findLast((m) => entry.ms_ago - m.ms_ago < TOGETHER_MS && alike(m, entry));
    if (twin) twin.vips.push(...entry.vips);
    else merged.push(entry);
    if (merged.length > STORY_MAX) break;
  }
  return merged;
}

const alike = (a, b) => a.vips && b.vips && a.from === b.from && a.to === b.to && a.why === b.why;

function showLog() {
  const all = story();
  const shown = all.slice(0, ui.log);
  const rest = all.length - shown.length;
  const more = () => { ui.log += LOG_STEP; soon(); };
  const entry = (e) => h("li", { class: e.to },
    h("p", { class: "when" }, h("span", { class: "mono" }, clock(Math.round(wall(ago(e.ms_ago)) / 1_000) * 1_000)), h("span", { class: "soft" }, since(e.ms_ago), " ago")),
    h("p", {}, e.vips ? [h("strong", {}, names(e.vips)), " ", h("span", { class: "change" }, e.from, h("span", { "aria-hidden": "true" }, " → "), h("span", { class: "unseen" }, " to "), h("b", {}, e.to))] : e.what),
    e.why && h("p", { class: "why" }, e.why));
  set("log", h("ol", { class: "log" }, shown.map(entry)),
    rest > 0 && h("button", { type: "button", class: "more", on: { click: more } }, `Show ${count(Math.min(rest, LOG_STEP))} of ${count(rest)} older`));
}

// ---------------------------------------------------------------- drawing

let drawTimer = 0;
let drawnAt = 0;

/** Draws soon; much that happens at once is drawn once. A timer, since a page in the background gets no frames. */
function soon() {
  if (drawTimer !== 0) return;
  drawTimer = setTimeout(draw, Math.max(0, drawnAt + RENDER_EVERY_MS - Date.now()));
}

function draw() {
  drawTimer = 0;
  drawnAt = Date.now();
  showLink();
  if (status === null) return;
  hide("body", false);
  for (const show of [showTop, showBoard, showProxy, showTrackers, showConfig, showDropped, showLog]) show();
}

function tick() {
  for (const node of document.getElementsByClassName("tick")) tickOne(node);
  showLink();
}

// ---------------------------------------------------------------- connection

/** `asking` (nothing yet), `live`, `polling` (answers, but no events) or `lost`. */
const link = { state: "asking", since: Date.now(), heardAt: Date.now(), openedAt: 0, tries: 0, retryAt: 0, source: null, timer: 0 };
const isStale = () => link.state === "lost";

function turn(state) {
  if (link.state === state) return;
  link.state = state;
  link.since = state === "lost" ? link.heardAt : Date.now();
  document.documentElement.dataset.link = state;
  soon();
}

function hear(text, state) {
  const next = JSON.parse(text);
  // Another version brings another page.
  if (status !== null && next.version !== status.version) location.reload();
  status = next;
  receivedAt = Date.now();
  if (Math.abs(receivedAt - next.up_ms - startedAt) > 1_000) startedAt = receivedAt - next.up_ms;
  link.heardAt = receivedAt;
  turn(state);
  soon();
}

function connect() {
  clearTimeout(link.timer);
  link.source?.close();
  const source = new EventSource(EVENTS_URL);
  link.source = source;
  link.openedAt = Date.now();
  const guarded = (act) => (event) => {
    if (link.source !== source) return;
    try {
      act(event);
    } catch (error) {
      lose();
    }
  };
  source.addEventListener("status", guarded((event) => {
    hear(event.data, "live");
    link.tries = 0;
  }));
  source.addEventListener("error", guarded(lose));
}

/** The events ended. Asks once, which works where events do not come through, and tries again later. */
function lose() {
  link.source?.close();
  link.source = null;
  const delay = RETRY_MS[Math.min(link.tries, RETRY_MS.length - 1)];
  link.tries += 1;
  link.retryAt = Date.now() + delay;
  clearTimeout(link.timer);
  link.timer = setTimeout(connect, delay);
  ask();
}

/** Asks for the status beside the events. No answer, and no event meanwhile: the connection is lost. */
async function ask() {
  const before = link.heardAt;
  try {
    const answer = await fetch(STATUS_URL, { cache: "no-store", signal: AbortSignal.timeout(ASK_WITHIN_MS) });
    if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
    const text = await answer.text();
    // Events that came meanwhile are newer.
    if (link.heardAt === before) hear(text, "polling");
  } catch (error) {
    if (link.heardAt === before) turn("lost");
  }
}

function watch() {
  const now = Date.now();
  const quiet = now - link.heardAt;
  if (quiet > SILENT_AFTER_MS) turn("lost");
  if (link.source !== null && now - Math.max(link.heardAt, link.openedAt) > SILENT_AFTER_MS) lose();
  else if (link.state === "polling" && quiet > POLL_MS) ask();
  tick();
}

function retryNow() {
  if (link.state !== "live") connect();
}

function showLink() {
  const lost = `lost ${span(Date.now() - link.since)} ago, at ${clock(link.since)}`;
  const wait = Math.ceil((link.retryAt - Date.now()) / 1_000);
  const words = {
    asking: "asking …",
    live: `live, as of ${clock(receivedAt)}`,
    polling: `asked at ${clock(receivedAt)}; no events come through`,
    lost: `${lost}; ${wait > 0 ? `trying again in ${wait} s` : "trying again …"}`,
  };
  set("link", h("span", { class: "dot", "aria-hidden": "true" }), h("span", {}, words[link.state]));
}

$("find").addEventListener("input", () => { ui.vips = VIPS_STEP; soon(); });
$("which").addEventListener("change", () => { ui.vips = VIPS_STEP; soon(); });
addEventListener("online", retryNow);
document.addEventListener("visibilitychange", () => { if (!document.hidden) retryNow(); });
setInterval(watch, 1_000);
ask();
connect();
