//! Single decisions, as Kafka's documentation of its authorizer promises them.

use base::Uuid;
use config::AccessConfig;

use super::{acl, acls, may, subject};
use crate::{Acls, CLUSTER_NAME, Judge, Operation, ResourceType, Subject, bits};

/// A fresh cluster with an authorizer serves super users alone.
#[test]
fn without_lists_nobody_may_anything() {
    assert!(may(&[], "orders").is_empty());
    let rules = AccessConfig {
        super_users: vec!["User:root".to_owned()],
        ..AccessConfig::default()
    };
    let root = Subject::new("User:root", "::1".parse().unwrap(), &rules);
    let lists = acls(&["- root * ALL literal:*"]);
    let judge = Judge::new(&lists, &root);
    assert!(judge.may(Operation::Write, ResourceType::Topic, "orders"));
    assert!(judge.may_some(Operation::Write, ResourceType::Topic));
}

/// Consumers have to look a topic up before they read it.
#[test]
fn some_operations_imply_others() {
    for operation in ["READ", "WRITE", "DELETE", "ALTER"] {
        let text = format!("+ alice * {operation} literal:orders");
        let mut expected = vec![operation, "DESCRIBE"];
        expected.sort_unstable();
        let mut found = may(&[&text], "orders");
        found.sort_unstable();
        assert_eq!(found, expected);
    }
    let found = may(&["+ alice * ALTER_CONFIGS literal:orders"], "orders");
    assert_eq!(found, ["DESCRIBE_CONFIGS", "ALTER_CONFIGS"]);
    assert_eq!(
        may(&["+ alice * CREATE literal:orders"], "orders"),
        ["CREATE"]
    );
    assert_eq!(may(&["+ alice * ALL literal:orders"], "orders").len(), 8);
}

/// Who denies reading does not mean to hide the topic.
#[test]
fn denying_implies_nothing_and_outweighs_all() {
    let lists = ["+ alice * ALL literal:*", "- alice * READ literal:orders"];
    let found = may(&lists, "orders");
    assert!(!found.contains(&"READ") && found.contains(&"DESCRIBE"));
    assert_eq!(may(&lists, "other").len(), 8);
    let lists = ["+ alice * ALL literal:orders", "- * * ALL prefixed:or"];
    assert!(may(&lists, "orders").is_empty());
}

/// Patterns: exact names, everything, beginnings of names.
#[test]
fn patterns_are_compared_as_their_type_says() {
    let read = |lists: &[&str], topic: &str| may(lists, topic).contains(&"READ");
    assert!(!read(&["+ alice * READ literal:ord"], "orders"));
    assert!(read(&["+ alice * READ literal:*"], "orders"));
    assert!(read(&["+ alice * READ prefixed:ord"], "orders"));
    assert!(read(&["+ alice * READ prefixed:orders"], "orders"));
    assert!(!read(&["+ alice * READ prefixed:orders-"], "orders"));
    // As a beginning the star is a letter like others, and no topic has it.
    assert!(!read(&["+ alice * READ prefixed:*"], "orders"));
    let many = [
        "+ alice * READ prefixed:o",
        "- bob * READ prefixed:ord",
        "+ carol * READ prefixed:ordinary",
        "+ carol * READ prefixed:orz",
    ];
    assert!(read(&many, "orders"));
    // Letters of several bytes are compared whole.
    assert!(read(&["+ alice * READ prefixed:bücher-ü"], "bücher-übrig"));
    assert!(!read(&["+ alice * READ prefixed:bücher-ü"], "bücher-û"));
}

/// Java writes the address of one's own machine in full; people write it shortly.
#[test]
fn hosts_are_addresses_however_written() {
    let read = |host: &str, address: &str| {
        let lists = acls(&[&format!("+ alice {host} READ literal:t")]);
        let subject = subject("alice", address);
        Judge::new(&lists, &subject).may(Operation::Read, ResourceType::Topic, "t")
    };
    assert!(read("10.0.0.1", "10.0.0.1") && !read("10.0.0.1", "10.0.0.2"));
    assert!(read("10.0.0.1", "::ffff:10.0.0.1"));
    assert!(read("0:0:0:0:0:0:0:1", "::1") && read("::1", "::1"));
    assert!(!read("localhost", "127.0.0.1"));
    assert!(read("*", "127.0.0.1"));
}

