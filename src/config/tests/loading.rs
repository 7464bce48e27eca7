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

/// A typing mistake in a key is found at start, with the key that was meant.
#[test]
fn unknown_keys_name_the_nearest_one() {
    let text = load("log.retension.ms=1\n", &[], &[]).unwrap_err();
    assert_eq!(
        text,
        "server.properties:1: there is no broker key log.retension.ms; \
         did you mean log.retention.ms?"
    );
    let text = load("", &[("FOREBAY_NUM_PARTITION", "3")], &[]).unwrap_err();
    assert!(text.contains("did you mean num.partitions?"), "{text}");
    let text = load("", &[], &["completely.different=1"]).unwrap_err();
    assert!(text.ends_with("remove it"), "{text}");
    assert!(
        load("", &[], &["nonsense"])
            .unwrap_err()
            .contains("key=value")
    );
}

/// All mistakes come at once, so that a file is mended in one go; secrets are not repeated.
#[test]
fn every_mistake_is_told() {
    let file =
        "num.partitions=0\nlog.segment.bytes=12\nssl.key.password=hunter2\nnum.partition=1\n";
    let text = load(file, &[], &[]).unwrap_err();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(
        text.contains("num.partitions cannot be 0: it must be at least 1"),
        "{text}"
    );
    assert!(!text.contains("hunter2"));
    let config = load("ssl.key.password=hunter2\n", &[], &[]).unwrap();
    let rows = crate::print_config(&config.settings);
    let row = rows
        .iter()
        .find(|row| row.name == "ssl.key.password")
        .unwrap();
    assert_eq!(row.value, crate::HIDDEN);
    assert!(!format!("{config:?}").contains("hunter2"));
}

/// A file that Kafka accepts starts the node too, plug-ins' keys and misplaced ones included.
#[test]
fn keys_in_files_that_resemble_none_are_passed_over() {
    let config = load("file.delete.delay.ms=1000\nacme.plugin.url=x\n", &[], &[]).unwrap();
    let warned: Vec<_> = config.settings.warnings().iter().collect();
    assert_eq!(warned.len(), 2);
    assert_eq!(warned[1].key, "file.delete.delay.ms");
    assert!(warned[1].reason.contains("topic's key"));
    assert_eq!(warned[0].reason, "nothing reads it");
}

/// Files written for Kafka hold keys for a JVM; they start, and the operator hears of it.
#[test]
fn keys_without_effect_are_warned_of() {
    let file = "zookeeper.connect=z:2181\nnum.io.threads=8\npassword.encoder.secret=x\n";
    let environment = [
        ("KAFKA_HEAP_OPTS", "-Xmx1G"),
        ("FOREBAY_SERVICE_HOST", "10.0.0.1"),
    ];
    let config = load(file, &environment, &[]).unwrap();
    let warned: Vec<&str> = config
        .settings
        .warnings()
        .iter()
        .map(|warning| warning.key.as_str())
        .collect();
    assert_eq!(
        warned,
        [
            "KAFKA_HEAP_OPTS",
            "num.io.threads",
            "password.encoder.secret",
            "zookeeper.connect"
        ]
    );
}

/// Listeners with names of their own, a controller beside a broker, brackets around IPv6.
#[test]
fn listeners_are_resolved() {
    let file = "listeners=internal://[::1]:9094,EXTERNAL://:9095,CONTROLLER://:9093
listener.security.protocol.map=INTERNAL:PLAINTEXT,EXTERNAL:SASL_SSL,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=INTERNAL
controller.quorum.voters=1@a:9093,2@[::1]:9093,3@c:9093
listener.name.external.ssl.keystore.location=/k.pem
listener.name.external.scram-sha-256.sasl.jaas.config=x
";
    let config = load(file, &[], &[]).unwrap();
    let network = &config.network;
    let first = network.listeners.first().unwrap();
    assert_eq!(
        (first.name.as_str(), first.host.as_str()),
        ("INTERNAL", "::1")
    );
    let advertised: Vec<_> = network
        .advertised
        .iter()
        .map(|one| (one.name.as_str(), one.host.as_deref()))
        .collect();
    assert_eq!(advertised, [("INTERNAL", Some("::1")), ("EXTERNAL", None)]);
    let voters: Vec<String> = config.node.voters.iter().map(ToString::to_string).collect();
    assert_eq!(voters, ["1@a:9093", "2@[::1]:9093", "3@c:9093"]);
}

/// Every listener that could not work is refused with what to do.
#[test]
fn impossible_listeners_are_refused() {
    let refused = |file: &str| load(file, &[], &[]).unwrap_err();
    assert!(refused("listeners=9092").contains("write it as PLAINTEXT://host:9092"));
    assert!(refused("listeners=A://:1").contains("add A:PLAINTEXT"));
    assert!(refused("listeners=PLAINTEXT://:1,PLAINTEXT://:2").contains("occurs twice"));
    assert!(refused("listeners=PLAINTEXT://:1,SSL://:1").contains("both want port 1"));
    assert!(refused("listeners=PLAINTEXT://:70000").contains("no listener"));
    assert!(refused("advertised.listeners=PLAINTEXT://0.0.0.0:1").contains("needs a host"));
    assert!(refused("advertised.listeners=SSL://a:1").contains("there are: PLAINTEXT"));
    assert!(refused("controller.quorum.voters=2@a:1").contains("not among the members"));
    assert!(refused("process.roles=broker").contains("must know one"));
    assert!(refused("node.id=1\nbroker.id=2").contains("remove broker.id"));
    assert!(refused("log.dirs=a,,b").contains("an element is empty"));
    assert!(refused("log.dirs=").contains("empty directory"));
}

