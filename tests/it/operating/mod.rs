//! What an operator has in hand: the log, the numbers, signals and the supervisor, readiness.

mod exposition;
mod logs;
mod metrics;
mod signals;
