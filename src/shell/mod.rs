//! Everything that touches the world: one file per kernel resource, no policy.
