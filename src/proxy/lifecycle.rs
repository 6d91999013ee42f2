//! How the proxy is started, checked, reloaded and restarted.
