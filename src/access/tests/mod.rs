//! Access control lists: the decision, filters, and the arrangement for many lists.

mod deciding;
mod filtering;
mod naive;
mod random;
mod scram;

use std::net::IpAddr;

use base::Uuid;
use config::AccessConfig;

use crate::{Acl, Acls, Judge, Operation, PatternType, Permission, ResourceType, Subject};

/// A list on topics, written shortly: `+ alice * READ literal:orders`.
fn acl(text: &str) -> Acl {
    let words: Vec<&str> = text.split(' ').collect();
    let (pattern_type, name) = words[4].split_once(':').unwrap();
    let operations = Operation::ALL.iter();
    Acl {
        resource_type: ResourceType::Topic,
        pattern_type: match pattern_type {
            "literal" => PatternType::Literal,
            _ => PatternType::Prefixed,
        },
        name: name.to_owned(),
        principal: format!("User:{}", words[1]),
        host: words[2].to_owned(),
        operation: *operations
            .clone()
            .find(|one| one.name() == words[3])
            .unwrap(),
        permission: match words[0] {
            "+" => Permission::Allow,
            _ => Permission::Deny,
        },
    }
}

fn acls(texts: &[&str]) -> Acls {
    let mut acls = Acls::default();
    for (text, id) in texts.iter().zip(1..) {
        acls.insert(Uuid(id), acl(text)).unwrap();
    }
    acls
}

fn subject(name: &str, address: &str) -> Subject {
    let address: IpAddr = address.parse().unwrap();
    Subject::new(&format!("User:{name}"), address, &AccessConfig::default())
}

/// Which of a topic's operations alice may do.
fn may(texts: &[&str], topic: &str) -> Vec<&'static str> {
    let acls = acls(texts);
    let subject = subject("alice", "10.0.0.1");
    let judge = Judge::new(&acls, &subject);
    let operations = ResourceType::Topic.operations().iter();
    operations
        .filter(|operation| judge.may(**operation, ResourceType::Topic, topic))
        .map(|operation| operation.name())
        .collect()
}
