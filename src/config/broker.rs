//! The configuration of a node with its types: what the rooms above read.
//!
//! Built once at start and again whenever a dynamic key changes. Invariant: every field was
//! checked, alone and against the others, so no reader checks again.

use std::collections::{BTreeMap, BTreeSet};

use base::NodeId;

use crate::access::AccessConfig;
use crate::address::{Address, Voter};
use crate::error::{ConfigError, ConfigErrors};
use crate::group::check_group_defaults;
use crate::limits::{LOG_DIRS_MAX, VOTERS_MAX};
use crate::listener::{Advertised, Listener, ListenerTexts, parse_protocol_map};
use crate::reader::Reader;
use crate::settings::{Inputs, Settings};
use crate::topic::{Durability, TopicConfig};

/// Who this node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Its number in the cluster.
    pub id: NodeId,
    /// The failure domain it stands in.
    pub rack: Option<String>,
    /// Whether it keeps and serves partitions.
    pub is_broker: bool,
    /// Whether it is a member of the metadata quorum.
    pub is_controller: bool,
    /// How many cores it works with; 0 means all that the process may use.
    pub cores: u32,
    /// The members of the metadata quorum; empty means this node alone.
    pub voters: Vec<Voter>,
    /// Where to ask for the members of the metadata quorum.
    pub bootstrap_servers: Vec<Address>,
}

/// What connections and requests may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkConfig {
    /// Where the node accepts connections.
    pub listeners: Vec<Listener>,
    /// What clients are told, for each listener that serves clients.
    pub advertised: Vec<Advertised>,
    /// The listener that brokers use among themselves.
    pub inter_broker_listener: Option<String>,
    /// How many connections may wait for being accepted.
    pub listen_backlog: u32,
    /// The largest request in bytes.
    pub request_bytes_max: u32,
    /// The most connections at one time.
    pub connections_max: u32,
    /// The most connections of one client address.
    pub connections_per_ip_max: u32,
    /// After how long a silent connection is closed; nothing means never.
    pub connection_idle_ms_max: Option<u64>,
    /// How long a request may take from its first byte to its last.
    pub request_arrival_ms_max: u64,
    /// How many bytes of unanswered requests one connection may have.
    pub connection_inflight_bytes_max: u64,
    /// How many bytes one fetch answer may hold.
    pub fetch_bytes_max: u32,
    /// How many fetch sessions are kept (KIP-227).
    pub fetch_sessions_max: u32,
    /// How many partitions one DescribeTopicPartitions answer may list (KIP-966).
    pub describe_partitions_max: u32,
    /// Memory for requests and answers, per core, in bytes.
    pub frames_bytes_max: u64,
    /// Whether API versions are served that Kafka 4 dropped (KIP-896).
    pub legacy_protocol: bool,
}

/// What administrators are shown over HTTP, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where it is served; nowhere when empty.
    pub listeners: Vec<Address>,
    /// For how many partitions metrics have series.
    pub partition_series_max: u32,
    /// For how many committed offsets metrics have series.
    pub group_series_max: u32,
}

/// Where and how logs are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageConfig {
    /// The directories that hold partitions; at least one.
    pub log_dirs: Vec<String>,
    /// The directory of the metadata log.
    pub metadata_log_dir: String,
    /// Those of them that get no new partitions, as they are named there; `*` names all.
    pub cordoned_log_dirs: Vec<String>,
    /// How many bytes per second moves between directories may write, over all of the node.
    pub move_bytes_per_second: u64,
    /// Memory for the ends of logs, per core, in bytes.
    pub chunks_bytes_max: u64,
    /// How often the flushed points of logs are written down.
    pub flush_checkpoint_interval_ms: u64,
    /// How often partitions are checked for segments past their retention.
    pub retention_check_interval_ms: u64,
    /// How long after the start the background work begins.
    pub task_delay_ms: u64,
    /// With fewer free bytes on a disk, room is saved and operators are warned.
    pub disk_soft_free_bytes: u64,
    /// With fewer free bytes on a disk, clients' records are refused.
    pub disk_hard_free_bytes: u64,
    /// How compaction works.
    pub cleaner: CleanerConfig,
    /// How complete segments are read when nobody asks.
    pub scrub: ScrubConfig,
    /// After how long without a write a producer's state is forgotten.
    pub producer_id_expiration_ms: u64,
    /// How often such producers are looked for.
    pub producer_id_expiration_check_interval_ms: u64,
}

/// How the scrub works, over all cores of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrubConfig {
    /// Whether it runs at all.
    pub is_enabled: bool,
    /// How much time lies between the beginnings of two scrubs.
    pub interval_ms: u64,
    /// How many bytes per second may be read.
    pub bytes_per_second: u64,
}

