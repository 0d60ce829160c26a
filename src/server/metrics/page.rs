//! The text format of Prometheus, version 0.0.4.

use std::fmt::{Display, Write};

use crate::base::meter::Spread;

/// A page in the text format.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    /// Begins the samples of a name.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A sample of the name that was begun last.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.line(name, "", labels, None, value);
    }

    /// The samples of a histogram whose name was begun last. Its values have so many units to one of the page's.
    pub(super) fn spread(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        units: f64,
        spread: &Spread,
    ) {
        let bounds = spread.upto.iter();
        let bounds = bounds.map(|(bound, count)| ((*bound as f64 / units).to_string(), *count));
        for (bound, count) in bounds.chain([("+Inf".to_owned(), spread.count)]) {
            self.line(name, "_bucket", labels, Some(&bound), count);
        }
        self.line(name, "_sum", labels, None, spread.sum as f64 / units);
        self.line(name, "_count", labels, None, spread.count);
    }

    fn line(
        &mut self,
        name: &str,
        suffix: &str,
        labels: &[(&str, &str)],
        bound: Option<&str>,
        value: impl Display,
    ) {
        let bound = bound.map(|bound| ("le", bound));
        let labels: Vec<String> = labels
            .iter()
            .chain(&bound)
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
            .collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{name}{suffix}{labels} {value}");
    }

    /// The whole page.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// The value of a label, as it stands between quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_end_its_line_or_its_quotes() {
        let mut page = Page::default();
        page.sample("a", &[("b", "x\"} 1\n\\"), ("c", "")], 2.5);
        page.sample("d", &[], 7);
        assert_eq!(page.0, "a{b=\"x\\\"} 1\\n\\\\\",c=\"\"} 2.5\nd 7\n");
    }
    #[test]
    fn a_histogram_ends_with_everything() {
        let mut page = Page::default();
        let spread = Spread {
            upto: vec![(500, 1), (2_000_000, 3)],
            count: 4,
            sum: 9_000_000,
        };
        page.spread("t_seconds", &[("a", "b")], 1e6, &spread);
        assert_eq!(
            page.0,
            "t_seconds_bucket{a=\"b\",le=\"0.0005\"} 1\n\
             t_seconds_bucket{a=\"b\",le=\"2\"} 3\n\
             t_seconds_bucket{a=\"b\",le=\"+Inf\"} 4\n\
             t_seconds_sum{a=\"b\"} 9\n\
             t_seconds_count{a=\"b\"} 4\n"
        );
    }
}
