//! Discovery: which other instances a peer may be told of, and what the team's peers tell (spec 14.1). Nothing is connected
//! by it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use schemars::json_schema;

use super::call::{Admin, Call};
use super::description::{JSON, Operation, Routes};
use super::error::{ApiError, json};
use super::path::Path;
use super::peer_hook::{from_peer, let_in};
use super::peers;
use super::state::App;
use crate::protocol::discovery::{
    Discovered, Discovery, DiscoveryFailure, Heard, Introduced, Introduction,
};
use crate::protocol::error::ErrorCode;
use crate::protocol::federation::{PeerKind, PeerStatus};
use crate::protocol::peer_url::PeerUrl;
use crate::protocol::permission::Permission;
use crate::store::federation::PeerRecord;

/// How large a question may be: it says nothing.
const QUESTION_MAX_BYTES: usize = 1024;

/// How many instances are shown at most: more than anybody reads, and a few hundred KiB.
const DISCOVERED_MAX: usize = 1000;

/// What is served of it.
pub(super) fn routes() -> Routes {
    let tell = Operation::post(
        "/hooks/{team}/kite/discover",
        "introduce_peers",
        "Tells a peer of the team's other peers that take part in discovery.",
    );
    let tell = from_peer(tell)
        .takes_as(JSON, |_| json_schema!({"type": "object"}))
        .or_nothing()
        .gives::<Introduction>(StatusCode::OK, "The others, and what this one is called.");
    let ask = Operation::post(
        "/api/federation/peers/discover",
        "discover_peers",
        "Asks one peer, or all that take part in discovery, which other instances they know.",
    )
    .under("peers")
    .needs(Permission::Admin)
    .takes::<peers::Which>()
    .or_nothing()
    .gives::<Discovery>(
        StatusCode::OK,
        "What they know. Nothing is connected by it.",
    )
    .refuses(StatusCode::NOT_FOUND, "The team has no such peer.")
    .refuses(
        StatusCode::UNPROCESSABLE_ENTITY,
        "The peer does not take part, or is not active.",
    );
    Routes::new().add(tell, self::tell).add(ask, post)
}

/// `POST /hooks/{team}/kite/discover`: tells a peer of the team's others, as far as both take part.
pub(super) async fn tell(
    State(app): State<Arc<App>>,
    Path(team): Path<String>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let asking = let_in(&app, &team, request, QUESTION_MAX_BYTES).await?;
    let asking = asking.caller.peer;
    if !asking.discovery {
        return Err(ApiError::forbidden(
            "this instance tells you of no others: its operator has not turned discovery on for the peer that you are \
             to it",
        ));
    }
    let peers = app.store.peers(asking.team.clone()).await?;
    let others = peers.iter().filter(|peer| peer.number != asking.number);
    let introduction = Introduction {
        instance_id: app.instance_id.clone(),
        instances: others
            .filter(|peer| takes_part(peer))
            .filter_map(introduced)
            .collect(),
    };
    Ok(json(StatusCode::OK, &introduction))
}

/// Whether a peer may be told of, and asked.
fn takes_part(peer: &PeerRecord) -> bool {
    peer.discovery && peer.kind == PeerKind::Kite && peer.status == PeerStatus::Active
}

/// What others may know of a peer: not its team there, no token, and not what the team here calls it.
fn introduced(peer: &PeerRecord) -> Option<Introduced> {
    Some(Introduced {
        instance_id: peer.instance_id.clone(),
        url: origin(peer)?,
    })
}

/// Where a peer is; `None` when its address cannot be read any more.
fn origin(peer: &PeerRecord) -> Option<String> {
    let url: PeerUrl = peer.hook_url.parse().ok()?;
    Some(url.origin())
}

/// `POST /api/federation/peers/discover`: asks one peer, or all that take part.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    mut call: Call<Admin>,
) -> Result<Response, ApiError> {
    let peer_id = peers::named(&call.body(&app).await?)?;
    let team = &call.key.team;
    let known = app.store.peers(team.clone()).await?;
    let asked = match peer_id {
        Some(id) => {
            let peer = peers::find(&app, team, &id).await?;
            check_takes_part(&peer)?;
            vec![peer]
        }
        None => known.iter().filter(|it| takes_part(it)).cloned().collect(),
    };
    let heard = app.federation.discover(&asked).await;
    let mut found = Findings::new(&app.instance_id, &known);
    for (peer, heard) in asked.iter().zip(heard) {
        found.note(&peer.name, heard);
    }
    Ok(json(StatusCode::OK, &found.told(asked.len())))
}

