//! The table of probes: one file each, one question each.

mod buffers;
mod checksum;
mod durable;
mod executor;
mod extend;
mod mailbox;
mod names;
mod receive;
mod send;
mod trickle;
mod wake;

use std::io;

use crate::Options;
use crate::measure::Report;

/// One probe of the table.
pub(crate) struct Probe {
    /// The word on the command line.
    pub(crate) name: &'static str,
    /// What it answers.
    pub(crate) question: &'static str,
    /// Measures and reports.
    pub(crate) run: fn(&Options) -> io::Result<Report>,
}

/// Every probe there is.
pub(crate) const ALL: &[Probe] = &[
    Probe {
        name: "extend",
        question: "extending, unwritten or written blocks: speed and punts of plain appends?",
        run: extend::append,
    },
    Probe {
        name: "extents",
        question: "the same with RWF_DSYNC on every write",
        run: extend::durable,
    },
    Probe {
        name: "checksum",
        question: "which CRC-32C implementation, at which size?",
        run: checksum::run,
    },
    Probe {
        name: "buffers",
        question: "what does a fresh buffer cost beside a reused one; do huge pages help?",
        run: buffers::run,
    },
    Probe {
        name: "durable-one",
        question: "one hot file: which batch size, depth and sync call?",
        run: durable::one_file,
    },
    Probe {
        name: "durable-many",
        question: "many files: do concurrent flushes share, and who should wait?",
        run: durable::many_files,
    },
    Probe {
        name: "names",
        question: "many new directories with small files: flush each, or the file system once?",
        run: names::run,
    },
    Probe {
        name: "trickle",
        question: "a block for each of many files: flush each, all together, or a shared journal?",
        run: trickle::run,
    },
    Probe {
        name: "executor",
        question: "what do idling, helper threads and timers of glommio cost?",
        run: executor::run,
    },
    Probe {
        name: "mailbox",
        question: "how soon does a message from another thread reach a sleeping or a busy executor?",
        run: mailbox::run,
    },
    Probe {
        name: "wake",
        question: "how does a second ring, or another thread, wake a sleeping glommio executor?",
        run: wake::run,
    },
    Probe {
        name: "receive",
        question: "what does receiving cost: glommio's stream, an own ring, epoll?",
        run: receive::run,
    },
    Probe {
        name: "send-zc",
        question: "SEND_ZC against send on loopback",
        run: send::zero_copy,
    },
    Probe {
        name: "send-file",
        question: "sendfile against direct or buffered read plus send",
        run: send::from_file,
    },
    Probe {
        name: "page-cache",
        question: "what do RWF_NOWAIT, readahead and fadvise cost?",
        run: send::page_cache,
    },
];
