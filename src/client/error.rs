//! Everything that can go wrong between this client and a cluster.
//!
//! Invariant: each error can say what happened, why, and how to mend it, so that no caller has to
//! invent a text for a failure that it did not see.

use std::fmt;
use std::time::Duration;

use base::{ErrorCode, NodeId};
use batch::{BatchError, CodecError};
use reactor::IoError;
use wire::{ApiKey, VersionRange, WireError};

/// A request that did not lead to a usable answer.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientError {
    /// A broker's address cannot be connected to.
    Unreachable {
        /// The address as it was given or as the cluster advertises it.
        peer: String,
        /// The system's answer.
        source: IoError,
    },
    /// The connection ended with requests unanswered, or before one could be sent.
    Closed {
        /// The broker's address.
        peer: String,
        /// What the system or this client saw.
        detail: String,
    },
    /// No answer within the time allowed; the request may still be carried out.
    TimedOut {
        /// The broker's address.
        peer: String,
        /// What was asked, in Kafka's word.
        api: &'static str,
        /// How long the answer was waited for.
        after: Duration,
    },
    /// Bytes that are not the answer to what was asked.
    Garbled {
        /// The broker's address.
        peer: String,
        /// Where the bytes stop making sense.
        source: WireError,
    },
    /// An answer or announcement of one that breaks this client's limits or the protocol's order.
    Unexpected {
        /// The broker's address.
        peer: String,
        /// What was unexpected about it.
        detail: String,
    },
    /// The two sides have no version of an API in common.
    NoCommonVersion {
        /// The broker's address.
        peer: String,
        /// The API.
        api: ApiKey,
        /// What the broker serves; nothing when it does not know the API.
        theirs: Option<VersionRange>,
        /// What this client can use.
        ours: VersionRange,
    },
    /// The broker understood and said no.
    Refused {
        /// What it refused to act on, such as a topic's name.
        subject: String,
        /// Kafka's code.
        code: ErrorCode,
        /// The broker's own words, where it sent any.
        message: Option<String>,
    },
    /// The cluster has no such topic, or no such partition in it.
    NotFound {
        /// The topic or partition.
        subject: String,
    },
    /// A partition has no leader, or a broker has no address.
    NoLeader {
        /// The partition or broker.
        subject: String,
        /// The node that was expected, if any.
        node: Option<NodeId>,
    },
    /// A batch could not be built from the records given.
    Build(CodecError),
    /// A fetched batch is damaged.
    Damaged {
        /// The partition.
        subject: String,
        /// What is wrong with it.
        source: BatchError,
    },
}

