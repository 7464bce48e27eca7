//! Which partition gets the next batch: all in turn, or a few hot ones most of the time.
//!
//! Invariant: it depends on the number of the batch alone, so that every run of the same options
//! makes the same load.

/// How batches are dealt out to a connection's partitions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    targets: usize,
    /// So many of them, the first ones, are hot.
    hot: usize,
    /// So many of a hundred batches go to these, in turn.
    hot_share: usize,
}

impl Spread {
    /// Deals out to `targets` partitions. Of them `hot_percent` get `hot_share` percent of the
    /// batches, at least one does; with zero all get the same.
    pub(crate) fn new(targets: usize, hot_percent: f64, hot_share: u8) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a few thousand partitions"
        )]
        let hot = (targets as f64 * hot_percent / 100.0).ceil() as usize;
        Self {
            targets,
            hot: hot.min(targets),
            hot_share: usize::from(hot_share.min(100)),
        }
    }

    /// The place of the partition for batch number `turn`; nothing where there are none.
    pub(crate) fn place(self, turn: usize) -> Option<usize> {
        let cold = self.targets.checked_sub(self.hot)?;
        if self.hot == 0 || cold == 0 {
            return turn.checked_rem(self.targets);
        }
        let hot_before =
            |turn: usize| turn / 100 * self.hot_share + turn % 100 * self.hot_share / 100;
        let before = hot_before(turn);
        if hot_before(turn + 1) > before {
            Some(before % self.hot)
        } else {
            Some(self.hot + (turn - before) % cold)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    /// The story: 1 % of the partitions get most of the load, the others trickle, none starves.
    #[test]
    fn hot_partitions_get_their_share_and_the_others_the_rest() {
        let spread = Spread::new(200, 1.0, 75);
        let mut counts = vec![0; 200];
        for turn in 0..19_800 * 4 {
            counts[spread.place(turn).unwrap()] += 1;
        }
        assert_eq!(counts[..2], [29_700, 29_700]);
        assert!(counts[2..].iter().all(|count| *count == 100), "{counts:?}");
    }

    /// The story: nobody asked for hot ones.
    #[test]
    fn without_hot_ones_all_get_the_same() {
        let places = |spread: Spread| (0..6).map(move |turn| spread.place(turn));
        let in_turn: Vec<_> = [0, 1, 2, 0, 1, 2].map(Some).into();
        assert_eq!(places(Spread::new(3, 0.0, 90)).collect::<Vec<_>>(), in_turn);
        assert_eq!(
            places(Spread::new(3, 100.0, 90)).collect::<Vec<_>>(),
            in_turn
        );
        assert_eq!(Spread::new(0, 1.0, 90).place(5), None);
    }
}
