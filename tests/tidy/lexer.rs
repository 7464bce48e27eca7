//! Just enough Rust to tell code from comments and texts, and tests from production.
//!
//! Invariant: the number of lines never changes, so that a line number means the same everywhere.

/// The text with comments, strings and character literals replaced by spaces.
pub(crate) fn blank(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(letter) = letters.get(at).copied() {
        let end = match letter {
            '/' if peek(&letters, at + 1) == Some('/') => line_end(&letters, at),
            '/' if peek(&letters, at + 1) == Some('*') => block_comment_end(&letters, at),
            '"' => string_end(&letters, at),
            'r' if !follows_word(&letters, at) => raw_string_end(&letters, at).unwrap_or(at),
            '\'' => character_end(&letters, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            out.push(letter);
            at += 1;
            continue;
        }
        while at < end {
            let keep_line = peek(&letters, at) == Some('\n');
            out.push(if keep_line { '\n' } else { ' ' });
            at += 1;
        }
    }
    out
}

/// Blanked code without the items that `#[cfg(test)]` guards; takes the output of [`blank`].
pub(crate) fn without_test_items(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut depth = 0_usize;
    let mut skipping = Skipping::No;
    for line in code.lines() {
        if matches!(skipping, Skipping::No) && line.trim_start().starts_with("#[cfg(test)]") {
            skipping = Skipping::Item {
                started_at: depth,
                opened: false,
            };
        }
        let was_skipping = !matches!(skipping, Skipping::No);
        for letter in line.chars() {
            match letter {
                '{' => {
                    depth += 1;
                    if let Skipping::Item { opened, .. } = &mut skipping {
                        *opened = true;
                    }
                }
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        if let Skipping::Item { started_at, opened } = skipping {
            let ended = depth <= started_at && (opened || line.trim_end().ends_with(';'));
            if ended {
                skipping = Skipping::No;
            }
        }
        if !was_skipping {
            out.push_str(line);
        }
        out.push('\n');
    }
    out
}

enum Skipping {
    No,
    Item { started_at: usize, opened: bool },
}

/// True when `word` stands in `line` as a whole word or path, not inside a longer name.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let before = line.get(..start).and_then(|text| text.chars().next_back());
        let after = line
            .get(start + word.len()..)
            .and_then(|text| text.chars().next());
        let open_start = !before.is_some_and(is_word) || !word.starts_with(is_word);
        let open_end = !after.is_some_and(is_word) || !word.ends_with(is_word);
        open_start && open_end
    })
}

/// True for the letters of a Rust identifier.
pub(crate) fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn peek(letters: &[char], at: usize) -> Option<char> {
    letters.get(at).copied()
}

fn follows_word(letters: &[char], at: usize) -> bool {
    // `br"..."` is a raw string too, any other letter before the `r` makes it part of a name.
    let before = at.checked_sub(1).and_then(|index| peek(letters, index));
    let before_that = at.checked_sub(2).and_then(|index| peek(letters, index));
    match before {
        Some('b') => before_that.is_some_and(is_word),
        Some(letter) => is_word(letter),
        None => false,
    }
}

fn line_end(letters: &[char], start: usize) -> usize {
    let rest = letters.get(start..).unwrap_or_default();
    start
        + rest
            .iter()
            .position(|letter| *letter == '\n')
            .unwrap_or(rest.len())
}

fn block_comment_end(letters: &[char], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < letters.len() {
        match (peek(letters, at), peek(letters, at + 1)) {
            (Some('/'), Some('*')) => {
                depth += 1;
                at += 2;
            }
            (Some('*'), Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    letters.len()
}

fn string_end(letters: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(letter) = peek(letters, at) {
        match letter {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    letters.len()
}

fn raw_string_end(letters: &[char], start: usize) -> Option<usize> {
    let hashes = letters
        .get(start + 1..)?
        .iter()
        .take_while(|letter| **letter == '#')
        .count();
    let open = start + 1 + hashes;
    if peek(letters, open) != Some('"') {
        return None;
    }
    let mut at = open + 1;
    while at < letters.len() {
        let closes = peek(letters, at) == Some('"')
            && (1..=hashes).all(|step| peek(letters, at + step) == Some('#'));
        if closes {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(letters.len())
}

fn character_end(letters: &[char], start: usize) -> Option<usize> {
    // A quote opens either a character or a lifetime; only a character is closed by another quote.
    if peek(letters, start + 1)? == '\\' {
        let rest = letters.get(start + 3..)?;
        let close = rest.iter().position(|letter| *letter == '\'')?;
        return Some(start + 3 + close + 1);
    }
    (peek(letters, start + 2)? == '\'').then_some(start + 3)
}

#[test]
fn code_survives_and_texts_do_not() {
    let text =
        "let a = \"unsafe // no\"; // unsafe\nlet b = 'x'; fn f<'a>() {} /* x /* y */ z */ c\n";
    let code = blank(text);
    assert!(!code.contains("unsafe") && !code.contains('z'), "{code}");
    assert!(
        code.contains("fn f<'a>() {}") && code.contains(" c\n"),
        "{code}"
    );
    assert_eq!(code.lines().count(), text.lines().count());
    assert!(
        blank("r#\"a \" unsafe\"# d '\\'' e")
            .trim_start()
            .starts_with("d")
    );
}

#[test]
fn guarded_items_are_dropped() {
    let code = "a\n#[cfg(test)]\nmod tests {\n  fn x() {}\n}\nb\n#[cfg(test)]\nmod more;\nc\n";
    let kept = without_test_items(code);
    assert_eq!(
        kept.lines()
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    assert_eq!(kept.lines().count(), code.lines().count());
}
