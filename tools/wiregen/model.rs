//! What a definition says, after parsing: messages made of structs made of fields.
//!
//! Invariants: a struct that stands inside a field is lifted into its message's list, so that a
//! field names a struct only by its name; every range of versions is cut to the range in which
//! its surroundings exist.

/// Versions `min..=max`, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) min: i16,
    pub(crate) max: i16,
}

impl Range {
    /// True when every version of `other` is also one of ours.
    pub(crate) const fn covers(self, other: Self) -> bool {
        self.min <= other.min && self.max >= other.max
    }

    /// True when `version` is inside.
    pub(crate) const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }
}

/// The type of a field, or of an array's elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint16,
    Uint32,
    Float64,
    Uuid,
    String,
    /// A string whose length stays a 16-bit number in flexible versions too.
    String16,
    Bytes,
    Records,
    Struct(String),
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) base: Base,
    pub(crate) array: bool,
    /// The versions in which the field is on the wire.
    pub(crate) versions: Range,
    /// The versions in which it may be null.
    pub(crate) nullable: Option<Range>,
    pub(crate) tag: Option<u32>,
    pub(crate) default: Option<String>,
    /// Whether a set value may be dropped silently in versions that lack the field.
    pub(crate) ignorable: bool,
}

impl Field {
    /// True when the default is null.
    pub(crate) fn default_is_null(&self) -> bool {
        self.default.as_deref() == Some("null")
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Struct {
    pub(crate) name: String,
    /// The versions in which the struct can occur at all.
    pub(crate) versions: Range,
    pub(crate) fields: Vec<Field>,
}

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) versions: Range,
    /// The first flexible version; `i16::MAX` when there is none.
    pub(crate) flexible_min: i16,
    /// The message's own struct first, then the ones inside it.
    pub(crate) structs: Vec<Struct>,
}

#[derive(Clone, Debug)]
pub(crate) enum Head {
    Api(Api),
    Record(Record),
}

#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) key: i16,
    pub(crate) name: String,
    pub(crate) listeners: Vec<String>,
    /// The versions that Apache Kafka serves; ours begin earlier where clients still need it.
    pub(crate) kafka: Range,
    /// A last version that Apache Kafka serves only when told to.
    pub(crate) unstable: Option<i16>,
}

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) family: String,
    pub(crate) key: Option<i16>,
    pub(crate) name: String,
}

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    /// The file's path below `definitions/`.
    pub(crate) path: String,
    /// The comment lines at its head, without the number sign.
    pub(crate) notes: Vec<String>,
    pub(crate) head: Head,
    pub(crate) messages: Vec<Message>,
}

impl Definition {
    /// The name of the generated module.
    pub(crate) fn module(&self) -> String {
        let stem = self.path.rsplit('/').next().unwrap_or(&self.path);
        let stem = stem.strip_suffix(".def").unwrap_or(stem);
        stem.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '_')
            .to_owned()
    }
}
