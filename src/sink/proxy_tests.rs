//! What a local server gets.
