//! The properties format against `java.util.Properties`. Golden rows: the input and the resulting
//! pairs in hexadecimal, or `refused`.

use std::collections::BTreeMap;

use crate::{ConfigError, LineProblem, parse_properties};

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// A file that Kafka reads must mean the same here, down to its escapes.
#[test]
fn files_mean_what_java_takes_them_to_mean() {
    let mut compared = 0;
    for line in include_str!("properties.tsv").lines() {
        let (input, expected) = line.split_once('\t').unwrap();
        let input = unhex(input);
        let shown = String::from_utf8_lossy(&input);
        let text = |hex: &str| String::from_utf8(unhex(hex)).unwrap();
        let pairs = expected.split(',').filter(|pair| pair.contains('='));
        let mut expected_map: BTreeMap<String, String> = pairs
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(key, value)| (text(key), text(value)))
            .collect();
        let has_empty_key = expected_map.contains_key("");
        // A lone backslash at the end of a file is an empty key for Java and nothing here.
        if shown.trim_end_matches('\n').ends_with('\\') {
            expected_map.remove("");
        }
        match parse_properties("f", &input) {
            Ok(list) => {
                let ours: BTreeMap<String, String> = list
                    .into_iter()
                    .map(|property| (property.key, property.value))
                    .collect();
                assert_ne!(expected, "refused", "{shown:?}");
                assert_eq!(ours, expected_map, "{shown:?}");
                compared += 1;
            }
            Err(ConfigError::BadLine {
                problem: LineProblem::NoKey,
                ..
            }) => {
                let refused = expected == "refused" || has_empty_key;
                assert!(refused, "{shown:?}: java finds {expected_map:?}");
            }
            Err(_) => assert_eq!(expected, "refused", "{shown:?}"),
        }
    }
    assert!(compared > 250, "only {compared} inputs were compared");
}

fn problem(bytes: &[u8]) -> (usize, LineProblem) {
    match parse_properties("f", bytes) {
        Err(ConfigError::BadLine { line, problem, .. }) => (line, problem),
        other => panic!("{other:?}"),
    }
}

/// Whatever stands in a file, the operator learns the line, and the process survives.
#[test]
fn hostile_files_are_refused_with_their_line() {
    assert_eq!(problem(b"a=1\nb=\xff\n"), (2, LineProblem::NotUtf8));
    assert_eq!(problem(b"a=1\r\n\r\n\xc3\x28=1"), (3, LineProblem::NotUtf8));
    assert_eq!(
        problem(b"a=1\n\nb=\\u12"),
        (3, LineProblem::BadUnicodeEscape)
    );
    assert_eq!(problem(b"a=\\ud83d"), (1, LineProblem::BadUnicodeEscape));
    assert_eq!(problem(b"a=1\n=2"), (2, LineProblem::NoKey));
    assert_eq!(
        problem(&vec![b'a'; 9 << 20]),
        (1, LineProblem::FileTooLarge)
    );
    assert_eq!(problem(&vec![b'a'; 2000]), (1, LineProblem::KeyTooLong));
    let long_value = [b"a=".as_slice(), &vec![b'x'; 2 << 20]].concat();
    assert_eq!(problem(&long_value), (1, LineProblem::ValueTooLong));
    assert_eq!(
        problem(&b"a=1\n".repeat(10_001)),
        (10_001, LineProblem::TooManySettings)
    );
    let continued = b"a\\\n".repeat(1000);
    assert_eq!(parse_properties("f", &continued).unwrap().len(), 1);
}

/// Random bytes, seeded, never end in a panic; the seed is in the message.
#[test]
fn random_files_never_panic() {
    let seed = 20_261_121;
    let mut random = base::Random::new(seed);
    let alphabet = b"ab=: \t\\\n\r#!u0f.,\xc3\xa9\xff";
    for _ in 0..2000 {
        let len = random.below(200);
        let bytes: Vec<u8> = (0..len)
            .map(|_| {
                let index = random.below(u64::try_from(alphabet.len()).unwrap());
                alphabet[usize::try_from(index).unwrap()]
            })
            .collect();
        let lines = bytes
            .iter()
            .filter(|byte| matches!(byte, b'\n' | b'\r'))
            .count()
            + 1;
        match parse_properties("f", &bytes) {
            Ok(list) => assert!(list.len() <= lines, "seed {seed}"),
            Err(ConfigError::BadLine { line, .. }) => assert!(line <= lines, "seed {seed}"),
            Err(other) => panic!("seed {seed}: {other}"),
        }
    }
}
