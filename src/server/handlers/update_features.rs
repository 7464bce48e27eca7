//! UpdateFeatures (key 57), versions 0-2: at which levels the cluster works (KIP-584).
//!
//! All updates are made or, when one is refused, none.
//!
//! Deviations from Apache Kafka: metadata.version never goes down, since records are written in
//! the newest form; kraft.version stays as it is, since the voters of one node do not change.
//!
//! - 0: first layout, flexible from the start; a result per feature
//! - 1: upgrade_type in place of allow_downgrade, validate_only (KIP-778)
//! - 2: results per feature are gone (KIP-1022)

use std::borrow::Cow;

use access::Operation;
use base::ErrorCode;
use metadata::Refusal;
use metadata::decide::{FeatureUpdate, UpgradeKind};
use wire::WireError;
use wire::update_features::{
    FeatureUpdateKey, UpdatableFeatureResult, UpdateFeaturesRequest, UpdateFeaturesResponse,
};

use crate::access::denied;
use crate::answer::Answer;
use crate::context::Context;
use crate::fault;
use crate::handlers::{begin, read, within};
use crate::table::Request;

/// The first version with upgrade_type.
const UPGRADE_TYPE_VERSION_MIN: i16 = 1;
/// The last version with results per feature.
const RESULTS_VERSION_MAX: i16 = 1;

/// Lets the controller decide, and answers when it has.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: UpdateFeaturesRequest<'_> = read(&mut request)?;
    let (patience_ms, validate_only) = (asked.timeout_ms, asked.validate_only);
    if let Err(code) = context.access().cluster(Operation::Alter) {
        let refusal = denied(code);
        return Ok(question.answer(&response(&[], Some(&refusal), question.version)));
    }
    let updates = asked.feature_updates.iter();
    let updates: Vec<FeatureUpdate> = updates
        .map(|update| feature_update(update, question.version))
        .collect();
    let names: Vec<String> = updates.iter().map(|update| update.name.clone()).collect();
    let context = context.clone();
    let broker = context.broker().clone();
    let deciding = begin(context.core(), async move {
        broker.update_features(updates, validate_only).await
    });
    Ok(Answer::Later(Box::pin(async move {
        let refusal = match within(context.core(), patience_ms, deciding).await {
            Some(Ok(())) => None,
            Some(Err(error)) => Some(fault::refusal_of_controller(&error)),
            None => Some(fault::timed_out()),
        };
        question.encode(&response(&names, refusal.as_ref(), question.version))
    })))
}

fn feature_update(asked: &FeatureUpdateKey<'_>, version: i16) -> FeatureUpdate {
    let upgrade = if version < UPGRADE_TYPE_VERSION_MIN {
        if asked.allow_downgrade {
            UpgradeKind::SafeDowngrade
        } else {
            UpgradeKind::Upgrade
        }
    } else {
        match asked.upgrade_type {
            1 => UpgradeKind::Upgrade,
            2 => UpgradeKind::SafeDowngrade,
            3 => UpgradeKind::UnsafeDowngrade,
            _ => UpgradeKind::Unknown,
        }
    };
    FeatureUpdate {
        name: asked.feature.to_string(),
        level: asked.max_version_level,
        upgrade,
    }
}

fn response<'a>(
    names: &'a [String],
    refusal: Option<&'a Refusal>,
    version: i16,
) -> UpdateFeaturesResponse<'a> {
    // A refusal is told once, for all.
    let named = names
        .iter()
        .filter(|_| refusal.is_none() && version <= RESULTS_VERSION_MAX);
    UpdateFeaturesResponse {
        throttle_time_ms: 0,
        error_code: refusal
            .map_or(ErrorCode::None, |refusal| refusal.code)
            .code(),
        error_message: refusal.map(|refusal| Cow::Borrowed(refusal.message.as_str())),
        results: named
            .map(|name| UpdatableFeatureResult {
                feature: Cow::Borrowed(name),
                error_code: ErrorCode::None.code(),
                error_message: None,
            })
            .collect(),
    }
}

#[cfg(test)]
#[path = "../tests/update_features_tests.rs"]
mod tests;
