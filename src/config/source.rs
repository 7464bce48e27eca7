//! Where an effective value came from.

/// The origin of a value, in order of descending precedence within the configuration of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Set for one topic, group or subscription.
    Resource,
    /// Set for this broker while it ran.
    DynamicBroker,
    /// Set for all brokers while they ran.
    DynamicCluster,
    /// Given on the command line with `--set`.
    Override,
    /// Given by an environment variable.
    Environment {
        /// The variable's name.
        variable: String,
    },
    /// Given in a configuration file.
    File {
        /// The file's path as it was given.
        path: String,
        /// The line, counted from one, on which the setting begins.
        line: usize,
    },
    /// Not given at all.
    Default,
}

/// The origins that DescribeConfigs knows, with their numbers (KIP-226, KIP-714, KIP-848).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigSource {
    /// Set for one topic.
    DynamicTopic = 1,
    /// Set for one broker.
    DynamicBroker = 2,
    /// Set for all brokers.
    DynamicDefaultBroker = 3,
    /// Set when the broker started.
    StaticBroker = 4,
    /// Not set.
    Default = 5,
    /// The level of one of the broker's loggers.
    DynamicBrokerLogger = 6,
    /// Set for one subscription to client metrics.
    ClientMetrics = 7,
    /// Set for one group.
    Group = 8,
}

impl ConfigSource {
    /// The number that DescribeConfigs carries.
    #[must_use]
    pub const fn code(self) -> i8 {
        self as i8
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Resource => write!(formatter, "set for this resource"),
            Self::DynamicBroker => write!(formatter, "set for this broker"),
            Self::DynamicCluster => write!(formatter, "set for all brokers"),
            Self::Override => write!(formatter, "--set"),
            Self::Environment { variable } => write!(formatter, "environment {variable}"),
            Self::File { path, line } => write!(formatter, "{path}:{line}"),
            Self::Default => write!(formatter, "default"),
        }
    }
}
