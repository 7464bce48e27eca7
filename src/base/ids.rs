//! Newtypes for every id and every kind of number that a log could confuse.

/// Defines a transparent newtype over an integer with the conversions all of them share.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The bare number, for encoding and arithmetic.
            #[must_use]
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

number! {
    /// The place of a record in its partition, counted in records from zero.
    Offset(i64)
}
number! {
    /// A byte position in a segment file.
    Position(u64)
}
number! {
    /// The number of a leader's reign over a partition; -1 where Kafka says "unknown".
    LeaderEpoch(i32)
}
number! {
    /// A broker's or controller's id.
    NodeId(i32)
}
number! {
    /// A partition's index within its topic.
    PartitionIndex(i32)
}
number! {
    /// The id under which a producer's sequence numbers are tracked (KIP-98).
    ProducerId(i64)
}
number! {
    /// The incarnation of a producer id; a higher one fences a lower one (KIP-98).
    ProducerEpoch(i16)
}
number! {
    /// Milliseconds since the Unix epoch; -1 where Kafka says "none".
    Timestamp(i64)
}
number! {
    /// One core's executor within this process, from zero.
    CoreId(u16)
}

impl Offset {
    /// The offset `count` records further.
    #[must_use]
    pub const fn plus(self, count: i64) -> Self {
        Self(self.0 + count)
    }
}

impl Timestamp {
    /// What a record without a timestamp carries.
    pub const NONE: Self = Self(-1);
}

impl ProducerId {
    /// What a batch from a producer without idempotence carries.
    pub const NONE: Self = Self(-1);
}

impl LeaderEpoch {
    /// What a client sends when it does not know the epoch, and the log before its first one.
    pub const UNKNOWN: Self = Self(-1);
}

/// A topic's name with a partition's index, printed as Kafka names the partition's directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: String,
    /// The partition's index.
    pub partition: PartitionIndex,
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}", self.topic, self.partition)
    }
}
