//! Server-side regular expressions: RE2/J's syntax (KIP-848), matched in linear time.
//!
//! The `regex` crate descends from the same RE2, but reads some texts differently: here an
//! expression is parsed by RE2/J's rules and written anew in a form that both read alike. An
//! expression matches a topic when it matches the whole name.
//!
//! Invariants: no expression takes more than [`PROGRAM_BYTES_MAX`] of memory or nests deeper than
//! [`NESTING_MAX`]; the work of a match is bounded by [`TopicRegex::cost`].

use std::fmt;

use regex::{Regex, RegexBuilder};

/// A longer expression is refused.
const PATTERN_BYTES_MAX: usize = 16 * 1024;
/// RE2/J's limit of a counted repetition.
const REPEAT_MAX: u32 = 1000;
/// Groups inside groups.
const NESTING_MAX: u32 = 200;
/// Programs are tried at these sizes, so that small ones are known to be cheap.
const PROGRAM_BYTES: [usize; 3] = [4 * 1024, 32 * 1024, PROGRAM_BYTES_MAX];
/// A larger program is refused: it is a bomb, for example `(a{1000}){1000}`.
const PROGRAM_BYTES_MAX: usize = 256 * 1024;

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) struct TopicRegex {
    regex: Regex,
    weight: usize,
}

/// Why an expression is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RegexFault(&'static str);

impl fmt::Display for RegexFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl TopicRegex {
    /// Compiles an expression in RE2/J's syntax.
    pub(crate) fn new(pattern: &str) -> Result<Self, RegexFault> {
        let text = format!(r"\A(?:{})\z", translate(pattern)?);
        let mut fault = RegexFault("invalid expression");
        for size in PROGRAM_BYTES {
            let built = RegexBuilder::new(&text)
                .size_limit(size)
                .dfa_size_limit(PROGRAM_BYTES_MAX)
                .nest_limit(NESTING_MAX * 3)
                .build();
            match built {
                Ok(regex) => {
                    let weight = size / 512;
                    return Ok(Self { regex, weight });
                }
                Err(regex::Error::CompiledTooBig(_)) => fault = RegexFault("expression too large"),
                Err(_) => return Err(RegexFault("invalid expression")),
            }
        }
        Err(fault)
    }

    /// True when the whole name matches.
    pub(crate) fn matches(&self, topic: &str) -> bool {
        self.regex.is_match(topic)
    }

    /// The most work that matching this name can be, in units of about ten nanoseconds.
    pub(crate) fn cost(&self, topic: &str) -> usize {
        self.weight * (topic.len() + 16)
    }
}

/// Writes an expression of RE2/J's syntax in the syntax of the `regex` crate.
fn translate(pattern: &str) -> Result<String, RegexFault> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(RegexFault("expression too long"));
    }
    let mut translator = Translator {
        rest: pattern,
        output: String::with_capacity(pattern.len() * 2),
        depth: 0,
        repeated: false,
    };
    while let Some(character) = translator.next() {
        translator.token(character)?;
    }
    if translator.depth > 0 {
        return Err(RegexFault("missing closing )"));
    }
    Ok(translator.output)
}

struct Translator<'p> {
    rest: &'p str,
    output: String,
    depth: u32,
    /// The last token was a repetition, which must not be repeated itself.
    repeated: bool,
}

