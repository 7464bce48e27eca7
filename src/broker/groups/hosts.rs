//! The hosts of one core, and the way to them from any core.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use base::CoreId;
use coordinator::{
    Answer, Ask, Groups, GroupsConfig, ListGroupsAsk, ListedGroup, LogEnds, Refusal, TimelineEvent,
    TopicImage, Topics,
};
use metadata::{Image, Resource, ResourceKind};

use super::machine::{GroupHost, GroupSurroundings, options};
use crate::broker::Broker;
use crate::hosts::{Hosts, Surroundings, loading, not_here};
use crate::ownership::PartitionId;

/// The hosts of groups on one core.
pub(crate) type GroupHosts = Hosts<Groups>;

impl GroupHosts {
    /// Tells all of them how far logs reach.
    pub(crate) fn tell_ends(&self, ends: &Arc<LogEnds>) {
        if let Some(surroundings) = self.surroundings() {
            *surroundings.own.ends.borrow_mut() = Arc::clone(ends);
            self.all().iter().for_each(GroupHost::ends_changed);
        }
    }
}

impl Broker {
    /// Takes in what an image means for the groups of this core; its partitions serve already.
    pub(crate) fn adopt_groups(&self, before: &Image, image: &Image) {
        let groups = &self.shared.groups;
        match groups.surroundings() {
            None => {
                let own = GroupSurroundings {
                    config: RefCell::new(self.groups_config(image)),
                    topics: RefCell::new(topics_of(image)),
                    ends: RefCell::default(),
                };
                let options = options(&self.config().settings);
                groups.surround(Surroundings::new(own, options));
            }
            Some(surroundings) => {
                // Unchanged parts of an image are the same piece of memory.
                if !std::ptr::eq(before.topics(), image.topics()) {
                    *surroundings.own.topics.borrow_mut() = topics_of(image);
                    groups.all().iter().for_each(GroupHost::topics_changed);
                }
                if self.group_settings_differ(before, image) {
                    *surroundings.own.config.borrow_mut() = self.groups_config(image);
                    surroundings.options.set(options(&self.config().settings));
                    groups.all().iter().for_each(GroupHost::configure);
                }
            }
        }
        groups.retain(|id| image.partition(id.topic, id.index).is_some());
    }

    fn groups_config(&self, image: &Image) -> GroupsConfig {
        GroupsConfig::new(&self.config().settings, &group_settings(image))
    }

    fn group_settings_differ(&self, before: &Image, image: &Image) -> bool {
        let node = Resource::broker(self.node_id());
        let cluster = Resource::cluster_default();
        before.configs(&node) != image.configs(&node)
            || before.configs(&cluster) != image.configs(&cluster)
            || group_settings(before) != group_settings(image)
    }

    /// Asks the coordinator of the group that `ask` names. The asking begins now, before anything
    /// that is asked later.
    pub fn on_group(&self, ask: Ask) -> impl Future<Output = Answer> + use<> {
        let home = ask.group().and_then(|group| self.group_home(group));
        self.ask_at::<Groups>(home, ask)
    }

    /// The groups of the whole node.
    ///
    /// # Errors
    /// While any of them are being loaded.
    pub async fn list_groups(&self, ask: ListGroupsAsk) -> Result<Vec<ListedGroup>, Refusal> {
        let mut asking = Vec::new();
        for core in 0..self.cores() {
            let ask = ask.clone();
            asking.push(self.on_core(CoreId(core), move |broker| {
                let hosts = broker.shared.groups.all();
                let asked: Vec<_> = hosts
                    .iter()
                    .map(|host| host.ask(Ask::ListGroups(ask.clone())))
                    .collect();
                let all_serve = hosts.iter().all(GroupHost::is_serving);
                async move {
                    let mut groups = Vec::new();
                    for answer in asked.into_iter().flatten() {
                        if let Ok(Answer::ListGroups(listed)) = answer.await {
                            groups.extend(listed);
                        }
                    }
                    (groups, all_serve)
                }
            }));
        }
        let mut groups = Vec::new();
        for asked in asking {
            match asked.await {
                Ok((listed, true)) => groups.extend(listed),
                Ok((_, false)) => return Err(loading()),
                Err(_stopping) => return Err(not_here()),
            }
        }
        groups.sort_by(|left, right| left.group.cmp(&right.group));
        Ok(groups)
    }

    /// Looks at one machine of this core; nothing while it does not serve.
    pub(crate) fn look_at_host<R>(
        &self,
        id: PartitionId,
        look: impl FnOnce(&Groups) -> R,
    ) -> Option<R> {
        self.shared.groups.find(id)?.look(look)
    }

    /// Looks at all machines of this core that serve.
    pub(crate) fn look_at_hosts<R>(&self, mut look: impl FnMut(&Groups) -> Vec<R>) -> Vec<R> {
        let hosts = self.shared.groups.all();
        let looked = hosts.iter().filter_map(|host| host.look(&mut look));
        looked.flatten().collect()
    }

    /// Why the group was rebalanced lately, oldest first; nothing while it is not known here.
    pub async fn group_timeline(&self, group: &str) -> Option<Vec<TimelineEvent>> {
        let id = self.group_home(group)?;
        let group = group.to_owned();
        let looked = self.on_core(id.owner(self.cores()), move |broker| {
            let host = broker.shared.groups.find(id);
            let events = host.and_then(|host| host.look(|machine| machine.timeline(&group)));
            std::future::ready(events.flatten())
        });
        looked.await.ok().flatten()
    }
}

/// What is set for groups themselves.
fn group_settings(image: &Image) -> BTreeMap<String, BTreeMap<String, String>> {
    let groups = image.configured(ResourceKind::Group);
    groups
        .map(|name| {
            let resource = Resource {
                kind: ResourceKind::Group,
                name: name.to_owned(),
            };
            (name.to_owned(), image.configs(&resource).clone())
        })
        .collect()
}

fn topics_of(image: &Image) -> Arc<Topics> {
    let topics = image.topics().iter().map(|topic| {
        let shape = TopicImage {
            id: topic.id,
            partitions: i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
        };
        (topic.name.to_string(), shape)
    });
    Arc::new(Topics::new(topics))
}
