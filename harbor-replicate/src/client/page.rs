//! From page to page: `Link` (RFC 8288).

use http::HeaderMap;
use http::header::LINK;
use url::Url;

use super::answer::{Answer, host};
use super::{Error, Result};

/// How long a header may be that is looked at, in bytes.
const HEADER_LIMIT: usize = 16 * 1024;

/// Where the page behind this one is, which must be with the registry itself; nothing behind the last.
pub(crate) fn next_page(answer: &Answer) -> Result<Option<Url>> {
    next_of(&answer.headers, &answer.url)
}

fn next_of(headers: &HeaderMap, url: &Url) -> Result<Option<Url>> {
    let values = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let Some(target) = values.filter(|value| value.len() <= HEADER_LIMIT).find_map(next_target) else {
        return Ok(None);
    };
    let bad = |what: &str| Error::bad_answer(host(url), what);
    let next = url.join(target).map_err(|_| bad("a next page at what is no address"))?;
    if next.origin() != url.origin() || !next.username().is_empty() || next.password().is_some() {
        return Err(bad("a next page on another host"));
    }
    Ok(Some(next))
}

/// The target of the link whose relation is `next`.
fn next_target(mut rest: &str) -> Option<&str> {
    loop {
        // Whatever stands between links is no link.
        let (target, behind) = rest.split_once('<')?.1.split_once('>')?;
        let (parameters, more) = parameters(behind);
        if parameters.iter().any(|parameter| is_next(parameter)) {
            return Some(target.trim());
        }
        rest = more;
    }
}

/// The parameters of a link, and what stands behind the comma that ends it.
fn parameters(text: &str) -> (Vec<&str>, &str) {
    let (mut found, mut begin, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' | b',' if !quoted => {
                found.push(&text[begin..place]);
                begin = place + 1;
                if byte == b',' {
                    return (found, &text[begin..]);
                }
            }
            _ => {}
        }
    }
    found.push(&text[begin..]);
    (found, "")
}

fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let value = value.trim().trim_matches('"');
    name.trim().eq_ignore_ascii_case("rel")
        && value.split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn next(link: &str) -> Result<Option<String>> {
        let mut headers = HeaderMap::new();
        headers.insert(LINK, link.parse().unwrap());
        let url = Url::parse("https://registry/v2/a/b/tags/list?n=2").unwrap();
        next_of(&headers, &url).map(|next| next.map(|next| next.to_string()))
    }

    #[test]
    fn what_registries_send() {
        let page = Some("https://registry/v2/a/b/tags/list?last=x&n=2".to_owned());
        for link in [
            r#"</v2/a/b/tags/list?last=x&n=2>; rel="next""#,
            r#"</v2/a/b/tags/list?last=x&n=2>;rel=next"#,
            r#"<https://registry:443/v2/a/b/tags/list?last=x&n=2>; title="a, b; rel=prev"; REL="Next""#,
            r#"</first>; rel="first", </v2/a/b/tags/list?last=x&n=2>; rel="last next""#,
            "<?last=x&n=2>; rel=next",
        ] {
            assert_eq!(next(link).unwrap(), page, "{link}");
        }
        for link in
            ["", "</x>", r#"</x>; rel="prev""#, r#"</x>; title="rel=next""#, "</x; rel=next", "rel=next"]
        {
            assert_eq!(next(link).unwrap(), None, "{link}");
        }
    }

    #[test]
    fn another_host_is_refused() {
        for link in [
            "<https://elsewhere/v2/>; rel=next",
            "<//elsewhere/v2/>; rel=next",
            "<http://registry/v2/>; rel=next",
            "<https://registry:444/v2/>; rel=next",
            "<https://user:password@registry/v2/>; rel=next",
            "<https://:99999/>; rel=next",
        ] {
            assert!(matches!(next(link), Err(Error::BadAnswer { .. })), "{link}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_nobody_is_led_away(link in "[ -~]{0,80}", target in "[ -=?-~]{0,30}") {
            for link in [link, format!("<{target}>; rel=next")] {
                if let Ok(Some(next)) = next(&link) {
                    prop_assert!(next.starts_with("https://registry/"), "{}", next);
                }
            }
        }
    }
}