impl<'p> Translator<'p> {
    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let character = characters.next()?;
        self.rest = characters.as_str();
        Some(character)
    }

    fn skip(&mut self, prefix: &str) -> bool {
        let rest = self.rest.strip_prefix(prefix);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// The text up to `end`, which is passed over too.
    fn until(&mut self, end: &str) -> Option<&'p str> {
        let (text, rest) = self.rest.split_once(end)?;
        self.rest = rest;
        Some(text)
    }

    fn literal(&mut self, character: char) {
        self.output
            .push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
    }

    fn token(&mut self, character: char) -> Result<(), RegexFault> {
        let repeated = std::mem::take(&mut self.repeated);
        match character {
            '*' | '+' | '?' => self.repetition(repeated, character.encode_utf8(&mut [0; 4])),
            '{' => match counts(self.rest)? {
                Some(length) => {
                    let (counts, rest) = self.rest.split_at(length);
                    self.rest = rest;
                    self.repetition(repeated, &format!("{{{counts}"))
                }
                None => {
                    self.literal(character);
                    Ok(())
                }
            },
            '(' => self.open(),
            ')' => {
                self.output.push(')');
                let depth = self.depth.checked_sub(1);
                self.depth = depth.ok_or(RegexFault("unexpected )"))?;
                Ok(())
            }
            '[' => self.class(),
            '\\' => self.escape(),
            '.' | '^' | '$' | '|' => {
                self.output.push(character);
                Ok(())
            }
            _ => {
                self.literal(character);
                Ok(())
            }
        }
    }

    fn repetition(&mut self, repeated: bool, operator: &str) -> Result<(), RegexFault> {
        if repeated {
            return Err(RegexFault("invalid nested repetition operator"));
        }
        self.output.push_str(operator);
        if self.skip("?") {
            self.output.push('?');
        }
        self.repeated = true;
        Ok(())
    }

    fn open(&mut self) -> Result<(), RegexFault> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(RegexFault("expression nests too deeply"));
        }
        if !self.skip("?") {
            self.output.push('(');
            return Ok(());
        }
        if self.skip("P<") || self.skip("<") {
            let name = self.until(">").ok_or(RegexFault("invalid named capture"))?;
            let mut characters = name.chars();
            if name.is_empty() || !characters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err(RegexFault("invalid named capture"));
            }
            // The name says nothing about which topics match, and names may be unfit elsewhere.
            self.output.push('(');
            return Ok(());
        }
        self.output.push_str("(?");
        while let Some(character) = self.next() {
            match character {
                'i' | 'm' | 's' | 'U' | '-' => self.output.push(character),
                ':' => {
                    self.output.push(':');
                    return Ok(());
                }
                ')' => {
                    self.output.push(')');
                    self.depth -= 1;
                    return Ok(());
                }
                _ => break,
            }
        }
        Err(RegexFault("invalid or unsupported group syntax"))
    }

    fn escape(&mut self) -> Result<(), RegexFault> {
        if self.skip("Q") {
            let (literal, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
            self.rest = rest;
            self.output.push_str(&regex::escape(literal));
            return Ok(());
        }
        for anchor in ["A", "z", "b", "B"] {
            if self.skip(anchor) {
                self.output.push('\\');
                self.output.push_str(anchor);
                return Ok(());
            }
        }
        if self.set()? {
            return Ok(());
        }
        let character = self.escaped()?;
        self.literal(character);
        Ok(())
    }

    /// A set by escape: `\d`, `\pL` and their like; false when it is something else.
    fn set(&mut self) -> Result<bool, RegexFault> {
        const PERL: [(&str, &str); 6] = [
            ("d", "[0-9]"),
            ("D", "[^0-9]"),
            ("s", r"[\t\n\f\r ]"),
            ("S", r"[^\t\n\f\r ]"),
            ("w", "[0-9A-Za-z_]"),
            ("W", "[^0-9A-Za-z_]"),
        ];
        for (letter, set) in PERL {
            if self.skip(letter) {
                self.output.push_str(set);
                return Ok(true);
            }
        }
        let mut negated = self.skip("P");
        if !negated && !self.skip("p") {
            return Ok(false);
        }
        let fault = RegexFault("invalid character class range");
        let name = if self.skip("{") {
            negated ^= self.skip("^");
            self.until("}").ok_or(fault)?.to_owned()
        } else {
            self.next().ok_or(fault)?.to_string()
        };
        if name == "Any" {
            self.output
                .push_str(if negated { r"[^\s\S]" } else { r"[\s\S]" });
            return Ok(true);
        }
        if !name.chars().all(|c| c.is_ascii_alphabetic() || c == '_') {
            return Err(fault);
        }
        self.output.push_str(if negated { r"\P{" } else { r"\p{" });
        self.output.push_str(&name);
        self.output.push('}');
        Ok(true)
    }

    /// One character by escape, after the backslash.
    fn escaped(&mut self) -> Result<char, RegexFault> {
        let fault = RegexFault("invalid escape sequence");
        let character = self.next().ok_or(RegexFault("trailing backslash"))?;
        match character {
            'a' => Ok('\u{7}'),
            'f' => Ok('\u{c}'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'v' => Ok('\u{b}'),
            'x' => {
                let digits = if self.skip("{") {
                    self.until("}").ok_or(fault)?
                } else {
                    let (digits, rest) = self.rest.split_at_checked(2).ok_or(fault)?;
                    self.rest = rest;
                    digits
                };
                let is_hex = digits.chars().all(|c| c.is_ascii_hexdigit());
                let code = u32::from_str_radix(digits, 16).ok().filter(|_| is_hex);
                code.and_then(char::from_u32).ok_or(fault)
            }
            // A digit refers to a group, which no automaton can follow, unless it begins an octal.
            '1'..='7' if !self.rest.starts_with(|c| matches!(c, '0'..='7')) => Err(fault),
            '0'..='7' => Ok(self.octal(character)),
            _ if character.is_ascii() && !character.is_ascii_alphanumeric() => Ok(character),
            _ => Err(fault),
        }
    }

    fn octal(&mut self, first: char) -> char {
        let mut code = first.to_digit(8).unwrap_or(0);
        for _ in 0..2 {
            let digit = self.rest.chars().next().and_then(|next| next.to_digit(8));
            let Some(digit) = digit else { break };
            code = code * 8 + digit;
            self.next();
        }
        char::from_u32(code).unwrap_or('\0')
    }

    /// A class in brackets, after the bracket.
    fn class(&mut self) -> Result<(), RegexFault> {
        self.output.push('[');
        if self.skip("^") {
            self.output.push('^');
        }
        let mut is_first = true;
        while is_first || !self.skip("]") {
            is_first = false;
            if self.posix()? {
                continue;
            }
            let mut ahead = self.rest.chars();
            if ahead.next() == Some('\\') && !matches!(ahead.next(), None | Some('\\')) {
                let before = self.rest;
                self.skip("\\");
                if self.set()? {
                    continue;
                }
                self.rest = before;
            }
            let low = self.class_character()?;
            let mut high = low;
            let mut ahead = self.rest.chars();
            if ahead.next() == Some('-') && ahead.next().is_some_and(|next| next != ']') {
                self.skip("-");
                high = self.class_character()?;
            }
            if high < low {
                return Err(RegexFault("invalid character class range"));
            }
            let (low, high) = (u32::from(low), u32::from(high));
            self.output
                .push_str(&format!(r"\x{{{low:X}}}-\x{{{high:X}}}"));
        }
        self.output.push(']');
        Ok(())
    }

    fn class_character(&mut self) -> Result<char, RegexFault> {
        match self.next() {
            None => Err(RegexFault("missing closing ]")),
            Some('\\') => self.escaped(),
            Some(character) => Ok(character),
        }
    }

    /// A class by name inside brackets: `[:alpha:]`.
    fn posix(&mut self) -> Result<bool, RegexFault> {
        const NAMES: [&str; 14] = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print",
            "punct", "space", "upper", "word", "xdigit",
        ];
        let Some((text, rest)) = self
            .rest
            .strip_prefix("[:")
            .and_then(|rest| rest.split_once(":]"))
        else {
            return Ok(false);
        };
        if !NAMES.contains(&text.strip_prefix('^').unwrap_or(text)) {
            return Err(RegexFault("invalid character class range"));
        }
        self.rest = rest;
        self.output.push_str(&format!("[:{text}:]"));
        Ok(true)
    }
}

/// How long the counts of a repetition are, brace included; nothing when the brace is a literal.
fn counts(rest: &str) -> Result<Option<usize>, RegexFault> {
    let Some((counts, _)) = rest.split_once('}') else {
        return Ok(None);
    };
    let (least, most) = counts.split_once(',').unwrap_or((counts, counts));
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if !is_number(least) || !(most.is_empty() || is_number(most)) {
        return Ok(None);
    }
    let fault = RegexFault("bad repetition operator");
    let least: u32 = least.parse().map_err(|_| fault)?;
    let most: u32 = if most.is_empty() {
        least
    } else {
        most.parse().map_err(|_| fault)?
    };
    if least > most || most > REPEAT_MAX {
        return Err(fault);
    }
    Ok(Some(counts.len() + 1))
}
