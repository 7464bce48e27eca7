//! Which committed offsets have outlived their use.
