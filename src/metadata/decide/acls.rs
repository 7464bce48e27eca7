//! CreateAcls and DeleteAcls: access control lists come and go.
//!
//! Invariant: no two lists are equal; whoever adds one that is there is told that it is there.

use crate::change::Change;
use crate::image::Image;
use crate::refusal::Refusal;
use access::{Acl, AclFilter, CLUSTER_NAME, ResourceType, is_principal};
use base::{ErrorCode, Uuid};
use config::limits::ACL_CHANGES_MAX;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The longest text of a metadata record.
const TEXT_BYTES_MAX: usize = 32_767;

/// What became of each of several lists, in the order of the request.
pub type CreatedAcls = Vec<Result<(), Refusal>>;

/// Which lists each of several filters selected, in the order of the request.
pub type DeletedAcls = Vec<Vec<Arc<Acl>>>;

/// Decides each list on its own; `next_id` gives ids that nobody has.
///
/// # Errors
/// When so many are new that one batch should not carry them; then none is added.
pub fn create_acls(
    image: &Image,
    requested: &[Acl],
    mut next_id: impl FnMut() -> Uuid,
) -> Result<(Vec<Change>, CreatedAcls), Refusal> {
    let mut added = BTreeSet::new();
    let mut changes = Vec::new();
    let mut outcomes = Vec::with_capacity(requested.len());
    for acl in requested {
        let outcome = check(acl);
        if outcome.is_ok() && image.acls().find(acl).is_none() && added.insert(acl) {
            changes.push(Change::Acl {
                id: next_id(),
                acl: acl.clone(),
            });
        }
        outcomes.push(outcome);
    }
    bound(changes.len())?;
    Ok((changes, outcomes))
}

/// Takes out what the filters select. A list that several select is told of to each.
///
/// # Errors
/// When they select so many that one batch should not carry them; then none is taken out.
pub fn delete_acls(
    image: &Image,
    filters: &[AclFilter],
) -> Result<(Vec<Change>, DeletedAcls), Refusal> {
    let mut removed = BTreeSet::new();
    let mut outcomes = Vec::with_capacity(filters.len());
    for filter in filters {
        let selected = image.acls().select(filter).map(|(acl, id)| {
            removed.insert(id);
            Arc::clone(acl)
        });
        outcomes.push(selected.collect());
    }
    bound(removed.len())?;
    let changes = removed.into_iter().map(|id| Change::RemoveAcl { id });
    Ok((changes.collect(), outcomes))
}

fn bound(changes: usize) -> Result<(), Refusal> {
    if changes <= ACL_CHANGES_MAX {
        return Ok(());
    }
    let text = format!(
        "Unable to perform excessively large batch operation: {changes} access control lists at \
         once are more than {ACL_CHANGES_MAX}; ask in several requests."
    );
    Err(Refusal::new(ErrorCode::PolicyViolation, text))
}

fn check(acl: &Acl) -> Result<(), Refusal> {
    let refuse = |text: String| Err(Refusal::new(ErrorCode::InvalidRequest, text));
    if acl.resource_type == ResourceType::Cluster && acl.name != CLUSTER_NAME {
        return refuse(format!(
            "The only valid name for the CLUSTER resource is {CLUSTER_NAME}"
        ));
    }
    if acl.name.is_empty() {
        return refuse("Invalid empty resource name".to_owned());
    }
    if !is_principal(&acl.principal) {
        return refuse(format!(
            "Could not parse principal from `{}` (no colon is present separating the principal \
             type from the principal name)",
            acl.principal
        ));
    }
    let texts = [&acl.name, &acl.principal, &acl.host];
    if texts.iter().any(|text| text.len() > TEXT_BYTES_MAX) {
        return refuse("A text of the list is too long to be kept".to_owned());
    }
    Ok(())
}
