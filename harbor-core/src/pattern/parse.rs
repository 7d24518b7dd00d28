//! A pattern's text, taken apart.

use std::iter::Peekable;
use std::str::Chars;

use super::PatternError;

/// A part of a pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A character itself.
    Char(char),
    /// `/`, when it was not escaped.
    Slash,
    /// `?`.
    Any,
    /// `[…]`.
    Class(Class),
    /// So many `*` in a row.
    Stars(usize),
    /// `{…,…}`.
    Alternatives(Vec<Vec<Piece>>),
}

/// A set of characters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    /// Whether it has a character. It never has a slash, negated or not.
    pub(super) fn has(&self, c: char) -> bool {
        let within = self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&c));
        c != '/' && within != self.negated
    }
}

type Text<'a> = Peekable<Chars<'a>>;

/// The pieces of a whole pattern.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, PatternError> {
    let mut text = text.chars().peekable();
    let pieces = sequence(&mut text, false)?;
    match text.next() {
        None => Ok(pieces),
        Some(_) => Err(PatternError::StrayBrace),
    }
}

/// The pieces up to the end, to a `}`, or, in alternatives, to a comma. Nested as deep as the pattern is, whose length is bounded.
fn sequence(text: &mut Text<'_>, nested: bool) -> Result<Vec<Piece>, PatternError> {
    let mut pieces = Vec::new();
    while let Some(c) = text.next_if(|c| *c != '}' && !(nested && *c == ',')) {
        pieces.push(match c {
            '/' => Piece::Slash,
            '?' => Piece::Any,
            '*' => Piece::Stars(1 + std::iter::from_fn(|| text.next_if_eq(&'*')).count()),
            '[' => Piece::Class(class(text)?),
            '{' => Piece::Alternatives(alternatives(text)?),
            '\\' => Piece::Char(text.next().ok_or(PatternError::Escape)?),
            c => Piece::Char(c),
        });
    }
    Ok(pieces)
}

/// What follows a `{`, with its `}`.
fn alternatives(text: &mut Text<'_>) -> Result<Vec<Vec<Piece>>, PatternError> {
    let mut alternatives = Vec::new();
    loop {
        alternatives.push(sequence(text, true)?);
        match text.next() {
            Some(',') => {}
            Some(_) => return Ok(alternatives),
            None => return Err(PatternError::OpenAlternatives),
        }
    }
}

/// What follows a `[`, with its `]`. A dash at the beginning or the end is itself.
fn class(text: &mut Text<'_>) -> Result<Class, PatternError> {
    let negated = text.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while text.next_if_eq(&']').is_none() {
        let low = character(text)?;
        let mut ahead = text.clone();
        let range = ahead.next() == Some('-') && ahead.peek().is_some_and(|c| *c != ']');
        if range {
            text.next();
        }
        ranges.push((low, if range { character(text)? } else { low }));
    }
    if ranges.is_empty() { Err(PatternError::EmptyClass) } else { Ok(Class { negated, ranges }) }
}

/// A character of a class, which may be escaped.
fn character(text: &mut Text<'_>) -> Result<char, PatternError> {
    match text.next() {
        Some('\\') => text.next(),
        other => other,
    }
    .ok_or(PatternError::OpenClass)
}
