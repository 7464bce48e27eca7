//! How far this core's background work is, for whoever looks at the metrics.

use std::cell::Cell;

use base::Timestamp;
use metrics::{Labels, Page, names};

/// See the module's head. Times are none until the work came to its end once.
#[derive(Default)]
pub(crate) struct Progress {
    /// When retention last went over all partitions.
    pub(crate) retained: Cell<Option<Timestamp>>,
    /// When partitions were last asked whether they want compaction.
    pub(crate) compaction_looked: Cell<Option<Timestamp>>,
    /// When a run of compaction last came to its end.
    pub(crate) compacted: Cell<Option<Timestamp>>,
    /// How many partitions wanted compaction then.
    pub(crate) partitions_dirty: Cell<u64>,
    /// How dirty the dirtiest of them was.
    pub(crate) dirty_ratio_max: Cell<f64>,
    /// Partitions that the scrub under way has not come to.
    pub(crate) scrub_left: Cell<u64>,
    /// When the scrub last came to its end.
    pub(crate) scrubbed: Cell<Option<Timestamp>>,
}

impl Progress {
    pub(crate) fn report(&self, page: &mut Page, core: &Labels) {
        for (family, at) in [
            (&names::RETENTION_ENDED, &self.retained),
            (&names::COMPACTION_LOOKED, &self.compaction_looked),
            (&names::COMPACTION_ENDED, &self.compacted),
            (&names::SCRUB_ENDED, &self.scrubbed),
        ] {
            let seconds = at.get().map_or(0, |at| at.0 / 1000);
            page.whole(family, core.clone(), seconds);
        }
        for (family, count) in [
            (&names::COMPACTION_PARTITIONS_DIRTY, &self.partitions_dirty),
            (&names::SCRUB_PARTITIONS_LEFT, &self.scrub_left),
        ] {
            page.size(family, core.clone(), count.get());
        }
        let ratio = self.dirty_ratio_max.get();
        page.level(&names::COMPACTION_DIRTY_RATIO, core.clone(), ratio);
    }
}
