//! The process edge: arguments, logging, runtime, exit codes.

fn main() {}