fn check_takes_part(peer: &PeerRecord) -> Result<(), ApiError> {
    let name = &peer.name;
    let why = match peer.status {
        _ if takes_part(peer) => return Ok(()),
        PeerStatus::Active => format!(
            "discovery is off for the peer `{name}`: `kite federation peers update {name} --discovery on` turns it on"
        ),
        status => format!(
            "the peer `{name}` is {}: `kite federation peers resume {name}` takes it up again",
            status.word()
        ),
    };
    Err(ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::Unprocessable,
        why,
    ))
}

/// What peers have told, put together.
struct Findings<'a> {
    own_id: &'a str,
    known: &'a [PeerRecord],
    /// By id and address: two peers may say different things of one id.
    instances: BTreeMap<(String, String), Vec<String>>,
    left_out: usize,
    failures: Vec<DiscoveryFailure>,
}

impl<'a> Findings<'a> {
    fn new(own_id: &'a str, known: &'a [PeerRecord]) -> Self {
        Self {
            own_id,
            known,
            instances: BTreeMap::new(),
            left_out: 0,
            failures: Vec::new(),
        }
    }

    /// Takes note of what a peer has told.
    fn note(&mut self, peer: &str, heard: Result<Heard, String>) {
        let heard = match heard {
            Ok(heard) => heard,
            Err(error) => return self.fail(peer, error),
        };
        for Introduced { instance_id, url } in heard.instances {
            // This one is no news.
            if instance_id == self.own_id {
                continue;
            }
            let place = (instance_id, url);
            if self.instances.len() >= DISCOVERED_MAX && !self.instances.contains_key(&place) {
                self.left_out += 1;
                continue;
            }
            let by = self.instances.entry(place).or_default();
            if by.last().is_none_or(|last| last != peer) {
                by.push(peer.to_owned());
            }
        }
        if let Some((count, why)) = heard.left_out {
            let error = format!("{count} of the instances that it told of cannot be used: {why}");
            self.fail(peer, error);
        }
    }

    fn fail(&mut self, peer: &str, error: String) {
        self.failures.push(DiscoveryFailure {
            peer: peer.to_owned(),
            error,
        });
    }

    /// The answer.
    fn told(self, asked: usize) -> Discovery {
        // Read once: liars may tell of a thousand.
        let ids: HashSet<&str> = self.known.iter().map(|it| &*it.instance_id).collect();
        let origins: HashSet<String> = self.known.iter().filter_map(origin).collect();
        let is_peer = |id: &str, url: &str| ids.contains(id) || origins.contains(url);
        let discovered = |((instance_id, url), known_by): ((String, String), _)| Discovered {
            connected: is_peer(&instance_id, &url),
            instance_id,
            url,
            known_by,
        };
        Discovery {
            own_instance_id: self.own_id.to_owned(),
            asked,
            instances: self.instances.into_iter().map(discovered).collect(),
            left_out: self.left_out,
            failures: self.failures,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(instances: impl IntoIterator<Item = (&'static str, String)>) -> Result<Heard, String> {
        let introduced = |(id, url): (&str, String)| Introduced {
            instance_id: id.to_owned(),
            url,
        };
        Ok(Heard {
            instances: instances.into_iter().map(introduced).collect(),
            left_out: None,
        })
    }

    #[test]
    fn what_several_peers_tell_is_put_together() {
        let mut found = Findings::new("own", &[]);
        let at = |host: &str| format!("https://{host}");
        found.note(
            "b",
            heard([("d", at("d")), ("own", at("own")), ("d", at("d"))]),
        );
        found.note("c", heard([("d", at("d")), ("d", at("liar"))]));
        found.note("e", Err("no".to_owned()));
        let told = found.told(3);
        let shown: Vec<_> = told
            .instances
            .iter()
            .map(|it| {
                (
                    it.instance_id.as_str(),
                    it.url.as_str(),
                    it.known_by.join(" "),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("d", "https://d", "b c".to_owned()),
                ("d", "https://liar", "c".to_owned())
            ]
        );
        assert_eq!((told.asked, told.failures.len()), (3, 1));
    }

    #[test]
    fn there_is_an_end_to_what_is_shown() {
        let mut found = Findings::new("own", &[]);
        let many = (0..DISCOVERED_MAX + 5).map(|number| ("x", format!("https://h{number}")));
        found.note("b", heard(many));
        found.note("c", heard([("x", "https://h0".to_owned())]));
        let told = found.told(2);
        assert_eq!((told.instances.len(), told.left_out), (DISCOVERED_MAX, 5));
        let first = told.instances.iter().find(|it| it.url == "https://h0");
        assert_eq!(first.unwrap().known_by, ["b", "c"]);
    }
}
