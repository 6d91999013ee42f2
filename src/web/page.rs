//! The page: three files in the binary, and what a browser may do with them.

/// A file of the page.
#[derive(Debug, PartialEq, Eq)]
pub struct Asset {
    /// Its path.
    pub path: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Its bytes.
    pub text: &'static str,
}

/// `Content-Security-Policy` of every answer: nothing but these files and this endpoint, nothing inline, in nobody's frame.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                          img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static ASSETS: [Asset; 3] = [
    Asset { path: "/", media_type: "text/html; charset=utf-8", text: include_str!("page/index.html") },
    Asset { path: "/app.css", media_type: "text/css; charset=utf-8", text: include_str!("page/app.css") },
    Asset { path: "/app.js", media_type: "text/javascript; charset=utf-8", text: include_str!("page/app.js") },
];

/// The file at that path.
pub fn asset(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}
