//! Desired against observed addresses: which to add, renew or remove.
