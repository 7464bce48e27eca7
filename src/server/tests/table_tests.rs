//! The table beside what Kafka serves: a client that finds one version missing falls back to an older
//! way without a word, or gives up.

use wire::{ApiKey, Listener};

use super::API_TABLE;

/// What Kafka's brokers answer and this release does not, by what it waits for.
const UNSERVED: &[(&str, &[ApiKey])] = &[
    (
        "security",
        &[
            ApiKey::SaslHandshake,
            ApiKey::SaslAuthenticate,
            ApiKey::CreateDelegationToken,
            ApiKey::RenewDelegationToken,
            ApiKey::ExpireDelegationToken,
            ApiKey::DescribeDelegationToken,
        ],
    ),
    (
        "several nodes",
        &[
            ApiKey::AddRaftVoter,
            ApiKey::RemoveRaftVoter,
            ApiKey::UnregisterController,
        ],
    ),
    (
        "share groups",
        &[
            ApiKey::ShareGroupHeartbeat,
            ApiKey::ShareGroupDescribe,
            ApiKey::ShareFetch,
            ApiKey::ShareAcknowledge,
            ApiKey::InitializeShareGroupState,
            ApiKey::ReadShareGroupState,
            ApiKey::WriteShareGroupState,
            ApiKey::DeleteShareGroupState,
            ApiKey::ReadShareGroupStateSummary,
            ApiKey::DescribeShareGroupOffsets,
            ApiKey::AlterShareGroupOffsets,
            ApiKey::DeleteShareGroupOffsets,
        ],
    ),
    (
        "streams groups",
        &[
            ApiKey::StreamsGroupHeartbeat,
            ApiKey::StreamsGroupDescribe,
            ApiKey::StreamsGroupTopologyDescriptionUpdate,
        ],
    ),
];

#[test]
fn whatever_is_served_is_served_in_all_its_versions() {
    for row in API_TABLE {
        let entry = row.key.entry();
        let all = (entry.versions.min, entry.stable_max());
        assert_eq!((row.version_min, row.version_max), all, "{}", row.key);
        assert_eq!(row.legacy_below, entry.kafka.min, "{}", row.key);
    }
}

#[test]
fn whatever_is_not_served_is_known() {
    let unserved: Vec<ApiKey> = UNSERVED
        .iter()
        .flat_map(|(_, keys)| keys.iter().copied())
        .collect();
    for entry in &wire::APIS {
        let is_served = API_TABLE.iter().any(|row| row.key == entry.key);
        let is_for_clients = entry.listeners.contains(&Listener::Broker);
        let expected = is_for_clients && !unserved.contains(&entry.key);
        assert_eq!(is_served, expected, "{}", entry.name);
    }
}
