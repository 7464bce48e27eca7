//! Kafka's uuids: 128 bits, written as 22 characters of URL-safe base64 without padding.

use crate::Random;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const TEXT_LENGTH: usize = 22;

/// A topic id, directory id, cluster id or telemetry instance id.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub u128);

/// The text was not 22 characters of URL-safe base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseUuidError;

impl Uuid {
    /// All bits zero: "no id" on the wire.
    pub const ZERO: Self = Self(0);

    /// A fresh version 4 uuid whose text does not begin with a dash, so that it can be passed as
    /// a command line argument; Kafka draws its ids with the same care.
    pub fn random(random: &mut Random) -> Self {
        loop {
            let bits = (u128::from(random.next_u64()) << 64) | u128::from(random.next_u64());
            let version_4 = (bits & !(0xF << 76)) | (0x4 << 76);
            let uuid = Self((version_4 & !(0x3 << 62)) | (0x2 << 62));
            if !uuid.to_string().starts_with('-') {
                return uuid;
            }
        }
    }

    /// True for the id that means "none".
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl std::fmt::Display for Uuid {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // 22 characters carry 132 bits, so the last one holds the low 2 bits and 4 zero bits.
        for index in 0..TEXT_LENGTH {
            let shift = 122_i32 - 6 * i32::try_from(index).unwrap_or(0);
            let sextet = if shift >= 0 {
                self.0 >> shift
            } else {
                self.0 << -shift
            } & 63;
            let letter = ALPHABET
                .get(usize::try_from(sextet).unwrap_or(0))
                .unwrap_or(&b'A');
            write!(formatter, "{}", char::from(*letter))?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Uuid {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, formatter)
    }
}

impl std::str::FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != TEXT_LENGTH {
            return Err(ParseUuidError);
        }
        let mut bits: u128 = 0;
        for (index, letter) in text.bytes().enumerate() {
            let sextet = ALPHABET
                .iter()
                .position(|known| *known == letter)
                .ok_or(ParseUuidError)?;
            let sextet = u128::try_from(sextet).map_err(|_| ParseUuidError)?;
            if index + 1 == TEXT_LENGTH {
                bits = (bits << 2) | (sextet >> 4);
            } else {
                bits = (bits << 6) | sextet;
            }
        }
        Ok(Self(bits))
    }
}

impl std::fmt::Display for ParseUuidError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a Kafka uuid is 22 characters of URL-safe base64")
    }
}

impl std::error::Error for ParseUuidError {}

#[cfg(test)]
mod tests {
    use super::Uuid;
    use crate::Random;

    #[test]
    fn text_round_trips() {
        let mut random = Random::new(7);
        for _ in 0..1000 {
            let uuid = Uuid::random(&mut random);
            assert_eq!(uuid.to_string().parse::<Uuid>(), Ok(uuid));
        }
        // Kafka's own constant for the metadata topic's id is the uuid 0:1.
        assert_eq!(Uuid(1).to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
    }
}
