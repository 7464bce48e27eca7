//! What this node counts, gathered from its cores.
//!
//! Each core writes its own page, between its other tasks, and sends it as a value. Invariant: a
//! page is bounded by `forebay.metrics.partitions.max` and `forebay.metrics.groups.max`, and by
//! what there is of everything else.

use base::CoreId;
use coordinator::Census;
use metrics::{Labels, Page, Sources, names};
use partition::Partition;
use storage::StorageError;

use crate::broker::Broker;
use crate::lag::GroupLag;

/// After so many partitions the core's other tasks run.
const PARTITIONS_PER_SLICE: usize = 64;
/// After so many groups and committed offsets too; that is below a tenth of a millisecond.
const CENSUS_PER_SLICE: usize = 2048;

impl Broker {
    /// Who else on this core has something to tell.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.shared.sources
    }

    /// Why this node cannot write any more, once that is so: all of its directories are offline, or
    /// that of the metadata log.
    pub async fn offline(&self) -> Option<StorageError> {
        for core in 0..self.cores() {
            let asked = self.on_core(CoreId(core), |broker| {
                std::future::ready(broker.out_of_dirs())
            });
            if let Ok(Some(error)) = asked.await {
                return Some(error);
            }
        }
        None
    }

    /// What all cores counted.
    pub async fn metrics(&self) -> Page {
        let mut asked = Vec::new();
        for core in 0..self.cores() {
            asked.push(self.on_core(CoreId(core), |broker| {
                let broker = broker.clone();
                async move { broker.own_metrics().await }
            }));
        }
        let mut page = Page::new();
        for core in asked {
            // A core that is gone counts nothing any more.
            page.merge(core.await.unwrap_or_default());
        }
        self.report_volume(&mut page).await;
        page
    }

    async fn report_volume(&self, page: &mut Page) {
        for engine in &self.shared.engines {
            let dir = engine.dir();
            let labels = Labels::of("dir", dir.display());
            if let Ok(space) = self.core().space(dir).await {
                page.size(&names::LOG_DIR_FREE, labels.clone(), space.free);
                page.size(&names::LOG_DIR_TOTAL, labels, space.total);
            }
        }
    }

    /// What this core counted.
    async fn own_metrics(&self) -> Page {
        let mut page = Page::new();
        self.shared.sources.report(&mut page);
        let core = Labels::of("core", self.core().id());
        self.report_memory(&mut page, &core);
        self.report_storage(&mut page, &core);
        self.report_partitions(&mut page, &core).await;
        self.report_groups(&mut page, &core).await;
        page
    }

    fn report_memory(&self, page: &mut Page, core: &Labels) {
        let own = self.shared.links.get(usize::from(self.core().id().0));
        let waiting = own.map_or(0, reactor::Sender::waiting);
        page.size(&names::MAILBOX_WAITING, core.clone(), waiting as u64);
        let frames = self.core().frames();
        let chunks = self.shared.engines.iter().map(storage::Engine::chunks);
        let chunks = chunks.fold((0, 0), |sum, pool| {
            (sum.0 + pool.used(), sum.1 + pool.limit())
        });
        let pools = [
            ("frames", (frames.used(), frames.limit())),
            ("chunks", chunks),
        ];
        for (usage, (used, limit)) in pools {
            let labels = core.clone().and("use", usage);
            page.size(&names::MEMORY, labels.clone(), used as u64);
            page.size(&names::MEMORY_LIMIT, labels, limit as u64);
        }
    }

    fn report_storage(&self, page: &mut Page, core: &Labels) {
        // The engines of a core count together.
        let Some(engine) = self.shared.engines.first() else {
            return;
        };
        let counters = engine.counters();
        let reading = counters.flush_duration.reading();
        page.durations(&names::FLUSH_DURATION, core.clone(), reading);
        let asked = counters.flushes_asked.get();
        let waiting = asked.wrapping_sub(counters.flushes_taken.get());
        page.size(&names::LOGS_WAITING, core.clone(), waiting);
        let begun = counters.flushes_begun.get();
        let under_way = begun.wrapping_sub(counters.flushes_ended.get());
        page.size(&names::FLUSHES_UNDER_WAY, core.clone(), under_way);
        let counted = counters.counts();
        for (family, count) in [
            (&names::JOURNAL_FRAMES, counted.journal_frames),
            (&names::JOURNAL_BYTES, counted.journal_bytes),
            (&names::JOURNAL_WRITE_BACKS, counted.journal_write_backs),
            (&names::SEGMENTS_REMOVED, counted.segments_removed),
            (&names::BYTES_REMOVED, counted.bytes_removed),
            (&names::COMPACTIONS, counted.compactions),
            (&names::COMPACTION_BYTES_READ, counted.compaction_bytes_read),
            (
                &names::COMPACTION_BYTES_WRITTEN,
                counted.compaction_bytes_written,
            ),
            (
                &names::COMPACTION_RECORDS_DROPPED,
                counted.compaction_records_dropped,
            ),
            (&names::DAMAGES_FOUND, counted.damages),
            (&names::FETCH_BYTES_VERIFIED, counted.fetch_bytes_verified),
            (&names::SCRUB_BYTES, counted.scrub_bytes),
            (&names::SCRUB_SEGMENTS, counted.scrub_segments),
            (&names::INDEXES_REBUILT, counted.indexes_rebuilt),
        ] {
            page.count(family, core.clone(), count);
        }
        self.shared.progress.report(page, core);
        for engine in &self.shared.engines {
            let is_offline = engine.offline().is_some();
            let labels = core.clone().and("dir", engine.dir().display());
            page.whole(&names::LOG_DIR_OFFLINE, labels, i64::from(is_offline));
        }
    }

    async fn report_partitions(&self, page: &mut Page, core: &Labels) {
        for (state, count) in self.shared.hosted.states() {
            let labels = core.clone().and("state", state);
            page.size(&names::PARTITIONS, labels, count as u64);
        }
        let max = self.share_of_core(self.config().admin.partition_series_max);
        let serving = self.shared.hosted.serving();
        for (count, partition) in serving.iter().take(max).enumerate() {
            if count % PARTITIONS_PER_SLICE == PARTITIONS_PER_SLICE - 1 {
                self.core().yield_now().await;
            }
            report_partition(page, partition);
        }
        let omitted = serving.len().saturating_sub(max);
        let labels = core.clone().and("of", "partitions");
        page.size(&names::SERIES_OMITTED, labels, omitted as u64);
    }

    async fn report_groups(&self, page: &mut Page, core: &Labels) {
        let max = self.share_of_core(self.config().admin.group_series_max);
        let groups = self.group_lags_here(max).await;
        let census = self.census_of_groups().await;
        for ((kind, state), count) in census.states {
            let labels = core.clone().and("kind", kind).and("state", state);
            page.size(&names::GROUPS, labels, count);
        }
        let labels = core.clone().and("use", "groups");
        page.size(&names::MEMORY, labels, census.bytes as u64);
        let told: usize = groups.iter().map(|group| group.partitions.len()).sum();
        for group in &groups {
            report_group(page, group);
        }
        let labels = core.clone().and("of", "offsets");
        let omitted = census.offsets.saturating_sub(told);
        page.size(&names::SERIES_OMITTED, labels, omitted as u64);
    }

    /// Counts all groups of this core; others have a turn in between.
    async fn census_of_groups(&self) -> Census {
        let mut census = Census::default();
        for host in self.shared.groups.all() {
            // A host that does not serve at this moment has nothing to be counted.
            while host
                .look(|machine| machine.census(&mut census, CENSUS_PER_SLICE))
                .unwrap_or(false)
            {
                self.core().yield_now().await;
            }
            census.last = None;
            self.core().yield_now().await;
        }
        census
    }

    /// What of a number for the whole node is this core's.
    fn share_of_core(&self, of_node: u32) -> usize {
        base::usize_from_u32(of_node).div_ceil(usize::from(self.cores()))
    }
}

