//! What the handlers of group APIs share: who asks, how a coordinator's refusal travels, and
//! naming topics.

use std::borrow::Cow;
use std::future::Future;
use std::net::IpAddr;

use access::Operation;
use base::{ErrorCode, PartitionIndex, Random, Uuid};
use broker::coordinator::{Answer, Ask, Opaque, Refusal};
use metadata::{Image, Topic};

use crate::access::{Access, denied};
use crate::context::Context;

/// Asks the group's coordinator, if the client may do this to the group; the asking begins now.
pub(crate) fn ask(
    context: &Context,
    operation: Operation,
    ask: Ask,
) -> impl Future<Output = Answer> + use<> {
    let group = ask.group().unwrap_or_default();
    let begun = match context.access().group(operation, group) {
        Ok(()) => Ok(context.broker().on_group(ask)),
        Err(code) => Err(ask.refused(Refusal::new(code, denied(code).message))),
    };
    async move {
        match begun {
            Ok(asking) => asking.await,
            Err(refused) => refused,
        }
    }
}

/// The client's address as Kafka writes it into groups: behind a slash.
pub(crate) fn client_host(context: &Context) -> String {
    match context.connection.peer().ip().to_canonical() {
        IpAddr::V4(address) => format!("/{address}"),
        // Java leaves nothing out of an address of version 6.
        IpAddr::V6(address) => {
            let segments = address.segments().map(|segment| format!("{segment:x}"));
            format!("/{}", segments.join(":"))
        }
    }
}

/// What a new member's id is made from.
pub(crate) fn fresh(context: &Context) -> Uuid {
    Uuid::random(&mut Random::new(context.core().entropy()))
}

/// The code of an outcome.
pub(crate) fn code_of<T>(outcome: &Result<T, Refusal>) -> ErrorCode {
    match outcome {
        Ok(_) => ErrorCode::None,
        Err(refusal) => refusal.code,
    }
}

/// The refusal's text, for answers that have room for it.
pub(crate) fn text_of(refusal: Refusal) -> Option<Cow<'static, str>> {
    Some(refusal.message)
}

/// A text that may be absent, as it travels.
pub(crate) fn shared(text: Option<&String>) -> Option<Cow<'_, str>> {
    text.map(|text| Cow::Borrowed(text.as_str()))
}

/// A text that may be absent, for keeps.
pub(crate) fn owned(text: Option<&Cow<'_, str>>) -> Option<String> {
    text.map(|text| text.to_string())
}

/// Bytes of the members, for keeps.
pub(crate) fn opaque(bytes: &[u8]) -> Opaque {
    Opaque::from(bytes)
}

/// A topic by whichever of its two names the request's version uses.
pub(crate) fn find_topic<'i>(
    image: &'i Image,
    by_id: bool,
    name: &str,
    id: Uuid,
) -> Result<&'i Topic, ErrorCode> {
    if by_id {
        let topic = image.topic_by_id(id);
        return topic.map(|topic| &**topic).ok_or(ErrorCode::UnknownTopicId);
    }
    let topic = image.topic(name);
    topic
        .map(|topic| &**topic)
        .ok_or(ErrorCode::UnknownTopicOrPartition)
}

/// As [`find_topic`], if the client may do this to it; a topic asked for by its name that it may
/// not is refused whether or not it is there.
pub(crate) fn allowed_topic<'i>(
    image: &'i Image,
    (access, operation): (&Access, Operation),
    by_id: bool,
    name: &str,
    id: Uuid,
) -> Result<&'i Topic, ErrorCode> {
    if !by_id {
        access.topic(operation, name)?;
    }
    let topic = find_topic(image, by_id, name, id)?;
    access.topic(operation, &topic.name)?;
    Ok(topic)
}

/// Whether the topic has the partition.
pub(crate) fn has_partition(topic: &Topic, index: i32) -> bool {
    topic.partition(PartitionIndex(index)).is_some()
}

/// An answer of another kind than its question.
pub(crate) fn mismatched(answer: &Answer) -> ! {
    unreachable!("a coordinator answers what it was asked, not {answer:?}")
}
