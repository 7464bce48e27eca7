//! DescribeClientQuotas (key 48), versions 0-1: which limits are set for whom (KIP-546).
//!
//! A component names a kind of entity and which names of it: one exactly, the default, or any. A
//! strict question is about entities of the kinds named and no others.
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout
//! - 1: flexible encoding (KIP-482)

use std::borrow::Cow;
use std::collections::BTreeMap;

use access::Operation;
use base::ErrorCode;
use metadata::{Image, QuotaEntity, QuotaValues, Refusal};
use wire::WireError;
use wire::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest, DescribeClientQuotasResponse, EntityData,
    EntryData, ValueData,
};

use crate::access::denied;
use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::altering::invalid;
use crate::handlers::read;
use crate::table::Request;

/// Which names of a kind are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Names {
    Exactly(String),
    Default,
    Any,
}

/// Answers from the image.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: DescribeClientQuotasRequest<'_> = read(&mut request)?;
    let image = context.broker().image();
    let allowed = context.access().cluster(Operation::DescribeConfigs);
    let allowed = allowed.map_err(denied);
    let response = match allowed.and_then(|()| filter(&asked.components)) {
        Ok(filter) => DescribeClientQuotasResponse {
            entries: Some(found(&image, &filter, asked.strict)),
            ..Default::default()
        },
        Err(refusal) => DescribeClientQuotasResponse {
            error_code: refusal.code.code(),
            error_message: Some(Cow::Owned(refusal.message)),
            entries: None,
            ..Default::default()
        },
    };
    Ok(question.answer(&response))
}

type Filter = BTreeMap<String, Names>;

fn filter(components: &[ComponentData<'_>]) -> Result<Filter, Refusal> {
    let mut filter = Filter::new();
    for component in components {
        let kind = component.entity_type.as_ref();
        let names = names(component)?;
        if kind.is_empty() {
            return Err(invalid("Invalid empty entity type.".to_owned()));
        }
        if !["user", "client-id", "ip"].contains(&kind) {
            let text = format!("Unsupported entity type {kind}");
            return Err(Refusal::new(ErrorCode::UnsupportedVersion, text));
        }
        if filter.insert(kind.to_owned(), names).is_some() {
            let text = format!("Entity type {kind} cannot appear more than once in the filter.");
            return Err(invalid(text));
        }
    }
    if filter.contains_key("ip") && filter.len() > 1 {
        let text = "Invalid entity filter component combination. IP filter component should not \
                    be used with user or clientId filter component.";
        return Err(invalid(text.to_owned()));
    }
    Ok(filter)
}

fn names(component: &ComponentData<'_>) -> Result<Names, Refusal> {
    let text = match (component.match_type, component.r#match.as_deref()) {
        (0, Some(name)) => return Ok(Names::Exactly(name.to_owned())),
        (1, None) => return Ok(Names::Default),
        (2, None) => return Ok(Names::Any),
        (0, None) => "Request specified MATCH_TYPE_EXACT, but set match string to null.".to_owned(),
        (1, Some(_)) => {
            "Request specified MATCH_TYPE_DEFAULT, but also specified a match string.".to_owned()
        }
        (2, Some(_)) => {
            "Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.".to_owned()
        }
        (other, _) => format!("Unknown match type {other}"),
    };
    Err(invalid(text))
}

fn found<'a>(image: &'a Image, filter: &Filter, strict: bool) -> Vec<EntryData<'a>> {
    let quotas = image.quotas().iter();
    quotas
        .filter(|(entity, _)| is_asked_for(entity, filter, strict))
        .map(|(entity, values)| entry(entity, values))
        .collect()
}

fn is_asked_for(entity: &QuotaEntity, filter: &Filter, strict: bool) -> bool {
    let meets = filter.iter().all(|(kind, names)| {
        entity.0.get(kind).is_some_and(|name| match names {
            Names::Exactly(wanted) => name.as_ref() == Some(wanted),
            Names::Default => name.is_none(),
            Names::Any => true,
        })
    });
    meets && (!strict || entity.0.len() == filter.len())
}

fn entry<'a>(entity: &'a QuotaEntity, values: &'a QuotaValues) -> EntryData<'a> {
    EntryData {
        entity: entity
            .0
            .iter()
            .map(|(kind, name)| EntityData {
                entity_type: Cow::Borrowed(kind),
                entity_name: name.as_deref().map(Cow::Borrowed),
            })
            .collect(),
        values: values
            .iter()
            .map(|(key, value)| ValueData {
                key: Cow::Borrowed(key),
                value: value.0,
            })
            .collect(),
    }
}

#[cfg(test)]
#[path = "../tests/describe_client_quotas_tests.rs"]
mod tests;