/// How compaction works, over all cores of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanerConfig {
    /// Whether it runs at all.
    pub is_enabled: bool,
    /// How long it rests when there is nothing to do.
    pub backoff_ms: u64,
    /// Memory for remembering keys, in bytes.
    pub keys_bytes: u64,
    /// How full that may become, in percent.
    pub keys_load_percent: u64,
    /// Memory for writing, in bytes.
    pub buffer_bytes: u32,
    /// How many bytes per second may be read and written together.
    pub bytes_per_second: u64,
}

/// How topics come into being and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPolicy {
    /// Whether a topic comes into being when a client asks for it.
    pub auto_create: bool,
    /// Whether topics may be deleted.
    pub delete_enabled: bool,
    /// How many partitions a topic gets by default.
    pub partitions_default: i32,
    /// How many replicas a topic gets by default.
    pub replication_factor_default: i16,
}

/// How a node writes its own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

/// The whole configuration of a node.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// Every key with its origin, for descriptions.
    pub settings: Settings,
    /// Who this node is.
    pub node: NodeConfig,
    /// What connections and requests may take.
    pub network: NetworkConfig,
    /// Where and how logs are kept.
    pub storage: StorageConfig,
    /// What administrators are shown over HTTP, and where.
    pub admin: AdminConfig,
    /// Who may do what without being named in a list; nothing lets everybody do everything.
    pub access: Option<AccessConfig>,
    /// How topics come into being and go.
    pub topics: TopicPolicy,
    /// What a topic without configuration of its own gets.
    pub topic_defaults: TopicConfig,
    /// When records are acknowledged, unless their topic says otherwise.
    pub durability: Durability,
    /// How the node writes its own log.
    pub log_format: LogFormat,
}

fn conflict(key: &'static str, explanation: impl Into<String>) -> ConfigError {
    ConfigError::Conflict {
        key,
        explanation: explanation.into(),
    }
}

impl BrokerConfig {
    /// Reads and checks what a node is started with.
    ///
    /// # Errors
    /// With every mistake that was found.
    pub fn load(inputs: &Inputs<'_>) -> Result<Self, ConfigErrors> {
        Self::from_settings(Settings::load(inputs)?)
    }

