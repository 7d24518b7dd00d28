//! What is printed, and how.

mod shape;
mod table;
mod value;

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::Value;

pub(crate) use shape::{Column, Shape};
use table::Table;
pub(crate) use value::{bytes, counted, harmless};

use crate::failure::{Failure, Kind, Outcome};

/// In which form things are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table with what matters most.
    #[default]
    Table,
    /// A table with everything that fits in one.
    Wide,
    /// JSON, as the server sent it.
    Json,
    /// YAML.
    Yaml,
    /// The name of each, one a line.
    Name,
}

/// Where things are printed, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) format: Format,
    /// Tables without their first line.
    pub(crate) no_headers: bool,
    /// Nothing but what was asked for: no word of what was done.
    pub(crate) quiet: bool,
}

impl Output {
    /// Prints one thing.
    pub(crate) fn one(self, value: &Value, shape: &Shape) -> Outcome {
        let mut out = io::stdout().lock();
        match self.format {
            Format::Json => writeln!(out, "{}", json(value)?)?,
            Format::Yaml => write!(out, "{}", yaml(value)?)?,
            Format::Name => writeln!(out, "{}", value::text(value, shape.name))?,
            Format::Table | Format::Wide => table::lines(&mut out, value, shape)?,
        }
        Ok(())
    }

    /// Begins a list.
    pub(crate) fn list(self, shape: &'static Shape) -> List {
        List { output: self, table: Table::new(shape, self), shape, count: 0 }
    }

    /// Tells that something was done; for those who read a form of data, as that.
    pub(crate) fn done(self, what: &str, value: Option<&Value>, name: Option<&str>) -> Outcome {
        let mut out = io::stdout().lock();
        match (self.format, value) {
            _ if self.quiet => {}
            (Format::Json, Some(value)) => writeln!(out, "{}", json(value)?)?,
            (Format::Yaml, Some(value)) => write!(out, "{}", yaml(value)?)?,
            (Format::Name, _) => name.map_or(Ok(()), |name| writeln!(out, "{name}"))?,
            (Format::Json | Format::Yaml, None) => {}
            (Format::Table | Format::Wide, _) => writeln!(out, "{what}")?,
        }
        Ok(())
    }

    /// Prints text as it is.
    pub(crate) fn text(self, text: &str) -> Outcome {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        if !text.is_empty() && !text.ends_with('\n') {
            writeln!(out)?;
        }
        Ok(())
    }

    /// Tells something beside what is printed.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
}

/// A list that is being printed, entry by entry.
pub(crate) struct List {
    output: Output,
    shape: &'static Shape,
    table: Table,
    count: u64,
}

impl List {
    /// The next entry.
    pub(crate) fn entry(&mut self, value: &Value) -> Outcome {
        let first = self.count == 0;
        self.count += 1;
        let mut out = io::stdout().lock();
        match self.output.format {
            Format::Json => {
                write!(out, "{}{}", if first { "[\n" } else { ",\n" }, indented(&json(value)?))?;
            }
            Format::Yaml => write!(out, "{}", yaml(&Value::Array(vec![value.clone()]))?)?,
            Format::Name => writeln!(out, "{}", value::text(value, self.shape.name))?,
            Format::Table | Format::Wide => self.table.row(&mut out, value)?,
        }
        Ok(())
    }

    /// There are no more.
    pub(crate) fn end(mut self) -> Outcome {
        let mut out = io::stdout().lock();
        match self.output.format {
            Format::Json if self.count == 0 => writeln!(out, "[]")?,
            Format::Json => writeln!(out, "\n]")?,
            Format::Yaml if self.count == 0 => writeln!(out, "[]")?,
            Format::Yaml | Format::Name => {}
            Format::Table | Format::Wide => self.table.end(&mut out)?,
        }
        Ok(())
    }
}

fn json(value: &Value) -> Outcome<String> {
    serde_json::to_string_pretty(value).map_err(|error| cannot(&error))
}

fn yaml(value: &Value) -> Outcome<String> {
    yaml_serde::to_string(value).map_err(|error| cannot(&error))
}

fn cannot(error: &dyn std::error::Error) -> Failure {
    Failure::new(Kind::Failed, format!("the answer cannot be printed: {error}"))
}

fn indented(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}
