//! Reads the definitions' notation, which `src/wire/definitions/README.md` explains.
//!
//! Invariant: whatever is accepted here can be generated; anything doubtful is an error that
//! names the file and the line.

use crate::model::{Api, Base, Definition, Field, Head, Message, Range, Record, Struct};

/// A complaint about one line.
#[derive(Debug)]
pub(crate) struct ParseError {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// A line of the file: where, how deep, what.
#[derive(Clone, Debug)]
struct Line<'a> {
    number: usize,
    depth: usize,
    words: Vec<&'a str>,
}

struct Parser<'a> {
    path: &'a str,
    lines: std::iter::Peekable<std::vec::IntoIter<Line<'a>>>,
    last: usize,
}

/// Parses one file.
pub(crate) fn parse(path: &str, text: &str) -> Result<Definition, ParseError> {
    let mut notes = Vec::new();
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(note) = line.strip_prefix('#') {
            notes.push(note.trim().to_owned());
        } else if !line.trim().is_empty() {
            let indent = line.len() - line.trim_start().len();
            lines.push(Line {
                number: index + 1,
                depth: indent / 2,
                words: line.split_whitespace().collect(),
            });
        }
    }
    let mut parser = Parser {
        path,
        lines: lines.into_iter().peekable(),
        last: 0,
    };
    let (head, messages) = parser.file()?;
    Ok(Definition {
        path: path.to_owned(),
        notes,
        head,
        messages,
    })
}

