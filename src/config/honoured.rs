//! The Kafka keys that forebay acts upon. Everything else is accepted without effect, and the
//! documentation of every key says which it is.
//!
//! To honour one more: read it, then add its line here. Kept in order of the alphabet.

const HONOURED: &[&str] = &[
    "advertised.listeners",
    "auto.create.topics.enable",
    "broker.id",
    "broker.rack",
    "cleanup.policy",
    "compression.type",
    "connections.max.idle.ms",
    "controller.listener.names",
    "controller.quorum.voters",
    "default.replication.factor",
    "delete.topic.enable",
    "fetch.max.bytes",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "index.interval.bytes",
    "inter.broker.listener.name",
    "listener.security.protocol.map",
    "listeners",
    "log.cleanup.policy",
    "log.dir",
    "log.dirs",
    "log.flush.interval.messages",
    "log.flush.interval.ms",
    "log.flush.offset.checkpoint.interval.ms",
    "log.flush.scheduler.interval.ms",
    "log.index.interval.bytes",
    "log.index.size.max.bytes",
    "log.initial.task.delay.ms",
    "log.message.timestamp.after.max.ms",
    "log.message.timestamp.before.max.ms",
    "log.message.timestamp.type",
    "log.retention.bytes",
    "log.retention.check.interval.ms",
    "log.retention.hours",
    "log.retention.minutes",
    "log.retention.ms",
    "log.roll.hours",
    "log.roll.jitter.hours",
    "log.roll.jitter.ms",
    "log.roll.ms",
    "log.segment.bytes",
    "log.segment.delete.delay.ms",
    "max.connections",
    "max.connections.per.ip",
    "max.incremental.fetch.session.cache.slots",
    "max.message.bytes",
    "max.request.partition.size.limit",
    "message.max.bytes",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.type",
    "metadata.log.dir",
    "min.insync.replicas",
    "node.id",
    "num.partitions",
    "process.roles",
    "producer.id.expiration.ms",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "socket.listen.backlog.size",
    "socket.request.max.bytes",
];

/// Whether forebay acts upon the Kafka key `name`.
pub(crate) fn contains(name: &str) -> bool {
    HONOURED.binary_search(&name).is_ok()
}

#[cfg(test)]
pub(crate) const fn all() -> &'static [&'static str] {
    HONOURED
}