fn report_partition(page: &mut Page, partition: &Partition) {
    let name = partition.name();
    let labels = Labels::of("topic", &name.topic).and("partition", name.partition);
    let log = partition.log();
    page.size(&names::PARTITION_SIZE, labels.clone(), log.size());
    for (family, offset) in [
        (&names::PARTITION_LOG_START, partition.log_start_offset()),
        (&names::PARTITION_LOG_END, log.log_end()),
        (&names::PARTITION_HIGH_WATERMARK, partition.high_watermark()),
    ] {
        page.whole(family, labels.clone(), offset.get());
    }
}

fn report_group(page: &mut Page, group: &GroupLag) {
    let own = Labels::of("group", &group.summary.group);
    let members = group.summary.members as u64;
    page.size(&names::GROUP_MEMBERS, own.clone(), members);
    let generation = i64::from(group.summary.generation);
    page.whole(&names::GROUP_GENERATION, own.clone(), generation);
    let status = i64::from(group.status().severity());
    page.whole(&names::GROUP_STATUS, own.clone(), status);
    for partition in &group.partitions {
        let name = &partition.partition;
        let labels = own
            .clone()
            .and("topic", &name.topic)
            .and("partition", name.partition);
        let committed = partition.committed.get();
        page.whole(&names::GROUP_OFFSET, labels.clone(), committed);
        if let Some(lag) = partition.lag() {
            page.size(&names::GROUP_LAG_RECORDS, labels.clone(), lag);
        }
        if let Some(lag_ms) = partition.lag_ms {
            let seconds = std::time::Duration::from_millis(lag_ms).as_secs_f64();
            page.level(&names::GROUP_LAG_SECONDS, labels.clone(), seconds);
        }
        let status = i64::from(partition.status.severity());
        page.whole(&names::GROUP_PARTITION_STATUS, labels, status);
    }
}
