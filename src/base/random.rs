//! The one place that asks for chance.

use uuid::Uuid;

/// Random bytes from the operating system.
///
/// # Panics
/// When the operating system has none to give. No program can go on safely then.
#[expect(
    clippy::expect_used,
    reason = "without randomness there is no secret to make"
)]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gave no random bytes");
    bytes
}

/// A random number in 0..1, for jitter.
pub fn unit() -> f64 {
    f64::from(u32::from_le_bytes(bytes())) / (f64::from(u32::MAX) + 1.0)
}

/// A fresh version 4 UUID: unique, and telling nothing.
pub fn uuid4() -> String {
    uuid::Builder::from_random_bytes(bytes())
        .into_uuid()
        .to_string()
}

/// A fresh version 7 UUID: unique, and ordered by the time it was made.
#[expect(clippy::disallowed_methods, reason = "this is the one generator")]
pub fn uuid7() -> String {
    Uuid::now_v7().to_string()
}