impl<'a> Parser<'a> {
    fn fail<T>(&self, what: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError {
            path: self.path.to_owned(),
            line: self.last,
            what: what.into(),
        })
    }

    fn next_at(&mut self, depth: usize) -> Option<Line<'a>> {
        let line = self.lines.next_if(|line| line.depth == depth)?;
        self.last = line.number;
        Some(line)
    }

    fn file(&mut self) -> Result<(Head, Vec<Message>), ParseError> {
        let Some(line) = self.next_at(0) else {
            return self.fail("expected `api KEY NAME` or `record FAMILY KEY NAME`");
        };
        match line.words.as_slice() {
            ["api", key, name] => self.api(key, name),
            ["record", family, key, name] => {
                let key = if *key == "-" {
                    None
                } else {
                    Some(self.number(key)?)
                };
                let record = Record {
                    family: (*family).to_owned(),
                    key,
                    name: (*name).to_owned(),
                };
                Ok((Head::Record(record), self.record_messages()?))
            }
            _ => self.fail("expected `api KEY NAME` or `record FAMILY KEY NAME`"),
        }
    }

    fn api(&mut self, key: &str, name: &str) -> Result<(Head, Vec<Message>), ParseError> {
        let key = self.number(key)?;
        let mut listeners = Vec::new();
        let (mut versions, mut kafka, mut unstable, mut flexible) = (None, None, None, i16::MAX);
        let mut messages = Vec::new();
        while let Some(line) = self.next_at(0) {
            match line.words.as_slice() {
                ["listeners", names @ ..] => {
                    listeners = names.iter().map(|name| (*name).to_owned()).collect();
                }
                ["versions", range] => versions = Some(self.range(range, i16::MAX)?),
                ["kafka", range] => kafka = Some(self.range(range, i16::MAX)?),
                ["unstable", version] => unstable = Some(self.number(version)?),
                ["flexible", from] => flexible = self.flexible(from)?,
                [part @ ("request" | "response")] => {
                    let suffix = if *part == "request" {
                        "Request"
                    } else {
                        "Response"
                    };
                    let Some(range) = versions else {
                        return self.fail("`versions` must stand before the messages");
                    };
                    messages.push(self.message(format!("{name}{suffix}"), range, flexible)?);
                }
                _ => return self.fail("unknown line at the file's top level"),
            }
        }
        if let Some(line) = self.lines.peek() {
            self.last = line.number;
            return self.fail("wrong indentation");
        }
        let (Some(_), Some(kafka), 2) = (versions, kafka, messages.len()) else {
            return self.fail("an api needs `versions`, `kafka`, `request` and `response`");
        };
        prefix_shared_names(&mut messages);
        let api = Api {
            key,
            name: name.to_owned(),
            listeners,
            kafka,
            unstable,
        };
        Ok((Head::Api(api), messages))
    }

    fn record_messages(&mut self) -> Result<Vec<Message>, ParseError> {
        let mut messages = Vec::new();
        while let Some(line) = self.next_at(0) {
            let ["message", name, "versions", range, "flexible", from] = line.words.as_slice()
            else {
                return self.fail("expected `message NAME versions A-B flexible N+`");
            };
            let range = self.range(range, i16::MAX)?;
            let flexible = self.flexible(from)?;
            messages.push(self.message((*name).to_owned(), range, flexible)?);
        }
        if let Some(line) = self.lines.peek() {
            self.last = line.number;
            return self.fail("wrong indentation");
        }
        Ok(messages)
    }

    fn message(
        &mut self,
        name: String,
        versions: Range,
        flexible_min: i16,
    ) -> Result<Message, ParseError> {
        let mut inner = Vec::new();
        while let Some(line) = self
            .lines
            .next_if(|line| line.depth == 1 && line.words.first() == Some(&"struct"))
        {
            self.last = line.number;
            let ["struct", shared] = line.words.as_slice() else {
                return self.fail("expected `struct NAME`");
            };
            let fields = self.fields(2, versions, &mut inner)?;
            inner.push(Struct {
                name: (*shared).to_owned(),
                versions,
                fields,
            });
        }
        let fields = self.fields(1, versions, &mut inner)?;
        let mut structs = vec![Struct {
            name: name.clone(),
            versions,
            fields,
        }];
        structs.append(&mut inner);
        let message = Message {
            name,
            versions,
            flexible_min,
            structs,
        };
        self.check_references(&message)?;
        Ok(message)
    }

    /// Structs refer to structs that exist and never, in a circle, to themselves: the depth of
    /// decoding is then bounded by the definition, whatever arrives.
    fn check_references(&self, message: &Message) -> Result<(), ParseError> {
        for item in &message.structs {
            let same = message
                .structs
                .iter()
                .filter(|other| other.name == item.name);
            if same.count() != 1 {
                return self.fail(format!("struct {} is defined twice", item.name));
            }
            if !bottoms_out(message, &item.name, 16) {
                return self.fail(format!("struct {} is recursive or unknown", item.name));
            }
        }
        Ok(())
    }

    fn fields(
        &mut self,
        depth: usize,
        around: Range,
        inner: &mut Vec<Struct>,
    ) -> Result<Vec<Field>, ParseError> {
        let mut fields = Vec::new();
        while let Some(line) = self.next_at(depth) {
            let field = self.field(&line.words, around)?;
            let deeper = self.lines.peek().is_some_and(|next| next.depth > depth);
            if deeper {
                let Base::Struct(name) = &field.base else {
                    return self.fail("only a struct has fields inside");
                };
                let nested = self.fields(depth + 1, field.versions, inner)?;
                inner.push(Struct {
                    name: name.clone(),
                    versions: field.versions,
                    fields: nested,
                });
            }
            fields.push(field);
        }
        Ok(fields)
    }

    fn field(&self, words: &[&str], around: Range) -> Result<Field, ParseError> {
        let [name, kind, rest @ ..] = words else {
            return self.fail("expected `name: type ...`");
        };
        let Some(name) = name.strip_suffix(':') else {
            return self.fail("a field's name ends with a colon");
        };
        let element = kind
            .strip_prefix('[')
            .and_then(|kind| kind.strip_suffix(']'));
        let mut field = Field {
            name: name.to_owned(),
            base: base(element.unwrap_or(kind)),
            array: element.is_some(),
            versions: around,
            nullable: None,
            tag: None,
            default: None,
            ignorable: false,
        };
        let mut rest = rest;
        if let [range, tail @ ..] = rest
            && range.starts_with(|letter: char| letter.is_ascii_digit())
        {
            field.versions = self.range(range, around.max)?;
            rest = tail;
        }
        while let [word, tail @ ..] = rest {
            rest = match (*word, tail) {
                ("null", [range, tail @ ..])
                    if range.starts_with(|letter: char| letter.is_ascii_digit()) =>
                {
                    field.nullable = Some(self.range(range, field.versions.max)?);
                    tail
                }
                ("null", tail) => {
                    field.nullable = Some(field.versions);
                    tail
                }
                ("tag", [number, tail @ ..]) => {
                    field.tag = number.parse().ok();
                    tail
                }
                ("=", [value, tail @ ..]) => {
                    field.default = Some((*value).to_owned());
                    tail
                }
                ("ignorable", tail) => {
                    field.ignorable = true;
                    tail
                }
                _ => return self.fail(format!("`{word}` is not understood here")),
            };
        }
        if !around.covers(field.versions) {
            return self.fail("the field's versions reach beyond its surroundings'");
        }
        if field.tag.is_some() && field.base == Base::Records {
            return self.fail("records cannot be tagged: they are spliced, not copied");
        }
        Ok(field)
    }

    fn number(&self, text: &str) -> Result<i16, ParseError> {
        text.parse()
            .or_else(|_| self.fail(format!("`{text}` is not a number")))
    }

    fn flexible(&self, text: &str) -> Result<i16, ParseError> {
        match text.strip_suffix('+') {
            Some(from) => self.number(from),
            None if text == "none" => Ok(i16::MAX),
            None => self.fail("`flexible` takes `N+` or `none`"),
        }
    }

    fn range(&self, text: &str, max: i16) -> Result<Range, ParseError> {
        let (min, max) = if let Some(min) = text.strip_suffix('+') {
            (self.number(min)?, max)
        } else if let Some((min, max)) = text.split_once('-') {
            (self.number(min)?, self.number(max)?)
        } else {
            (self.number(text)?, self.number(text)?)
        };
        if min > max {
            return self.fail(format!("`{text}` is an empty range of versions"));
        }
        Ok(Range { min, max })
    }
}

