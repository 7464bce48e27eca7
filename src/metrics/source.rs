//! Who on a core has something to tell when it is asked.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use crate::page::Page;

/// A part of a core that counts.
pub trait Source {
    /// Writes down what was counted so far.
    fn report(&self, page: &mut Page);
}

/// The sources of one core. A source that is gone is passed over, so nothing is kept alive for
/// being counted.
#[derive(Default)]
pub struct Sources {
    sources: RefCell<Vec<Weak<dyn Source>>>,
}

impl Sources {
    /// Asks `source` too from now on.
    pub fn add(&self, source: &Rc<dyn Source>) {
        let mut sources = self.sources.borrow_mut();
        sources.retain(|source| source.strong_count() > 0);
        sources.push(Rc::downgrade(source));
    }

    /// Asks all of them.
    pub fn report(&self, page: &mut Page) {
        let sources: Vec<_> = self
            .sources
            .borrow()
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        for source in sources {
            source.report(page);
        }
    }
}
