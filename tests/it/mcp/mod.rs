//! `kite mcp`: the server of the Model Context Protocol, asked by the official client and line by line.

mod clients;
mod lines;
mod mailbox;

use std::fs::{self, File};
use std::io::Write;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::cli::Person;
use crate::support::process::{Ended, Process};

/// A program that asks `kite mcp` over its stdin and stdout.
struct Client {
    run: Process,
    input: File,
    asked: u64,
    /// What came while an answer was waited for.
    told: Vec<Value>,
}

impl Client {
    /// Starts the server of somebody, and has it initialised.
    fn start(person: &Person, args: &str) -> Self {
        let mut client = Self::begin(person, args);
        let params = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        });
        let answer = client.ask("initialize", params);
        assert_eq!(answer["result"]["serverInfo"]["name"], "kite", "{answer}");
        client.write(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string());
        client
    }

    fn begin(person: &Person, args: &str) -> Self {
        let pipe = person.home().join("in");
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let run = person.shell(&format!("exec kite mcp {args} <in")).start();
        // This waits until the other side is open.
        let input = File::options().write(true).open(&pipe).unwrap();
        fs::remove_file(pipe).unwrap();
        Self {
            run,
            input,
            asked: 0,
            told: Vec::new(),
        }
    }

    fn write(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// The next message of the server.
    fn hear(&mut self) -> Value {
        let line = self.run.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}"))
    }

    /// Sends a request; its number.
    fn send(&mut self, method: &str, params: Value) -> u64 {
        self.asked += 1;
        let id = self.asked;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.write(&request.to_string());
        id
    }

    /// Sends a request; the answer.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        self.answer(id)
    }

    fn answer(&mut self, id: u64) -> Value {
        loop {
            let message = self.hear();
            if message["id"] == id {
                return message;
            }
            self.told.push(message);
        }
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        let answer = self.ask("tools/call", params);
        assert!(answer["error"].is_null(), "{tool}: {answer}");
        answer["result"].clone()
    }

    /// What a tool gives.
    fn gives(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments);
        assert_eq!(result["isError"], false, "{tool}: {result}");
        result["structuredContent"].clone()
    }

    /// What a tool says instead.
    fn refuses(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments);
        assert_eq!(result["isError"], true, "{tool}: {result}");
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }

    /// Closes stdin.
    fn leave(self) -> Ended {
        drop(self.input);
        self.run.end()
    }
}
