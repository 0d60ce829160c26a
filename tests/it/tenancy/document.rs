//! What the server serves, read from its own description: so an operation that nobody thought of is in the matrix.

use reqwest::Method;
use serde_json::{Value, json};

/// What lets a caller in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Needs {
    /// Something else than an API key, or nothing.
    NoKey,
    Read,
    Write,
    Admin,
}

impl Needs {
    /// The word of the description.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::NoKey => "no key",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// A method and a path of the description.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) method: Method,
    /// The path, whose parameters stand in braces.
    pub(super) path: String,
    pub(super) needs: Needs,
}

impl Operation {
    /// Its name, in which parameters have none.
    pub(super) fn name(&self) -> String {
        let mut parts = self.path.split(['{', '}']);
        let mut path = parts.next().unwrap_or_default().to_owned();
        while let (Some(_), Some(rest)) = (parts.next(), parts.next()) {
            path += "{}";
            path += rest;
        }
        format!("{} {path}", self.method)
    }

    /// Its path, with these for its parameters.
    pub(super) fn path_with(&self, values: &[String]) -> String {
        let mut path = self.path.clone();
        for value in values {
            let (start, end) = (path.find('{'), path.find('}'));
            let (Some(start), Some(end)) = (start, end) else {
                panic!("{} has no place for `{value}`", self.path);
            };
            path.replace_range(start..=end, value);
        }
        assert!(!path.contains('{'), "{path} lacks a value");
        path
    }
}

/// All operations of a description.
pub(super) fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().expect("there are paths");
    let mut operations = Vec::new();
    for (path, item) in paths {
        for (method, described) in item.as_object().expect("a path has operations") {
            let Ok(method) = method.to_uppercase().parse::<Method>() else {
                continue;
            };
            if ![
                Method::GET,
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
            ]
            .contains(&method)
            {
                continue;
            }
            let security = described["security"].as_array();
            let is_open = security
                .is_none_or(|ways| ways.is_empty() || ways.iter().any(|way| *way == json!({})));
            let needs = match described["x-kite-permission"].as_str() {
                None => Needs::NoKey,
                // A key is for those who want to see more.
                Some(_) if is_open => Needs::NoKey,
                Some("read") => Needs::Read,
                Some("write") => Needs::Write,
                Some("admin") => Needs::Admin,
                Some(other) => panic!("{method} {path} needs `{other}`, which no key has"),
            };
            operations.push(Operation {
                method,
                path: path.clone(),
                needs,
            });
        }
    }
    // Deeds last, and what takes things away behind everything.
    let order = |it: &Operation| match it.method.as_str() {
        "GET" => 0,
        "DELETE" => 2,
        _ => 1,
    };
    operations.sort_by_key(|it| (order(it), it.name()));
    operations
}
