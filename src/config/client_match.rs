//! Which clients a subscription to metrics is for (KIP-714).
//!
//! A selector such as `client_id=payments-.*` names a trait of a client and a regular expression
//! that must match all of it. Expressions are bounded in size when they are set and take time in
//! proportion to the text; look-around and back-references, which Java's have, are refused.

use regex::{Regex, RegexBuilder};

/// The most memory that one compiled expression may take.
const EXPRESSION_BYTES_MAX: usize = 256 << 10;
/// The most selectors of one subscription.
const SELECTORS_MAX: usize = 64;
/// The traits, under Kafka's names.
const TRAITS: [&str; 6] = [
    "client_id",
    "client_instance_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// What is known of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTraits {
    /// What it calls itself.
    pub client_id: String,
    /// The id that it was given for its metrics.
    pub client_instance_id: String,
    /// The library that it uses (KIP-511).
    pub software_name: String,
    /// That library's version.
    pub software_version: String,
    /// Where it comes from.
    pub source_address: String,
    /// The port that it comes from.
    pub source_port: String,
}

impl ClientTraits {
    fn named(&self, name: &str) -> &str {
        match name {
            "client_id" => &self.client_id,
            "client_instance_id" => &self.client_instance_id,
            "client_software_name" => &self.software_name,
            "client_software_version" => &self.software_version,
            "client_source_address" => &self.source_address,
            _ => &self.source_port,
        }
    }
}

/// All selectors of one subscription; a client must meet each.
#[derive(Clone, Debug)]
pub struct ClientMatch {
    selectors: Vec<(&'static str, Regex)>,
}

impl ClientMatch {
    /// Reads selectors as `match` holds them, separated by commas.
    ///
    /// # Errors
    /// With the selector that names no trait or whose expression cannot be followed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut selectors = Vec::new();
        let elements = text.split(',').map(str::trim);
        for element in elements.filter(|element| !element.is_empty()) {
            if selectors.len() == SELECTORS_MAX {
                return Err(element.to_owned());
            }
            let selector = parse_one(element).ok_or_else(|| element.to_owned())?;
            selectors.push(selector);
        }
        Ok(Self { selectors })
    }

    /// Whether the subscription is for this client.
    #[must_use]
    pub fn matches(&self, client: &ClientTraits) -> bool {
        self.selectors
            .iter()
            .all(|(name, expression)| expression.is_match(client.named(name)))
    }
}

fn parse_one(element: &str) -> Option<(&'static str, Regex)> {
    let (name, pattern) = element.split_once('=')?;
    let name = TRAITS.into_iter().find(|known| *known == name.trim())?;
    // Checked alone first, so that an unbalanced parenthesis cannot end the group around it.
    let compile = |pattern: &str| {
        RegexBuilder::new(pattern)
            .size_limit(EXPRESSION_BYTES_MAX)
            .build()
            .ok()
    };
    compile(pattern.trim())?;
    let whole = compile(&format!("^(?:{})$", pattern.trim()))?;
    Some((name, whole))
}
