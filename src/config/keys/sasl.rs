//! Access control, and authentication by SASL: mechanisms, Kerberos, OAuth, delegation tokens.
//!
//! Data only: what each row means is told in `key.rs`. Names, types, defaults and rules are
//! Kafka's, except where a row says `unlike_kafka`.

use crate::key::{Importance, Key, Kind, Reason, Scope};
use crate::rule::Rule;

/// The rows of this theme.
pub(crate) const KEYS: &[Key] = &[
    Key::new("authorizer.class.name", Kind::Text, Some(""))
        .rule(Rule::Authorizer)
        .importance(Importance::Low)
        .doc(
            "The Java class that decides on access; empty lets everybody do everything. \
             forebay's own access control takes the place of the standard one, and there is no \
             other.",
        ),
    // Kafka hands these two to the authorizer, so they are hidden like what it does not know.
    Key::new("super.users", Kind::Text, None)
        .rule(Rule::Principals)
        .internal()
        .doc(
            "Who may do everything whatever the access control lists say: principals such as \
             User:admin, separated by semicolons.",
        ),
    Key::new(
        "allow.everyone.if.no.acl.found",
        Kind::Boolean,
        Some("false"),
    )
    .internal()
    .doc("Whether everybody may do what they like to a resource that no list is about."),
    Key::new(
        "principal.builder.class",
        Kind::Class,
        Some("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"),
    )
    .dynamic(Scope::Broker)
    .because(Reason::NoJvm)
    .doc("The Java class that turns an authenticated connection into a principal."),
    Key::new("security.providers", Kind::Text, None)
        .importance(Importance::Low)
        .because(Reason::NoJvm)
        .doc("Java classes that add cryptography to the JVM."),
    Key::new("sasl.enabled.mechanisms", Kind::List, Some("GSSAPI"))
        .rule(Rule::Distinct)
        .dynamic(Scope::Broker)
        .doc("The SASL mechanisms that clients may use."),
    Key::new("sasl.jaas.config", Kind::Password, None)
        .dynamic(Scope::Broker)
        .doc(
            "The login module and its options for SASL, in Java's JAAS notation; usually \
             set for one listener and mechanism.",
        ),
    Key::new(
        "sasl.mechanism.inter.broker.protocol",
        Kind::Text,
        Some("GSSAPI"),
    )
    .dynamic(Scope::Broker)
    .doc("The SASL mechanism that brokers use among themselves."),
    Key::new(
        "sasl.mechanism.controller.protocol",
        Kind::Text,
        Some("GSSAPI"),
    )
    .importance(Importance::High)
    .doc("The SASL mechanism that is used towards controllers."),
    Key::new("sasl.server.callback.handler.class", Kind::Class, None)
        .because(Reason::NoJvm)
        .doc("A Java class that checks credentials for a mechanism."),
    Key::new("sasl.client.callback.handler.class", Kind::Class, None)
        .because(Reason::NoJvm)
        .doc("A Java class that supplies credentials for outgoing connections."),
    Key::new("sasl.login.callback.handler.class", Kind::Class, None)
        .because(Reason::NoJvm)
        .doc("A Java class that supplies credentials at login."),
    Key::new("sasl.login.class", Kind::Class, None)
        .because(Reason::NoJvm)
        .doc("A Java class that replaces the login itself."),
    Key::new("sasl.server.max.receive.size", Kind::Int, Some("524288"))
        .doc("How many bytes a client may send in one step of a SASL exchange."),
    Key::new("sasl.login.connect.timeout.ms", Kind::Int, None)
        .importance(Importance::Low)
        .doc("How many milliseconds connecting to an identity provider may take."),
    Key::new("sasl.login.read.timeout.ms", Kind::Int, None)
        .importance(Importance::Low)
        .doc("How many milliseconds an answer of an identity provider may take."),
    Key::new(
        "sasl.login.refresh.buffer.seconds",
        Kind::Short,
        Some("300"),
    )
    .dynamic(Scope::Broker)
    .doc("How many seconds before its expiry a login is refreshed at the latest."),
    Key::new(
        "sasl.login.refresh.min.period.seconds",
        Kind::Short,
        Some("60"),
    )
    .dynamic(Scope::Broker)
    .doc("How many seconds a login is used at least before it is refreshed."),
    Key::new(
        "sasl.login.refresh.window.factor",
        Kind::Double,
        Some("0.8"),
    )
    .dynamic(Scope::Broker)
    .doc("At which part of its lifetime, from 0 to 1, a login is refreshed."),
    Key::new(
        "sasl.login.refresh.window.jitter",
        Kind::Double,
        Some("0.05"),
    )
    .dynamic(Scope::Broker)
    .doc("The random part that is added to the time of a login's refresh."),
    Key::new("sasl.login.retry.backoff.ms", Kind::Long, Some("100"))
        .importance(Importance::Low)
        .doc("The first pause in milliseconds after a failed login at an identity provider."),
    Key::new("sasl.login.retry.backoff.max.ms", Kind::Long, Some("10000"))
        .importance(Importance::Low)
        .doc("The longest pause in milliseconds after a failed login at an identity provider."),
    Key::new(
        "sasl.kerberos.kinit.cmd",
        Kind::Text,
        Some("/usr/bin/kinit"),
    )
    .dynamic(Scope::Broker)
    .doc("Where the kinit program lies."),
    Key::new(
        "sasl.kerberos.min.time.before.relogin",
        Kind::Long,
        Some("60000"),
    )
    .dynamic(Scope::Broker)
    .doc("How many milliseconds pass at least between two Kerberos logins."),
    Key::new(
        "sasl.kerberos.principal.to.local.rules",
        Kind::List,
        Some("DEFAULT"),
    )
    .rule(Rule::Distinct)
    .dynamic(Scope::Broker)
    .doc("The rules that turn Kerberos principals into short names."),
    Key::new("sasl.kerberos.service.name", Kind::Text, None)
        .dynamic(Scope::Broker)
        .doc("The Kerberos service name of the brokers."),
    Key::new(
        "sasl.kerberos.ticket.renew.jitter",
        Kind::Double,
        Some("0.05"),
    )
    .dynamic(Scope::Broker)
    .doc("The random part that is added to the time of a ticket's renewal."),
    Key::new(
        "sasl.kerberos.ticket.renew.window.factor",
        Kind::Double,
        Some("0.8"),
    )
    .dynamic(Scope::Broker)
    .doc("At which part of its lifetime, from 0 to 1, a Kerberos ticket is renewed."),
    Key::new(
        "sasl.oauthbearer.allow.unverified.audience",
        Kind::Boolean,
        Some("false"),
    )
    .doc("Whether tokens are accepted although no expected audience is configured."),
    Key::new(
        "sasl.oauthbearer.allow.unverified.issuer",
        Kind::Boolean,
        Some("false"),
    )
    .doc("Whether tokens are accepted although no expected issuer is configured."),
    Key::new(
        "sasl.oauthbearer.assertion.algorithm",
        Kind::Text,
        Some("RS256"),
    )
    .rule(Rule::OneOfAnyCase(&["ES256", "RS256"]))
    .doc("The algorithm that signs assertions for an identity provider."),
    Key::new("sasl.oauthbearer.assertion.claim.aud", Kind::Text, None)
        .doc("The audience claim of assertions."),
    Key::new(
        "sasl.oauthbearer.assertion.claim.exp.seconds",
        Kind::Int,
        Some("300"),
    )
    .rule(Rule::Between(0, 86_400))
    .importance(Importance::Low)
    .doc("After how many seconds an assertion expires."),
    Key::new("sasl.oauthbearer.assertion.claim.iss", Kind::Text, None)
        .doc("The issuer claim of assertions."),
    Key::new(
        "sasl.oauthbearer.assertion.claim.jti.include",
        Kind::Boolean,
        Some("false"),
    )
    .doc("Whether assertions carry an id of their own."),
    Key::new(
        "sasl.oauthbearer.assertion.claim.nbf.seconds",
        Kind::Int,
        Some("60"),
    )
    .rule(Rule::Between(0, 3600))
    .importance(Importance::Low)
    .doc("How many seconds before now an assertion becomes valid."),
    Key::new("sasl.oauthbearer.assertion.claim.sub", Kind::Text, None)
        .doc("The subject claim of assertions."),
    Key::new("sasl.oauthbearer.assertion.file", Kind::Text, None)
        .doc("A file that holds a finished assertion."),
    Key::new(
        "sasl.oauthbearer.assertion.private.key.file",
        Kind::Text,
        None,
    )
    .doc("The file with the private key that signs assertions."),
    Key::new(
        "sasl.oauthbearer.assertion.private.key.passphrase",
        Kind::Password,
        None,
    )
    .doc("The passphrase of the private key that signs assertions."),
    Key::new("sasl.oauthbearer.assertion.template.file", Kind::Text, None)
        .doc("A file with claims and headers that assertions start from."),
    Key::new(
        "sasl.oauthbearer.client.credentials.client.id",
        Kind::Text,
        None,
    )
    .doc("The client id for fetching tokens."),
    Key::new(
        "sasl.oauthbearer.client.credentials.client.secret",
        Kind::Password,
        None,
    )
    .doc("The client secret for fetching tokens."),
    Key::new("sasl.oauthbearer.clock.skew.seconds", Kind::Int, Some("30"))
        .importance(Importance::Low)
        .doc("How many seconds the clocks of this node and the identity provider may differ."),
    Key::new("sasl.oauthbearer.expected.audience", Kind::List, Some(""))
        .rule(Rule::Distinct)
        .importance(Importance::High)
        .doc("The audiences of which a token must name at least one."),
    Key::new("sasl.oauthbearer.expected.issuer", Kind::Text, None)
        .importance(Importance::High)
        .doc("The issuer that a token must name."),
    Key::new(
        "sasl.oauthbearer.jwks.endpoint.refresh.ms",
        Kind::Long,
        Some("3600000"),
    )
    .importance(Importance::Low)
    .doc("How often, in milliseconds, the keys of the identity provider are fetched anew."),
    Key::new(
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms",
        Kind::Long,
        Some("100"),
    )
    .importance(Importance::Low)
    .doc("The first pause in milliseconds after the keys could not be fetched."),
    Key::new(
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms",
        Kind::Long,
        Some("10000"),
    )
    .importance(Importance::Low)
    .doc("The longest pause in milliseconds after the keys could not be fetched."),
    Key::new("sasl.oauthbearer.jwks.endpoint.url", Kind::Text, None)
        .doc("Where the identity provider publishes its keys."),
    Key::new(
        "sasl.oauthbearer.jwt.retriever.class",
        Kind::Class,
        Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"),
    )
    .because(Reason::NoJvm)
    .doc("The Java class that fetches tokens."),
    Key::new(
        "sasl.oauthbearer.jwt.validator.class",
        Kind::Class,
        Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"),
    )
    .because(Reason::NoJvm)
    .doc("The Java class that checks tokens."),
    Key::new("sasl.oauthbearer.scope", Kind::Text, None)
        .doc("The scope to ask for when a token is fetched."),
    Key::new(
        "sasl.oauthbearer.scope.claim.name",
        Kind::Text,
        Some("scope"),
    )
    .importance(Importance::Low)
    .doc("The claim that holds a token's scopes."),
    Key::new("sasl.oauthbearer.sub.claim.name", Kind::Text, Some("sub"))
        .importance(Importance::Low)
        .doc("The claim that holds a token's subject."),
    Key::new("sasl.oauthbearer.token.endpoint.url", Kind::Text, None)
        .doc("Where tokens are fetched from."),
    Key::new("delegation.token.secret.key", Kind::Password, None).doc(
        "The secret from which delegation tokens are derived, the same on every node; \
             without it there are none.",
    ),
    Key::new(
        "delegation.token.expiry.check.interval.ms",
        Kind::Long,
        Some("3600000"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::Low)
    .doc("How often, in milliseconds, expired delegation tokens are looked for."),
    Key::new(
        "delegation.token.expiry.time.ms",
        Kind::Long,
        Some("86400000"),
    )
    .rule(Rule::AtLeast(1))
    .doc("After how many milliseconds a delegation token expires unless it is renewed."),
    Key::new(
        "delegation.token.max.lifetime.ms",
        Kind::Long,
        Some("604800000"),
    )
    .rule(Rule::AtLeast(1))
    .doc("How many milliseconds a delegation token may live however often it is renewed."),
];
