//! The local policy, from the file's tables: numbers keep their kind (spec 9).

use serde::Deserialize;
use toml::{Table, Value};

use super::refused;
use crate::cli::error::CommandError;
use crate::openintent::json::{Json, Object};
use crate::openintent::policy::FederationPolicy;

/// `[openintent.policy]`: the sections of a policy, free within.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PolicyTable {
    governance: Table,
    budget: Table,
    observability: Table,
}

impl PolicyTable {
    pub(super) fn policy(self) -> Result<FederationPolicy, CommandError> {
        let section =
            |name: &str, table: Table| object(&format!("openintent.policy.{name}"), table);
        Ok(FederationPolicy {
            governance: section("governance", self.governance)?,
            budget: section("budget", self.budget)?,
            observability: section("observability", self.observability)?,
        })
    }
}

fn object(place: &str, table: Table) -> Result<Object, CommandError> {
    let members = table.into_iter();
    let members = members.map(|(name, value)| {
        let value = json(&format!("{place}.{name}"), value)?;
        Ok((name, value))
    });
    members.collect()
}

fn json(place: &str, value: Value) -> Result<Json, CommandError> {
    Ok(match value {
        Value::String(text) => text.into(),
        Value::Integer(number) => number.into(),
        Value::Float(number) if number.is_finite() => Json::Float(number),
        Value::Float(number) => {
            return Err(refused(place, format!("JSON has no number `{number}`")));
        }
        Value::Boolean(it) => it.into(),
        Value::Datetime(time) => {
            let why = format!("JSON has no times: write \"{time}\"");
            return Err(refused(place, why));
        }
        Value::Array(items) => {
            let items = (0..).zip(items);
            let items = items.map(|(at, item): (usize, _)| json(&format!("{place}[{at}]"), item));
            Json::Array(items.collect::<Result<_, _>>()?)
        }
        Value::Table(table) => object(place, table)?.into(),
    })
}
