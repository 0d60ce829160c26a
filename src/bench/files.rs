//! How many files this process may have open.

use super::BenchError;

/// Fails when more open files are needed than there may be, where the system says how many that is.
pub(super) fn check(needed: u64) -> Result<(), BenchError> {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    match limit(&limits) {
        Some(limit) if limit < needed => Err(BenchError::Files { needed, limit }),
        _ => Ok(()),
    }
}

/// The limit in force, out of the table that Linux shows.
fn limit(limits: &str) -> Option<u64> {
    let row = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    row.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_one_in_force() {
        let table = "Limit                     Soft Limit           Hard Limit           Units\n\
                     Max processes             63000                63000                processes\n\
                     Max open files            1024                 1048576              files\n";
        assert_eq!(limit(table), Some(1024));
        assert_eq!(
            limit("Max open files            unlimited  unlimited  files"),
            None
        );
        assert_eq!(limit(""), None);
    }

    #[test]
    fn more_than_there_may_be_is_refused_with_the_number_needed() {
        assert!(check(1).is_ok());
        if cfg!(target_os = "linux") {
            let fault = check(u64::MAX).unwrap_err();
            assert!(fault.to_string().contains(&u64::MAX.to_string()), "{fault}");
        }
    }
}
