//! Vectors of whole conversations over the WebSocket, against the real binary: a fresh team for every case.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::file::{cases, run_live};
use super::pattern::{Stage, compare};
use crate::support::http::Access;
use crate::support::server::Server;
use crate::support::socket::Socket;

/// How long the server may take to store an ack (spec 5.5); nothing on the wire tells when it has.
const ACK_BATCH_MAX: Duration = Duration::from_millis(200);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// How many events are in the log before.
    stored: u64,
    /// The cursors that exist before.
    #[serde(default)]
    cursors: HashMap<String, u64>,
    pruned_through: Option<u64>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    Open { conn: String },
    Send { conn: String, frame: Value },
    Expect { conn: String, frame: Value },
    ExpectNone { conn: String },
    ExpectClose { conn: String, code: u16 },
    Drop { conn: String },
    Ingest { events: Vec<Value> },
    Settle {},
}

#[tokio::test]
async fn vectors_ws_sessions() {
    let server = Arc::new(Server::start());
    run_live("ws_sessions", cases("ws_sessions"), |case| {
        check(Arc::clone(&server), case)
    })
    .await;
}

#[test]
fn a_session_vector_with_an_unknown_step_fails() {
    let read = |step: Value| serde_json::from_value::<Step>(step);
    assert!(read(json!({"op": "settle"})).is_ok());
    assert!(read(json!({"op": "settle", "for": 3})).is_err());
    assert!(read(json!({"op": "open", "conn": "a", "fast": true})).is_err());
    assert!(read(json!({"op": "dance", "conn": "a"})).is_err());
}

async fn check(server: Arc<Server>, case: Case) {
    let team = server.fresh_team("team of a session");
    set_the_stage(&team, case.stored, &case.cursors).await;
    if let Some(through) = case.pruned_through {
        prune(&server, &team, through).await;
    }
    let mut play = Play {
        stage: Stage {
            team: team.team.clone(),
            key: team.key.clone(),
        },
        team,
        sockets: HashMap::new(),
    };
    for (at, step) in case.steps.into_iter().enumerate() {
        play.act(at + 1, step).await;
    }
}

/// Stores events, and makes each cursor when the log has come to its place: a new client starts at the tail.
async fn set_the_stage(team: &Access, stored: u64, cursors: &HashMap<String, u64>) {
    for place in 0..=stored {
        if place > 0 {
            ingest(
                team,
                &json!({"type": "com.demo.event", "source": "https://demo", "data": {"n": place}}),
            )
            .await;
        }
        for (client_id, _) in cursors.iter().filter(|(_, cursor)| **cursor == place) {
            Socket::connect(team, &["*"], client_id).await.0.cut();
        }
    }
}

/// Takes the oldest events away, as retention does when their time has come.
async fn prune(server: &Server, team: &Access, through: u64) {
    let team = team.team.parse().unwrap();
    let store = server.store().await;
    let pruned = store.prune(team, through, usize::MAX).await.unwrap();
    assert_eq!(pruned, through);
}

async fn ingest(team: &Access, event: &Value) {
    let answer = team.emit(event).await;
    assert_eq!(answer.status, 202, "{answer:#?}");
}

/// A conversation in progress.
struct Play {
    team: Access,
    stage: Stage,
    sockets: HashMap<String, Socket>,
}

impl Play {
    async fn act(&mut self, at: usize, step: Step) {
        match step {
            Step::Open { conn } => {
                let socket = Socket::open(&self.team.ws_url).await;
                assert!(
                    self.sockets.insert(conn, socket).is_none(),
                    "it is open already"
                );
            }
            Step::Send { conn, frame } => {
                let frame = self.stage.fill(&frame);
                self.socket(&conn).send(&frame).await;
            }
            Step::Expect { conn, frame } => {
                let expected = self.stage.fill(&frame);
                let frame = self.socket(&conn).next().await;
                compare(&expected, &frame).unwrap_or_else(|why| panic!("step {at}: {why}"));
            }
            Step::ExpectNone { conn } => self.socket(&conn).expect_none().await,
            Step::ExpectClose { conn, code } => self.socket(&conn).expect_close(code).await,
            Step::Drop { conn } => self.sockets.remove(&conn).expect("it is open").cut(),
            Step::Ingest { events } => {
                for event in events {
                    ingest(&self.team, &event).await;
                }
            }
            Step::Settle {} => tokio::time::sleep(2 * ACK_BATCH_MAX).await,
        }
    }

    fn socket(&mut self, conn: &str) -> &mut Socket {
        self.sockets.get_mut(conn).expect("it is open")
    }
}
