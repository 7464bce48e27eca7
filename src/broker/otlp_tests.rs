//! Clients push what they like, so every byte is hostile until it is read.
#![allow(
    clippy::cast_possible_truncation,
    reason = "the numbers of these tests are small"
)]

use base::Random;

use super::{PointKind, read_metrics};

fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut len = bytes.len();
    while len > 127 {
        out.push((len & 127) as u8 | 128);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(bytes);
    out
}

fn fixed(number: u8, bits: u64) -> Vec<u8> {
    let mut out = vec![number << 3 | 1];
    out.extend_from_slice(&bits.to_le_bytes());
    out
}

/// One metric with one point of 2.5 or, for sums, of 7, with one attribute.
fn sample(is_sum: bool, is_delta: bool) -> Vec<u8> {
    let attribute = [message(1, b"node"), message(2, &message(1, b"n1"))].concat();
    let value = if is_sum {
        fixed(6, 7)
    } else {
        fixed(4, 2.5_f64.to_bits())
    };
    let point = [fixed(3, 99), value, message(7, &attribute)].concat();
    let mut data = message(1, &point);
    if is_sum {
        data.extend_from_slice(&[2 << 3, if is_delta { 1 } else { 2 }, 3 << 3, 1]);
    }
    let metric = [
        message(1, b"org.apache.kafka.x"),
        message(if is_sum { 7 } else { 5 }, &data),
    ];
    message(1, &message(2, &message(2, &metric.concat())))
}

#[test]
fn gauges_and_sums_are_read() {
    let bytes = [
        sample(false, false),
        sample(true, true),
        sample(true, false),
    ]
    .concat();
    let pushed = read_metrics(&bytes).unwrap();
    let found: Vec<_> = pushed
        .points
        .iter()
        .map(|point| (point.value, point.kind))
        .collect();
    assert_eq!(
        found,
        [
            (2.5, PointKind::Gauge),
            (7.0, PointKind::Delta),
            (7.0, PointKind::Total)
        ]
    );
    assert_eq!(pushed.points[0].name, "org.apache.kafka.x");
    assert_eq!(pushed.points[0].attributes["node"], "n1");
}

/// A flood of points costs no more than the bound.
#[test]
fn points_are_bounded() {
    let bytes = sample(false, false).repeat(super::POINTS_MAX + 10);
    let pushed = read_metrics(&bytes).unwrap();
    assert_eq!(
        (pushed.points.len(), pushed.ignored),
        (super::POINTS_MAX, 10)
    );
}

#[test]
fn torn_bytes_are_refused() {
    let bytes = sample(true, true);
    assert!(read_metrics(&bytes[..bytes.len() - 1]).is_err());
    assert!(read_metrics(&[0xFF; 20]).is_err());
    assert!(read_metrics(&[]).unwrap().points.is_empty());
}

/// Changed anywhere, a push is read or refused, never worse.
#[test]
fn any_bytes_are_survived() {
    let seed = 20_261_121;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let whole = [sample(false, false), sample(true, true)].concat();
    for _ in 0..5000 {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.next_u64() as u8;
        }
        let _ = read_metrics(&bytes);
    }
}
