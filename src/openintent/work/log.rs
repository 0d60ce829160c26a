//! The log of what was reported on an intent: a chain of hashes, and the root that is attested at its end (spec, appendix C).
//!
//! What is hashed are the canonical bytes of spec 4, which every signature covers too, and not those of RFC 8785: they keep
//! numbers as they came.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::openintent::canonical::canonical;
use crate::openintent::json::{Json, Object};

/// What stands before every hash.
const PREFIX: &str = "sha256:";

/// Adds an entry to a log: gives it its place in the chain and its hash.
pub(super) fn enter(log: &mut Vec<String>, mut entry: Object) -> Object {
    let sequence = i64::try_from(log.len()).unwrap_or(i64::MAX);
    let previous = log.last().map_or(Json::Null, |hash| hash.as_str().into());
    entry.insert(
        "sequence".to_owned(),
        Json::from(sequence.saturating_add(1)),
    );
    entry.insert("previous_event_hash".to_owned(), previous);
    let hash = written(&Sha256::digest(canonical(&entry)).into());
    entry.insert("event_hash".to_owned(), hash.as_str().into());
    log.push(hash);
    entry
}

/// The root over the hashes of a log; none of an empty one. The last leaf is repeated up to a power of two.
///
/// ```
/// use kite::openintent::work::log::merkle_root;
///
/// assert_eq!(merkle_root(&[]), None);
/// let one = "sha256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU".to_owned();
/// assert_eq!(merkle_root(&[one.clone()]), Some(one));
/// ```
pub fn merkle_root(log: &[String]) -> Option<String> {
    let mut level = log
        .iter()
        .map(|hash| read(hash))
        .collect::<Option<Vec<_>>>()?;
    let last = *level.last()?;
    level.resize(level.len().next_power_of_two(), last);
    while level.len() > 1 {
        let pairs = level.chunks_exact(2);
        level = pairs
            .map(|pair| Sha256::digest(pair.concat()).into())
            .collect();
    }
    level.first().map(written)
}

fn written(hash: &[u8; 32]) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(hash))
}

fn read(hash: &str) -> Option<[u8; 32]> {
    let text = hash.strip_prefix(PREFIX)?;
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(left: [u8; 32], right: [u8; 32]) -> [u8; 32] {
        Sha256::digest([left, right].concat()).into()
    }

    #[test]
    fn each_entry_stands_on_the_one_before() {
        let mut log = Vec::new();
        let first = enter(&mut log, Object::new());
        let second = enter(&mut log, Object::new());
        assert_eq!(first["sequence"], 1.into());
        assert!(first["previous_event_hash"].is_null());
        assert_eq!(second["previous_event_hash"], first["event_hash"]);
        let mut bare = second.clone();
        bare.remove("event_hash");
        let hash: [u8; 32] = Sha256::digest(canonical(&bare)).into();
        assert_eq!(second["event_hash"].as_str(), Some(&*written(&hash)));
        assert_eq!(log.len(), 2);
    }

    #[test]
    fn the_last_leaf_is_repeated_up_to_a_power_of_two() {
        let leaves = [[1; 32], [2; 32], [3; 32]];
        let log: Vec<String> = leaves.iter().map(written).collect();
        let [one, two, three] = leaves;
        let root = node(node(one, two), node(three, three));
        assert_eq!(merkle_root(&log), Some(written(&root)));
        assert_eq!(merkle_root(&log[..1]), Some(log[0].clone()));
        assert_eq!(merkle_root(&["md5:x".to_owned()]), None);
    }
}
