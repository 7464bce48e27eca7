//! The arrow table: which room may import which, as ARCHITECTURE.md shows it.

/// One room of the product.
pub(crate) struct Room {
    pub(crate) name: &'static str,
    /// Rooms are listed and built bottom layer first.
    pub(crate) layer: u32,
    /// The rooms that it may import; exhaustive.
    pub(crate) imports: &'static [&'static str],
    /// No async, no clock, no randomness, no I/O, no threads.
    pub(crate) is_pure: bool,
}

const fn room(name: &'static str, layer: u32, imports: &'static [&'static str]) -> Room {
    Room {
        name,
        layer,
        imports,
        is_pure: false,
    }
}

const fn pure(name: &'static str, layer: u32, imports: &'static [&'static str]) -> Room {
    Room {
        name,
        layer,
        imports,
        is_pure: true,
    }
}

/// Every room, bottom layer first. The root package and the tools may import any of them;
/// no room may import a tool.
pub(crate) const ROOMS: &[Room] = &[
    pure("base", 0, &[]),
    pure("metrics", 0, &["base"]),
    pure("config", 0, &["base"]),
    pure("wire", 1, &["base"]),
    pure("batch", 1, &["base"]),
    pure("quorum", 2, &["base"]),
    pure("access", 2, &["base", "config"]),
    pure("metadata", 2, &["access", "base", "config", "wire"]),
    pure("replica", 2, &["base", "batch"]),
    pure("coordinator", 2, &["base", "config", "wire"]),
    room("reactor", 2, &["base", "metrics"]),
    room(
        "storage",
        3,
        &["base", "batch", "config", "metrics", "reactor"],
    ),
    room("client", 3, &["base", "batch", "reactor", "wire"]),
    room("embed", 4, &["base", "batch", "reactor", "storage"]),
    room(
        "partition",
        4,
        &[
            "base", "batch", "config", "metrics", "reactor", "replica", "storage",
        ],
    ),
    room(
        "broker",
        5,
        &[
            "access",
            "base",
            "batch",
            "client",
            "config",
            "coordinator",
            "metadata",
            "metrics",
            "partition",
            "quorum",
            "reactor",
            "replica",
            "storage",
            "wire",
        ],
    ),
    room(
        "server",
        6,
        &[
            "access", "base", "batch", "broker", "config", "metadata", "metrics", "reactor", "wire",
        ],
    ),
    room(
        "console",
        6,
        &["base", "broker", "config", "metadata", "metrics", "reactor"],
    ),
];

/// The room of this name.
pub(crate) fn find(name: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.name == name)
}
