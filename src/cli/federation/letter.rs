//! What names a dead letter to people: a peer and the number of an event, `PEER:SEQ`.

use super::super::error::CommandError;
use super::named_among;
use crate::protocol::federation::Peer;
use crate::protocol::json::Object;

/// There is no such letter: the error names the list of those there are.
pub(super) fn missing(error: CommandError) -> CommandError {
    error.listed_by("kite federation dead-letters list")
}

/// The id of a forward with the peer's name in place of its UUID; as it stands for a peer that is not among these.
pub(super) fn short(peers: &[Peer], id: &str) -> String {
    let split = id.rsplit_once(':');
    let found = split.and_then(|(peer_id, seq)| {
        let peer = peers.iter().find(|peer| peer.id == peer_id)?;
        Some(format!("{}:{seq}", peer.name))
    });
    found.unwrap_or_else(|| id.to_owned())
}

/// The id as the server knows it, of one that may name the peer in any way. What names none is left to the server.
pub(super) fn whole(peers: &[Peer], id: &str) -> String {
    let split = id.rsplit_once(':');
    let found = split.and_then(|(named, seq)| {
        let peer = named_among(peers, named)?;
        Some(format!("{}:{seq}", peer.id))
    });
    found.unwrap_or_else(|| id.to_owned())
}

/// What stands between the columns of a table.
const COLUMN_GAP: &str = "  ";

/// The ids in a text: one on a line, alone or as the member `id` of an object.
pub(super) fn ids_in(text: &str) -> Result<Vec<String>, CommandError> {
    let mut ids = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let found = match line.starts_with('{') {
            true => id_in(line),
            // The line of a table that was made for people.
            false if line.contains(COLUMN_GAP) => None,
            false => Some(line.to_owned()),
        };
        ids.push(found.ok_or_else(|| {
            let message = format!(
                "line {} of stdin is neither an id, PEER:SEQ, nor an object with an `id`",
                index + 1
            );
            CommandError::usage(message).with_hint(
                "give one id on each line, or what `kite federation dead-letters list --json` prints",
            )
        })?);
    }
    Ok(ids)
}

fn id_in(line: &str) -> Option<String> {
    let Object(members) = Object::parse(line)?;
    let id = members.into_iter().find(|(name, _)| name == "id")?.1;
    serde_json::from_str(id.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::super::super::exit::Exit;
    use super::*;

    fn peer() -> Peer {
        serde_json::from_str(
            r#"{"id":"0192","name":"the b","peer_instance_id":"i:b","status":"active","peer_hook_url":"u","scopes":[],
                "max_hops":3,"rate_limit_per_sec":1,"created_at":"","updated_at":""}"#,
        )
        .unwrap()
    }

    #[test]
    fn what_is_shown_is_what_can_be_typed() {
        let peers = [peer()];
        assert_eq!(short(&peers, "0192:42"), "the b:42");
        for named in ["the b:42", "i:b:42", "0192:42"] {
            assert_eq!(whole(&peers, named), "0192:42");
        }
        for other in ["x:1", "42", ""] {
            assert_eq!(
                (short(&peers, other), whole(&peers, other)),
                (other.to_owned(), other.to_owned())
            );
        }
    }

    #[test]
    fn ids_come_alone_or_in_objects() {
        let ids = ids_in("a:1\n\n {\"peer\":{\"id\":\"no\"}, \"id\": \"b:2\"}\r\nc:3").unwrap();
        assert_eq!(ids, ["a:1", "b:2", "c:3"]);
        for text in ["{}", "a:1\n{\"id\":7}", "{", "id  peer", "a:1  b  c"] {
            assert_eq!(ids_in(text).unwrap_err().exit(), Exit::Usage);
        }
    }
}
