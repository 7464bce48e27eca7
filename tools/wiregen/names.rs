//! How the schema's names and types are spelled in Rust.

use crate::model::{Base, Definition, Field, Message};

/// A field's name as an identifier.
pub(crate) fn identifier(name: &str) -> String {
    match name {
        "type" | "match" | "ref" | "move" => format!("r#{name}"),
        _ => name.to_owned(),
    }
}

/// True when the struct holds something that borrows from the frame.
pub(crate) fn borrows(message: &Message, name: &str) -> bool {
    let found = message.structs.iter().find(|item| item.name == name);
    found.is_some_and(|item| {
        item.fields
            .iter()
            .any(|field| base_borrows(message, &field.base))
    })
}

fn base_borrows(message: &Message, base: &Base) -> bool {
    match base {
        Base::String | Base::String16 | Base::Bytes | Base::Records => true,
        Base::Struct(name) => borrows(message, name),
        _ => false,
    }
}

/// A struct's type with its lifetime, where it has one.
pub(crate) fn with_lifetime(message: &Message, name: &str, lifetime: &str) -> String {
    if borrows(message, name) {
        format!("{name}<{lifetime}>")
    } else {
        name.to_owned()
    }
}

/// The Rust type of an element.
fn element_type(message: &Message, base: &Base) -> String {
    match base {
        Base::Bool => "bool".to_owned(),
        Base::Int8 => "i8".to_owned(),
        Base::Int16 => "i16".to_owned(),
        Base::Int32 => "i32".to_owned(),
        Base::Int64 => "i64".to_owned(),
        Base::Uint16 => "u16".to_owned(),
        Base::Uint32 => "u32".to_owned(),
        Base::Float64 => "f64".to_owned(),
        Base::Uuid => "Uuid".to_owned(),
        Base::String | Base::String16 => "Cow<'a, str>".to_owned(),
        Base::Bytes => "Cow<'a, [u8]>".to_owned(),
        Base::Records => "Records<'a>".to_owned(),
        Base::Struct(name) => with_lifetime(message, name, "'a"),
    }
}

/// The Rust type of a field.
pub(crate) fn field_type(message: &Message, field: &Field) -> String {
    let mut text = element_type(message, &field.base);
    if field.array {
        text = format!("Vec<{text}>");
    }
    if field.nullable.is_some() && field.base != Base::Records {
        text = format!("Option<{text}>");
    }
    text
}

/// The reader's and writer's word for a primitive; nothing for a struct.
pub(crate) const fn verb(base: &Base) -> &'static str {
    match base {
        Base::Bool => "bool",
        Base::Int8 => "int8",
        Base::Int16 => "int16",
        Base::Int32 => "int32",
        Base::Int64 => "int64",
        Base::Uint16 => "uint16",
        Base::Uint32 => "uint32",
        Base::Float64 => "float64",
        Base::Uuid => "uuid",
        Base::String => "string",
        Base::String16 => "string16",
        Base::Bytes => "bytes",
        Base::Records => "records",
        Base::Struct(_) => "",
    }
}

/// The fewest bytes that one element takes in any version, so that a count can be refused.
pub(crate) fn wire_min(message: &Message, base: &Base) -> usize {
    let range = match base {
        Base::Struct(name) => message
            .structs
            .iter()
            .find(|item| item.name == *name)
            .map_or(message.versions, |item| item.versions),
        _ => message.versions,
    };
    let versions = range.min..=range.max;
    let sizes = versions.map(|version| element_size(message, base, version));
    sizes.min().unwrap_or(1).max(1)
}

fn element_size(message: &Message, base: &Base, version: i16) -> usize {
    let flexible = version >= message.flexible_min;
    match base {
        Base::Bool | Base::Int8 => 1,
        Base::Int16 | Base::Uint16 | Base::String16 => 2,
        Base::Int32 | Base::Uint32 => 4,
        Base::Int64 | Base::Float64 => 8,
        Base::Uuid => 16,
        Base::String => {
            if flexible {
                1
            } else {
                2
            }
        }
        Base::Bytes | Base::Records => {
            if flexible {
                1
            } else {
                4
            }
        }
        Base::Struct(name) => {
            let Some(item) = message.structs.iter().find(|item| item.name == *name) else {
                return 0;
            };
            let present = item
                .fields
                .iter()
                .filter(|field| field.versions.contains(version) && field.tag.is_none());
            let sizes = present.map(|field| match (field.array, &field.base) {
                (true, _) => {
                    if flexible {
                        1
                    } else {
                        4
                    }
                }
                (false, Base::Struct(_)) if field.nullable.is_some() => 1,
                (false, base) => element_size(message, base, version),
            });
            sizes.sum::<usize>() + usize::from(flexible)
        }
    }
}

/// The definitions whose head satisfies `wanted`.
pub(crate) fn only<'d>(
    definitions: &'d [Definition],
    wanted: impl Fn(&Definition) -> bool + 'd,
) -> impl Iterator<Item = &'d Definition> {
    definitions.iter().filter(move |item| wanted(item))
}
