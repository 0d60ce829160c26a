//! `kite status`: who this is to which server, and what the team has there.

use clap::Args;
use serde_json::Value;

use super::context::Context;
use super::error::CommandError;
use super::exit::Exit;
use super::render;
use crate::config::Settings;
use crate::protocol::rpc::Stats;

/// Show the login of this profile, and what its team has on the server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite status
  kite status --json")]
pub(super) struct StatusArgs {}

pub(super) fn run(_: StatusArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let answer = context.call(&settings, async |caller| Ok(caller.stats().await?))?;
    if context.out.json {
        let agent = settings.identity.as_ref();
        let members = [
            ("server", settings.http_base.as_str().into()),
            ("ws_url", settings.ws_url.as_str().into()),
            ("profile", settings.profile.name().into()),
            (
                "agent_id",
                agent.map_or(Value::Null, |agent| agent.id.as_str().into()),
            ),
        ];
        context.out.object_with(&answer.text, &members)?;
    } else {
        context.out.line(&words(&answer.value, &settings))?;
    }
    Ok(Exit::Done)
}

fn words(stats: &Stats, settings: &Settings) -> String {
    let none = || "none".to_owned();
    let agent = settings.identity.as_ref();
    let limit = stats.active_sources_limit;
    let facts = [
        ("server", settings.http_base.clone()),
        ("ws_url", settings.ws_url.clone()),
        ("profile", settings.profile.name().to_owned()),
        (
            "agent",
            agent.map_or_else(none, |agent| agent.id.to_string()),
        ),
        ("team", stats.team_id.clone()),
        ("plan", stats.plan_name.clone().unwrap_or_else(none)),
        ("webhooks today", stats.webhooks_today.to_string()),
        ("endpoints", stats.active_endpoints.to_string()),
        (
            "endpoints limit",
            limit.map_or_else(none, |limit| limit.to_string()),
        ),
        ("keys", stats.active_api_keys.to_string()),
        ("permissions", stats.current_key_permissions.join(", ")),
    ];
    let facts = facts.into_iter().chain(quota(stats)).chain(limits(stats));
    let facts: Vec<_> = facts.collect();
    render::facts("Logged in", &facts)
}

fn quota(stats: &Stats) -> Vec<(&'static str, String)> {
    let Some(quota) = &stats.quota else {
        return Vec::new();
    };
    let used = match quota.events_limit {
        Some(limit) => format!("{} of {limit}", quota.events_used),
        None => format!("{}, no limit", quota.events_used),
    };
    vec![
        ("events this month", used),
        ("month ends", quota.resets_at.clone()),
    ]
}

/// What is limited; what is not is left out.
fn limits(stats: &Stats) -> Vec<(&'static str, String)> {
    let Some(limits) = &stats.limits else {
        return Vec::new();
    };
    let age = limits.retention_days.map(|days| format!("{days} days"));
    let count = limits
        .retention_events
        .map(|count| format!("{count} events"));
    let kept: Vec<String> = age.into_iter().chain(count).collect();
    let kept = match kept.is_empty() {
        true => "for ever".to_owned(),
        false => format!("at most {}", kept.join(" and ")),
    };
    let rate =
        |max: Option<u32>| max.map(|max| format!("{max} events in {} s", limits.rate_window_secs));
    let limited = [
        ("team rate limit", rate(limits.team_rate_limit)),
        ("key rate limit", rate(limits.key_rate_limit)),
        ("address rate limit", rate(limits.address_rate_limit)),
        ("server rate limit", rate(limits.global_rate_limit)),
    ];
    let limited = limited
        .into_iter()
        .filter_map(|(name, limit)| Some((name, limit?)));
    let always = [
        ("events kept", kept),
        ("largest body", format!("{} bytes", limits.max_body_bytes)),
    ];
    always.into_iter().chain(limited).collect()
}
