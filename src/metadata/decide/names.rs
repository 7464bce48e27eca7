//! Which names a topic may have.
//!
//! The texts are those that Kafka's clients have been shown for years, since people search for
//! them. Invariant: a valid name is a safe directory name.

use crate::refusal::Refusal;
use base::ErrorCode;

/// The longest name: it must fit into a file name with the partition's index behind it.
const NAME_LENGTH_MAX: usize = 249;

/// Refuses a name that no topic may have.
///
/// # Errors
/// Empty, `.`, `..`, too long, or with other characters than letters, digits, `.`, `_` and `-`.
pub fn validate_topic_name(name: &str) -> Result<(), Refusal> {
    let refuse = |text: String| Err(Refusal::new(ErrorCode::InvalidTopicException, text));
    if name.is_empty() {
        return refuse("Topic name is invalid: the empty string is not allowed".into());
    }
    if name == "." || name == ".." {
        return refuse(format!("Topic name is invalid: '{name}' is not allowed"));
    }
    if name.len() > NAME_LENGTH_MAX {
        return refuse(format!(
            "Topic name is invalid: the length of '{name}' is longer than the max allowed length \
             {NAME_LENGTH_MAX}"
        ));
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !name.bytes().all(legal) {
        return refuse(format!(
            "Topic name is invalid: '{name}' contains one or more characters other than ASCII \
             alphanumerics, '.', '_' and '-'"
        ));
    }
    Ok(())
}