/// A resource that any list is about is closed to those that no list allows it.
#[test]
fn openness_ends_with_the_first_list() {
    let rules = AccessConfig {
        allow_everyone_if_no_acl_found: true,
        ..AccessConfig::default()
    };
    let alice = Subject::new("User:alice", "10.0.0.1".parse().unwrap(), &rules);
    let lists = acls(&["+ bob 10.9.9.9 WRITE literal:orders"]);
    let judge = Judge::new(&lists, &alice);
    assert!(!judge.may(Operation::Read, ResourceType::Topic, "orders"));
    assert!(judge.may(Operation::Read, ResourceType::Topic, "other"));
    assert!(judge.may(Operation::Read, ResourceType::Group, "orders"));
    assert!(judge.may(Operation::Alter, ResourceType::Cluster, CLUSTER_NAME));
    assert_eq!(judge.operations(ResourceType::Topic, "orders"), 0);
    let all = judge.operations(ResourceType::Topic, "other");
    assert_eq!(all, bits(ResourceType::Topic.operations()));
}

/// A producer gets an id when there is any topic it could write to (KIP-679).
#[test]
fn some_topic_may_be_written() {
    let may_write = |texts: &[&str]| {
        let (lists, alice) = (acls(texts), subject("alice", "10.0.0.1"));
        Judge::new(&lists, &alice).may_some(Operation::Write, ResourceType::Topic)
    };
    assert!(!may_write(&[]));
    assert!(may_write(&["+ alice * WRITE literal:a"]));
    assert!(may_write(&["+ * * ALL prefixed:a"]));
    assert!(!may_write(&["+ alice * READ literal:a"]));
    assert!(!may_write(&[
        "+ alice * WRITE literal:a",
        "- * * WRITE literal:a"
    ]));
    assert!(!may_write(&[
        "+ alice * WRITE literal:ab",
        "- * * ALL prefixed:a"
    ]));
    assert!(!may_write(&[
        "+ alice * WRITE prefixed:ab",
        "- * * ALL prefixed:ab"
    ]));
    assert!(may_write(&[
        "+ alice * WRITE prefixed:a",
        "- * * ALL prefixed:ab"
    ]));
    assert!(may_write(&[
        "+ alice * WRITE prefixed:a",
        "- * * ALL literal:a"
    ]));
    assert!(!may_write(&[
        "+ alice * WRITE literal:a",
        "- * * WRITE literal:*"
    ]));
    assert!(may_write(&[
        "+ alice * WRITE literal:*",
        "- * * WRITE literal:b"
    ]));
}

/// What is taken out has no effect any more, and leaves nothing behind.
#[test]
fn lists_come_and_go() {
    let mut lists = acls(&[
        "+ alice 10.0.0.1 READ prefixed:a",
        "+ alice ::ffff:10.0.0.1 READ prefixed:a",
        "+ alice * WRITE prefixed:a",
    ]);
    let twice = acl("+ alice * WRITE prefixed:a");
    assert!(lists.insert(Uuid(9), twice.clone()).is_err());
    assert!(
        lists
            .insert(Uuid(1), acl("+ x * WRITE prefixed:a"))
            .is_err()
    );
    assert_eq!(lists.find(&twice), Some(Uuid(3)));
    let alice = subject("alice", "10.0.0.1");
    let reads =
        |lists: &Acls| Judge::new(lists, &alice).may(Operation::Read, ResourceType::Topic, "abc");
    assert!(reads(&lists));
    assert!(lists.remove(Uuid(1)).is_some() && reads(&lists));
    assert!(lists.remove(Uuid(2)).is_some() && !reads(&lists));
    assert!(lists.remove(Uuid(2)).is_none());
    assert!(lists.remove(Uuid(3)).is_some());
    assert!(lists.is_empty());
    assert_eq!(lists, Acls::default());
}
