//! The bounds of a configuration: how much there may be of everything, and how long anything may take.

use std::time::Duration;

/// Bytes of one file; a larger one is not looked at.
pub(super) const FILE_BYTES_MAX: usize = 1 << 20;
/// Files together with the main one; more are refused.
pub(super) const FILES_MAX: usize = 256;
/// `[[node]]`: priorities given by `prefer` stay far from the weights, and a status table stays readable.
pub(super) const NODES_MAX: usize = 16;
/// `[[vip]]`: some interfaces with 255 VRIDs each.
pub(super) const VIPS_MAX: usize = 1_000;
/// Addresses of all VIPs together, also those that are not advertised.
pub(super) const ADDRESSES_MAX: usize = 5_000;
/// Advertised addresses of a VIP: the count is one byte (RFC 9568 section 5.2.5).
pub(super) const ADVERTISED_MAX: usize = 255;
/// The same for IPv6, where an advert must fit into the smallest MTU (1280 bytes, RFC 8200 section 5): 40 of IPv6, 8 of VRRP, 28
/// of a signature, 16 for each address.
pub(super) const ADVERTISED_V6_MAX: usize = 75;
/// Routes of one VIP, and as many rules.
pub(super) const ROUTES_MAX: usize = 64;
/// `[[group]]`.
pub(super) const GROUPS_MAX: usize = 255;
/// `[[tracker]]`, also those that `track = [{ backend = ... }]` makes.
pub(super) const TRACKERS_MAX: usize = 64;
/// `[[frontend]]`.
pub(super) const FRONTENDS_MAX: usize = 1_000;
/// Servers of all backends together.
pub(super) const SERVERS_MAX: usize = 10_000;
/// `[[notify]]`.
pub(super) const NOTIFIERS_MAX: usize = 16;
/// `[[resolvers]]`.
pub(super) const RESOLVERS_MAX: usize = 64;
/// Entries of a stick table where nothing else is written: about 10 MB.
pub(super) const STICK_SIZE: u32 = 100_000;
/// `certificates` of a bind: HAProxy reads at most 64 words in a line, and each takes two.
pub(super) const CERTIFICATES_MAX: usize = 16;
/// `[[frontend.route]]` of all frontends together.
pub(super) const FRONTEND_ROUTES_MAX: usize = 10_000;
/// Texts of one condition of a route: each takes a place in a line of HAProxy's.
pub(super) const ROUTE_TEXTS_MAX: usize = 1_000;
/// Bytes of one text of a condition: several must fit into a line.
pub(super) const ROUTE_TEXT_BYTES_MAX: usize = 250;
/// Users of all `[[userlist]]` together.
pub(super) const USERS_MAX: usize = 10_000;
/// Header changes of one kind of one frontend, and types to compress: each takes a line or a word.
pub(super) const HEADERS_MAX: usize = 50;
/// Bytes of one raw line: HAProxy reads 2048 including the line break and our indentation.
pub(super) const RAW_LINE_BYTES_MAX: usize = 2_000;

/// A duration key: what it is when absent, and what it may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct DurationKey {
    pub(super) default: Duration,
    pub(super) min: Duration,
    pub(super) max: Duration,
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// HAProxy keeps timeouts as milliseconds in 31 bits: 24 days fit.
const HAPROXY_MAX: Duration = Duration::from_secs(24 * 86_400);