/// An old file that names only broker.id names the node.
#[test]
fn broker_id_is_node_id() {
    let config = load("broker.id=7\n", &[], &[]).unwrap();
    assert_eq!(config.node.id.get(), 7);
    assert_eq!(
        config
            .settings
            .own_value("node.id")
            .unwrap()
            .source
            .to_string(),
        "server.properties:1"
    );
}

/// What people read about a key.
#[test]
fn keys_are_explained() {
    let text = crate::explain("group.initial.rebalance.delay.ms")
        .unwrap()
        .to_string();
    assert!(
        text.contains("default:    0\n") && text.contains("in Kafka:   3000"),
        "{text}"
    );
    let both = crate::explain("compression.type").unwrap();
    assert_eq!(both.keys.len(), 2);
    let error = crate::explain("compresion.type").unwrap_err().to_string();
    assert!(error.contains("did you mean compression.type?"), "{error}");
}

/// Only dynamic keys may change while a node runs, at the level they allow (KIP-226).
#[test]
fn fixed_keys_are_not_changed_while_running() {
    use crate::validate_broker_override as check;
    assert_eq!(check("log.retention.ms", " 5 ", false).as_deref(), Ok("5"));
    assert!(
        check("node.id", "2", true)
            .unwrap_err()
            .to_string()
            .contains("restart")
    );
    assert!(
        check("listeners", "PLAINTEXT://:1", false)
            .unwrap_err()
            .to_string()
            .contains("single")
    );
    assert!(check("listeners", "PLAINTEXT://:1", true).is_ok());
}

/// A node that was meant to join others must not pass for their member: it says that it has not.
#[test]
fn a_quorum_of_others_is_warned_of() {
    let warning = |file: &str| load(file, &[], &[]).unwrap().lone_quorum_warning();
    let broker = "process.roles=broker\nnode.id=0\n";
    let voters = warning(&format!(
        "{broker}controller.quorum.voters=3000@localhost:23904\n"
    ));
    let voters = voters.unwrap();
    assert!(voters.contains("3000@localhost:23904,"), "{voters}");
    assert!(
        voters.contains("process.roles=broker,controller"),
        "{voters}"
    );
    let servers = warning(&format!(
        "{broker}controller.quorum.bootstrap.servers=a:9093,b:9093\n"
    ));
    assert!(servers.unwrap().contains("controllers, a:9093, b:9093,"));

    let both = "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=C\n\
                listeners=PLAINTEXT://:9092,C://:9093\n\
                listener.security.protocol.map=PLAINTEXT:PLAINTEXT,C:PLAINTEXT\n";
    let among = "controller.quorum.voters=1@a:9093,2@b:9093\n";
    let among = warning(&format!("{both}{among}")).unwrap();
    assert!(among.contains("2@b:9093,") && !among.contains("1@a"));
    let elsewhere = "controller.quorum.bootstrap.servers=b:9093\n";
    assert!(warning(&format!("{both}{elsewhere}")).is_some());
}

/// The properties that Kafka ships for a single node describe just what forebay does.
#[test]
fn a_quorum_of_one_is_not_warned_of() {
    let both = "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=C\n\
                listeners=PLAINTEXT://:9092,C://:9093\n\
                advertised.listeners=PLAINTEXT://node-1:9092\n\
                listener.security.protocol.map=PLAINTEXT:PLAINTEXT,C:PLAINTEXT\n";
    for quorum in [
        "",
        "controller.quorum.voters=1@anywhere:9093\n",
        "controller.quorum.bootstrap.servers=localhost:9093\n",
        "controller.quorum.bootstrap.servers=node-1:9093\n",
    ] {
        let config = load(&format!("{both}{quorum}"), &[], &[]).unwrap();
        assert_eq!(config.lone_quorum_warning(), None, "{quorum}");
    }
}

/// Kafka's files name its standard authorizer; any other class would silently leave a node open.
#[test]
fn access_is_controlled_where_the_standard_authorizer_is_named() {
    let standard = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer";
    let open = load("super.users=User:a\n", &[], &[]).unwrap();
    assert_eq!(open.access, None);
    let strict = load(&format!("{standard}\n"), &[], &[]).unwrap();
    assert_eq!(strict.access, Some(crate::AccessConfig::default()));
    let file = format!(
        "{standard}\nsuper.users= User:a;; User:CN=b,O=c ;\nallow.everyone.if.no.acl.found=true\n"
    );
    let access = load(&file, &[], &[]).unwrap().access.unwrap();
    assert_eq!(access.super_users, ["User:a", "User:CN=b,O=c"]);
    assert!(access.allow_everyone_if_no_acl_found);
    let old = "authorizer.class.name=kafka.security.authorizer.AclAuthorizer\nsuper.users=a\n";
    let text = load(old, &[], &[]).unwrap_err().to_string();
    assert!(
        text.contains("there is one authorizer, org.apache"),
        "{text}"
    );
    assert!(text.contains("must look like User:name"), "{text}");
}
