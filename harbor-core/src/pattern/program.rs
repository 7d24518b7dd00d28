//! A pattern as an automaton, which is in all of its states at once: no way is tried twice.

use super::parse::{Class, Piece};

/// A step of a program. A number is the place of another step.
#[derive(Debug)]
enum Step {
    /// Takes this character.
    Char(char, usize),
    /// Takes a slash.
    Slash(usize),
    /// Takes a character but a slash.
    Any(usize),
    /// Takes a character of a class.
    Class(Class, usize),
    /// Takes any characters but slashes.
    Star(usize),
    /// `**` ahead of a slash: at a component's beginning takes whole components, and goes on after that slash; elsewhere a star.
    Components { star: usize, after: usize, within: usize },
    /// The rest of a component that `Components` at this place takes.
    Within(usize),
    /// `**` at the end: at a component's beginning takes everything; elsewhere a star.
    Everything(usize),
    /// Goes each of these ways.
    Ways(Vec<usize>),
    /// The end of the pattern.
    End,
}

/// What a pattern does.
#[derive(Debug)]
pub(super) struct Program {
    steps: Vec<Step>,
    start: usize,
}

/// Where a program is: at a step, and whether at the beginning of a component of the pattern.
type State = (usize, bool);

impl Program {
    /// The program that takes any text.
    pub(super) fn everything() -> Self {
        Self { steps: vec![Step::End, Step::Everything(0)], start: 1 }
    }

    /// The program of a pattern.
    pub(super) fn of(pieces: Vec<Piece>) -> Self {
        let mut program = Self { steps: vec![Step::End], start: 0 };
        program.start = program.sequence(pieces, 0);
        program
    }

    fn push(&mut self, step: Step) -> usize {
        self.steps.push(step);
        self.steps.len() - 1
    }

    /// Adds pieces ahead of the step `next`: from the last to the first, for some look at what follows them.
    fn sequence(&mut self, pieces: Vec<Piece>, next: usize) -> usize {
        pieces.into_iter().rev().fold(next, |next, piece| match piece {
            Piece::Char(c) => self.push(Step::Char(c, next)),
            Piece::Slash => self.push(Step::Slash(next)),
            Piece::Any => self.push(Step::Any(next)),
            Piece::Class(class) => self.push(Step::Class(class, next)),
            Piece::Stars(2) => self.components(next),
            Piece::Stars(_) => self.push(Step::Star(next)),
            Piece::Alternatives(alternatives) => {
                let ways = alternatives.into_iter().map(|pieces| self.sequence(pieces, next)).collect();
                self.push(Step::Ways(ways))
            }
        })
    }

    /// Adds a `**`.
    fn components(&mut self, next: usize) -> usize {
        match self.steps.get(next) {
            Some(Step::End) => self.push(Step::Everything(next)),
            Some(Step::Slash(after)) => {
                let (after, place) = (*after, self.steps.len());
                self.push(Step::Components { star: next, after, within: place + 1 });
                self.push(Step::Within(place));
                place
            }
            _ => self.push(Step::Star(next)),
        }
    }

    /// Whether the program takes the whole text.
    pub(super) fn matches(&self, text: &str) -> bool {
        let (mut now, mut then) = (States::new(self), States::new(self));
        now.enter((self.start, true));
        for c in text.chars() {
            if now.everything || now.list.is_empty() {
                return now.everything;
            }
            now.list.iter().for_each(|state| then.take(*state, c));
            std::mem::swap(&mut now, &mut then);
            then.clear();
        }
        now.everything || now.list.iter().any(|state| self.may_end(*state))
    }

    fn may_end(&self, (place, _): State) -> bool {
        matches!(self.steps.get(place), Some(Step::End))
    }
}

/// The states that a program is in.
struct States<'a> {
    program: &'a Program,
    list: Vec<State>,
    /// Which are in the list.
    known: Vec<[bool; 2]>,
    /// Whether any text that follows is taken.
    everything: bool,
}

impl<'a> States<'a> {
    fn new(program: &'a Program) -> Self {
        Self { program, list: Vec::new(), known: vec![[false; 2]; program.steps.len()], everything: false }
    }

    fn clear(&mut self) {
        for (place, _) in self.list.drain(..) {
            if let Some(known) = self.known.get_mut(place) {
                *known = [false; 2];
            }
        }
    }

    /// Adds a state, and those that are reached from it without a character.
    fn enter(&mut self, state: State) {
        let mut waiting = vec![state];
        while let Some((place, beginning)) = waiting.pop() {
            let Some(known) = self.known.get_mut(place) else { continue };
            let [within, begun] = known;
            if std::mem::replace(if beginning { begun } else { within }, true) {
                continue;
            }
            self.list.push((place, beginning));
            match self.program.steps.get(place) {
                Some(Step::Star(next)) => waiting.push((*next, false)),
                Some(Step::Everything(_)) if beginning => self.everything = true,
                Some(Step::Everything(next)) => waiting.push((*next, false)),
                Some(Step::Components { after, .. }) if beginning => waiting.push((*after, true)),
                Some(Step::Components { star, .. }) => waiting.push((*star, false)),
                Some(Step::Ways(ways)) => {
                    // A `**` ahead of which no slash was taken is no component of its own.
                    waiting.extend(ways.iter().map(|way| (*way, false)));
                }
                _ => {}
            }
        }
    }

    /// Adds what a state becomes with a character.
    fn take(&mut self, (place, beginning): State, c: char) {
        match self.program.steps.get(place) {
            Some(Step::Char(own, next)) if *own == c => self.enter((*next, c == '/')),
            Some(Step::Slash(next)) if c == '/' => self.enter((*next, true)),
            Some(Step::Any(next)) if c != '/' => self.enter((*next, false)),
            Some(Step::Class(class, next)) if class.has(c) => self.enter((*next, false)),
            Some(Step::Components { within, .. }) if beginning && c != '/' => self.enter((*within, false)),
            Some(Step::Components { .. }) if beginning => self.enter((place, true)),
            Some(Step::Within(components)) if c == '/' => self.enter((*components, true)),
            Some(Step::Within(_)) => self.enter((place, false)),
            Some(Step::Star(_) | Step::Components { .. } | Step::Everything(_)) if c != '/' => {
                self.enter((place, false));
            }
            _ => {}
        }
    }
}
