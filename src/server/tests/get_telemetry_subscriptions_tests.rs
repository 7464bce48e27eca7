//! A client obeys what it reads here for minutes, so each field must be at its place.

use base::{ErrorCode, Uuid};
use broker::{Demand, TelemetryRefusal};
use wire::ApiKey;

use super::{asked_for, code_of, refused};
use crate::handlers::sample::check_every_version;

#[test]
fn a_demand_is_told_whole() {
    let demand = Demand {
        instance_id: Uuid(5),
        subscription_id: 77,
        metrics: vec!["x.".into()],
        interval_ms: 5000,
    };
    let told = asked_for(&demand, 1000);
    assert_eq!(
        (told.client_instance_id, told.subscription_id),
        (Uuid(5), 77)
    );
    assert_eq!(
        (told.push_interval_ms, told.telemetry_max_bytes),
        (5000, 1000)
    );
    assert_eq!(told.accepted_compression_types, [4, 3, 1, 2]);
    check_every_version(ApiKey::GetTelemetrySubscriptions, |_| {
        asked_for(&demand, 1000)
    });
    check_every_version(ApiKey::GetTelemetrySubscriptions, |_| {
        refused(ErrorCode::InvalidRequest)
    });
}

/// Clients wait, ask anew or give up by these codes.
#[test]
fn refusals_have_their_codes() {
    let codes = [
        TelemetryRefusal::TooSoon,
        TelemetryRefusal::Terminating,
        TelemetryRefusal::UnknownSubscription,
    ];
    assert_eq!(codes.map(|refusal| code_of(refusal).code()), [89, 42, 117]);
}
