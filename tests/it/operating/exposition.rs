//! A strict reader of Prometheus' text format: what a scraper would let pass for old times' sake is a failure here.

use std::collections::{BTreeMap, BTreeSet};

/// The samples of one name.
#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) kind: String,
    pub(super) samples: Vec<Sample>,
}

/// A line with a number.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// A page: its families by name.
#[derive(Debug)]
pub(super) struct Page(pub(super) BTreeMap<String, Family>);

impl Page {
    /// Reads a page, or says what is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if !text.ends_with('\n') {
            return Err("the last line has no end".to_owned());
        }
        let mut page = Self(BTreeMap::new());
        let mut open: Option<(String, Family)> = None;
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                page.close(open.take())?;
                let (name, words) = help.split_once(' ').ok_or(format!("no help: {line}"))?;
                if !is_name(name) || words.is_empty() || page.0.contains_key(name) {
                    return Err(format!("a bad or repeated name: {line}"));
                }
                let kind = lines
                    .next()
                    .and_then(|line| line.strip_prefix(&format!("# TYPE {name} ")))
                    .ok_or(format!("`{name}` has no type behind its help"))?;
                let family = Family {
                    kind: kind.to_owned(),
                    samples: Vec::new(),
                };
                open = Some((name.to_owned(), family));
                continue;
            }
            let (name, family) = open.as_mut().ok_or(format!("nobody's sample: {line}"))?;
            let sample = sample(line).ok_or(format!("no sample: {line}"))?;
            let suffix = sample.name.strip_prefix(name.as_str());
            let fits = match family.kind.as_str() {
                "histogram" => ["_bucket", "_sum", "_count"].map(Some).contains(&suffix),
                _ => suffix == Some(""),
            };
            if !fits {
                return Err(format!("not of `{name}`: {line}"));
            }
            family.samples.push(sample);
        }
        page.close(open)?;
        Ok(page)
    }

    fn close(&mut self, open: Option<(String, Family)>) -> Result<(), String> {
        let Some((name, family)) = open else {
            return Ok(());
        };
        let mut seen = BTreeSet::new();
        for sample in &family.samples {
            let series = format!("{}{:?}", sample.name, sample.labels);
            if !seen.insert(series.clone()) {
                return Err(format!("twice: {series}"));
            }
        }
        match family.kind.as_str() {
            "counter" if !name.ends_with("_total") => return Err(format!("{name}: no _total")),
            "counter" | "gauge" if family.samples.iter().all(|it| it.value >= 0.0) => {}
            "histogram" => check_histogram(&name, &family)?,
            kind => return Err(format!("{name}: a bad {kind}")),
        }
        self.0.insert(name, family);
        Ok(())
    }

    /// The number of a series; 0 where there is none.
    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let family = self.0.get(name).unwrap_or_else(|| panic!("no {name}"));
        let has = |sample: &&Sample| {
            labels
                .iter()
                .all(|(label, value)| sample.labels.get(*label).is_some_and(|it| it == value))
        };
        let wanted = family.samples.iter().filter(has);
        let wanted = wanted.filter(|it| it.name == name || it.name.ends_with("_count"));
        wanted.map(|it| it.value).sum()
    }
}

/// Each of its series: the buckets ascend to `+Inf`, which has as many as the count.
fn check_histogram(name: &str, family: &Family) -> Result<(), String> {
    let mut series: BTreeMap<String, Vec<&Sample>> = BTreeMap::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        let has_bound = labels.remove("le").is_some();
        if has_bound != sample.name.ends_with("_bucket") {
            return Err(format!("{name}: `le` is where it does not belong"));
        }
        series
            .entry(format!("{labels:?}"))
            .or_default()
            .push(sample);
    }
    for (labels, samples) in series {
        let (ends, buckets): (Vec<&Sample>, Vec<&Sample>) = samples
            .into_iter()
            .partition(|it| !it.name.ends_with("_bucket"));
        let (mut bound, mut count) = (f64::NEG_INFINITY, 0.0);
        for bucket in &buckets {
            let next = bucket.labels["le"].parse().map_err(|_| "a bad bound")?;
            if next <= bound || bucket.value < count {
                return Err(format!("{name}{labels}: the buckets do not ascend"));
            }
            (bound, count) = (next, bucket.value);
        }
        let total = ends.iter().find(|it| it.name.ends_with("_count"));
        if bound != f64::INFINITY || ends.len() != 2 || total.map(|it| it.value) != Some(count) {
            return Err(format!("{name}{labels}: it does not end with everything"));
        }
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(is_first) && text.chars().all(|c| is_first(c) || c.is_ascii_digit())
}

/// Reads `name{label="value",…} number`.
fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, behind) = rest.split_once("=\"")?;
            let (value, behind) = quoted(behind)?;
            if !is_name(label) || labels.insert(label.to_owned(), value).is_some() {
                return None;
            }
            match behind.strip_prefix(',') {
                Some(behind) => rest = behind,
                None => {
                    rest = behind.strip_prefix('}')?;
                    break;
                }
            }
        }
    }
    let number = rest.strip_prefix(' ')?;
    let value = number.parse().ok().filter(|_| is_name(name))?;
    Some(Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// The value up to its closing quote, and what is behind that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    None
}

#[test]
fn a_page_with_a_fault_is_not_accepted() {
    let head = "# HELP a_total Help.\n# TYPE a_total counter\n";
    let histogram = "# HELP h Help.\n# TYPE h histogram\n";
    let fine = |text: String| Page::read(&text).map(drop);
    assert_eq!(
        fine(format!(
            "{head}a_total{{b=\"\\\"\\\\\\n\"}} 1\na_total 2.5\n"
        )),
        Ok(())
    );
    let buckets = "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 9\nh_count 2\n";
    assert_eq!(fine(format!("{histogram}{buckets}")), Ok(()));
    for fault in [
        format!("{head}a_total 1"),
        format!("{head}a_total 1\na_total 1\n"),
        format!("{head}{head}"),
        format!("{head}b_total 1\n"),
        format!("{head}a_total -1\n"),
        format!("{head}a_total one\n"),
        format!("{head}a_total{{b=\"\\x\"}} 1\n"),
        format!("{head}a_total{{b=\"c}} 1\n"),
        format!("{head}\n"),
        "a_total 1\n".to_owned(),
        "# HELP a_total Help.\n".to_owned(),
        "# HELP a Help.\n# TYPE a counter\n".to_owned(),
        format!("{histogram}{}", buckets.replace("h_count 2", "h_count 3")),
        format!("{histogram}{}", buckets.replace("} 2", "} 0")),
        format!("{histogram}{}", buckets.replace("+Inf", "2")),
        format!("{histogram}{}", buckets.replace("h_sum 9\n", "")),
    ] {
        assert!(Page::read(&fault).is_err(), "{fault}");
    }
}
