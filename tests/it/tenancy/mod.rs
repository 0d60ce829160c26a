//! Teams are walls (promise 4), and a key opens what it is for: every operation of the server's own description, each call
//! over the WebSocket and each page of the console, with every kind of key.
//!
//! The rows are the description's, so an operation that nobody thought of here is in the matrix, and fails until somebody
//! has said in `judged.rs` how it is asked.

mod callers;
mod console;
mod document;
mod estate;
mod judged;
mod matrix;
mod socket;
mod table;
