//! A run as a tree: each step below the last of those that it waits for.

use super::telling::words;
use crate::openintent::workflow::{Run, Stage};

/// How many steps are shown: what does not fit on a terminal cannot be drawn over.
const LINES_MAX: usize = 20;

/// How deep steps are indented, at most.
const DEPTH_MAX: usize = 8;

/// The lines of a run. Where there are too many, those that are over or wait are left out first.
pub(super) fn lines(run: &Run<'_>) -> Vec<String> {
    let graph = &run.workflow().graph;
    let count = run.steps().len();
    let mut depths = vec![0; count];
    let mut below = vec![Vec::new(); count];
    let mut roots = Vec::new();
    let mut places = vec![0; count];
    for (place, step) in graph.order().enumerate() {
        places[step] = place;
        match graph.needs(step).iter().max_by_key(|need| places[**need]) {
            Some(&above) => {
                depths[step] = depths[above] + 1;
                below[above].push(step);
            }
            None => roots.push(step),
        }
    }
    let mut order = Vec::new();
    let mut open: Vec<usize> = roots.into_iter().rev().collect();
    while let Some(step) = open.pop() {
        order.push(step);
        open.extend(below[step].iter().rev());
    }
    let stage = |step: &usize| run.steps()[*step].stage;
    let is_busy = |step: &usize| matches!(stage(step), Stage::Underway(_) | Stage::Again);
    let mut lines = vec![run.workflow().name.clone()];
    let shown: Vec<usize> = match order.len() <= LINES_MAX {
        true => order,
        false => order.into_iter().filter(is_busy).take(LINES_MAX).collect(),
    };
    lines.extend(shown.iter().map(|step| {
        let indent = "  ".repeat(depths[*step].min(DEPTH_MAX));
        let mark = mark(stage(step));
        let words = words(&run.workflow().steps[*step], &run.steps()[*step]);
        format!("  {indent}{mark} {words}")
    }));
    if shown.len() < count {
        let over = (0..count).filter(|step| stage(step).is_final()).count();
        lines.push(format!("  {over} of {count} steps are over"));
    }
    lines
}

fn mark(stage: Stage) -> char {
    match stage {
        Stage::Waiting => '·',
        Stage::Underway(_) | Stage::Again => '…',
        Stage::Completed => '✓',
        Stage::Failed => '✗',
        Stage::Blocked => '-',
    }
}
