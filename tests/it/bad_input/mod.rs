//! Bad input changes nothing and gets a precise error: what is wrong, where, and what to do (promise 11).

mod cloudevents;
mod files;
mod frames;
mod keys;
mod requests;
mod servers;
mod terminal;
