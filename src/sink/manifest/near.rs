//! Which field was probably meant.

/// A name this long, in characters, is near to none.
const NAME_MAX_CHARS: usize = 64;

/// The known name that was probably meant.
pub(super) fn near(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let chars = name.chars().take(NAME_MAX_CHARS).count();
    // Of a short name a change or two makes another word.
    let max = if chars < 5 { 1 } else { 2 };
    let distances = known.iter().map(|known| (distance(name, known), *known));
    let (nearest, known) = distances.min_by_key(|(distance, _)| *distance)?;
    (nearest <= max && chars < NAME_MAX_CHARS).then_some(known)
}

/// How many characters have to be put in, taken out or replaced to make one name of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (at, a) in one.chars().take(NAME_MAX_CHARS).enumerate() {
        let mut above_left = at;
        row[0] = at + 1;
        for (at, b) in other.chars().enumerate() {
            let replaced = above_left + usize::from(a != b);
            above_left = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(above_left + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_counts_what_has_to_be_changed() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "ab", 2),
            ("importanc", "importance", 1),
            ("tpye", "type", 2),
            ("keepOnly", "keep_only", 2),
            ("sink", "name", 4),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_not() {
        let known = &["type", "source", "ref"];
        assert_eq!(near("sorce", known), Some("source"));
        assert_eq!(near("typ", known), Some("type"));
        assert_eq!(near("run", known), None);
        assert_eq!(near(&"x".repeat(100_000), known), None);
    }
}
