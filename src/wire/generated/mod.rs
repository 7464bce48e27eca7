//! What `tools/wiregen` wrote; never edited.

#![allow(
    clippy::too_many_lines,
    clippy::large_enum_variant,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::collapsible_else_if,
    unused_variables,
    unused_imports,
    unused_mut,
    reason = "generated: length and shape follow the definitions"
)]

mod api_key;
pub(crate) mod apis;
mod dispatch;
pub(crate) mod families;
pub(crate) mod header;
pub mod records;

pub use api_key::{APIS, ApiKey};
pub use dispatch::{decode_any_request, decode_any_response};

mod prelude {
    pub(super) use crate::{
        ApiKey, Decode, Fault, Message, Reader, Records, Request, Schema, VersionRange, WireError,
        Writer,
    };
    pub(super) use base::Uuid;
    pub(super) use std::borrow::Cow;
}
