//! Enrichment: a hook reads an event and prints what is handed on in its place (spec 16).

use std::time::Duration;

use super::Item;
use super::shell;
use crate::protocol::json;

/// How much a hook may print.
const PRINTED_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Runs a hook for an event: a command line that finds what an exec sink finds, and may take so long. The JSON object
/// that it printed, as it stands.
///
/// # Errors
///
/// Why there is none.
pub async fn run(command: &str, limit: Duration, item: &Item) -> Result<String, String> {
    let printed = shell::run(command, item, None, limit, Some(PRINTED_MAX_BYTES)).await;
    let printed = printed.map_err(|fault| fault.to_string())?;
    let object = json::text(&printed).and_then(|text| json::check_object(text.trim()));
    match object {
        Ok(object) => Ok(object.get().to_owned()),
        Err(fault) => Err(format!("it printed no JSON object: {fault}")),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::sink::shell::tests::item;

    async fn printed(command: &str) -> Result<String, String> {
        run(command, Duration::from_secs(20), &item("{}")).await
    }

    #[tokio::test]
    async fn a_hook_prints_the_object_that_takes_the_place_of_the_event() {
        let seen = printed("sed 's/\"data\"/\"more\":1.0,\"data\"/'")
            .await
            .unwrap();
        assert!(seen.contains(r#""more":1.0,"data":{}"#), "{seen}");
        let own = printed(r#"echo; echo " {\"id\":\"$KITE_EVENT_ID\"} ""#).await;
        assert_eq!(own.unwrap(), r#"{"id":"i"}"#);
        let background = printed("sleep 30 & echo '{}'").await;
        assert_eq!(
            background.unwrap(),
            "{}",
            "a pipe that stays open holds nobody"
        );
    }

    #[tokio::test]
    async fn what_is_no_object_says_why_it_is_none() {
        for (command, why) in [
            ("true", "no JSON object"),
            ("echo '[1]'", "expected an object"),
            ("echo '{} {}'", "no JSON object"),
            (r"printf '\377'", "no JSON object"),
            ("echo '{}'; echo broken >&2; exit 3", "ended with 3: broken"),
            ("exec cat /dev/zero", "more than 16777216 bytes"),
        ] {
            let fault = printed(command).await.unwrap_err();
            assert!(fault.contains(why), "{command}: {fault}");
        }
    }

    #[tokio::test]
    async fn a_hook_that_does_not_read_is_held_to_its_limit() {
        let item = item(&format!("\"{}\"", "x".repeat(1024 * 1024)));
        let limit = Duration::from_millis(200);
        let fault = run("exec sleep 60", limit, &item).await.unwrap_err();
        assert_eq!(fault, "it did not end within 0.2 s");
    }
}
