//! Large groups: a thousand members at once, a rolling restart of two hundred.

use std::time::Duration;

use super::world::{Consumer, World, check_covered, check_owners, config};

fn crowd(count: usize, is_static: bool) -> Vec<Consumer> {
    let numbers = 0..count;
    numbers
        .map(|number| {
            let id = format!("member-{number:04}");
            if is_static {
                Consumer::fixed(&id, &format!("static-{number:04}"), &["orders"])
            } else {
                Consumer::new(&id, &["orders"])
            }
        })
        .collect()
}

/// A deployment starts a thousand consumers in the same second: the target is made a few times and
/// not a thousand times, and within a few heartbeats everybody works.
#[test]
fn a_thousand_members_join_at_once() {
    let mut settings = config();
    settings.consumer.assignment_interval = Duration::from_secs(1);
    let mut world = World::new(settings, &[("orders", 2000)]);
    world.compares_each_step = false;
    let mut members = crowd(1000, false);
    for member in &mut members {
        member.beat(&mut world).unwrap();
        world.pass(Duration::from_millis(1));
    }
    let assignments = world.groups.timeline("group").unwrap();
    let made = assignments
        .iter()
        .filter(|event| event.cause == crate::TimelineCause::Completed)
        .count();
    assert!(made <= 3, "{made} targets were made within a second");
    let rounds = world.settle(&mut members);
    assert!(
        rounds <= 4,
        "{rounds} heartbeats of everybody until all work"
    );
    world.compare();
    check_owners(&members);
    check_covered(&world, &members, &["orders"]);
    assert!(members.iter().all(|member| member.owned.len() == 2));
}

/// Two hundred static members are restarted one after the other: nobody else's share changes, and
/// the group makes no new epoch for it.
#[test]
fn a_rolling_restart_of_static_members_disturbs_nobody() {
    let mut world = World::new(config(), &[("orders", 1000)]);
    world.compares_each_step = false;
    let mut members = crowd(200, true);
    world.settle(&mut members);
    check_covered(&world, &members, &["orders"]);
    let epoch = world.describe().epoch;
    for member in &mut members {
        member.disturbed = 0;
    }
    for place in 0..members.len() {
        let share = members[place].owned.clone();
        members[place].leave(&mut world, -2).unwrap();
        world.pass(Duration::from_millis(50));
        members[place].id = format!("reborn-{place:04}");
        members[place].beat(&mut world).unwrap();
        assert_eq!(
            members[place].owned, share,
            "it is given what it had, at once"
        );
        members[place].disturbed = 0;
        let other = (place + 100) % 200;
        assert!(
            !members[other].beat(&mut world).unwrap(),
            "nobody else notices"
        );
    }
    assert_eq!(world.describe().epoch, epoch);
    assert!(members.iter().all(|member| member.disturbed == 0));
    world.compare();
}

/// Members without static names are restarted one after the other: their share moves, all others
/// go on with what they have.
#[test]
fn a_rolling_restart_moves_only_the_restarted_share() {
    let mut world = World::new(config(), &[("orders", 200)]);
    world.compares_each_step = false;
    let mut members = crowd(40, false);
    world.settle(&mut members);
    let mut moved = 0;
    for place in 0..members.len() {
        let before: Vec<_> = members.iter().map(|member| member.owned.clone()).collect();
        members[place].leave(&mut world, -1).unwrap();
        members[place].id = format!("reborn-{place:04}");
        world.settle(&mut members);
        check_owners(&members);
        for (other, (member, before)) in members.iter().zip(&before).enumerate() {
            if other != place {
                moved += before.difference(&member.owned).count();
            }
        }
    }
    check_covered(&world, &members, &["orders"]);
    // A member that comes back takes its share of five from others, and not more than that.
    assert!(
        moved <= 40 * 6,
        "{moved} partitions were taken from members that went on"
    );
    world.compare();
}
