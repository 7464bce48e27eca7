//! The answer to whether a subject may do something.

use crate::acls::Acls;
use crate::operation::Operation;
use crate::resource::ResourceType;
use crate::section::Verdict;
use crate::subject::Subject;

/// A name that stands for none in particular, as Kafka has it too.
const SOME_NAME: &str = "hardcode";

/// Answers one subject's questions.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    acls: &'a Acls,
    subject: &'a Subject,
}

impl<'a> Judge<'a> {
    /// By these lists, for this subject.
    #[must_use]
    pub const fn new(acls: &'a Acls, subject: &'a Subject) -> Self {
        Self { acls, subject }
    }

    /// Whether the subject may do this to the resource of this name.
    #[must_use]
    pub fn may(&self, operation: Operation, resource_type: ResourceType, name: &str) -> bool {
        if self.subject.is_super_user {
            return true;
        }
        let section = self.acls.section(resource_type);
        let verdict = section.map_or_else(Verdict::default, |section| {
            section.judge(self.subject, operation, name)
        });
        if verdict.is_listed {
            verdict.is_allowed && !verdict.is_denied
        } else {
            self.subject.is_allowed_by_default
        }
    }

    /// Whether there can be a resource of this type that the subject may do this to (KIP-679).
    #[must_use]
    pub fn may_some(&self, operation: Operation, resource_type: ResourceType) -> bool {
        if self.may(operation, resource_type, SOME_NAME) {
            return true;
        }
        let section = self.acls.section(resource_type);
        section.is_some_and(|section| section.allows_some(self.subject, operation))
    }

    /// What the subject may do to the resource of this name, as bits (KIP-430).
    #[must_use]
    pub fn operations(&self, resource_type: ResourceType, name: &str) -> i32 {
        let all = resource_type.operations().iter();
        let granted = all.filter(|operation| self.may(**operation, resource_type, name));
        granted.fold(0, |bits, operation| {
            bits | (1 << i32::from(operation.code()))
        })
    }
}
