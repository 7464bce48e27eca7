//! ApiVersions (key 18), versions 0-5: what is served here, which features exist and which are on.
//!
//! Answered from the request table. A version that is not known yet is answered in version 0 with
//! UNSUPPORTED_VERSION and the range of this API alone, as Kafka does, so that the client asks
//! again with a version that both know (KIP-511).
//!
//! Deviations from Apache Kafka: the versions that Kafka 4 dropped are listed and served as Kafka 3
//! did, unless `forebay.legacy.protocol.enable` is false. Produce is advertised from version 0 on
//! even then, as Kafka 4 does: librdkafka before 2.11 takes a higher first version for a broker
//! that cannot produce at all (KIP-896).
//!
//! - 0: keys with their versions (KIP-35)
//! - 1: the response gains throttle_time_ms (KIP-124)
//! - 2: the same layout (KIP-219)
//! - 3: flexible encoding (KIP-482); the request names the client's software (KIP-511); the
//!   response gains features (KIP-584), but none whose lowest level is zero (KAFKA-17011)
//! - 4: the response lists those too (KIP-1022)
//! - 5: the request says which cluster and node the client meant to reach (KIP-1242)

use std::borrow::Cow;

use base::{ErrorCode, NodeId};
use metadata::{FEATURES, Feature, Image};
use wire::api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use wire::{ApiKey, WireError};

use crate::answer::{Answer, Question};
use crate::context::Context;
use crate::handlers::read;
use crate::table::{API_TABLE, ApiRow, Request};

/// The first version whose readers bear a feature that begins at level zero.
const LEVEL_ZERO_VERSION_MIN: i16 = 4;
/// The first version that carries features at all.
const FEATURES_VERSION_MIN: i16 = 3;

/// Answers with the table.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: ApiVersionsRequest<'_> = read(&mut request)?;
    let image = context.broker().image();
    let node = context.broker().node_id();
    let response = match check(&asked, question.version, image.cluster_id(), node) {
        Ok(()) => {
            let (name, version) = (&asked.client_software_name, &asked.client_software_version);
            context.connection.note_software(name, version);
            served(&image, question.version, context.serves_legacy())
        }
        Err(code) => ApiVersionsResponse {
            error_code: code.code(),
            ..Default::default()
        },
    };
    Ok(question.answer(&response))
}

/// The answer to a version that is not served: version 0 with this API's own range.
pub(crate) fn unsupported(context: &Context, correlation_id: i32) -> Answer {
    let legacy = context.serves_legacy();
    let own = API_TABLE
        .iter()
        .filter(|row| row.key == ApiKey::ApiVersions);
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: own.map(|row| advertised(row, legacy)).collect(),
        ..Default::default()
    };
    Question {
        key: ApiKey::ApiVersions,
        version: 0,
        correlation_id,
    }
    .answer(&response)
}

fn check(
    asked: &ApiVersionsRequest<'_>,
    version: i16,
    cluster_id: &str,
    node: NodeId,
) -> Result<(), ErrorCode> {
    let named = asked.cluster_id.is_some();
    // Cluster and node are given together or not at all (KIP-1242); older versions have neither.
    if named != (asked.node_id != -1) {
        return Err(ErrorCode::InvalidRequest);
    }
    let software = [&asked.client_software_name, &asked.client_software_version];
    if version >= 3 && !software.into_iter().all(|word| is_software_word(word)) {
        return Err(ErrorCode::InvalidRequest);
    }
    let misled = asked
        .cluster_id
        .as_deref()
        .is_some_and(|id| id != cluster_id);
    if misled || (named && asked.node_id != node.get()) {
        return Err(ErrorCode::RebootstrapRequired);
    }
    Ok(())
}

/// Letters and digits, with dots and dashes between them (KIP-511).
fn is_software_word(word: &str) -> bool {
    let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    ends(word.bytes().next()) && ends(word.bytes().next_back()) && word.bytes().all(inside)
}

fn served(image: &Image, version: i16, legacy: bool) -> ApiVersionsResponse<'_> {
    let rows = API_TABLE.iter();
    let mut response = ApiVersionsResponse {
        api_keys: rows.map(|row| advertised(row, legacy)).collect(),
        ..Default::default()
    };
    if version >= FEATURES_VERSION_MIN {
        response.supported_features = supported(version);
        response.finalized_features_epoch = image.features_epoch();
        response.finalized_features = finalized(image);
    }
    response
}

fn advertised(row: &ApiRow, legacy: bool) -> ApiVersion {
    let min_version = if row.key == ApiKey::Produce {
        0
    } else {
        row.served(legacy).min
    };
    ApiVersion {
        api_key: row.key.code(),
        min_version,
        max_version: row.version_max,
    }
}

fn supported(version: i16) -> Vec<SupportedFeatureKey<'static>> {
    let bears = |feature: &&Feature| version >= LEVEL_ZERO_VERSION_MIN || feature.min > 0;
    let features = FEATURES.iter().filter(bears);
    features
        .map(|feature| SupportedFeatureKey {
            name: Cow::Borrowed(feature.name),
            min_version: feature.min,
            max_version: feature.max,
        })
        .collect()
}

fn finalized(image: &Image) -> Vec<FinalizedFeatureKey<'_>> {
    let on = image.features().iter().filter(|(_, level)| **level > 0);
    on.map(|(name, level)| FinalizedFeatureKey {
        name: Cow::Borrowed(name),
        max_version_level: *level,
        min_version_level: *level,
    })
    .collect()
}

#[cfg(test)]
#[path = "../tests/api_versions_tests.rs"]
mod tests;
