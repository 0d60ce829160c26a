//! Whether logs of several instances are copies of each other: the same events, each once, wherever it was sent first. No IO.

use std::collections::BTreeMap;

use super::account::Entry;

/// Whether a log holds what the others hold together, each event once, with dense numbers from the first on.
pub(crate) fn check_copy(copy: &[Entry], originals: &[&[Entry]]) -> Result<(), String> {
    let first = copy.first().map_or(1, |entry| entry.seq);
    let mut missing: BTreeMap<&str, &str> = BTreeMap::new();
    for entry in originals.iter().copied().flatten() {
        missing.insert(&entry.id, &entry.value);
    }
    let wanted = missing.len();
    for (entry, seq) in copy.iter().zip(first..) {
        if entry.seq != seq {
            return Err(format!("{entry:?} stands at {seq}"));
        }
        match missing.remove(entry.id.as_str()) {
            Some(value) if value == entry.value => {}
            Some(value) => return Err(format!("{entry:?} was `{value}`")),
            None => return Err(format!("twice, or nobody sent it: {entry:?}")),
        }
    }
    match missing.first_key_value() {
        None => Ok(()),
        Some((id, value)) => {
            let count = missing.len();
            Err(format!(
                "{count} of {wanted} are lost, first `{value}` as {id}"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(ids: &[&str]) -> Vec<Entry> {
        let entry = |(seq, id): (u64, &&str)| Entry {
            seq,
            id: (*id).to_owned(),
            value: format!("value of {id}"),
        };
        (1..).zip(ids).map(entry).collect()
    }

    #[test]
    fn a_copy_has_everything_once_in_whatever_order() {
        let (one, other) = (log(&["a", "b"]), log(&["b", "c"]));
        let check = |copy: &[Entry]| check_copy(copy, &[&one, &other]);
        assert_eq!(check(&log(&["c", "a", "b"])), Ok(()));
        assert!(
            check(&log(&["c", "a"]))
                .unwrap_err()
                .contains("1 of 3 are lost")
        );
        assert!(
            check(&log(&["c", "a", "b", "a"]))
                .unwrap_err()
                .contains("twice")
        );
        assert!(
            check(&log(&["c", "a", "b", "d"]))
                .unwrap_err()
                .contains("nobody")
        );
        let mut changed = log(&["c", "a", "b"]);
        changed[1].value = "x".to_owned();
        assert!(check(&changed).unwrap_err().contains("was `value of a`"));
        let mut sparse = log(&["c", "a", "b"]);
        sparse[2].seq = 4;
        assert!(check(&sparse).unwrap_err().contains("stands at 3"));
    }
}
