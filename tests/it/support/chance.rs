//! Chance that can be repeated, and numbers from the environment that say how far a test goes.

/// A number that the environment may give.
pub(crate) fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is `{text}` and should be a number")),
        _ => default,
    }
}

/// Repeatable chance (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    /// Chance that `KITE_CRASH_SEED` repeats; the seed is said.
    pub(crate) fn new() -> Self {
        let fresh = u64::from_le_bytes(kite::base::random::bytes());
        let seed = number("KITE_CRASH_SEED", fresh);
        eprintln!("KITE_CRASH_SEED={seed} repeats this run's choices");
        Self(seed)
    }

    /// A number from 0 to below the bound.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
