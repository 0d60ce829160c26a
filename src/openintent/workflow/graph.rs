//! Which step waits for which, and what may be done at once.

/// The steps of a workflow by their numbers, each with those that it waits for. There is no circle in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    needs: Vec<Vec<usize>>,
    waves: Vec<Vec<usize>>,
}

impl Graph {
    /// The graph of steps that each wait for others.
    ///
    /// # Errors
    /// With the steps of a circle in their turn, each of which waits for the next and the last for the first. A number
    /// that is none of a step counts as one that never comes to its end.
    pub fn new(needs: Vec<Vec<usize>>) -> Result<Self, Vec<usize>> {
        let mut waves = Vec::new();
        let mut is_placed = vec![false; needs.len()];
        let mut open: Vec<usize> = (0..needs.len()).collect();
        while !open.is_empty() {
            let is_free = |step: &usize| {
                let mut needs = needs[*step].iter();
                needs.all(|need| is_placed.get(*need) == Some(&true))
            };
            let (wave, rest): (Vec<usize>, Vec<usize>) = open.iter().partition(|it| is_free(it));
            if wave.is_empty() {
                return Err(circle(&needs, &is_placed, open[0]));
            }
            for step in &wave {
                is_placed[*step] = true;
            }
            waves.push(wave);
            open = rest;
        }
        Ok(Self { needs, waves })
    }

    /// The steps that one waits for.
    pub fn needs(&self, step: usize) -> &[usize] {
        &self.needs[step]
    }

    /// The steps in waves: those of one wait for nothing but what is in the waves before it. Within a wave they are in the
    /// order of the file.
    pub fn waves(&self) -> &[Vec<usize>] {
        &self.waves
    }

    /// Every step after those that it waits for.
    pub fn order(&self) -> impl Iterator<Item = usize> + '_ {
        self.waves.iter().flatten().copied()
    }
}

/// The circle that is met from a step on by always going to something that has no place yet.
fn circle(needs: &[Vec<usize>], is_placed: &[bool], from: usize) -> Vec<usize> {
    let mut path = vec![from];
    loop {
        let last = path[path.len() - 1];
        let open = |step: &&usize| is_placed.get(**step) != Some(&true);
        let next = needs.get(last).and_then(|needs| needs.iter().find(open));
        let Some(&next) = next else {
            return path;
        };
        if let Some(start) = path.iter().position(|step| *step == next) {
            return path.split_off(start);
        }
        path.push(next);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waves_hold_what_can_be_done_at_once() {
        let graph = Graph::new(vec![vec![], vec![0], vec![0], vec![1, 2], vec![]]).unwrap();
        assert_eq!(graph.waves(), [vec![0, 4], vec![1, 2], vec![3]]);
        assert_eq!(graph.order().collect::<Vec<_>>(), [0, 4, 1, 2, 3]);
        assert_eq!(graph.needs(3), [1, 2]);
    }

    #[test]
    fn a_circle_is_told_without_what_only_leads_to_it() {
        assert_eq!(Graph::new(vec![vec![1], vec![2], vec![1]]), Err(vec![1, 2]));
        assert_eq!(Graph::new(vec![vec![0]]), Err(vec![0]));
    }

    proptest! {
        #[test]
        fn every_step_has_one_place_behind_its_needs_or_there_is_a_circle(
            needs in proptest::collection::vec(proptest::collection::vec(0usize..8, 0..4), 8)
        ) {
            match Graph::new(needs.clone()) {
                Ok(graph) => {
                    let order: Vec<usize> = graph.order().collect();
                    let place = |step: usize| order.iter().position(|it| *it == step);
                    for (step, needs) in needs.iter().enumerate() {
                        prop_assert!(needs.iter().all(|need| place(*need) < place(step)));
                    }
                    prop_assert_eq!(order.len(), 8);
                }
                Err(circle) => {
                    let turns = circle.iter().zip(circle.iter().cycle().skip(1));
                    for (step, next) in turns {
                        prop_assert!(needs[*step].contains(next));
                    }
                    prop_assert!(!circle.is_empty());
                }
            }
        }
    }
}