fn base(name: &str) -> Base {
    match name {
        "bool" => Base::Bool,
        "int8" => Base::Int8,
        "int16" => Base::Int16,
        "int32" => Base::Int32,
        "int64" => Base::Int64,
        "uint16" => Base::Uint16,
        "uint32" => Base::Uint32,
        "float64" => Base::Float64,
        "uuid" => Base::Uuid,
        "string" => Base::String,
        "string16" => Base::String16,
        "bytes" => Base::Bytes,
        "records" => Base::Records,
        _ => Base::Struct(name.to_owned()),
    }
}

fn bottoms_out(message: &Message, name: &str, depth_left: usize) -> bool {
    let Some(found) = message.structs.iter().find(|item| item.name == name) else {
        return false;
    };
    depth_left > 0
        && found.fields.iter().all(|field| match &field.base {
            Base::Struct(inner) => bottoms_out(message, inner, depth_left - 1),
            _ => true,
        })
}

/// Request and response share one module, so a name that both use gets a prefix in each.
fn prefix_shared_names(messages: &mut [Message]) {
    let [request, response] = messages else {
        return;
    };
    let names = |message: &Message| -> Vec<String> {
        let structs = message.structs.iter();
        structs.map(|item| item.name.clone()).collect()
    };
    let theirs = names(response);
    let shared: Vec<String> = names(request)
        .into_iter()
        .filter(|name| theirs.contains(name))
        .collect();
    for (message, prefix) in [(request, "Request"), (response, "Response")] {
        for item in &mut message.structs {
            if shared.contains(&item.name) {
                item.name = format!("{prefix}{}", item.name);
            }
            for field in &mut item.fields {
                if let Base::Struct(name) = &mut field.base
                    && shared.contains(name)
                {
                    *name = format!("{prefix}{name}");
                }
            }
        }
    }
}
