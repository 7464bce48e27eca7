//! Keys that are no broker keys of this version and still stand in people's files: those that older
//! versions of Kafka had, and those that Kafka hands to its plug-ins. They are accepted with a
//! warning, so that a file that Kafka accepts does not stop the start.

use crate::key::Reason;

/// Why a foreign key is let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// Older versions of Kafka had it, or people think so.
    Removed(&'static str),
    /// A plug-in or something outside the broker reads it.
    Elsewhere(Reason),
}

impl Foreign {
    /// The end of the sentence "... is ignored: ".
    #[must_use]
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Removed(why) => why,
            Self::Elsewhere(reason) => reason.text(),
        }
    }
}

const NO_ZOOKEEPER: &str = "there is no ZooKeeper; the metadata quorum took its place";
const ONE_FORMAT: &str = "there is only record format 2";
const NEVER_A_KEY: &str = "it never was a key; unclean.leader.election.enable is";
const BY_FEATURES: &str = "feature levels took its place";

const NAMES: &[(&str, Foreign)] = &[
    (
        "broker.id.generation.enable",
        Foreign::Removed("every node has its id set"),
    ),
    (
        "reserved.broker.max.id",
        Foreign::Removed("every node has its id set"),
    ),
    (
        "control.plane.listener.name",
        Foreign::Removed("controllers have listeners of their own"),
    ),
    (
        "controlled.shutdown.max.retries",
        Foreign::Removed("shutdown is one handshake"),
    ),
    (
        "controlled.shutdown.retry.backoff.ms",
        Foreign::Removed("shutdown is one handshake"),
    ),
    (
        "delegation.token.master.key",
        Foreign::Removed("delegation.token.secret.key took its place"),
    ),
    (
        "inter.broker.protocol.version",
        Foreign::Removed(BY_FEATURES),
    ),
    // Examples all over the web have it, and Kafka passes over what it does not know.
    (
        "log.unclean.leader.election.enable",
        Foreign::Removed(NEVER_A_KEY),
    ),
    ("log.message.format.version", Foreign::Removed(ONE_FORMAT)),
    (
        "log.message.downconversion.enable",
        Foreign::Removed(ONE_FORMAT),
    ),
    (
        "log.message.timestamp.difference.max.ms",
        Foreign::Removed("log.message.timestamp.before.max.ms and .after.max.ms took its place"),
    ),
    (
        "offsets.commit.required.acks",
        Foreign::Removed("commits always wait for all in-sync replicas"),
    ),
    (
        "quota.consumer.default",
        Foreign::Removed("client quotas took its place"),
    ),
    (
        "quota.producer.default",
        Foreign::Removed("client quotas took its place"),
    ),
    (
        "auto.include.jmx.reporter",
        Foreign::Elsewhere(Reason::NoJvm),
    ),
];

const PREFIXES: &[(&str, Foreign)] = &[
    ("zookeeper.", Foreign::Removed(NO_ZOOKEEPER)),
    ("password.encoder.", Foreign::Removed(NO_ZOOKEEPER)),
    ("config.providers.", Foreign::Elsewhere(Reason::NoJvm)),
    ("metrics.context.", Foreign::Elsewhere(Reason::NoJvm)),
    ("rsm.config.", Foreign::Elsewhere(Reason::NoJvm)),
    ("rlmm.config.", Foreign::Elsewhere(Reason::NoJvm)),
];

/// Topic keys that older versions had and that tools still send; accepted and not stored.
const TOPIC_NAMES: &[&str] = &["message.downconversion.enable", "message.format.version"];

/// Why the unknown broker key `name` may pass.
pub(crate) fn foreign(name: &str) -> Option<Foreign> {
    let by_name = NAMES.iter().find(|(known, _)| *known == name);
    let by_prefix = || PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix));
    by_name.or_else(by_prefix).map(|(_, foreign)| *foreign)
}

/// Whether `name` is a topic key of older versions that is taken without being stored.
#[must_use]
pub fn is_retired_topic_key(name: &str) -> bool {
    TOPIC_NAMES.contains(&name)
}
