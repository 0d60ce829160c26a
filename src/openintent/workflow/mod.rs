//! Workflows: a file of steps for agents here and at other servers, what of them can be done when, and what has become of
//! them.
//!
//! A [`Workflow`] is read from YAML; a [`Run`] of it says what to start and is told what was seen. The one who starts and
//! looks is a verb of the command line.

mod document;
mod fault;
mod graph;
mod peers;
mod place;
mod report;
mod retry;
mod run;
mod scalar;
mod section;
mod sight;
mod spelling;
mod step;
mod usage;
mod wiring;
mod yaml;

#[cfg(test)]
mod run_tests;
#[cfg(test)]
mod tests;

pub use document::{STEPS_MAX, Workflow};
pub use fault::{FAULTS_MAX, Fault, Position};
pub use graph::Graph;
pub use peers::{Federation, Peer};
pub use place::Place;
pub use report::{plan, report, seconds, told};
pub use retry::{Growth, Retry};
pub use run::{Progress, Run, Stage, Start};
pub use sight::{Sight, Standing};
pub use step::Step;
pub use wiring::{Input, Output, Source};
pub use yaml::FILE_MAX_BYTES;
