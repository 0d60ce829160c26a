//! stand-in until merge
use std::time::Duration;
/// stand-in
pub async fn run(_: &str, _: Duration, _: &str) -> Result<String, String> {
    Err("x".to_owned())
}
