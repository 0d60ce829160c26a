//! Which word was meant.

/// How many letters may be wrong, at most.
const SLIPS_MAX: usize = 2;

/// The word that is nearest to another, where that can be a slip of it.
pub(super) fn nearest<'w>(word: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let slips_max = SLIPS_MAX.min(word.chars().count() / 2);
    let length = word.chars().count();
    // Nobody's slip is longer than that, and long words would take long.
    let alike = words.filter(|word| word.chars().count().abs_diff(length) <= slips_max);
    let near = alike.map(|candidate| (slips(word, candidate), candidate));
    let near = near.filter(|(slips, _)| *slips <= slips_max);
    near.min_by_key(|(slips, _)| *slips).map(|(_, word)| word)
}

/// How many letters must be changed, added or left out (Levenshtein's distance).
fn slips(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut before = line;
        row[0] = line + 1;
        for (column, candidate) in other.iter().enumerate() {
            let changed = before + usize::from(letter != *candidate);
            before = row[column + 1];
            row[column + 1] = changed.min(before + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_known_and_another_word_is_not() {
        let words = || ["depends_on", "assign", "retry"].into_iter();
        assert_eq!(nearest("depend_on", words()), Some("depends_on"));
        assert_eq!(nearest("asign", words()), Some("assign"));
        assert_eq!(nearest("retries", words()), None);
        assert_eq!(nearest("x", words()), None);
        assert_eq!(nearest("", words()), None);
    }
}
