//! Tables that are printed as their rows come.

use std::io::{self, Write};

use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use super::shape::{Column, Shape};
use super::{Format, Output, value};

/// After how many rows it is settled how wide the columns are.
const SETTLED: usize = 100;

/// What is between columns.
const GAP: &str = "   ";

/// A table of a list.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<&'static Column>,
    wide: bool,
    no_headers: bool,
    /// What waits for the widths.
    waiting: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
}

impl Table {
    pub(super) fn new(shape: &'static Shape, output: Output) -> Self {
        let wide = output.format == Format::Wide;
        let columns = shape.columns.iter().filter(|column| wide || !column.wide).collect();
        Self { columns, wide, no_headers: output.no_headers, waiting: Vec::new(), widths: None }
    }

    /// The next row.
    pub(super) fn row(&mut self, out: &mut impl Write, value: &Value) -> io::Result<()> {
        let row: Vec<_> = self.columns.iter().map(|column| value::cell(value, column, self.wide)).collect();
        if let Some(widths) = &self.widths {
            return line(out, &row, widths);
        }
        self.waiting.push(row);
        if self.waiting.len() < SETTLED { Ok(()) } else { self.settle(out) }
    }

    /// There are no more rows.
    pub(super) fn end(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.widths.is_none() { self.settle(out) } else { Ok(()) }
    }

    fn settle(&mut self, out: &mut impl Write) -> io::Result<()> {
        let titles: Vec<_> = self.columns.iter().map(|column| column.title.to_owned()).collect();
        let titles = (!self.no_headers).then_some(titles);
        let rows: Vec<_> = titles.into_iter().chain(self.waiting.drain(..)).collect();
        let widest = |place: usize| rows.iter().map(|row| row[place].width()).max().unwrap_or_default();
        let widths: Vec<_> = (0..self.columns.len()).map(widest).collect();
        rows.iter().try_for_each(|row| line(out, row, &widths))?;
        self.widths = Some(widths);
        Ok(())
    }
}

fn line(out: &mut impl Write, row: &[String], widths: &[usize]) -> io::Result<()> {
    let mut text = String::new();
    for (cell, width) in row.iter().zip(widths) {
        if !text.is_empty() {
            text.push_str(GAP);
        }
        text.push_str(cell);
        text.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width())));
    }
    writeln!(out, "{}", text.trim_end())
}

/// One thing: a line for each column, also of those that are in wide tables alone.
pub(super) fn lines(out: &mut impl Write, value: &Value, shape: &Shape) -> io::Result<()> {
    let width = shape.columns.iter().map(|column| column.title.width()).max().unwrap_or_default();
    shape.columns.iter().try_for_each(|column| {
        let gap = " ".repeat(width - column.title.width());
        writeln!(out, "{}{gap}{GAP}{}", column.title, value::cell(value, column, true))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    static SHAPE: Shape = Shape {
        name: "/name",
        columns: &[
            Column::plain("NAME", "/name"),
            Column::plain("ID", "/id"),
            Column::plain("NOTE", "/note").wide(),
        ],
    };

    fn printed(format: Format, no_headers: bool, rows: usize) -> String {
        let mut out = Vec::new();
        let mut table = Table::new(&SHAPE, Output { format, no_headers, quiet: false });
        for row in 0..rows {
            table.row(&mut out, &json!({"name": format!("n{row}"), "id": row, "note": "x y"})).unwrap();
        }
        table.end(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        assert_eq!(printed(Format::Table, false, 2), "NAME   ID\nn0     0\nn1     1\n");
        assert_eq!(printed(Format::Wide, false, 1), "NAME   ID   NOTE\nn0     0    x y\n");
        assert_eq!(printed(Format::Table, true, 1), "n0   0\n");
        assert_eq!(printed(Format::Table, false, 0), "NAME   ID\n");
    }

    #[test]
    fn rows_behind_the_first_hundred_are_printed_as_they_come() {
        let text = printed(Format::Table, false, 250);
        assert_eq!(text.lines().count(), 251);
        assert_eq!(text.lines().last(), Some("n249   249"));
    }

    #[test]
    fn one_thing_has_a_line_for_each_column() {
        let mut out = Vec::new();
        lines(&mut out, &json!({"name": "a", "id": 1}), &SHAPE).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "NAME   a\nID     1\nNOTE   -\n");
    }
}