/// 1 to 4095 centiseconds (RFC 9568 section 5.2.7).
pub(super) const ADVERT_INTERVAL: DurationKey = DurationKey { default: ms(1_000), min: ms(10), max: ms(40_950) };
pub(super) const PREEMPT_DELAY: DurationKey = DurationKey { default: ms(10_000), min: ms(0), max: HOUR };
pub(super) const LINK_HOLD: DurationKey = DurationKey { default: ms(3_000), min: ms(0), max: MINUTE };
pub(super) const NOTIFY_EVERY: DurationKey = DurationKey { default: ms(10_000), min: ms(0), max: HOUR };
pub(super) const GRACE: DurationKey = DurationKey { default: ms(1_000), min: ms(0), max: MINUTE };
pub(super) const HMAC_WINDOW: DurationKey = DurationKey { default: ms(5_000), min: ms(1_000), max: ms(300_000) };
pub(super) const ANNOUNCE_DELAY: DurationKey = DurationKey { default: ms(5_000), min: ms(0), max: HOUR };
pub(super) const ANNOUNCE_REFRESH: DurationKey = DurationKey { default: ms(60_000), min: ms(0), max: HOUR };
pub(super) const TIMEOUT_CONNECT: DurationKey = DurationKey { default: ms(5_000), min: ms(1), max: HAPROXY_MAX };
pub(super) const TIMEOUT_CLIENT: DurationKey = DurationKey { default: ms(30_000), min: ms(1), max: HAPROXY_MAX };
pub(super) const TIMEOUT_SERVER: DurationKey = DurationKey { default: ms(30_000), min: ms(1), max: HAPROXY_MAX };
pub(super) const TIMEOUT_HTTP_REQUEST: DurationKey = DurationKey { default: ms(10_000), min: ms(1), max: HAPROXY_MAX };
pub(super) const TIMEOUT: DurationKey = DurationKey { default: ms(30_000), min: ms(1), max: HAPROXY_MAX };
/// HAProxy counts rates in periods of milliseconds in 31 bits; a day is long enough for a limit.
pub(super) const RATE_PERIOD: DurationKey =
    DurationKey { default: ms(10_000), min: ms(1_000), max: Duration::from_secs(86_400) };
pub(super) const STATS_REFRESH: DurationKey = DurationKey { default: ms(10_000), min: ms(1_000), max: HOUR };
pub(super) const HARD_STOP_AFTER: DurationKey = DurationKey { default: ms(600_000), min: ms(1), max: HAPROXY_MAX };
pub(super) const HEALTH_INTERVAL: DurationKey = DurationKey { default: ms(150), min: ms(10), max: ms(60_000) };
pub(super) const HEALTH_TIMEOUT: DurationKey = DurationKey { default: ms(50), min: ms(1), max: ms(60_000) };
pub(super) const RESTART_MIN: DurationKey = DurationKey { default: ms(100), min: ms(10), max: HOUR };
pub(super) const RESTART_MAX: DurationKey = DurationKey { default: ms(10_000), min: ms(10), max: HOUR };
/// Browsers take no more notice of what is beyond some years.
pub(super) const HSTS: DurationKey =
    DurationKey { default: Duration::from_secs(365 * 86_400), min: ms(0), max: Duration::from_secs(3_650 * 86_400) };
pub(super) const CHECK_INTERVAL: DurationKey = DurationKey { default: ms(2_000), min: ms(10), max: HOUR };
pub(super) const SLOWSTART: DurationKey = DurationKey { default: ms(30_000), min: ms(1), max: HOUR };
/// Of a cookie; HAProxy counts it in whole seconds.
pub(super) const COOKIE_LIFE: DurationKey = DurationKey { default: ms(1_800_000), min: ms(1_000), max: HAPROXY_MAX };
pub(super) const STICK_EXPIRE: DurationKey = DurationKey { default: ms(1_800_000), min: ms(1_000), max: HAPROXY_MAX };
pub(super) const DNS_TIME: DurationKey = DurationKey { default: ms(1_000), min: ms(10), max: HOUR };
pub(super) const DNS_HOLD: DurationKey = DurationKey { default: ms(30_000), min: ms(0), max: HAPROXY_MAX };
pub(super) const HOOK_TIMEOUT: DurationKey = DurationKey { default: ms(30_000), min: ms(100), max: HOUR };
pub(super) const TRACKER_INTERVAL: DurationKey = DurationKey { default: ms(1_000), min: ms(100), max: HOUR };
/// The default is the interval.
pub(super) const TRACKER_TIMEOUT: DurationKey = DurationKey { default: ms(1_000), min: ms(10), max: HOUR };
pub(super) const PEERS_INTERVAL: DurationKey = DurationKey { default: ms(1_000), min: ms(50), max: MINUTE };

/// `key_file` of `[peers]`.
pub(super) const PEERS_KEY_FILE: &str = "/etc/vipkeeper/peers.key";
/// `port` of `[peers]`: above the well-known ones, and below those that the kernel hands out.
pub(super) const PEERS_PORT: u16 = 5112;

/// `listen` of `[http]`, with [`HTTP_PORT`].
pub(super) const HTTP_LISTEN: &str = "127.0.0.1:9112";
/// Its port.
pub(super) const HTTP_PORT: u16 = 9112;

/// How hashes of crypt(5) begin that HAProxy's C library knows.
pub(super) const PASSWORD_HASHES: [&str; 7] = ["$1$", "$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$"];
