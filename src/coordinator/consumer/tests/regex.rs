//! Expressions mean here what they mean to RE2/J, and none costs more than a bounded time.

use crate::consumer::regex::TopicRegex;

/// A consumer that moves from Kafka brings its expression along. The table is what RE2/J 1.8 said
/// of each: which of the names in the first line match, or `!` for "that is no expression".
#[test]
fn every_expression_means_what_re2j_says() {
    let mut lines = include_str!("regex_re2j.tsv").lines();
    let names: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let mut wrong = Vec::new();
    for line in lines {
        let (pattern, expected) = line.split_once('\t').unwrap();
        let said = match TopicRegex::new(pattern) {
            Err(_) => "!".to_owned(),
            Ok(regex) => {
                let matching = names.iter().filter(|name| regex.matches(name));
                format!("= {}", matching.copied().collect::<Vec<_>>().join(" "))
            }
        };
        if said != expected {
            wrong.push(format!("{pattern}: RE2/J says {expected}, we say {said}"));
        }
    }
    // The one difference is on purpose: RE2/J builds this million-state program, we refuse it.
    assert_eq!(
        wrong,
        ["(a{1000}){1000}: RE2/J says = , we say !"],
        "expressions that are read differently"
    );
}

/// Expressions that make other engines run for ages, or their programs explode.
#[test]
fn bombs_are_refused_or_cheap() {
    let long = "a".repeat(249);
    for bomb in [
        "(a+)+b",
        "(a|aa)+b",
        "(a|a?)+b",
        "(.*a){20}b",
        "((a*)*)*b",
        "(x+x+)+y",
        "(a?){100}a{100}b",
        r"(\pL|\pN|a){0,50}b",
    ] {
        if let Ok(regex) = TopicRegex::new(bomb) {
            assert!(!regex.matches(&long), "{bomb} does not match");
            assert!(
                regex.cost(&long) <= 512 * 300,
                "{bomb} tells what it may cost"
            );
        }
    }
    for bomb in [
        r"((\pL{100}){100}){100}".to_owned(),
        "(((a{100}){100}){100}){100}".to_owned(),
        "(".repeat(5000) + &")".repeat(5000),
        "x".repeat(17 * 1024),
        "a|".repeat(8000),
        r"(?i)\pL{1000}".to_owned(),
    ] {
        // Refused or compiled, but in no time and within the limits.
        if let Ok(regex) = TopicRegex::new(&bomb) {
            assert!(
                regex.cost("a") <= 512 * 17,
                "a compiled bomb is within the limits"
            );
        }
    }
    for bomb in [r"((\pL{100}){100}){100}", "(((a{100}){100}){100}){100}"] {
        assert!(TopicRegex::new(bomb).is_err(), "{bomb} is too large");
    }
}

/// Whatever a client sends, the answer is yes or no and never a panic.
#[test]
fn random_texts_never_panic() {
    let alphabet: Vec<char> = r"ab01\QEpPLdwsxzAbB[](){}*+?|^$.,-:&~<>=!#_ {}éπ"
        .chars()
        .collect();
    for seed in 1..=3000 {
        let mut random = base::Random::salted(seed, 7);
        let length = random.below(24);
        let text: String = (0..length)
            .map(|_| alphabet[usize::try_from(random.below(alphabet.len() as u64)).unwrap()])
            .collect();
        if let Ok(regex) = TopicRegex::new(&text) {
            let _ = regex.matches("ab01");
        }
    }
}
