//! The set of all lists.
//!
//! Lifecycle: part of the cluster's image; copied when it changes while somebody still looks at it,
//! which copies pointers and not the lists.
//!
//! Invariant: the sections hold exactly the lists that have an id, each once.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::Uuid;

use crate::acl::Acl;
use crate::filter::AclFilter;
use crate::resource::ResourceType;
use crate::section::Section;

/// A list that cannot be added: its id, or an equal one, is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clash;

/// All lists.
#[derive(Clone, Debug, Default)]
pub struct Acls {
    by_id: BTreeMap<Uuid, Arc<Acl>>,
    ids: BTreeMap<Arc<Acl>, Uuid>,
    sections: BTreeMap<ResourceType, Section>,
}

/// The sections follow from the lists, in whatever order those came.
impl PartialEq for Acls {
    fn eq(&self, other: &Self) -> bool {
        self.by_id == other.by_id
    }
}

impl Eq for Acls {}

impl Acls {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// All of them with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (Uuid, &Arc<Acl>)> {
        self.by_id.iter().map(|(id, acl)| (*id, acl))
    }

    /// The id of an equal list.
    #[must_use]
    pub fn find(&self, acl: &Acl) -> Option<Uuid> {
        self.ids.get(acl).copied()
    }

    /// Those that a filter selects, sorted.
    pub fn select<'s>(
        &'s self,
        filter: &'s AclFilter,
    ) -> impl Iterator<Item = (&'s Arc<Acl>, Uuid)> {
        let all = self.ids.iter().map(|(acl, id)| (acl, *id));
        all.filter(|(acl, _)| filter.selects(acl))
    }

    /// Adds a list under an id.
    ///
    /// # Errors
    /// When there is such a list, or one of that id.
    pub fn insert(&mut self, id: Uuid, acl: Acl) -> Result<(), Clash> {
        if self.by_id.contains_key(&id) || self.ids.contains_key(&acl) {
            return Err(Clash);
        }
        self.sections
            .entry(acl.resource_type)
            .or_default()
            .insert(&acl);
        let acl = Arc::new(acl);
        self.by_id.insert(id, Arc::clone(&acl));
        self.ids.insert(acl, id);
        assert_eq!(self.by_id.len(), self.ids.len(), "every list has one id");
        Ok(())
    }

    /// Takes out the list of this id and gives it back, when there is one.
    pub fn remove(&mut self, id: Uuid) -> Option<Arc<Acl>> {
        let acl = self.by_id.remove(&id)?;
        let removed = self.ids.remove(&acl);
        assert_eq!(removed, Some(id), "every list has one id");
        let section = self.sections.get_mut(&acl.resource_type);
        if let Some(section) = section {
            section.remove(&acl);
        }
        Some(acl)
    }

    pub(crate) fn section(&self, resource_type: ResourceType) -> Option<&Section> {
        self.sections.get(&resource_type)
    }
}
