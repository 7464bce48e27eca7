//! AlterClientQuotas (key 49), versions 0-1: limits of users, client ids and addresses are set and
//! removed (KIP-546).
//!
//! Limits are kept in the metadata log in Kafka's records and described; nothing is held back by
//! them yet.
//!
//! Deviations from Apache Kafka: of entries for the same entity none is followed; Kafka follows
//! the first and reports an error for all.
//!
//! - 0: first layout
//! - 1: flexible encoding (KIP-482)

use std::borrow::Cow;
use std::net::IpAddr;

use access::Operation;
use metadata::decide::AlterQuota;
use metadata::{QuotaEntity, QuotaValue, Refusal};
use wire::WireError;
use wire::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, RequestEntryData, ResponseEntityData,
    ResponseEntryData,
};

use crate::access::denied;
use crate::answer::Answer;
use crate::context::Context;
use crate::fault;
use crate::handlers::altering::{invalid, told};
use crate::handlers::{begin, read};
use crate::table::Request;

type Outcome = (QuotaEntity, Result<(), Refusal>);

/// Lets the controller decide, and answers when it has.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: AlterClientQuotasRequest<'_> = read(&mut request)?;
    let validate_only = asked.validate_only;
    let alters: Vec<AlterQuota> = asked.entries.iter().map(alter).collect();
    let context = context.clone();
    let deciding = begin(&context.core().clone(), async move {
        decide(&context, alters, validate_only).await
    });
    Ok(Answer::Later(Box::pin(async move {
        let outcomes = deciding.await.unwrap_or_default();
        let entries = outcomes.iter().map(|(entity, outcome)| {
            let (error_code, error_message) = told(outcome.as_ref().err());
            ResponseEntryData {
                error_code,
                error_message,
                entity: entity.0.iter().map(written).collect(),
            }
        });
        question.encode(&AlterClientQuotasResponse {
            throttle_time_ms: 0,
            entries: entries.collect(),
        })
    })))
}

fn alter(asked: &RequestEntryData<'_>) -> AlterQuota {
    let entity = asked.entity.iter().map(|part| {
        let name = part.entity_name.as_deref().map(str::to_owned);
        (part.entity_type.to_string(), name)
    });
    let operations = asked.ops.iter().map(|op| {
        let value = (!op.remove).then_some(QuotaValue(op.value));
        (op.key.to_string(), value)
    });
    AlterQuota {
        entity: QuotaEntity(entity.collect()),
        operations: operations.collect(),
    }
}

async fn decide(context: &Context, alters: Vec<AlterQuota>, validate_only: bool) -> Vec<Outcome> {
    if let Err(code) = context.access().cluster(Operation::AlterConfigs) {
        let entities = alters.into_iter().map(|alter| alter.entity);
        return entities.map(|entity| (entity, Err(denied(code)))).collect();
    }
    let mut outcomes: Vec<(QuotaEntity, Option<Refusal>)> = Vec::with_capacity(alters.len());
    let mut followed = Vec::new();
    for alter in alters {
        let refusal = unresolvable(context, &alter.entity).await;
        outcomes.push((alter.entity.clone(), refusal.clone()));
        if refusal.is_none() {
            followed.push(alter);
        }
    }
    let decided = context.broker().alter_quotas(followed, validate_only).await;
    let mut decided = decided.map(Vec::into_iter);
    let settle = |(entity, refusal): (QuotaEntity, Option<Refusal>)| {
        let outcome = match (refusal, &mut decided) {
            (Some(refusal), _) => Err(refusal),
            (None, Ok(decided)) => decided.next().map_or(Ok(()), |(_, outcome)| outcome),
            (None, Err(error)) => Err(fault::refusal_of_controller(error)),
        };
        (entity, outcome)
    };
    outcomes.into_iter().map(settle).collect()
}

/// Addresses may be given by name; a name that nobody knows is a mistake.
async fn unresolvable(context: &Context, entity: &QuotaEntity) -> Option<Refusal> {
    let name = entity.0.get("ip")?.as_deref()?;
    if name.is_empty() || name.parse::<IpAddr>().is_ok() {
        return None;
    }
    let resolved = context.core().resolve(name, 0).await;
    let is_known = resolved.is_ok_and(|addresses| !addresses.is_empty());
    (!is_known).then(|| invalid(format!("{name} is not a valid IP or resolvable host.")))
}

fn written<'a>((kind, name): (&'a String, &'a Option<String>)) -> ResponseEntityData<'a> {
    ResponseEntityData {
        entity_type: Cow::Borrowed(kind),
        entity_name: name.as_deref().map(Cow::Borrowed),
    }
}
