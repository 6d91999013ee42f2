//! How requests are spread over the servers of a backend.

use std::fmt;

/// A load-balancing algorithm; shown in HAProxy's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Balance {
    /// By turns, weights may change while it runs.
    RoundRobin,
    /// By turns, weights are fixed.
    StaticRr,
    /// Where the fewest connections are.
    LeastConn,
    /// The first server with room.
    First,
    /// By the address of the client.
    Source,
    /// The less loaded of some servers that are drawn.
    Random {
        /// How many are drawn, 1-100; HAProxy's own choice (2) when none.
        draws: Option<u32>,
    },
    /// By the path of the request.
    Uri(UriBalance),
    /// By a parameter of the query.
    UrlParam {
        /// Its name.
        name: String,
        /// Whether the body of a POST is looked through as well.
        check_post: bool,
    },
    /// By a header of the request.
    Header {
        /// Its name.
        name: String,
        /// Whether only the domain of a host name counts.
        use_domain_only: bool,
    },
    /// By a sample expression, passed through.
    Hash(String),
    /// By the cookie of a remote desktop session.
    RdpCookie(Option<String>),
}

/// What of the URI is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UriBalance {
    /// The query too.
    pub whole: bool,
    /// Without scheme and host, which HTTP/2 requests have.
    pub path_only: bool,
    /// So many characters from its beginning.
    pub len: Option<u32>,
    /// So many directories.
    pub depth: Option<u32>,
}

impl Balance {
    /// Whether the server is found by a hash, so that [`HashSettings`] mean something.
    pub fn hashes(&self) -> bool {
        match self {
            Self::Source
            | Self::Uri(_)
            | Self::UrlParam { .. }
            | Self::Header { .. }
            | Self::Hash(_)
            | Self::RdpCookie(_) => true,
            Self::RoundRobin | Self::StaticRr | Self::LeastConn | Self::First | Self::Random { .. } => false,
        }
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoundRobin => f.write_str("roundrobin"),
            Self::StaticRr => f.write_str("static-rr"),
            Self::LeastConn => f.write_str("leastconn"),
            Self::First => f.write_str("first"),
            Self::Source => f.write_str("source"),
            Self::Random { draws: None } => f.write_str("random"),
            Self::Random { draws: Some(draws) } => write!(f, "random({draws})"),
            Self::Uri(uri) => uri.fmt(f),
            Self::UrlParam { name, check_post } => {
                write!(f, "url_param {name}{}", if *check_post { " check_post" } else { "" })
            }
            Self::Header { name, use_domain_only } => {
                write!(f, "hdr({name}){}", if *use_domain_only { " use_domain_only" } else { "" })
            }
            Self::Hash(expression) => write!(f, "hash {expression}"),
            Self::RdpCookie(None) => f.write_str("rdp-cookie"),
            Self::RdpCookie(Some(name)) => write!(f, "rdp-cookie({name})"),
        }
    }
}

impl fmt::Display for UriBalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { whole, path_only, len, depth } = self;
        f.write_str("uri")?;
        if *whole {
            f.write_str(" whole")?;
        }
        if *path_only {
            f.write_str(" path-only")?;
        }
        if let Some(len) = len {
            write!(f, " len {len}")?;
        }
        if let Some(depth) = depth {
            write!(f, " depth {depth}")?;
        }
        Ok(())
    }
}

/// How a hash finds its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashSettings {
    /// What happens to the others when a server goes.
    pub kind: HashKind,
    /// The function.
    pub function: HashFunction,
    /// Whether its result is mixed once more.
    pub avalanche: bool,
    /// `hash-balance-factor`: percent of the average load that a server may have, 101-65535; only with `Consistent`.
    pub balance_factor: Option<u32>,
}

/// `hash-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashKind {
    /// An even share; nearly everybody moves when a server comes or goes.
    MapBased,
    /// Only those of a server that went move.
    Consistent,
}

/// Hash functions of HAProxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashFunction {
    /// `sdbm`, the default.
    Sdbm,
    /// `djb2`
    Djb2,
    /// `wt6`
    Wt6,
    /// `crc32`
    Crc32,
}
