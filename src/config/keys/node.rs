//! Identity, roles, listeners, the controller quorum and this node's place in the cluster.
//!
//! Data only: what each row means is told in `key.rs`. Names, types, defaults and rules are
//! Kafka's, except where a row says `unlike_kafka`.

use crate::key::{Importance, Key, Kind, Reason, Scope};
use crate::rule::Rule;

/// The rows of this theme.
pub(crate) const KEYS: &[Key] = &[
    Key::new("node.id", Kind::Int, Some("1"))
        .rule(Rule::AtLeast(0))
        .importance(Importance::High)
        .unlike_kafka(None, "a single node starts without configuration")
        .doc(
            "The number by which the whole cluster knows this node; it must differ from \
             every other node's and never change while the data directory lives.",
        ),
    Key::new("broker.id", Kind::Int, Some("1"))
        .importance(Importance::High)
        .unlike_kafka(Some("-1"), "it is another name of node.id")
        .doc(
            "The older name of node.id. When only this one is set it is used; when both are \
             set they must agree.",
        ),
    Key::new("broker.rack", Kind::Text, None).doc(
        "A free label for the failure domain this node stands in, such as a rack or a \
             zone; replicas of one partition are spread over labels, and consumers may read \
             from a replica with their own label.",
    ),
    Key::new("process.roles", Kind::List, Some("broker,controller"))
        .rule(Rule::Subset(&["broker", "controller"]))
        .importance(Importance::High)
        .unlike_kafka(None, "a single node starts without configuration")
        .doc(
            "Which duties this process has: broker (keeps and serves partitions), \
             controller (keeps the cluster's metadata), or both.",
        ),
    Key::new("listeners", Kind::List, Some("PLAINTEXT://:9092"))
        .rule(Rule::Distinct)
        .importance(Importance::High)
        .dynamic(Scope::Broker)
        .doc(
            "The addresses to accept connections on, each as NAME://host:port. An empty \
             host or 0.0.0.0 means every address of the machine; IPv6 addresses stand in \
             brackets.",
        ),
    Key::new("advertised.listeners", Kind::List, None)
        .rule(Rule::Distinct)
        .importance(Importance::High)
        .doc(
            "The addresses that clients are told to connect to, when they differ from the \
             ones listened on. Left unset, a listener without a definite host advertises \
             the address that the client dialled.",
        ),
    Key::new(
        "listener.security.protocol.map",
        Kind::Text,
        Some("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"),
    )
    .importance(Importance::Low)
    .dynamic(Scope::Broker)
    .doc(
        "Which security protocol each listener name stands for, as NAME:PROTOCOL pairs; \
             protocols are PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL.",
    ),
    Key::new("early.start.listeners", Kind::List, None)
        .rule(Rule::Distinct)
        .importance(Importance::High)
        .doc(
            "Names of listeners that accept connections before the node has loaded its \
             metadata. Controller listeners always do.",
        ),
    Key::new("inter.broker.listener.name", Kind::Text, None).doc(
        "The listener over which brokers talk to each other. Left unset, it is the \
             first one with the protocol of security.inter.broker.protocol.",
    ),
    Key::new(
        "security.inter.broker.protocol",
        Kind::Text,
        Some("PLAINTEXT"),
    )
    .rule(Rule::OneOf(&[
        "PLAINTEXT",
        "SSL",
        "SASL_PLAINTEXT",
        "SASL_SSL",
    ]))
    .doc("The protocol that brokers use among themselves when no listener is named for it."),
    Key::new("controller.listener.names", Kind::List, None)
        .rule(Rule::Distinct)
        .importance(Importance::High)
        .unlike_kafka(
            None,
            "a single node reaches its controller inside the process",
        )
        .doc(
            "Names of the listeners that serve the controller quorum. A single node with \
             both roles needs none, because its controller is reached inside the process.",
        ),
    Key::new("controller.quorum.voters", Kind::List, Some(""))
        .rule(Rule::Voters)
        .importance(Importance::High)
        .doc(
            "The fixed members of the metadata quorum, each as id@host:port. Left empty on \
             a node with both roles, the node is the only member.",
        ),
    Key::new("controller.quorum.bootstrap.servers", Kind::List, Some(""))
        .rule(Rule::Endpoints)
        .importance(Importance::High)
        .doc(
            "Addresses, as host:port, at which a node first asks for the members of the \
             metadata quorum; several may be given.",
        ),
    Key::new(
        "controller.quorum.auto.join.enable",
        Kind::Boolean,
        Some("false"),
    )
    .importance(Importance::Low)
    .doc(
        "Whether a controller that is not yet a member of the metadata quorum asks to \
             become one by itself.",
    ),
    Key::new(
        "controller.quorum.election.timeout.ms",
        Kind::Int,
        Some("1000"),
    )
    .rule(Rule::AtLeast(0))
    .importance(Importance::High)
    .doc(
        "How many milliseconds a quorum member waits for an answer to its candidacy \
             before it starts another election.",
    ),
    Key::new(
        "controller.quorum.election.backoff.max.ms",
        Kind::Int,
        Some("1000"),
    )
    .rule(Rule::AtLeast(0))
    .importance(Importance::High)
    .doc(
        "The upper bound, in milliseconds, of the random pause between elections that \
             nobody won.",
    ),
    Key::new(
        "controller.quorum.fetch.timeout.ms",
        Kind::Int,
        Some("2000"),
    )
    .rule(Rule::AtLeast(0))
    .importance(Importance::High)
    .doc(
        "How many milliseconds a quorum member goes without hearing from the leader \
             before it stands for election; also how long a leader goes on without a \
             majority.",
    ),
    Key::new(
        "controller.quorum.request.timeout.ms",
        Kind::Int,
        Some("2000"),
    )
    .rule(Rule::AtLeast(0))
    .doc(
        "How many milliseconds one request between quorum members may take before it is \
             given up and repeated.",
    ),
    Key::new("controller.quorum.retry.backoff.ms", Kind::Int, Some("20"))
        .rule(Rule::AtLeast(0))
        .importance(Importance::Low)
        .doc(
            "The pause in milliseconds before a failed request between quorum members is \
             repeated.",
        ),
    Key::new("controller.quorum.append.linger.ms", Kind::Int, Some("25"))
        .rule(Rule::AtLeast(0))
        .doc(
            "How many milliseconds the metadata leader gathers records before it writes \
             them as one batch.",
        ),
    Key::new(
        "controller.quorum.fetch.max.bytes",
        Kind::Int,
        Some("1048576"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::Low)
    .doc("How many bytes of metadata log one answer to a quorum member may hold."),
    Key::new(
        "controller.quorum.fetch.snapshot.max.bytes",
        Kind::Int,
        Some("1048576"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::Low)
    .doc("How many bytes of a metadata snapshot one answer to a quorum member may hold."),
    Key::new("controller.socket.timeout.ms", Kind::Int, Some("30000"))
        .doc("How many milliseconds a request from a broker to the controller may take."),
    Key::new(
        "controller.performance.always.log.threshold.ms",
        Kind::Long,
        Some("2000"),
    )
    .rule(Rule::AtLeast(0))
    .internal()
    .doc(
        "A controller event that takes longer than this many milliseconds is always \
             reported in the log.",
    ),
    Key::new(
        "controller.performance.sample.period.ms",
        Kind::Long,
        Some("60000"),
    )
    .rule(Rule::AtLeast(100))
    .internal()
    .doc("How often, in milliseconds, the controller reports the duration of its events."),
    Key::new(
        "server.max.startup.time.ms",
        Kind::Long,
        Some("9223372036854775807"),
    )
    .rule(Rule::AtLeast(0))
    .internal()
    .doc("How many milliseconds start-up may take before the process gives up."),
    Key::new(
        "initial.broker.registration.timeout.ms",
        Kind::Int,
        Some("60000"),
    )
    .doc(
        "How many milliseconds a starting broker tries to register with the controller \
             before the process ends.",
    ),
    Key::new("broker.heartbeat.interval.ms", Kind::Int, Some("2000"))
        .doc("How often, in milliseconds, a broker tells the controller that it lives."),
    Key::new("broker.session.timeout.ms", Kind::Int, Some("9000")).doc(
        "After how many milliseconds without a sign of life the controller fences a \
             broker and moves its leaderships.",
    ),
    Key::new("controlled.shutdown.enable", Kind::Boolean, Some("true"))
        .doc("Whether a broker that stops hands its leaderships to others first."),
    Key::new("metadata.log.dir", Kind::Text, None)
        .importance(Importance::High)
        .doc(
            "The directory of the cluster's metadata log. Left unset, it lies in the first \
             of log.dirs.",
        ),
    Key::new("metadata.log.segment.bytes", Kind::Int, Some("1073741824"))
        .rule(Rule::AtLeast(8_388_608))
        .importance(Importance::High)
        .doc("The size in bytes at which the metadata log begins another segment file."),
    Key::new("metadata.log.segment.ms", Kind::Long, Some("604800000"))
        .importance(Importance::High)
        .doc("The age in milliseconds at which the metadata log begins another segment file."),
    Key::new(
        "metadata.log.max.record.bytes.between.snapshots",
        Kind::Long,
        Some("20971520"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::High)
    .doc(
        "How many bytes of metadata records are written before the next snapshot of the \
             metadata is taken.",
    ),
    Key::new(
        "metadata.log.max.snapshot.interval.ms",
        Kind::Long,
        Some("3600000"),
    )
    .rule(Rule::AtLeast(0))
    .importance(Importance::High)
    .doc(
        "After how many milliseconds a snapshot of the metadata is taken when records \
             have come since the last one; 0 switches the rule off.",
    ),
    Key::new("metadata.max.idle.interval.ms", Kind::Int, Some("500"))
        .rule(Rule::AtLeast(0))
        .importance(Importance::Low)
        .doc(
            "How often, in milliseconds, the active controller writes an empty record when \
             nothing else happens, so that followers see progress; 0 switches it off.",
        ),
    Key::new(
        "metadata.max.retention.bytes",
        Kind::Long,
        Some("104857600"),
    )
    .importance(Importance::High)
    .doc(
        "How many bytes of metadata log and snapshots are kept before older ones are \
             removed; at least one snapshot always stays.",
    ),
    Key::new("metadata.max.retention.ms", Kind::Long, Some("604800000"))
        .importance(Importance::High)
        .doc(
            "How many milliseconds metadata log segments and snapshots are kept before \
             older ones are removed; at least one snapshot always stays.",
        ),
    Key::new("internal.metadata.log.segment.bytes", Kind::Int, None)
        .importance(Importance::Low)
        .internal()
        .doc("A test hook for small metadata segments, in bytes."),
    Key::new(
        "internal.metadata.max.batch.size.in.bytes",
        Kind::Int,
        Some("8388608"),
    )
    .importance(Importance::Low)
    .internal()
    .doc("The largest batch, in bytes, that is written to the metadata log."),
    Key::new(
        "internal.metadata.delete.delay.millis",
        Kind::Long,
        Some("60000"),
    )
    .importance(Importance::Low)
    .internal()
    .doc("How many milliseconds a removed metadata file stays on disk under another name."),
    Key::new("unstable.api.versions.enable", Kind::Boolean, Some("false"))
        .importance(Importance::High)
        .internal()
        .doc("Whether API versions that are still in development are offered to clients."),
    Key::new(
        "unstable.feature.versions.enable",
        Kind::Boolean,
        Some("false"),
    )
    .importance(Importance::High)
    .internal()
    .doc("Whether feature levels that are still in development may be chosen."),
    Key::new("auto.leader.rebalance.enable", Kind::Boolean, Some("true"))
        .importance(Importance::High)
        .doc("Whether leadership is moved back to preferred replicas in the background."),
    Key::new(
        "leader.imbalance.check.interval.seconds",
        Kind::Long,
        Some("300"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::High)
    .doc(
        "How often, in seconds, the controller looks for leaderships to move back to \
             preferred replicas.",
    ),
    Key::new("create.topic.policy.class.name", Kind::Class, None)
        .importance(Importance::Low)
        .because(Reason::NoJvm)
        .doc("A Java class that vets the creation of topics."),
    Key::new("alter.config.policy.class.name", Kind::Class, None)
        .importance(Importance::Low)
        .because(Reason::NoJvm)
        .doc("A Java class that vets changes of configuration."),
    Key::new("config.providers", Kind::List, Some(""))
        .rule(Rule::Distinct)
        .importance(Importance::Low)
        .dynamic(Scope::Cluster)
        .because(Reason::NoJvm)
        .doc("Names of Java classes that replace placeholders in configuration values."),
];
