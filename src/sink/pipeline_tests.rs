//! A manifest at work.