impl ClientError {
    /// True when the same request may succeed after a moment or with fresh metadata.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Closed { .. }
            | Self::TimedOut { .. }
            | Self::NoLeader { .. } => true,
            Self::Refused { code, .. } => is_retriable(*code),
            _ => false,
        }
    }

    /// True when no broker answered at all, rather than answering with an error.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Closed { .. } | Self::TimedOut { .. }
        )
    }

    /// What happened, in one clause.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::Unreachable { peer, .. } => format!("cannot connect to {peer}"),
            Self::Closed { peer, .. } => format!("the connection to {peer} ended"),
            Self::TimedOut { peer, api, after } => {
                format!(
                    "{peer} did not answer {api} within {} ms",
                    after.as_millis()
                )
            }
            Self::Garbled { peer, .. } => format!("{peer} sent an answer that cannot be read"),
            Self::Unexpected { peer, .. } => format!("{peer} sent what was not expected"),
            Self::NoCommonVersion { peer, api, .. } => format!("{peer} cannot be asked {api}"),
            Self::Refused { subject, code, .. } => format!("{subject}: refused with {code}"),
            Self::NotFound { subject } => format!("{subject} does not exist"),
            Self::NoLeader { subject, .. } => format!("{subject} has no leader"),
            Self::Build(_) => "the records cannot be put into a batch".to_owned(),
            Self::Damaged { subject, .. } => format!("{subject} holds a damaged batch"),
        }
    }

    /// The reason, as far as it is known here.
    #[must_use]
    pub fn why(&self) -> String {
        match self {
            Self::Unreachable { source, .. } => source.detail.clone(),
            Self::Closed { detail, .. } | Self::Unexpected { detail, .. } => detail.clone(),
            Self::TimedOut { .. } => {
                "the broker is overloaded, cut off, or not a Kafka broker".to_owned()
            }
            Self::Garbled { source, .. } => source.to_string(),
            Self::NoCommonVersion { theirs: None, .. } => {
                "the broker does not serve this API".to_owned()
            }
            Self::NoCommonVersion {
                theirs: Some(theirs),
                ours,
                ..
            } => format!(
                "it serves versions {} to {}, this client knows {} to {}",
                theirs.min, theirs.max, ours.min, ours.max
            ),
            Self::Refused {
                message: Some(message),
                ..
            } => message.clone(),
            Self::Refused { code, .. } => meaning(*code).to_owned(),
            Self::NotFound { .. } => "the cluster's metadata does not list it".to_owned(),
            Self::NoLeader {
                node: Some(node), ..
            } => {
                format!("its leader, node {node}, has no address in the cluster's metadata")
            }
            Self::NoLeader { node: None, .. } => {
                "no replica of it is online, or an election is under way".to_owned()
            }
            Self::Build(source) => source.to_string(),
            Self::Damaged { source, .. } => source.to_string(),
        }
    }

    /// What the reader can do about it.
    #[must_use]
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => {
                "check that a broker listens there (`forebay serve` starts one) and name it with \
                 --brokers host:port"
            }
            Self::Closed { .. } => {
                "see the broker's log; a listener with TLS or SASL closes plain connections"
            }
            Self::TimedOut { .. } => "look at the broker's load and log, then try again",
            Self::Garbled { .. } | Self::Unexpected { .. } => {
                "check that the port belongs to a Kafka broker without TLS"
            }
            Self::NoCommonVersion { theirs: None, .. } => "use a broker that serves it",
            Self::NoCommonVersion { .. } => "use a broker that serves the versions named above",
            Self::Refused { code, .. } => remedy(*code),
            Self::NotFound { .. } => {
                "check the name with `forebay topic list`, or create it with `forebay topic create`"
            }
            Self::NoLeader { .. } => "bring the partition's brokers back, then try again",
            Self::Build(_) => "send smaller records, or allow larger batches",
            Self::Damaged { .. } => {
                "read around it by offset, and check the broker's disk and log for that segment"
            }
        }
    }
}

/// Codes that pass by themselves or with fresh metadata.
#[must_use]
pub fn is_retriable(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::CorruptMessage
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::LeaderNotAvailable
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::RequestTimedOut
            | ErrorCode::NetworkException
            | ErrorCode::ReplicaNotAvailable
            | ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::NotCoordinator
            | ErrorCode::NotEnoughReplicas
            | ErrorCode::NotEnoughReplicasAfterAppend
            | ErrorCode::NotController
            | ErrorCode::KafkaStorageError
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::UnknownLeaderEpoch
            | ErrorCode::OffsetNotAvailable
            | ErrorCode::InconsistentTopicId
            | ErrorCode::ThrottlingQuotaExceeded
    )
}

