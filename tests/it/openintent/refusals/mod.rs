//! What kite refuses, and that nothing is stored of it: each case differs in one thing from an intent that is taken.

mod callbacks;
mod envelopes;
mod tokens;

use serde_json::{Value, json};

use crate::support::http::Answer;
use crate::support::openintent::Node;
use crate::support::party::Party;

/// A kite server, somebody who sends to it, and two who can have given them the right to.
struct Scene {
    node: Node,
    root: Party,
    middle: Party,
    source: Party,
    /// The server's DID.
    audience: String,
}

/// What each link of a chain says of its scope, the root first.
struct Links([Value; 3]);

impl Links {
    /// A chain in which each link says less than the one before.
    fn narrowing() -> Self {
        let scope = |permissions: &[&str], denied: &[&str], depth: u32| json!({"permissions": permissions, "denied_operations": denied, "max_delegation_depth": depth});
        Self([
            scope(&["events.log", "intent.create", "state.patch"], &[], 3),
            scope(&["events.log", "state.patch"], &["intent.delete"], 2),
            scope(&["state.patch"], &["intent.delete"], 1),
        ])
    }

    /// The same, but one link says something else of its scope.
    fn but(link: usize, name: &str, value: Value) -> Self {
        let mut links = Self::narrowing();
        links.0[link][name] = value;
        links
    }
}

impl Scene {
    async fn set() -> Self {
        let [root, middle, source] = [Party::start(), Party::start(), Party::start()];
        let node = Node::trusting(&[&root.url, &middle.url, &source.url]);
        let audience = node.did().await;
        Self {
            node,
            root,
            middle,
            source,
            audience,
        }
    }

    /// A chain; what else its last link says.
    fn chain(&self, links: &Links, more: &Value) -> String {
        let Links([first, second, third]) = links;
        let token = self.root.token(&self.middle.did, first, "", &json!({}));
        let token = self
            .middle
            .token(&self.source.did, second, &token, &json!({}));
        self.source.token(&self.audience, third, &token, more)
    }

    /// Sends an intent that stands on a token.
    async fn send(&self, token: &str) -> Answer {
        let mut intent = self.source.intent(&self.node.url, "dispatch-1");
        intent["ucan"] = token.into();
        self.node.receive(self.source.signed(&intent)).await
    }

    /// A refusal with 403 and these words, and nothing stored.
    async fn refused(&self, answer: Answer, words: &str) {
        forbidden(&answer, words);
        self.node.has_nothing().await;
    }

    /// The same intent is taken when nothing is wrong with it: so what was refused was refused for its one fault.
    async fn takes_the_right_one(&self) {
        let token = self.chain(&Links::narrowing(), &json!({}));
        let taken = self.send(&token).await.expect(200);
        assert_eq!(taken["accepted"], true, "{taken}");
        assert_eq!(self.node.events().await.len(), 1);
        assert_eq!(self.node.status().await["total_received"], 1);
    }
}

fn forbidden(answer: &Answer, words: &str) {
    assert_eq!(answer.status, 403, "{answer:#?}");
    let detail = answer.json["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(words), "no `{words}` in {answer:#?}");
}
