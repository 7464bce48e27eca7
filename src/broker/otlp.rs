//! Metrics as OpenTelemetry's protocol encodes them, read as far as they can be shown (KIP-714).
//!
//! Read are gauges and sums with their attributes; histograms and summaries are counted and passed
//! over, since Kafka's clients send none. Invariant: nothing that a client sends makes this panic
//! or keep more than the bounds below.

use std::collections::BTreeMap;

/// The most points that are kept of one push.
pub(crate) const POINTS_MAX: usize = 1000;
/// The longest name, attribute key or attribute value; longer ones are cut out.
const TEXT_BYTES_MAX: usize = 256;
/// The most attributes of one point.
const ATTRIBUTES_MAX: usize = 16;

/// One value that a client measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The metric's name, such as `org.apache.kafka.producer.connection.count`.
    pub name: String,
    /// What it is about.
    pub attributes: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
    /// What kind of value.
    pub kind: PointKind,
}

/// How a value relates to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointKind {
    /// It stands for itself.
    Gauge,
    /// It counts since the client began.
    Total,
    /// It counts since the push before.
    Delta,
}

/// What one push held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pushed {
    /// The values that can be shown.
    pub points: Vec<Point>,
    /// How many were passed over.
    pub ignored: u64,
}

/// Bytes that are no metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl std::fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the pushed bytes are no OTLP metrics")
    }
}

impl std::error::Error for Malformed {}

/// Reads a push.
///
/// # Errors
/// When the bytes do not follow protocol buffers' encoding.
pub fn read_metrics(bytes: &[u8]) -> Result<Pushed, Malformed> {
    let mut pushed = Pushed::default();
    for field in Fields(bytes) {
        if let (1, Value::Bytes(resource)) = field? {
            for field in Fields(resource) {
                if let (2, Value::Bytes(scope)) = field? {
                    read_scope(scope, &mut pushed)?;
                }
            }
        }
    }
    Ok(pushed)
}

fn read_scope(bytes: &[u8], pushed: &mut Pushed) -> Result<(), Malformed> {
    for field in Fields(bytes) {
        if let (2, Value::Bytes(metric)) = field? {
            read_metric(metric, pushed)?;
        }
    }
    Ok(())
}

fn read_metric(bytes: &[u8], pushed: &mut Pushed) -> Result<(), Malformed> {
    const GAUGE: u64 = 5;
    const SUM: u64 = 7;
    let mut name = "";
    let mut data = None;
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(text)) => name = std::str::from_utf8(text).map_err(|_| Malformed)?,
            (number @ (GAUGE | SUM), Value::Bytes(bytes)) => data = Some((number, bytes)),
            (9..=11, Value::Bytes(_)) => pushed.ignored += 1,
            _ => {}
        }
    }
    let Some((number, data)) = data else {
        return Ok(());
    };
    let kind = if number == GAUGE {
        PointKind::Gauge
    } else {
        sum_kind(data)?
    };
    for field in Fields(data) {
        let (1, Value::Bytes(point)) = field? else {
            continue;
        };
        let point = read_point(point, name, kind)?;
        match point.filter(|_| pushed.points.len() < POINTS_MAX) {
            Some(point) => pushed.points.push(point),
            None => pushed.ignored += 1,
        }
    }
    Ok(())
}

/// Whether a sum counts from the push before or from the start; one that may go down is shown as
/// it is.
fn sum_kind(data: &[u8]) -> Result<PointKind, Malformed> {
    let (mut is_delta, mut is_monotonic) = (false, false);
    for field in Fields(data) {
        match field? {
            (2, Value::Number(temporality)) => is_delta = temporality == 1,
            (3, Value::Number(flag)) => is_monotonic = flag != 0,
            _ => {}
        }
    }
    Ok(match (is_delta, is_monotonic) {
        (true, _) => PointKind::Delta,
        (false, true) => PointKind::Total,
        (false, false) => PointKind::Gauge,
    })
}

/// The point, unless it has no value or a name that nobody would keep.
fn read_point(bytes: &[u8], name: &str, kind: PointKind) -> Result<Option<Point>, Malformed> {
    let mut attributes = BTreeMap::new();
    let mut value = None;
    for field in Fields(bytes) {
        match field? {
            (4, Value::Fixed(bits)) => value = Some(f64::from_bits(bits)),
            // Counts beyond 2^53 lose their last digits, as in every dashboard.
            #[expect(clippy::cast_precision_loss, reason = "shown, not reckoned with")]
            (6, Value::Fixed(bits)) => value = Some(bits.cast_signed() as f64),
            (7, Value::Bytes(pair)) if attributes.len() < ATTRIBUTES_MAX => {
                if let Some((key, text)) = read_attribute(pair)? {
                    attributes.insert(key, text);
                }
            }
            _ => {}
        }
    }
    let is_good = !name.is_empty() && name.len() <= TEXT_BYTES_MAX;
    Ok(value
        .filter(|value: &f64| is_good && value.is_finite())
        .map(|value| Point {
            name: name.to_owned(),
            attributes,
            value,
            kind,
        }))
}

fn read_attribute(bytes: &[u8]) -> Result<Option<(String, String)>, Malformed> {
    let text = |bytes| {
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
        Ok((text.len() <= TEXT_BYTES_MAX).then(|| text.to_owned()))
    };
    let (mut key, mut value) = (None, None);
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(bytes)) => key = text(bytes)?,
            (2, Value::Bytes(any)) => {
                for field in Fields(any) {
                    value = match field? {
                        (1, Value::Bytes(bytes)) => text(bytes)?,
                        (2, Value::Number(flag)) => Some((flag != 0).to_string()),
                        (3, Value::Number(number)) => Some(number.cast_signed().to_string()),
                        (4, Value::Fixed(bits)) => Some(f64::from_bits(bits).to_string()),
                        _ => value,
                    };
                }
            }
            _ => {}
        }
    }
    Ok(key.zip(value))
}

/// One field's value.
enum Value<'a> {
    Number(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, with their numbers.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read().ok_or(Malformed);
        if field.is_err() {
            // What follows cannot be told apart any more.
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn read(&mut self) -> Option<(u64, Value<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Fixed(u64::from_le_bytes(self.fixed()?)),
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(len)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed(u64::from(u32::from_le_bytes(self.fixed()?))),
            _ => return None,
        };
        Some((tag >> 3, value))
    }

    fn fixed<const LEN: usize>(&mut self) -> Option<[u8; LEN]> {
        let (bytes, rest) = self.0.split_first_chunk::<LEN>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7F) << shift;
            if *byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
#[path = "otlp_tests.rs"]
mod tests;