/// What a code means where the broker sent no words of its own.
const fn meaning(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::TopicAlreadyExists => "a topic of this name exists already",
        ErrorCode::UnknownTopicOrPartition => "the broker has no such topic or partition",
        ErrorCode::InvalidTopicException => {
            "a topic's name has 1 to 249 letters, digits, dots, underscores or dashes"
        }
        ErrorCode::InvalidPartitions => "the number of partitions is not allowed",
        ErrorCode::InvalidReplicationFactor => "there are fewer brokers than replicas asked for",
        ErrorCode::MessageTooLarge => "the batch is larger than the topic's max.message.bytes",
        ErrorCode::OffsetOutOfRange => "the log does not reach to that offset",
        ErrorCode::CorruptMessage => "the batch does not match its checksum",
        ErrorCode::TopicAuthorizationFailed | ErrorCode::ClusterAuthorizationFailed => {
            "this client is not allowed to"
        }
        ErrorCode::NotLeaderOrFollower => "another broker leads the partition now",
        ErrorCode::OutOfOrderSequenceNumber => "an earlier batch of this producer is missing",
        ErrorCode::KafkaStorageError => "the broker's disk failed",
        ErrorCode::UnsupportedVersion => "the broker does not know this version of the request",
        ErrorCode::NonEmptyGroup | ErrorCode::UnknownMemberId => "the group has members",
        ErrorCode::GroupIdNotFound => "its coordinator knows no members and no offsets of it",
        ErrorCode::GroupSubscribedToTopic => "members of the group subscribe to the topic",
        ErrorCode::CoordinatorNotAvailable | ErrorCode::CoordinatorLoadInProgress => {
            "the coordinator is not ready"
        }
        ErrorCode::TransactionalIdNotFound => "its coordinator knows no such transactional id",
        ErrorCode::TransactionalIdAuthorizationFailed => {
            "this client may not use the transactional id"
        }
        ErrorCode::ConcurrentTransactions => "its transaction is still being ended",
        ErrorCode::InvalidTransactionTimeout => {
            "the timeout is longer than the broker's transaction.max.timeout.ms"
        }
        ErrorCode::InvalidProducerEpoch => "the producer has a newer epoch there by now",
        ErrorCode::TransactionCoordinatorFenced => {
            "a newer coordinator has written to the partition since"
        }
        ErrorCode::InvalidRegularExpression => "the broker cannot read the expression",
        _ => "the broker gave no words with the code",
    }
}

/// What to do about a code.
const fn remedy(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::TopicAlreadyExists => "use it as it is, or delete it first",
        ErrorCode::UnknownTopicOrPartition => {
            "check the name with `forebay topic list`, or create it with `forebay topic create`"
        }
        ErrorCode::InvalidTopicException => "choose another name",
        ErrorCode::InvalidPartitions => "ask for at least one partition",
        ErrorCode::InvalidReplicationFactor => "ask for fewer replicas, or start more brokers",
        ErrorCode::MessageTooLarge => {
            "send smaller records, or raise max.message.bytes of the topic"
        }
        ErrorCode::OffsetOutOfRange => "begin at `beginning` or `end`",
        ErrorCode::TopicAuthorizationFailed | ErrorCode::ClusterAuthorizationFailed => {
            "ask the cluster's operator for the right"
        }
        ErrorCode::InvalidConfig | ErrorCode::InvalidRequest => "correct what the text names",
        ErrorCode::NonEmptyGroup
        | ErrorCode::UnknownMemberId
        | ErrorCode::GroupSubscribedToTopic => "stop its members first; `forebay group members`",
        ErrorCode::GroupIdNotFound => "check the name with `forebay group list`",
        ErrorCode::TransactionalIdNotFound => "check the id with `forebay txn list`",
        ErrorCode::TransactionalIdAuthorizationFailed => "ask the cluster's operator for the right",
        ErrorCode::ConcurrentTransactions
        | ErrorCode::InvalidProducerEpoch
        | ErrorCode::TransactionCoordinatorFenced => "see `forebay txn describe`, then try again",
        ErrorCode::InvalidTransactionTimeout => "allow less with --timeout-ms",
        ErrorCode::InvalidRegularExpression => "write it in the syntax of RE2",
        ErrorCode::KafkaStorageError => "see the broker's log for the device's error",
        _ => "look up the code in Kafka's protocol guide, or see the broker's log",
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: {}; {}",
            self.what(),
            self.why(),
            self.mend()
        )
    }
}

impl std::error::Error for ClientError {}

impl From<CodecError> for ClientError {
    fn from(source: CodecError) -> Self {
        Self::Build(source)
    }
}
