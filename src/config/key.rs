//! What the tables under `keys/` say about one configuration key.
//!
//! A [`Key`] is a constant: it is built by the small verbs below, so that a row of a table names
//! only what differs from the ordinary (importance medium, no rule, fixed at start).
//!
//! Invariant, checked by a test over all tables: every default passes its own key's rule.

use crate::honoured;
use crate::rule::Rule;

/// The type of a key's value. The numbers are those of DescribeConfigs (KIP-569).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum Kind {
    /// `true` or `false`.
    Boolean = 1,
    /// Free text.
    Text = 2,
    /// A whole number of 32 bits.
    Int = 3,
    /// A whole number of 16 bits.
    Short = 4,
    /// A whole number of 64 bits.
    Long = 5,
    /// A number with a fraction.
    Double = 6,
    /// Texts separated by commas.
    List = 7,
    /// The name of a Java class; kept as text.
    Class = 8,
    /// A secret that is never shown.
    Password = 9,
}

impl Kind {
    /// The number that DescribeConfigs carries.
    #[must_use]
    pub const fn code(self) -> i8 {
        self as i8
    }

    /// The word for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Text => "string",
            Self::Int => "int",
            Self::Short => "short",
            Self::Long => "long",
            Self::Double => "double",
            Self::List => "list",
            Self::Class => "class",
            Self::Password => "password",
        }
    }
}

/// How much a key matters, in Kafka's three steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Most installations look at it.
    High,
    /// Some installations look at it.
    Medium,
    /// Hardly any installation looks at it.
    Low,
}

/// Where a broker key may be changed while the node runs (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Nowhere: it is read at start.
    Fixed,
    /// For single brokers only.
    Broker,
    /// For the whole cluster, and for single brokers on top.
    Cluster,
}

/// Why an accepted key has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// What it tunes is not served yet.
    NotYet,
    /// It names Java code or tunes the JVM.
    NoJvm,
    /// It sizes a pool of threads; each core has exactly one.
    OneThreadPerCore,
    /// forebay does this in another way that needs no such key.
    OwnMechanism,
}

impl Reason {
    /// The end of the sentence "accepted without effect: ...".
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NotYet => "what it tunes is not served yet",
            Self::NoJvm => "there is no JVM here",
            Self::OneThreadPerCore => {
                "each core runs one thread, so there are no pools to size; see forebay.cores"
            }
            Self::OwnMechanism => "forebay does this in its own way, which needs no tuning",
        }
    }
}

/// Whether setting a key changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does what its documentation says.
    Honoured,
    /// It is validated, stored and described, and changes nothing.
    AcceptedWithoutEffect(Reason),
}

/// A default that is deliberately not Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What Kafka's default is, nothing where the key is unset or required there.
    pub kafka_default: Option<&'static str>,
    /// Why ours differs.
    pub why: &'static str,
}

/// One configuration key: a row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The name, as in Kafka's documentation.
    pub name: &'static str,
    /// The type of its value.
    pub kind: Kind,
    /// The default as text, nothing where the key is unset by default.
    pub default: Option<&'static str>,
    /// What values are refused beyond the type.
    pub rule: Rule,
    /// How much it matters.
    pub importance: Importance,
    /// Whether it can be changed while running; topic and group keys always can.
    pub scope: Scope,
    /// Hidden from descriptions unless somebody set it.
    pub internal: bool,
    /// The keys that count in turn when this one is not set. For a topic or group key: the broker
    /// key that holds its default. Units follow from the names' endings.
    pub fallbacks: &'static [&'static str],
    /// Why it has no effect, as long as it is not listed in `honoured.rs`.
    pub reason: Reason,
    /// Where our default is not Kafka's.
    pub difference: Option<Difference>,
    /// What it governs, in our words.
    pub purpose: &'static str,
}

impl Key {
    /// A key of ordinary importance, fixed at start, without a rule.
    pub(crate) const fn new(name: &'static str, kind: Kind, default: Option<&'static str>) -> Self {
        Self {
            name,
            kind,
            default,
            rule: Rule::Any,
            importance: Importance::Medium,
            scope: Scope::Fixed,
            internal: false,
            fallbacks: &[],
            reason: Reason::NotYet,
            difference: None,
            purpose: "",
        }
    }

    /// Refuses values beyond the type.
    pub(crate) const fn rule(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }

    /// Another importance than medium.
    pub(crate) const fn importance(mut self, importance: Importance) -> Self {
        self.importance = importance;
        self
    }

    /// Can be changed while the node runs.
    pub(crate) const fn dynamic(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Hidden from descriptions unless set.
    pub(crate) const fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    /// Which keys count when this one is not set.
    pub(crate) const fn falls_back_to(mut self, fallbacks: &'static [&'static str]) -> Self {
        self.fallbacks = fallbacks;
        self
    }

    /// Why it has no effect while it is not honoured.
    pub(crate) const fn because(mut self, reason: Reason) -> Self {
        self.reason = reason;
        self
    }

    /// Notes that the default differs from Kafka's.
    pub(crate) const fn unlike_kafka(
        mut self,
        kafka_default: Option<&'static str>,
        why: &'static str,
    ) -> Self {
        self.difference = Some(Difference { kafka_default, why });
        self
    }

    /// What the key governs.
    pub(crate) const fn doc(mut self, purpose: &'static str) -> Self {
        self.purpose = purpose;
        self
    }

    /// Whether its value is never shown.
    #[must_use]
    pub const fn is_sensitive(&self) -> bool {
        matches!(self.kind, Kind::Password)
    }

    /// Whether it is one of forebay's own keys.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.name.starts_with("forebay.")
    }

    /// Whether setting it changes anything.
    #[must_use]
    pub fn status(&self) -> Status {
        if self.is_own() || honoured::contains(self.name) {
            Status::Honoured
        } else {
            Status::AcceptedWithoutEffect(self.reason)
        }
    }

    /// The documentation that DescribeConfigs and `config explain` show: what the key governs, and
    /// what forebay does with it.
    #[must_use]
    pub fn documentation(&self) -> String {
        let mut text = self.purpose.to_owned();
        if let Status::AcceptedWithoutEffect(reason) = self.status() {
            text.push_str(" forebay accepts this key without effect: ");
            text.push_str(reason.text());
            text.push('.');
        }
        if let Some(difference) = self.difference {
            let kafka = difference.kafka_default.unwrap_or("unset");
            text.push_str(" Kafka's default is ");
            text.push_str(kafka);
            text.push_str("; ours differs because ");
            text.push_str(difference.why);
            text.push('.');
        }
        text
    }
}
