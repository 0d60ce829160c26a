//! Webhooks: what is posted to an endpoint comes in whole, once, and only from those who may post.

mod bodies;
mod cloudevents;
mod endpoints;
mod odd;
mod posts;
mod providers;
mod secrets;
mod signatures;

/// A push as GitHub sends it; the spelling of its numbers and its spaces are part of it.
const PUSH: &str = r#"{"ref":"refs/heads/main", "size": 1.0,"big":12345678901234567890123,"pusher":{"name":"ada"},"repository":{"full_name":"acme/app","html_url":"https://github.com/acme/app"},"commits":[{"id":"1","message":"é \u00e9 <\/b>"}]}"#;
