//! How the kinds of things that have a number and a name in Kafka are written down: once each.

/// An enum whose kinds have Kafka's numbers and the names of Kafka's tools.
macro_rules! coded {
    (
        $(#[$about:meta])*
        pub enum $name:ident {
            $($(#[$doc:meta])* $kind:ident = $code:literal $text:literal,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(i8)]
        #[allow(missing_docs, reason = "the names are Kafka's and documented by Kafka")]
        pub enum $name {
            $($(#[$doc])* $kind = $code,)*
        }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// What has this number; nothing for Kafka's "unknown", "any" and "match" too.
            #[must_use]
            pub const fn from_code(code: i8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$kind),)*
                    _ => None,
                }
            }

            /// Its number.
            #[must_use]
            pub const fn code(self) -> i8 {
                self as i8
            }

            /// Its name in Kafka's tools.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $text,)*
                }
            }
        }
    };
}
pub(crate) use coded;