    /// The same node with what was set while it ran: for all brokers, and for this one.
    ///
    /// # Errors
    /// When the new values contradict each other.
    pub fn with_dynamic(
        &self,
        cluster: &BTreeMap<String, String>,
        own: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigErrors> {
        Self::from_settings(self.settings.with_dynamic(cluster, own))
    }

    fn from_settings(settings: Settings) -> Result<Self, ConfigErrors> {
        let reader = Reader {
            settings: &settings,
        };
        let mut errors = Vec::new();
        let node = read_node(reader);
        check_node(&node, &mut errors);
        let network = read_network(reader)
            .map_err(|error| errors.push(error))
            .ok();
        let storage = read_storage(reader)
            .map_err(|error| errors.push(error))
            .ok();
        let topic_defaults = TopicConfig::new(&settings, &BTreeMap::new());
        let topic_defaults = topic_defaults.map_err(|error| errors.push(error)).ok();
        let topics = TopicPolicy {
            auto_create: reader.flag("auto.create.topics.enable"),
            delete_enabled: reader.flag("delete.topic.enable"),
            partitions_default: reader.number_i32("num.partitions"),
            replication_factor_default: read_replication_factor(reader, &mut errors),
        };
        let admin = read_admin(reader);
        let access = AccessConfig::read(reader);
        let durability = Durability::parse(reader.text("forebay.ack.durability").as_deref());
        let log_format = match reader.text("forebay.log.format").as_deref() {
            Some("json") => LogFormat::Json,
            _ => LogFormat::Text,
        };
        check_group_defaults(&settings, &mut errors);
        if let Some(network) = &network {
            check_roles(&node, network, &mut errors);
        }
        match (network, storage, topic_defaults) {
            (Some(network), Some(storage), Some(topic_defaults)) if errors.is_empty() => Ok(Self {
                settings,
                node,
                network,
                storage,
                admin,
                access,
                topics,
                topic_defaults,
                durability,
                log_format,
            }),
            _ => Err(ConfigErrors(errors)),
        }
    }
}

fn read_node(reader: Reader<'_>) -> NodeConfig {
    let roles = reader.list("process.roles").unwrap_or_default();
    let parse_all = |name| reader.list(name).unwrap_or_default();
    NodeConfig {
        id: NodeId(reader.number_i32("node.id")),
        rack: reader.text("broker.rack").filter(|rack| !rack.is_empty()),
        is_broker: roles.iter().any(|role| role == "broker"),
        is_controller: roles.iter().any(|role| role == "controller"),
        cores: reader.count_u32("forebay.cores"),
        // Both lists passed their rules when they were set, so nothing is dropped here.
        voters: parse_all("controller.quorum.voters")
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect(),
        bootstrap_servers: parse_all("controller.quorum.bootstrap.servers")
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect(),
    }
}

fn check_node(node: &NodeConfig, errors: &mut Vec<ConfigError>) {
    if !node.is_broker && !node.is_controller {
        errors.push(conflict(
            "process.roles",
            "it is empty; name broker, controller or both",
        ));
    }
    if node.voters.len() > VOTERS_MAX {
        let text = format!("more than {VOTERS_MAX} members are too many; 3 or 5 is usual");
        errors.push(conflict("controller.quorum.voters", text));
    }
    let ids: BTreeSet<NodeId> = node.voters.iter().map(|voter| voter.id).collect();
    if ids.len() != node.voters.len() {
        errors.push(conflict(
            "controller.quorum.voters",
            "an id occurs twice; each member needs its own",
        ));
    }
    let is_member = ids.contains(&node.id);
    if !ids.is_empty() && node.is_controller && !is_member {
        let text = format!(
            "this controller, node {}, is not among the members; add it or change process.roles",
            node.id
        );
        errors.push(conflict("controller.quorum.voters", text));
    }
    if is_member && !node.is_controller {
        let text = format!(
            "node {} is among the members, but its process.roles lacks controller",
            node.id
        );
        errors.push(conflict("controller.quorum.voters", text));
    }
    if !node.is_controller && ids.is_empty() && node.bootstrap_servers.is_empty() {
        let text =
            "a node that is no controller must know one; set this key or controller.quorum.voters";
        errors.push(conflict("controller.quorum.bootstrap.servers", text));
    }
}

fn check_roles(node: &NodeConfig, network: &NetworkConfig, errors: &mut Vec<ConfigError>) {
    let for_clients = network
        .listeners
        .iter()
        .any(|listener| !listener.is_controller);
    if node.is_broker && !for_clients {
        errors.push(conflict(
            "listeners",
            "a broker needs a listener for clients; add PLAINTEXT://:9092",
        ));
    }
    if node.is_broker && network.advertised.is_empty() && for_clients {
        errors.push(conflict(
            "advertised.listeners",
            "it names no listener for clients",
        ));
    }
    if let Some(name) = &network.inter_broker_listener {
        let known = network
            .advertised
            .iter()
            .any(|advertised| &advertised.name == name);
        if node.is_broker && !known {
            let text = format!("{name} is no listener that is advertised; name one of them");
            errors.push(conflict("inter.broker.listener.name", text));
        }
    }
    let lone = node.voters.len() <= 1 && node.is_broker;
    let has_controller_listener = network
        .listeners
        .iter()
        .any(|listener| listener.is_controller);
    if node.is_controller && !lone && !has_controller_listener {
        let text = "a controller among others needs a listener of its own; \
                    set it to CONTROLLER and add CONTROLLER://:9093 to listeners";
        errors.push(conflict("controller.listener.names", text));
    }
}

fn read_network(reader: Reader<'_>) -> Result<NetworkConfig, ConfigError> {
    let map_text = reader
        .text("listener.security.protocol.map")
        .unwrap_or_default();
    let is_default_map = reader
        .settings
        .own_value("listener.security.protocol.map")
        .is_none_or(|map| map.source == crate::source::Source::Default);
    let protocols = parse_protocol_map(&map_text)?;
    let controller_names = reader.list("controller.listener.names").unwrap_or_default();
    let controller_names = controller_names
        .iter()
        .map(|name| name.to_ascii_uppercase())
        .collect();
    let written = reader.list("listeners").unwrap_or_default();
    let advertised = reader.list("advertised.listeners");
    let texts = ListenerTexts {
        listeners: &written,
        advertised: advertised.as_deref(),
        protocols: &protocols,
        is_default_map,
        controller_names: &controller_names,
    };
    let listeners = texts.resolve()?;
    let advertised = texts.resolve_advertised(&listeners)?;
    let inter_broker = reader
        .text("inter.broker.listener.name")
        .filter(|name| !name.is_empty());
    Ok(NetworkConfig {
        listeners,
        advertised,
        inter_broker_listener: inter_broker.map(|name| name.to_ascii_uppercase()),
        listen_backlog: reader.count_u32("socket.listen.backlog.size"),
        request_bytes_max: reader.count_u32("socket.request.max.bytes"),
        connections_max: reader.count_u32("max.connections"),
        connections_per_ip_max: reader.count_u32("max.connections.per.ip"),
        connection_idle_ms_max: reader
            .whole("connections.max.idle.ms")
            .and_then(|idle_ms| u64::try_from(idle_ms).ok()),
        request_arrival_ms_max: reader.count("forebay.request.header.timeout.ms"),
        connection_inflight_bytes_max: reader.count("forebay.connection.inflight.bytes.max"),
        fetch_bytes_max: reader.count_u32("fetch.max.bytes"),
        fetch_sessions_max: reader.count_u32("max.incremental.fetch.session.cache.slots"),
        describe_partitions_max: reader.count_u32("max.request.partition.size.limit"),
        frames_bytes_max: reader.count("forebay.memory.frames.bytes"),
        legacy_protocol: reader.flag("forebay.legacy.protocol.enable"),
    })
}

fn read_admin(reader: Reader<'_>) -> AdminConfig {
    let listeners = reader.list("forebay.admin.listeners").unwrap_or_default();
    AdminConfig {
        // They passed their rule when they were set, so nothing is dropped here.
        listeners: listeners
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect(),
        partition_series_max: reader.count_u32("forebay.metrics.partitions.max"),
        group_series_max: reader.count_u32("forebay.metrics.groups.max"),
    }
}

fn read_storage(reader: Reader<'_>) -> Result<StorageConfig, ConfigError> {
    let log_dirs = reader
        .list("log.dirs")
        .or_else(|| reader.list("log.dir"))
        .unwrap_or_default();
    let Some(first) = log_dirs
        .first()
        .filter(|_| log_dirs.iter().all(|dir| !dir.is_empty()))
    else {
        return Err(conflict(
            "log.dirs",
            "it names an empty directory; remove the comma or the key",
        ));
    };
    if log_dirs.len() > LOG_DIRS_MAX {
        return Err(conflict(
            "log.dirs",
            format!("more than {LOG_DIRS_MAX} directories are too many"),
        ));
    }
    let metadata_log_dir = reader
        .text("metadata.log.dir")
        .unwrap_or_else(|| first.clone());
    Ok(StorageConfig {
        metadata_log_dir,
        cordoned_log_dirs: reader.list("cordoned.log.dirs").unwrap_or_default(),
        move_bytes_per_second: reader.count("replica.alter.log.dirs.io.max.bytes.per.second"),
        chunks_bytes_max: reader.count("forebay.memory.chunks.bytes"),
        flush_checkpoint_interval_ms: reader.count("log.flush.offset.checkpoint.interval.ms"),
        retention_check_interval_ms: reader.count("log.retention.check.interval.ms"),
        task_delay_ms: reader.count("log.initial.task.delay.ms"),
        disk_soft_free_bytes: reader.count("forebay.disk.soft.free.bytes"),
        disk_hard_free_bytes: reader.count("forebay.disk.hard.free.bytes"),
        cleaner: read_cleaner(reader),
        scrub: ScrubConfig {
            is_enabled: reader.flag("forebay.scrub.enable"),
            interval_ms: reader.count("forebay.scrub.interval.ms"),
            bytes_per_second: reader.count("forebay.scrub.bytes.per.second"),
        },
        producer_id_expiration_ms: reader.count("producer.id.expiration.ms"),
        producer_id_expiration_check_interval_ms: reader
            .count("producer.id.expiration.check.interval.ms"),
        log_dirs,
    })
}

fn read_cleaner(reader: Reader<'_>) -> CleanerConfig {
    CleanerConfig {
        is_enabled: reader.flag("log.cleaner.enable"),
        backoff_ms: reader.count("log.cleaner.backoff.ms"),
        keys_bytes: reader.count("log.cleaner.dedupe.buffer.size"),
        keys_load_percent: reader.whole_part("log.cleaner.io.buffer.load.factor", 100.0),
        buffer_bytes: reader.count_u32("log.cleaner.io.buffer.size"),
        bytes_per_second: reader.whole_part("log.cleaner.io.max.bytes.per.second", 1.0),
    }
}

fn read_replication_factor(reader: Reader<'_>, errors: &mut Vec<ConfigError>) -> i16 {
    let factor = reader.number("default.replication.factor");
    match i16::try_from(factor) {
        Ok(factor) if factor >= 1 => factor,
        _ => {
            let text = format!("{factor} is no number of replicas; it must be from 1 to 32767");
            errors.push(conflict("default.replication.factor", text));
            1
        }
    }
}
