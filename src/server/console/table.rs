//! Tables, which a narrow screen shows as cards, and the way through many rows.

use axum::http::request::Parts;

use super::encoded;
use super::html::Html;
use crate::server::query;

/// How many rows a page has.
const ROWS: usize = 50;

/// The furthest page: what a listing of the store has at most, by [`ROWS`].
const PAGE_MAX: usize = crate::server::events::LIMIT_MAX / ROWS;

/// A table. Each row has a cell for each column. Roles say what it is also where the style makes cards of it.
pub(super) fn table(title: &'static str, columns: &[&'static str], rows: Vec<Vec<Html>>) -> Html {
    let heads = columns
        .iter()
        .map(|column| Html::of("<th role=\"columnheader\" scope=\"col\">{}</th>", &[column]));
    let heads: Html = heads.collect();
    let body = rows.into_iter().map(|cells| {
        let cells = columns.iter().zip(cells).map(|(column, cell)| {
            Html::of(
                "<td role=\"cell\" data-label=\"{}\"><div>{}</div></td>",
                &[column, &cell],
            )
        });
        Html::of("<tr role=\"row\">{}</tr>", &[&cells.collect::<Html>()])
    });
    Html::of(
        "<table role=\"table\" aria-label=\"{}\"><thead role=\"rowgroup\"><tr role=\"row\">{}</tr></thead>\
         <tbody role=\"rowgroup\">{}</tbody></table>",
        &[&title, &heads, &body.collect::<Html>()],
    )
}

/// A page of a listing that the store gives from its beginning.
pub(super) struct Window {
    number: usize,
}

impl Window {
    /// The one that a request is for.
    pub(super) fn of(parts: &Parts) -> Self {
        let number = query(parts, "page")
            .pop()
            .and_then(|text| text.parse().ok());
        Self {
            number: number.unwrap_or(1).clamp(1, PAGE_MAX),
        }
    }

    /// How many rows to ask for: one more than are shown, to know whether there is another page.
    pub(super) fn limit(&self) -> usize {
        (self.number * ROWS + 1).min(PAGE_MAX * ROWS)
    }

    /// The rows to show, and the links to other pages of an address with this query.
    pub(super) fn cut<T>(
        &self,
        found: Vec<T>,
        address: &'static str,
        filter: &[(&'static str, &str)],
    ) -> (Vec<T>, Html) {
        let is_more = found.len() > self.number * ROWS;
        let is_last = self.number == PAGE_MAX && found.len() == PAGE_MAX * ROWS;
        let skipped = (self.number - 1) * ROWS;
        let rows: Vec<T> = found.into_iter().skip(skipped).take(ROWS).collect();
        let link = |number: usize, words: &'static str| {
            let to = with_query(address, filter, number);
            Html::of("<a href=\"{}\">{}</a> ", &[&to, &words])
        };
        let mut links = Html::default();
        if self.number > 1 {
            links.add("{}", &[&link(self.number - 1, "Newer")]);
        }
        if is_more {
            links.add("{}", &[&link(self.number + 1, "Older")]);
        }
        if is_last {
            links.add("What is older is not listed here: choose a peer.", &[]);
        }
        let is_alone = self.number == 1 && !is_more;
        let nav = match is_alone {
            true => Html::default(),
            false => Html::of(
                "<nav class=\"more\" aria-label=\"Older and newer\">{}</nav>",
                &[&links],
            ),
        };
        (rows, nav)
    }
}

/// An address with the members of a query that are not empty, and a page that is not the first.
pub(super) fn with_query(address: &str, filter: &[(&'static str, &str)], page: usize) -> String {
    let mut to = address.to_owned();
    let mut add = |name: &str, value: &str| {
        to.push(if to.contains('?') { '&' } else { '?' });
        to.push_str(&format!("{name}={}", encoded(value)));
    };
    for (name, value) in filter.iter().filter(|(_, value)| !value.is_empty()) {
        add(name, value);
    }
    if page > 1 {
        add("page", &page.to_string());
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(page: &str) -> Window {
        let request = axum::http::Request::get(format!("/console?page={page}")).body(());
        Window::of(&request.unwrap().into_parts().0)
    }

    #[test]
    fn pages_follow_each_other_without_a_gap() {
        let all: Vec<usize> = (0..120).collect();
        let cut = |page: &str| {
            let window = window(page);
            let found = all.iter().copied().take(window.limit()).collect();
            window.cut(found, "/console/x", &[("peer", "a&b"), ("event", "")])
        };
        let (first, links) = cut("1");
        assert_eq!(first, all[..50]);
        let links = links.into_text();
        assert!(
            links.contains("?peer=a%26b&amp;page=2") && !links.contains("Newer"),
            "{links}"
        );
        assert_eq!(cut("2").0, all[50..100]);
        let (third, links) = cut("3");
        assert_eq!(third, all[100..]);
        assert!(!links.into_text().contains("Older</a>"));
    }

    #[test]
    fn whatever_page_is_asked_for_is_one() {
        for (asked, limit) in [
            ("0", 51),
            ("x", 51),
            ("-1", 51),
            ("99999999", 1000),
            ("20", 1000),
        ] {
            assert_eq!(window(asked).limit(), limit, "{asked}");
        }
    }

    #[test]
    fn the_last_page_says_that_there_may_be_more() {
        let (rows, links) = window("20").cut((0..1000).collect(), "/console/x", &[]);
        assert_eq!(rows, (950..1000).collect::<Vec<i32>>());
        assert!(links.into_text().contains("not listed here"));
    }
}
