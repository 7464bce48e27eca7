//! Every family of series that a node shows, a line or two each.
//!
//! Names follow Prometheus' habits: base units, `_total` for counters. A name is a promise to
//! people's dashboards; it is not changed for taste.

use crate::page::{Family, Kind};

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        help,
        kind: Kind::Counter,
    }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        help,
        kind: Kind::Gauge,
    }
}

const fn histogram(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        help,
        kind: Kind::Histogram,
    }
}

/// Declares the families and the list of all of them.
macro_rules! families {
    ($($constant:ident = $make:ident($name:literal, $help:literal);)*) => {
        $(
            #[doc = $help]
            pub static $constant: Family = $make($name, $help);
        )*

        /// All families.
        pub static ALL: &[&Family] = &[$(&$constant),*];
    };
}

families! {
    BUILD_INFO = gauge("forebay_build_info", "Always 1; the label tells the version.");
    UPTIME = gauge("forebay_uptime_seconds", "Seconds since this node started.");
    SERIES_OMITTED = gauge("forebay_series_omitted", "Partitions and committed offsets without series, beyond forebay.metrics.partitions.max and forebay.metrics.groups.max.");

    REQUESTS = counter("forebay_requests_total", "Requests that were done, by API.");
    REQUEST_DURATION = histogram("forebay_request_duration_seconds", "From a request's last byte to its response's last byte in the socket, waiting for data or members included.");
    REQUEST_BYTES = counter("forebay_request_bytes_total", "Bytes of requests that were done, by API.");
    RESPONSE_BYTES = counter("forebay_response_bytes_total", "Bytes of responses, by API.");
    ERRORS = counter("forebay_errors_total", "Error codes in responses, by API and Kafka's name of the code; a response may carry several.");
    REQUESTS_REFUSED = counter("forebay_requests_refused_total", "Requests that could not be decoded or are not served.");
    REQUESTS_UNANSWERED = gauge("forebay_requests_unanswered", "Requests that are being worked on, or wait for data or members.");
    CONNECTIONS = gauge("forebay_connections", "Open connections of clients.");
    CONNECTIONS_ACCEPTED = counter("forebay_connections_accepted_total", "Connections that were accepted.");
    CONNECTIONS_REFUSED = counter("forebay_connections_refused_total", "Connections that were refused, or ended for a reason of the node's own.");

    MAILBOX_WAITING = gauge("forebay_mailbox_waiting", "Work of other cores that waits for this core.");
    MEMORY = gauge("forebay_memory_bytes", "Memory in use: frames for requests and responses, chunks for the ends of logs, groups (an estimate) for group coordinators.");
    MEMORY_LIMIT = gauge("forebay_memory_limit_bytes", "The most memory that may be in use, where there is a limit.");

    FLUSH_DURATION = histogram("forebay_flush_duration_seconds", "From the collection of what is dirty to its being on the device.");
    LOGS_WAITING = gauge("forebay_logs_waiting_for_flush", "Logs with records that no flush has taken up yet.");
    FLUSHES_UNDER_WAY = gauge("forebay_flushes_under_way", "Flushes on their way to the device.");
    JOURNAL_FRAMES = counter("forebay_journal_frames_total", "Durable writes to the journal, each with the small flushes of many logs.");
    JOURNAL_BYTES = counter("forebay_journal_written_bytes_total", "Bytes that these writes took.");
    JOURNAL_WRITE_BACKS = counter("forebay_journal_write_backs_total", "Logs that were flushed to their segments to make room in the journal.");
    SEGMENTS_REMOVED = counter("forebay_retention_segments_removed_total", "Segments that retention or DeleteRecords took.");
    BYTES_REMOVED = counter("forebay_retention_bytes_removed_total", "Bytes of segments that retention or DeleteRecords took.");
    COMPACTIONS = counter("forebay_compactions_total", "Runs of compaction that came to their end.");
    COMPACTION_BYTES_READ = counter("forebay_compaction_read_bytes_total", "Bytes that compaction read.");
    COMPACTION_BYTES_WRITTEN = counter("forebay_compaction_written_bytes_total", "Bytes that compaction wrote.");
    COMPACTION_RECORDS_DROPPED = counter("forebay_compaction_dropped_records_total", "Records that compaction dropped.");

    RETENTION_ENDED = gauge("forebay_retention_ended_timestamp_seconds", "When retention last went over all partitions; 0 when it has not since the start.");
    COMPACTION_LOOKED = gauge("forebay_compaction_looked_timestamp_seconds", "When partitions were last asked whether they want compaction; 0 when they were not since the start.");
    COMPACTION_ENDED = gauge("forebay_compaction_ended_timestamp_seconds", "When a run of compaction last came to its end; 0 when none has since the start.");
    COMPACTION_PARTITIONS_DIRTY = gauge("forebay_compaction_dirty_partitions", "Partitions that wanted compaction when they were last asked.");
    COMPACTION_DIRTY_RATIO = gauge("forebay_compaction_dirty_ratio", "The dirty part of the dirtiest of the partitions that want compaction; 0 when none does.");

    DAMAGES_FOUND = counter("forebay_damages_found_total", "Damaged places in complete segments that were found since the start, by readers or by the scrub; each is in the node's log with its file and offsets.");
    FETCH_BYTES_VERIFIED = counter("forebay_fetch_verified_bytes_total", "Bytes of complete segments that were verified before they were sent for the first time, or for the first time in an hour.");
    SCRUB_BYTES = counter("forebay_scrub_bytes_total", "Bytes that the scrub read.");
    SCRUB_SEGMENTS = counter("forebay_scrub_segments_total", "Segments that the scrub read to their end.");
    SCRUB_PARTITIONS_LEFT = gauge("forebay_scrub_partitions_left", "Partitions that the scrub under way has not come to yet.");
    SCRUB_ENDED = gauge("forebay_scrub_ended_timestamp_seconds", "When the last scrub of everything came to its end; 0 when none has since the start.");
    INDEXES_REBUILT = counter("forebay_indexes_rebuilt_total", "Indexes that did not agree with their segment and were made again by the scrub.");

    LOG_DIR_FREE = gauge("forebay_log_dir_free_bytes", "Bytes that this node may still use on the volume of a log directory.");
    LOG_DIR_TOTAL = gauge("forebay_log_dir_total_bytes", "The size of the volume of a log directory.");
    LOG_DIR_OFFLINE = gauge("forebay_log_dir_offline", "1 when a log directory cannot be worked with any more.");

    PARTITIONS = gauge("forebay_partitions", "Partitions by their state.");
    PARTITION_SIZE = gauge("forebay_partition_size_bytes", "Bytes of a partition's log.");
    PARTITION_LOG_START = gauge("forebay_partition_log_start_offset", "The first offset that can be read.");
    PARTITION_LOG_END = gauge("forebay_partition_log_end_offset", "The offset that the next record gets.");
    PARTITION_HIGH_WATERMARK = gauge("forebay_partition_high_watermark", "The offset up to which consumers read.");

    GROUPS = gauge("forebay_groups", "Groups by protocol and state.");
    GROUP_MEMBERS = gauge("forebay_group_members", "Members of a group.");
    GROUP_GENERATION = gauge("forebay_group_generation", "Generation or epoch of a group; it rises with each rebalance.");
    GROUP_STATUS = gauge("forebay_group_status", "The worst status of a group's partitions, but 2 at most: 0 OK, 1 WARN, 2 ERR.");
    GROUP_OFFSET = gauge("forebay_group_committed_offset", "The next offset that a group will read, as it committed.");
    GROUP_LAG_RECORDS = gauge("forebay_group_lag_records", "Records between a group's committed offset and the high watermark.");
    GROUP_LAG_SECONDS = gauge("forebay_group_lag_seconds", "How old the batch is that a group will read next, by its timestamp; 0 at the end of the log.");
    GROUP_PARTITION_STATUS = gauge("forebay_group_partition_status", "How a group gets on with a partition, by Burrow's rules: 0 OK, 1 WARN, 3 STOP, 4 STALL, 5 REWIND.");
}
