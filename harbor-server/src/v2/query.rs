//! Query parameters.

use std::borrow::Cow;

use harbor_core::content::PageRequest;
use harbor_core::{Error, Result};
use url::form_urlencoded;

use super::Call;

impl Call<'_> {
    /// Every parameter of the query, decoded.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        form_urlencoded::parse(self.parts.uri.query().unwrap_or_default().as_bytes())
    }

    /// The first parameter of that name.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let mut parameters = self.parameters();
        parameters.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// `n` and `last`.
    pub(super) fn page(&self) -> Result<PageRequest> {
        let limit = match self.parameter("n") {
            None => None,
            Some(text) => {
                let number: u64 = text.parse().map_err(|_| Error::PageSizeInvalid)?;
                Some(u32::try_from(number).unwrap_or(u32::MAX))
            }
        };
        Ok(PageRequest { limit, after: self.parameter("last") })
    }
}

/// A `Link` to the next page (RFC 8288): the same path, and these parameters.
pub(super) fn next_link(path: &str, parameters: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("<{path}?{query}>; rel=\"next\"")
}
