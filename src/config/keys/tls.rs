//! Encryption by TLS: certificates, keys and protocol versions.
//!
//! Data only: what each row means is told in `key.rs`. Names, types, defaults and rules are
//! Kafka's, except where a row says `unlike_kafka`.

use crate::key::{Importance, Key, Kind, Reason, Scope};
use crate::rule::Rule;

/// The rows of this theme.
pub(crate) const KEYS: &[Key] = &[
    Key::new("ssl.allow.dn.changes", Kind::Boolean, Some("false"))
        .importance(Importance::Low)
        .doc("Whether a replaced certificate may carry another distinguished name."),
    Key::new("ssl.allow.san.changes", Kind::Boolean, Some("false"))
        .importance(Importance::Low)
        .doc("Whether a replaced certificate may carry other alternative names."),
    Key::new("ssl.cipher.suites", Kind::List, Some(""))
        .rule(Rule::Distinct)
        .dynamic(Scope::Broker)
        .doc("The cipher suites to allow; empty means the library's own choice."),
    Key::new("ssl.client.auth", Kind::Text, Some("none"))
        .rule(Rule::OneOf(&["required", "requested", "none"]))
        .dynamic(Scope::Broker)
        .doc(
            "Whether clients must (`required`), may (`requested`) or need not (`none`) show \
             a certificate.",
        ),
    Key::new("ssl.enabled.protocols", Kind::List, Some("TLSv1.2,TLSv1.3"))
        .rule(Rule::Distinct)
        .dynamic(Scope::Broker)
        .doc("The TLS versions to allow."),
    Key::new(
        "ssl.endpoint.identification.algorithm",
        Kind::Text,
        Some("https"),
    )
    .importance(Importance::Low)
    .dynamic(Scope::Broker)
    .doc(
        "How the host name in a peer's certificate is checked; empty switches the check \
             off.",
    ),
    Key::new("ssl.engine.factory.class", Kind::Class, None)
        .importance(Importance::Low)
        .dynamic(Scope::Broker)
        .because(Reason::NoJvm)
        .doc("A Java class that makes TLS engines."),
    Key::new("ssl.key.password", Kind::Password, None)
        .dynamic(Scope::Broker)
        .doc("The passphrase of the private key."),
    Key::new("ssl.keymanager.algorithm", Kind::Text, Some("SunX509"))
        .dynamic(Scope::Broker)
        .because(Reason::NoJvm)
        .doc("The JVM's key manager algorithm."),
    Key::new("ssl.keystore.certificate.chain", Kind::Password, None)
        .dynamic(Scope::Broker)
        .doc("The certificate chain in PEM, given in place of a file."),
    Key::new("ssl.keystore.key", Kind::Password, None)
        .dynamic(Scope::Broker)
        .doc("The private key in PEM, given in place of a file."),
    Key::new("ssl.keystore.location", Kind::Text, None)
        .dynamic(Scope::Broker)
        .doc("The file with this node's certificate and private key."),
    Key::new("ssl.keystore.password", Kind::Password, None)
        .dynamic(Scope::Broker)
        .doc("The passphrase of the key store file."),
    Key::new("ssl.keystore.type", Kind::Text, Some("JKS"))
        .dynamic(Scope::Broker)
        .doc("The format of the key store: JKS, PKCS12 or PEM."),
    Key::new("ssl.principal.mapping.rules", Kind::Text, Some("DEFAULT"))
        .importance(Importance::Low)
        .doc("The rules that turn a certificate's distinguished name into a user name."),
    Key::new("ssl.protocol", Kind::Text, Some("TLSv1.3"))
        .dynamic(Scope::Broker)
        .doc("The TLS version to prefer."),
    Key::new("ssl.provider", Kind::Text, None)
        .dynamic(Scope::Broker)
        .because(Reason::NoJvm)
        .doc("The JVM's security provider for TLS."),
    Key::new("ssl.secure.random.implementation", Kind::Text, None)
        .importance(Importance::Low)
        .dynamic(Scope::Broker)
        .because(Reason::NoJvm)
        .doc("The JVM's random generator for TLS."),
    Key::new("ssl.trustmanager.algorithm", Kind::Text, Some("PKIX"))
        .dynamic(Scope::Broker)
        .because(Reason::NoJvm)
        .doc("The JVM's trust manager algorithm."),
    Key::new("ssl.truststore.certificates", Kind::Password, None)
        .dynamic(Scope::Broker)
        .doc("The trusted certificates in PEM, given in place of a file."),
    Key::new("ssl.truststore.location", Kind::Text, None)
        .dynamic(Scope::Broker)
        .doc("The file with the certificates to trust."),
    Key::new("ssl.truststore.password", Kind::Password, None)
        .dynamic(Scope::Broker)
        .doc("The passphrase of the trust store file."),
    Key::new("ssl.truststore.type", Kind::Text, Some("JKS"))
        .dynamic(Scope::Broker)
        .doc("The format of the trust store: JKS, PKCS12 or PEM."),
];
