//! The links between the pages of a list: conventions, section 5.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// What would end an address in a header.
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'<').add(b'>').add(b'"');

/// The value of Harbor's header `Link` for one page of a list: `<url>; rel="prev" , <url>; rel="next"`, of them those that there
/// are. The addresses are those of the request, relative to the host, with the number and the size of the page in them and all
/// other parameters as they were. `None` where there is no other page.
#[must_use]
pub fn links(path_and_query: &str, page: u64, size: u32, total: u64) -> Option<String> {
    let before = |page: u64| page.saturating_mul(size.into());
    let link = |page: u64, name: &str| format!("<{}>; rel=\"{name}\"", address(path_and_query, page, size));
    let mut links = Vec::new();
    if page > 1 && before(page - 1) < total {
        links.push(link(page - 1, "prev"));
    }
    if size > 0 && before(page) < total {
        links.push(link(page.saturating_add(1), "next"));
    }
    (!links.is_empty()).then(|| links.join(" , "))
}

/// The address of a page: the parameters are put where they were, or at the end.
fn address(path_and_query: &str, page: u64, size: u32) -> String {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let mut own = [("page", page, false), ("page_size", u64::from(size), false)];
    let mut words = Vec::new();
    for word in query.split('&').filter(|word| !word.is_empty()) {
        let name = word.split_once('=').map_or(word, |(name, _)| name);
        let name = percent_decode_str(name).decode_utf8_lossy();
        match own.iter_mut().find(|(known, ..)| *known == name) {
            None => words.push(utf8_percent_encode(word, UNSAFE).to_string()),
            // What came twice does not come again.
            Some((_, _, true)) => {}
            Some((known, value, placed)) => {
                *placed = true;
                words.push(format!("{known}={value}"));
            }
        }
    }
    let missing = own.iter().filter(|(_, _, placed)| !placed);
    words.extend(missing.map(|(name, value, _)| format!("{name}={value}")));
    format!("{}?{}", utf8_percent_encode(path, UNSAFE), words.join("&"))
}
