//! What the client of a request may do, as handlers ask it.
//!
//! Without an authorizer every question costs one branch. With one, the lists are shared by
//! pointer, and a question allocates nothing; the handler asks for [`Access`] once and then about
//! each topic or group. What was asked once holds until the request is answered.

use std::rc::Rc;
use std::sync::Arc;

use access::{Acls, CLUSTER_NAME, Judge, Operation, ResourceType, Subject, bits};
use base::ErrorCode;
use metadata::{Refusal, ResourceKind as ConfigKind};

/// What everybody is who did not say who they are.
pub(crate) const ANONYMOUS: &str = "User:ANONYMOUS";

/// What the client of one request may do.
#[derive(Clone)]
pub(crate) struct Access {
    /// Nothing where everybody may do everything.
    judged: Option<(Arc<Acls>, Rc<Subject>)>,
}

impl Access {
    /// Everybody may do everything.
    #[cfg(test)]
    pub(crate) const OPEN: Self = Self { judged: None };

    /// By these lists, for this subject.
    pub(crate) fn new(judged: Option<(Arc<Acls>, Rc<Subject>)>) -> Self {
        Self { judged }
    }

    /// Whether anything is judged at all.
    pub(crate) fn is_controlled(&self) -> bool {
        self.judged.is_some()
    }

    /// Whether the client may do this to the resource of this name.
    pub(crate) fn may(&self, operation: Operation, kind: ResourceType, name: &str) -> bool {
        match &self.judged {
            None => true,
            Some((acls, subject)) => Judge::new(acls, subject).may(operation, kind, name),
        }
    }

    /// Whether there can be a resource of this type that the client may do this to.
    pub(crate) fn may_some(&self, operation: Operation, kind: ResourceType) -> bool {
        match &self.judged {
            None => true,
            Some((acls, subject)) => Judge::new(acls, subject).may_some(operation, kind),
        }
    }

    /// Refuses what the client may not do to the topic.
    pub(crate) fn topic(&self, operation: Operation, name: &str) -> Result<(), ErrorCode> {
        let may = self.may(operation, ResourceType::Topic, name);
        may.then_some(()).ok_or(ErrorCode::TopicAuthorizationFailed)
    }

    /// Refuses what the client may not do to the group.
    pub(crate) fn group(&self, operation: Operation, id: &str) -> Result<(), ErrorCode> {
        let may = self.may(operation, ResourceType::Group, id);
        may.then_some(()).ok_or(ErrorCode::GroupAuthorizationFailed)
    }

    /// Refuses what the client may not do to transactions of this id.
    pub(crate) fn transactional_id(&self, operation: Operation, id: &str) -> Result<(), ErrorCode> {
        let may = self.may(operation, ResourceType::TransactionalId, id);
        may.then_some(())
            .ok_or(ErrorCode::TransactionalIdAuthorizationFailed)
    }

    /// Refuses what the client may not do to the cluster.
    pub(crate) fn cluster(&self, operation: Operation) -> Result<(), ErrorCode> {
        let may = self.may(operation, ResourceType::Cluster, CLUSTER_NAME);
        may.then_some(())
            .ok_or(ErrorCode::ClusterAuthorizationFailed)
    }

    /// Refuses what the client may not do to the configuration of a resource: that of a topic or
    /// group is theirs, everything else is the cluster's.
    pub(crate) fn config(
        &self,
        operation: Operation,
        resource_type: i8,
        name: &str,
    ) -> Result<(), ErrorCode> {
        match ConfigKind::from_code(resource_type) {
            Some(ConfigKind::Topic) => self.topic(operation, name),
            Some(ConfigKind::Group) => self.group(operation, name),
            _ => self.cluster(operation),
        }
    }

    /// What the client may do to the resource of this name, as bits (KIP-430).
    pub(crate) fn operations(&self, kind: ResourceType, name: &str) -> i32 {
        match &self.judged {
            None => bits(kind.operations()),
            Some((acls, subject)) => Judge::new(acls, subject).operations(kind, name),
        }
    }

    /// What the client may do to the cluster, as bits: nothing to those who may not look at it.
    pub(crate) fn cluster_operations(&self) -> i32 {
        match self.cluster(Operation::Describe) {
            Ok(()) => self.operations(ResourceType::Cluster, CLUSTER_NAME),
            Err(_) => 0,
        }
    }
}

/// What administrators are told who may not do what they asked for.
pub(crate) fn denied(code: ErrorCode) -> Refusal {
    let text = match code {
        ErrorCode::TopicAuthorizationFailed => "Topic authorization failed.",
        ErrorCode::GroupAuthorizationFailed => "Group authorization failed.",
        ErrorCode::TransactionalIdAuthorizationFailed => "Transactional Id authorization failed.",
        _ => "Cluster authorization failed.",
    };
    Refusal::new(code, text)
}
