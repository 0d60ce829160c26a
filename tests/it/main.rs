//! The integration tests: one program, so that it links once. One file per subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what is wrong by panicking"
)]
#![allow(
    clippy::print_stderr,
    reason = "the harness keeps it and shows it when a test fails"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "the tests stand outside of the program: they read the environment and call servers themselves"
)]

mod support;

mod agents_at_peers;
mod asyncapi;
mod backup;
mod bad_input;
mod bench;
mod browser;
mod calls;
mod clients;
mod commands;
mod console;
mod crash;
mod crash_federation;
mod crash_openintent;
mod crowds;
mod demo;
mod deploy;
mod discovery;
mod doctor;
mod documents;
mod emit;
mod every_verb;
mod exec;
mod federation;
mod federation_cli;
mod forward;
mod github;
mod guards;
mod help;
mod install;
mod invites;
mod limits;
mod listen;
mod login;
mod mcp;
mod nodes;
mod openapi;
mod openintent;
mod openintent_cli;
mod openintent_delegation;
mod openintent_vectors;
mod openintent_work;
mod operating;
mod order;
mod outages;
mod paperclip;
mod peer_hook;
mod peers;
mod postgres;
mod proxy;
mod publish;
mod queue;
mod readme;
mod retention;
mod run;
mod running;
mod scripts;
mod store;
mod streams;
mod teams;
mod tenancy;
mod tls;
mod trace;
mod trigger;
mod vectors;
mod verbs;
mod verify;
mod walk;
mod webhooks;
mod workflow;
