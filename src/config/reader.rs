//! Typed access to settings that were validated when they were loaded.
//!
//! Asking for a key that is not in the tables, or as a type that it does not have, is a mistake of
//! the programmer; it ends the program with the key's name, and loading once in a test finds it.

use crate::keys::Family;
use crate::settings::Settings;
use crate::value::{self, Value};

/// Reads typed values out of the settings of a node.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) settings: &'a Settings,
}

impl Reader<'_> {
    fn value(self, name: &str) -> Option<Value> {
        let effective = self.settings.effective(name);
        let Some(key) = Family::Broker.find(name) else {
            panic!("{name} is not in the tables of keys");
        };
        let text = effective?.value?;
        match value::parse(key, &text) {
            Ok(value) => Some(value),
            // A value converted from hours can exceed a rule for milliseconds, never a type.
            Err(refusal) => panic!("{name} was stored although {refusal}"),
        }
    }

    /// A whole number; nothing where it is unset.
    pub(crate) fn whole(self, name: &str) -> Option<i64> {
        match self.value(name)? {
            Value::Whole(number) => Some(number),
            other => panic!("{name} is no whole number but {other:?}"),
        }
    }

    /// A whole number that has a default.
    pub(crate) fn number(self, name: &str) -> i64 {
        self.whole(name).unwrap_or(-1)
    }

    /// A whole number that counts something; negative ones, which mean "none", become zero.
    pub(crate) fn count(self, name: &str) -> u64 {
        u64::try_from(self.number(name)).unwrap_or(0)
    }

    /// As [`Reader::count`], for numbers whose type has 32 bits.
    pub(crate) fn count_u32(self, name: &str) -> u32 {
        u32::try_from(self.number(name).max(0)).unwrap_or(u32::MAX)
    }

    /// As [`Reader::number`], for numbers whose type has 32 bits.
    pub(crate) fn number_i32(self, name: &str) -> i32 {
        let number = self.number(name);
        i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX })
    }

    /// The whole part of a fraction times `factor`; 2^53 where that is more.
    pub(crate) fn whole_part(self, name: &str, factor: f64) -> u64 {
        const EXACT_MAX: u64 = 1 << 53;
        match self.value(name) {
            Some(Value::Double(number)) => {
                let scaled = (number * factor).max(0.0);
                // Beyond that a fraction has no exact whole part, and nobody needs one.
                if scaled >= 9_007_199_254_740_992.0 {
                    return EXACT_MAX;
                }
                format!("{scaled:.0}").parse().unwrap_or(EXACT_MAX)
            }
            other => panic!("{name} is no fraction but {other:?}"),
        }
    }

    /// A yes or no.
    pub(crate) fn flag(self, name: &str) -> bool {
        match self.value(name) {
            Some(Value::Boolean(flag)) => flag,
            other => panic!("{name} is no yes or no but {other:?}"),
        }
    }

    /// A text; nothing where it is unset.
    pub(crate) fn text(self, name: &str) -> Option<String> {
        match self.value(name)? {
            Value::Text(text) => Some(text),
            other => panic!("{name} is no text but {other:?}"),
        }
    }

    /// A list; nothing where it is unset.
    pub(crate) fn list(self, name: &str) -> Option<Vec<String>> {
        match self.value(name)? {
            Value::List(elements) => Some(elements),
            other => panic!("{name} is no list but {other:?}"),
        }
    }
}
