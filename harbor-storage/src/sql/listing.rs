//! The statements of a list: Harbor's filters, order and pages (conventions, sections 5 and 6) in SQL.
//!
//! The text is put together of what this program says and of `?`; what a client sent is bound.

use harbor_core::StoreError;
use harbor_core::query::{Filter, Key, Order, PAGE_SIZE, Query, Test, Value as Term};

use super::guarded::Guarded;
use super::session::Row;
use super::statement::{Value, values};

/// A list of rows of something, which is filtered, ordered, and read by pages.
#[derive(Debug)]
pub(super) struct Listing {
    columns: &'static str,
    from: &'static str,
    /// A column that no two rows have the same of: it makes the order of every list a total one.
    unique: &'static str,
    order: Vec<String>,
    conditions: Vec<String>,
    values: Vec<Value>,
    offset: u64,
    size: u32,
    /// What tells how many rows there are without looking at them.
    known: Option<(&'static str, Vec<Value>)>,
}

impl Listing {
    /// The first page of all rows: `SELECT columns FROM from`, ordered by a column that is unique among them. `from` may join,
    /// but not so that a row comes twice, and neither has a `?`.
    pub(super) fn new(columns: &'static str, from: &'static str, unique: &'static str) -> Self {
        let (order, conditions, values) = (Vec::new(), Vec::new(), Vec::new());
        Self { columns, from, unique, order, conditions, values, offset: 0, size: PAGE_SIZE, known: None }
    }

    /// Only rows of which a condition holds, whatever a client asks for. It has a `?` for each of the values.
    #[must_use]
    pub(super) fn only(mut self, condition: &str, values: Vec<Value>) -> Self {
        self.conditions.push(format!("({condition})"));
        self.values.extend(values);
        self
    }

    /// A statement that tells how many rows the list has: somebody counts them as they come and go.
    #[must_use]
    pub(super) fn counted(mut self, statement: &'static str, values: Vec<Value>) -> Self {
        self.known = Some((statement, values));
        self
    }

    /// What a client asks for; `column` has the column, or an expression of columns, that a key stands for. Where the client
    /// asks for no order, it is `own`: `r.created_at DESC`, or nothing for that of the unique column.
    #[must_use]
    pub(super) fn query<K: Key>(
        mut self,
        query: &Query<K>,
        column: impl Fn(K) -> &'static str,
        own: &'static str,
    ) -> Self {
        for filter in query.filters() {
            self.filter(filter, column(filter.key()));
        }
        self.order = query.order().iter().map(|(key, order)| ordered(column(*key), *order)).collect();
        if self.order.is_empty() && !own.is_empty() {
            self.order.push(own.to_owned());
        }
        (self.offset, self.size) = (query.offset(), query.size());
        self
    }

    fn filter<K: Key>(&mut self, filter: &Filter<K>, column: &str) {
        match filter.test() {
            Test::Is(value) => self.compare(column, "=", Some(value)),
            Test::Above(value) => self.compare(column, ">", Some(value)),
            Test::Below(value) => self.compare(column, "<", Some(value)),
            Test::Between(min, max) => {
                self.compare(column, ">=", min.as_ref());
                self.compare(column, "<=", max.as_ref());
            }
            Test::Like(text) => self.like(column, text),
            Test::AnyOf(values) if !values.is_empty() => {
                let marks = vec!["?"; values.len()].join(", ");
                self.conditions.push(format!("{column} IN ({marks})"));
                self.values.extend(values.iter().map(bound));
            }
            // A column has one value only: Harbor ignores it.
            Test::AllOf(_) => {}
            Test::AnyOf(_) | Test::Nothing => self.conditions.push("1 = 0".to_owned()),
        }
    }

    fn compare(&mut self, column: &str, operator: &str, value: Option<&Term>) {
        if let Some(value) = value {
            self.conditions.push(format!("{column} {operator} ?"));
            self.values.push(bound(value));
        }
    }

    /// The databases differ in which letters `LOWER` knows: all, or those of ASCII. Where that matters, both are tried.
    fn like(&mut self, column: &str, text: &str) {
        let (all, ascii) = (text.to_lowercase(), text.to_ascii_lowercase());
        let like = format!("LOWER({column}) LIKE ? ESCAPE '!'");
        self.values.push(anywhere(&all).into());
        if all == ascii {
            self.conditions.push(like);
        } else {
            self.conditions.push(format!("({like} OR {like})"));
            self.values.push(anywhere(&ascii).into());
        }
    }

    /// The statement of the page, and its values.
    fn page(&self) -> (String, Vec<Value>) {
        let (columns, from, conditions) = (self.columns, self.from, self.conditions());
        let order = self.total_order();
        let mut values = self.values.clone();
        // An offset beyond what a database counts is beyond its rows as well.
        values.extend(values![self.size, i64::try_from(self.offset).unwrap_or(i64::MAX)]);
        (format!("SELECT {columns} FROM {from}{conditions} ORDER BY {order} LIMIT ? OFFSET ?"), values)
    }

    /// The statement of the number of rows on all pages, and its values.
    fn count(&self) -> (String, Vec<Value>) {
        match &self.known {
            Some((statement, values)) => ((*statement).to_owned(), values.clone()),
            None => (format!("SELECT COUNT(*) FROM {}{}", self.from, self.conditions()), self.values.clone()),
        }
    }

    /// The order, with the unique column at its end unless it is in it: in the direction of the column before it, so that an
    /// index of both has that order.
    fn total_order(&self) -> String {
        let mut order = self.order.clone();
        if !order.iter().any(|word| word.strip_suffix(" DESC").unwrap_or(word) == self.unique) {
            let descending = order.last().is_some_and(|last| last.ends_with(" DESC"));
            order.push(format!("{}{}", self.unique, if descending { " DESC" } else { "" }));
        }
        order.join(", ")
    }

    fn conditions(&self) -> String {
        match &self.conditions[..] {
            [] => String::new(),
            conditions => format!(" WHERE {}", conditions.join(" AND ")),
        }
    }

    /// The rows of the page, and how many there are on all pages: those are counted only where the page does not tell.
    pub(super) async fn read(self, session: &mut Guarded) -> Result<(Vec<Row>, u64), StoreError> {
        let (statement, values) = self.page();
        let rows = session.fetch_built(statement, values).await?;
        let here = rows.len() as u64;
        if here < self.size.into() && (here > 0 || self.offset == 0) {
            return Ok((rows, self.offset.saturating_add(here)));
        }
        let (statement, values) = self.count();
        let counted = session.fetch_built(statement, values).await?;
        let total = counted.first().map(|row| row.count(0)).transpose()?;
        Ok((rows, total.unwrap_or_default()))
    }
}

fn ordered(column: &str, order: Order) -> String {
    match order {
        Order::Ascending => column.to_owned(),
        Order::Descending => format!("{column} DESC"),
    }
}

/// A value as the databases keep it.
fn bound(value: &Term) -> Value {
    match value {
        Term::Text(text) => Value::Text(text.clone()),
        Term::Int(number) => Value::Int(*number),
        Term::Time(time) => Value::Int(time.micros()),
        Term::Bool(truth) => Value::Int((*truth).into()),
    }
}

/// The pattern of `LIKE` for what has a text in it. `!` escapes, for a backslash does so in MySQL's literals already.
pub(super) fn anywhere(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests;
