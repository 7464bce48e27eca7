//! Loading a node's configuration: defaults, precedence, refusals.

use crate::{BrokerConfig, Inputs};

/// Loads what a file, an environment and overrides say.
pub(super) fn load(
    file: &str,
    environment: &[(&str, &str)],
    overrides: &[&str],
) -> Result<BrokerConfig, String> {
    let environment: Vec<(String, String)> = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    let inputs = Inputs {
        file: Some(("server.properties", file.as_bytes())),
        environment: &environment,
        overrides: &overrides,
    };
    BrokerConfig::load(&inputs).map_err(|errors| errors.to_string())
}

/// A node that is given nothing at all must start; every default is read with its type on the way.
#[test]
fn nothing_is_a_valid_configuration() {
    let config = BrokerConfig::load(&Inputs::default()).unwrap();
    assert_eq!(config.node.id.get(), 1);
    assert!(config.node.is_broker && config.node.is_controller);
    assert_eq!(config.storage.log_dirs, ["./forebay-data"]);
    let listener = config.network.listeners.first().unwrap();
    assert_eq!(
        (
            listener.name.as_str(),
            listener.host.as_str(),
            listener.port
        ),
        ("PLAINTEXT", "", 9092)
    );
    assert_eq!(config.network.advertised.first().unwrap().host, None);
    assert!(config.topic_defaults.acknowledges_from_device());
    assert_eq!(config.topic_defaults.retention_ms, Some(604_800_000));
    assert!(config.settings.warnings().is_empty());
}

/// An operator overrides a file for one run without editing it.
#[test]
fn set_beats_environment_beats_file_beats_default() {
    let file = "num.partitions=2\nfetch.max.bytes=2048\nmax.connections=7\n";
    let environment = [
        ("FOREBAY_NUM_PARTITIONS", "3"),
        ("KAFKA_FETCH_MAX_BYTES", "4096"),
    ];
    let config = load(file, &environment, &["num.partitions=4"]).unwrap();
    assert_eq!(config.topics.partitions_default, 4);
    assert_eq!(config.network.fetch_bytes_max, 4096);
    assert_eq!(config.network.connections_max, 7);
    let source = |name| config.settings.own_value(name).unwrap().source.to_string();
    assert_eq!(source("num.partitions"), "--set");
    assert_eq!(
        source("fetch.max.bytes"),
        "environment KAFKA_FETCH_MAX_BYTES"
    );
    assert_eq!(source("max.connections"), "server.properties:3");
    assert_eq!(source("log.segment.bytes"), "default");
}
