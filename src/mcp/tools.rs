//! The tools as a client lists them.

use std::sync::Arc;

use rmcp::handler::server::tool::{schema_for_input, schema_for_output};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde_json::Value;

use super::{answers, arguments};

/// What a tool does to the world, as a client may ask its user about.
struct Effect {
    is_read_only: bool,
    /// Whether the same call again changes nothing more.
    is_idempotent: bool,
    /// Whether it reaches, or shows the words of, people and programs that nobody here knows.
    is_open_world: bool,
}

const READS: Effect = Effect {
    is_read_only: true,
    is_idempotent: true,
    is_open_world: true,
};

/// All of them, in the order of a conversation.
pub(super) fn all() -> Vec<Tool> {
    vec![
        tool::<arguments::SendMessage, answers::Sent>(
            "send_message",
            "Send a message",
            "Send a message to another agent, and with `wait_secs` wait for its reply. The message is stored before this \
             answers, and reaches its agent also when that is away now. Each call sends another message.",
            Effect {
                is_read_only: false,
                is_idempotent: false,
                is_open_world: true,
            },
        ),
        tool::<arguments::WaitForReply, answers::Reply>(
            "wait_for_reply",
            "Wait for a reply",
            "Wait for the reply to a message that you sent: one whose `reply_to_id` names it, or another agent's in the same \
             conversation. One that came already is found. It stays in your inbox until you acknowledge it.",
            READS,
        ),
        tool::<arguments::Inbox, answers::Inbox>(
            "inbox",
            "Look into the inbox",
            "The messages to you that are not acknowledged, the oldest first. They come again with each call until `ack`. \
             With `wait_secs` it waits for a message where there is none.",
            READS,
        ),
        tool::<arguments::Ack, answers::Acked>(
            "ack",
            "Acknowledge messages",
            "Acknowledge a message of your inbox and all before it, once they are dealt with: they do not come again, after \
             a restart neither. The log keeps them.",
            Effect {
                is_read_only: false,
                is_idempotent: true,
                is_open_world: false,
            },
        ),
        tool::<arguments::ListEvents, answers::Events>(
            "list_events",
            "List events",
            "The events in the team's log: webhooks, messages, what programs have sent. The newest first, or ascending from \
             `after_seq` or `since` on. `read_event` gives one with its data.",
            READS,
        ),
        tool::<arguments::ReadEvent, answers::StoredEvent>(
            "read_event",
            "Read an event",
            "One event with its data, as a CloudEvent. A long one comes in pieces of its JSON text.",
            READS,
        ),
        tool::<arguments::ListAgents, answers::Agents>(
            "list_agents",
            "List agents",
            "The agents that have registered with the team: whom a message can be sent to.",
            Effect {
                is_open_world: false,
                ..READS
            },
        ),
    ]
}

fn tool<A: JsonSchema + 'static, R: JsonSchema + 'static>(
    name: &'static str,
    title: &'static str,
    description: &'static str,
    effect: Effect,
) -> Tool {
    // The arguments of each tool are a struct; a test reads their schemas.
    let input = schema_for_input::<A>().unwrap_or_default();
    let (input, output) = (tidy(&input), tidy(&schema_for_output::<R>()));
    let annotations = ToolAnnotations::new()
        .read_only(effect.is_read_only)
        // Nothing here removes anything: what was acknowledged stays in the log.
        .destructive(false)
        .idempotent(effect.is_idempotent)
        .open_world(effect.is_open_world);
    Tool::new(name, description, input)
        .with_title(title)
        .with_raw_output_schema(output)
        .with_annotations(annotations)
}

/// A schema without what some clients do not take: the widths of numbers, which JSON has not, and `null` for what is left
/// out. What describes a member becomes one line.
fn tidy(schema: &JsonObject) -> Arc<JsonObject> {
    let mut schema = Value::Object(schema.clone());
    tidy_below(&mut schema);
    match schema {
        Value::Object(schema) => Arc::new(schema),
        _ => Arc::default(),
    }
}

fn tidy_below(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(tidy_below),
        Value::Object(members) => {
            members.retain(|name, value| name != "format" || !value.is_string());
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|name| name != "null");
                if let [name] = &types[..] {
                    let name = name.clone();
                    members.insert("type".to_owned(), name);
                }
            }
            if let Some(Value::String(text)) = members.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            members.values_mut().for_each(tidy_below);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every schema of a member below this one. Some clients take no schema that is only `true`.
    fn members(schema: &Value) -> Vec<(&String, &Value)> {
        let object = schema.as_object().into_iter().flatten();
        let below = object.flat_map(|(name, value)| match name.as_str() {
            "properties" => value
                .as_object()
                .into_iter()
                .flatten()
                .flat_map(|member| [vec![member], members(member.1)].concat())
                .collect(),
            _ => members(value),
        });
        below.collect()
    }

    #[test]
    fn every_argument_is_described_and_has_a_schema_that_clients_take() {
        for tool in all() {
            let input = Value::Object((*tool.input_schema).clone());
            assert_eq!(input["type"], "object", "{}", tool.name);
            let text = input.to_string();
            assert!(!text.contains("null") && !text.contains("format"), "{text}");
            assert_eq!(input["additionalProperties"], false, "{}", tool.name);
            assert!(!members(&input).is_empty(), "{}", tool.name);
            let output = Value::Object((*tool.output_schema.unwrap()).clone());
            assert_eq!(output["type"], "object", "{}", tool.name);
            for (name, member) in [members(&input), members(&output)].concat() {
                let text = member["description"].as_str();
                assert!(text.is_some(), "`{name}` of {}: {member}", tool.name);
            }
            for (name, member) in members(&input) {
                assert!(
                    !member["type"].is_array(),
                    "`{name}` of {}: {member}",
                    tool.name
                );
            }
        }
    }
}
