//! Probe results to a verdict.
