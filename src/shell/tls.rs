//! The one place where the cryptography of TLS is chosen: for every HTTP client, whether it speaks TLS or not, and for mail.

/// To be called before a client is made; more often is the same as once.
pub(crate) fn choose_provider() {
    // A second choice is refused, and the first one stands.
    drop(rustls::crypto::ring::default_provider().install_default());
}
