//! Entries of the local queue handed on again, the oldest first, to the very sinks that the stream had or to another.
//!
//! A sink that cannot be reached gets no more of them in this run: that says nothing about the entries, and they stay as
//! they are.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::queue::{Claim, Claiming, Queue, QueueFault, Row, Selection, Status, Verdict};
use super::retry::{ATTEMPTS_MAX, LEASE, millis, wait_after};
use super::{Item, MakeFault, Outcome, Recipe, Sink, Workshop};

/// Why a replay cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum ReplayFault {
    /// The queue does not work.
    #[error(transparent)]
    Queue(#[from] QueueFault),
    /// A sink cannot be made.
    #[error(transparent)]
    Make(#[from] MakeFault),
    /// It is not known where entries were to go.
    #[error("of {0} entries it is not known where they were to go")]
    NoSink(u64),
    /// A sink cannot be made again: it was that of a run alone, or of another kite.
    #[error("the sink `{recipe}` cannot be made for a replay: {why}")]
    Recipe {
        /// What is written down.
        recipe: String,
        /// What is wrong with it.
        why: String,
    },
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Its sink took it.
    Delivered,
    /// Its sink need not have it, for this reason.
    Skipped(String),
    /// Its sink refused it, for this reason.
    Refused(String),
    /// Its sink could not be reached, for this reason.
    Unreachable(String),
    /// It was not tried, for this reason.
    NotTried(String),
}

/// An entry, and what became of it.
#[derive(Debug)]
pub struct Tried {
    /// The entry as it was before, without its payload.
    pub row: Row,
    /// Where it was to go.
    pub place: String,
    /// What became of it.
    pub fate: Fate,
}

/// A replay that goes on.
pub struct Replay {
    queue: Queue,
    selection: Selection,
    /// Where all go, whatever is written down.
    target: Option<Recipe>,
    /// The sinks by their text.
    recipes: HashMap<String, Recipe>,
    sinks: HashMap<String, Arc<dyn Sink>>,
    /// What could not be reached.
    silent: HashSet<String>,
    page: VecDeque<Row>,
    last: Option<Row>,
}

impl Replay {
    /// Prepares to go through a selection.
    ///
    /// # Errors
    ///
    /// When it is not known of some entries where they are to go.
    pub fn new(
        queue: Queue,
        selection: Selection,
        target: Option<Recipe>,
    ) -> Result<Self, ReplayFault> {
        let mut recipes = HashMap::new();
        if target.is_none() {
            for (text, count) in &selection.sinks {
                let text = text.as_ref().ok_or(ReplayFault::NoSink(*count))?;
                recipes.insert(text.clone(), read(text)?);
            }
        }
        Ok(Self {
            queue,
            selection,
            target,
            recipes,
            sinks: HashMap::new(),
            silent: HashSet::new(),
            page: VecDeque::new(),
            last: None,
        })
    }

    /// Makes the sinks: all of them, before anything is handed on.
    ///
    /// # Errors
    ///
    /// What is missing or unusable.
    pub fn make_sinks(&mut self, workshop: &Workshop) -> Result<(), ReplayFault> {
        for recipe in self.target.iter().chain(self.recipes.values()) {
            self.sinks.insert(recipe.to_text(), recipe.make(workshop)?);
        }
        Ok(())
    }

    /// The next entry and where it would go, untouched.
    pub async fn preview(&mut self) -> Result<Option<(Row, String)>, ReplayFault> {
        Ok(self.step().await?.map(|(row, _, place)| (row, place)))
    }

    /// Tries the next entry; `None` when there is none left.
    pub async fn next(&mut self) -> Result<Option<Tried>, ReplayFault> {
        while let Some((row, recipe, place)) = self.step().await? {
            let fate = match self.silent.contains(&place) {
                true => Some(Fate::NotTried("its sink cannot be reached".to_owned())),
                false => self.try_again(&row, &recipe).await?,
            };
            if let Some(fate) = fate {
                if matches!(fate, Fate::Unreachable(_)) {
                    self.silent.insert(place.clone());
                }
                return Ok(Some(Tried { row, place, fate }));
            }
        }
        Ok(None)
    }

    async fn step(&mut self) -> Result<Option<(Row, Recipe, String)>, ReplayFault> {
        if self.page.is_empty() {
            let next = self.queue.page(&self.selection, self.last.as_ref()).await?;
            self.page = next.into();
        }
        let Some(row) = self.page.pop_front() else {
            return Ok(None);
        };
        self.last = Some(row.clone());
        let recipe = self.recipe_of(&row)?;
        let place = recipe.place(&row.source);
        Ok(Some((row, recipe, place)))
    }

    fn recipe_of(&self, row: &Row) -> Result<Recipe, ReplayFault> {
        let text = row.sink.as_deref();
        let own = || text.and_then(|text| self.recipes.get(text));
        let recipe = self.target.as_ref().or_else(own);
        // Another process may have written the entry anew, for another sink, since it was selected.
        recipe.cloned().ok_or(ReplayFault::NoSink(1))
    }

    /// Tries an entry; `None` where somebody else has dealt with it meanwhile.
    async fn try_again(&self, row: &Row, recipe: &Recipe) -> Result<Option<Fate>, ReplayFault> {
        let claim = match self.queue.claim(row, LEASE).await? {
            Claiming::Claimed(claim) => claim,
            Claiming::Busy => {
                let why = "another process has it, or had it less than two minutes ago".to_owned();
                return Ok(Some(Fate::NotTried(why)));
            }
            Claiming::Over => return Ok(None),
        };
        let fate = match claim.item() {
            Ok(item) => self.deliver(&item, recipe).await,
            Err(fault) => Fate::Refused(fault.to_string()),
        };
        self.settle(&claim, &fate).await?;
        Ok(Some(fate))
    }

    async fn deliver(&self, item: &Item, recipe: &Recipe) -> Fate {
        let Some(sink) = self.sinks.get(&recipe.to_text()) else {
            return Fate::NotTried("its sink was not made".to_owned());
        };
        match sink.deliver(item).await {
            Outcome::Delivered => Fate::Delivered,
            Outcome::Skipped(why) => Fate::Skipped(why),
            Outcome::Silent(why) | Outcome::Refused(why) | Outcome::Hopeless(why) => {
                Fate::Refused(why)
            }
            Outcome::Unreachable(why) => Fate::Unreachable(why),
            Outcome::Gone(error) => Fate::Unreachable(error.to_string()),
        }
    }

    async fn settle(&self, claim: &Claim, fate: &Fate) -> Result<(), QueueFault> {
        let verdict = match fate {
            Fate::Delivered => Verdict::Delivered,
            Fate::Skipped(why) => Verdict::Filtered(why.clone()),
            Fate::Refused(why) => self.refused(claim, why.clone()),
            Fate::Unreachable(_) | Fate::NotTried(_) => return self.queue.release(claim).await,
        };
        self.queue.settle(claim, verdict).await
    }

    /// What is still being tried beside a stream goes on being tried; anything else is failed.
    fn refused(&self, claim: &Claim, why: String) -> Verdict {
        let attempts = claim.attempts.saturating_add(1);
        if claim.row.status != Status::Ready || attempts >= ATTEMPTS_MAX {
            return Verdict::Failed(why);
        }
        let now = self.queue.clock().unix_millis();
        Verdict::Again {
            attempts,
            due_at: now.saturating_add(millis(wait_after(attempts))),
            why,
        }
    }
}

fn read(text: &str) -> Result<Recipe, ReplayFault> {
    serde_json::from_str(text).map_err(|error| ReplayFault::Recipe {
        recipe: text.to_owned(),
        why: error.to_string(),
    })
}
