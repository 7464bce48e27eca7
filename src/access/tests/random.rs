//! Random lists and questions: the arranged set answers as looking at every list does.

use base::{Random, Uuid};
use config::AccessConfig;

use super::naive::{self, Asking};
use crate::{
    Acl, AclFilter, Acls, Judge, Operation, PatternType, Permission, ResourceType, Subject,
};

const HOSTS: [&str; 3] = ["10.0.0.1", "10.0.0.2", "*"];
const PRINCIPALS: [&str; 3] = ["User:alice", "User:bob", "User:*"];

fn pick<'t, T>(random: &mut Random, choices: &'t [T]) -> &'t T {
    &choices[usize::try_from(random.below(choices.len() as u64)).unwrap()]
}

/// Short names over few letters, so that many are prefixes of others; now and then a star.
fn name(random: &mut Random, length_max: u64) -> String {
    if random.below(12) == 0 {
        return "*".to_owned();
    }
    let length = 1 + random.below(length_max);
    (0..length)
        .map(|_| *pick(random, &['a', 'b', 'ä', '*']))
        .collect()
}

fn some_acl(random: &mut Random) -> Acl {
    let kinds = [
        ResourceType::Topic,
        ResourceType::Topic,
        ResourceType::Group,
    ];
    let permissions = [Permission::Allow, Permission::Allow, Permission::Deny];
    Acl {
        resource_type: *pick(random, &kinds),
        pattern_type: *pick(random, PatternType::ALL),
        name: name(random, 5),
        principal: (*pick(random, &PRINCIPALS)).to_owned(),
        host: (*pick(random, &HOSTS)).to_owned(),
        operation: *pick(random, Operation::ALL),
        permission: *pick(random, &permissions),
    }
}

fn compare(random: &mut Random, lists: &[Acl], acls: &Acls, story: &str) {
    let is_open = random.below(2) == 0;
    let rules = AccessConfig {
        super_users: Vec::new(),
        allow_everyone_if_no_acl_found: is_open,
    };
    let (principal, host) = (*pick(random, &PRINCIPALS[..2]), *pick(random, &HOSTS[..2]));
    let topic = name(random, 7);
    let subject = Subject::new(principal, host.parse().unwrap(), &rules);
    let judge = Judge::new(acls, &subject);
    for operation in Operation::ALL.iter().skip(1) {
        let asking = Asking {
            principal,
            host,
            operation: *operation,
            topic: &topic,
            is_open,
        };
        let topics = ResourceType::Topic;
        let told = judge.may(*operation, topics, &topic);
        assert_eq!(
            told,
            naive::may(lists, &asking),
            "{story}, {topic} {operation:?}: {lists:#?}"
        );
        let told = judge.may_some(*operation, topics);
        assert_eq!(
            told,
            naive::may_some(lists, &asking),
            "{story}, some {operation:?}: {lists:#?}"
        );
    }
}

/// Lists come and go, and every answer is that of the slow way.
#[test]
fn answers_are_those_of_looking_at_every_list() {
    let seed = std::env::var("ACCESS_SEED").map_or(0x5eed_0ac1, |text| text.parse().unwrap());
    let mut random = Random::new(seed);
    let (mut allowed, mut denied) = (0, 0);
    for round in 0..200 {
        let story = format!("ACCESS_SEED={seed}, round {round}");
        let mut lists: Vec<(Uuid, Acl)> = Vec::new();
        let mut acls = Acls::default();
        for _ in 0..random.below(40) {
            let (id, acl) = (Uuid::random(&mut random), some_acl(&mut random));
            let is_new = !lists.iter().any(|(_, other)| *other == acl);
            assert_eq!(acls.insert(id, acl.clone()).is_ok(), is_new, "{story}");
            if is_new {
                lists.push((id, acl));
            }
            if random.below(4) == 0 {
                let place = random.below(lists.len() as u64);
                let (id, acl) = lists.swap_remove(usize::try_from(place).unwrap());
                assert_eq!(acls.remove(id).as_deref(), Some(&acl), "{story}");
            }
        }
        let plain: Vec<Acl> = lists.iter().map(|(_, acl)| acl.clone()).collect();
        for _ in 0..20 {
            compare(&mut random, &plain, &acls, &story);
            let topic = name(&mut random, 7);
            let alice = Subject::new(
                "User:alice",
                "10.0.0.1".parse().unwrap(),
                &AccessConfig::default(),
            );
            let judge = Judge::new(&acls, &alice);
            match judge.may(Operation::Read, ResourceType::Topic, &topic) {
                true => allowed += 1,
                false => denied += 1,
            }
        }
        assert_eq!(
            acls.select(&AclFilter::default()).count(),
            plain.len(),
            "{story}"
        );
    }
    assert!(
        allowed > 100 && denied > 1000,
        "{allowed} allowed, {denied} denied: no contest"
    );
}
