//! HTML that text from outside cannot become part of: markup is a literal, and whatever is put into it is escaped.

use std::fmt::Write;

use crate::protocol::summary::is_hidden;

/// A piece of HTML. It can be put into another one; any other text is escaped on its way in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Html(String);

/// What can stand for a `{}` of a template.
pub(super) trait Part {
    /// Writes itself as HTML, also within the quotes of an attribute.
    fn write(&self, html: &mut String);
}

impl Html {
    /// A template with a part for each `{}`, in their order. Attributes are written with double quotes.
    pub(super) fn of(template: &'static str, parts: &[&dyn Part]) -> Self {
        let mut html = Self::default();
        html.add(template, parts);
        html
    }

    /// The same, behind what is there.
    pub(super) fn add(&mut self, template: &'static str, parts: &[&dyn Part]) {
        debug_assert_eq!(
            template.matches("{}").count(),
            parts.len(),
            "a part for each place of `{template}`"
        );
        let mut parts = parts.iter();
        let mut pieces = template.split("{}");
        self.0.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            if let Some(part) = parts.next() {
                part.write(&mut self.0);
            }
            self.0.push_str(piece);
        }
    }

    /// The text.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

impl Part for Html {
    fn write(&self, html: &mut String) {
        html.push_str(&self.0);
    }
}

impl Part for &str {
    fn write(&self, html: &mut String) {
        for c in self.chars() {
            match c {
                '&' => html.push_str("&amp;"),
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '"' => html.push_str("&quot;"),
                '\'' => html.push_str("&#39;"),
                // Seen, and without effect.
                c if is_hidden(c) => html.extend(c.escape_unicode()),
                c => html.push(c),
            }
        }
    }
}

impl Part for String {
    fn write(&self, html: &mut String) {
        self.as_str().write(html);
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl Part for $number {
            fn write(&self, html: &mut String) {
                // Writing to a string cannot fail.
                let _ = write!(html, "{self}");
            }
        })*
    };
}

numbers!(u16, u32, u64, usize);

/// The pieces of an iterator, one behind the other.
impl FromIterator<Html> for Html {
    fn from_iter<I: IntoIterator<Item = Html>>(pieces: I) -> Self {
        let mut all = Self::default();
        for piece in pieces {
            all.0.push_str(&piece.0);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_wherever_it_is_put() {
        let text = "<script>alert(\"x\")</script>'&\u{1b}\u{202e}\n";
        let html = Html::of("<p title=\"{}\">{}</p>", &[&text, &text.to_owned()]).into_text();
        let escaped =
            "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#39;&amp;\\u{1b}\\u{202e}\\u{a}";
        assert_eq!(html, format!("<p title=\"{escaped}\">{escaped}</p>"));
    }

    #[test]
    fn a_piece_is_put_in_as_it_is_and_text_with_braces_takes_no_part() {
        let piece = Html::of("<b>{}</b>", &[&"{}"]);
        let html = Html::of("<p>{} {}</p>", &[&piece, &7_u64]);
        assert_eq!(html.into_text(), "<p><b>{}</b> 7</p>");
    }
}
