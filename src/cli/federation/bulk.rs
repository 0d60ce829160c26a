//! `kite federation dead-letters replay` and `discard`: one letter, some, or all that match.

use std::collections::HashSet;

use clap::{ArgGroup, Args};
use futures_util::StreamExt;
use serde_json::Value;

use super::super::context::{Context, block_on_call};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::super::stdin;
use super::super::text::visible;
use super::which::Which;
use super::{letter, offered};
use crate::client::api::Answer;
use crate::client::{Api, ClientError, ForwardsQuery};
use crate::protocol::federation::{OutboxRow, Peer};

/// How many letters one run deals with at most: they are chosen before the first is touched, and so much is in memory.
const LETTERS_MAX: usize = 100_000;

/// How many letters a page of the list has: the server's own limit.
const PAGE: u64 = 1000;

/// How many letters are in hand at a time: the server writes what comes together in one go.
const IN_HAND: usize = 8;

/// Send dead letters once more, with no attempts counted.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("chosen").required(true).multiple(true).arg("ids").arg("all").args(Which::FLAGS),
    override_usage = "kite federation dead-letters replay [OPTIONS] <ID...|--all|FILTER>",
    after_help = "\
Examples:
  kite federation dead-letters replay b:42 b:43
  kite federation dead-letters replay --peer b --type 'stripe.*' --dry-run
  kite federation dead-letters list --json --since 1h | kite federation dead-letters replay -
  kite federation dead-letters replay --all

Those to a peer that is revoked stay where they are. --since and --before count from when the event
was stored. Exit 7 when some were not replayed, 1 when none was."
)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    chosen: Chosen,
}

/// Drop dead letters for good.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("chosen").required(true).multiple(true).arg("ids").arg("all").args(Which::FLAGS),
    override_usage = "kite federation dead-letters discard [OPTIONS] <ID...|--all|FILTER>",
    after_help = "\
Examples:
  kite federation dead-letters discard b:42
  kite federation dead-letters discard --peer b --before 24h --dry-run
  kite federation dead-letters discard --peer b --before 24h --yes

Nothing brings them back: all that match a filter go only with --yes. Exit 7 when some were not
discarded, 1 when none was."
)]
pub(super) struct DiscardArgs {
    #[command(flatten)]
    chosen: Chosen,
    /// Discard all that match: nothing brings them back.
    #[arg(long)]
    yes: bool,
}

/// Which letters are meant, and whether in earnest.
#[derive(Debug, Args)]
struct Chosen {
    /// Which: PEER:SEQ as the list shows it; `-` reads ids, or the list's JSON, from stdin.
    #[arg(value_name = "ID", conflicts_with = "all", conflicts_with_all = Which::FLAGS)]
    ids: Vec<String>,
    #[command(flatten)]
    which: Which,
    /// All of the team's.
    #[arg(long)]
    all: bool,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

/// What is done to letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Replay,
    Discard,
}

impl Deed {
    async fn to(self, api: &Api, id: &str) -> Result<Answer<OutboxRow>, ClientError> {
        match self {
            Self::Replay => api.replay_letter(id).await,
            Self::Discard => api.discard_letter(id).await,
        }
    }

    /// That it was done to one.
    fn words(self, id: &str) -> String {
        match self {
            Self::Replay => format!("Dead letter {id} is due again"),
            Self::Discard => format!("Discarded dead letter {id}"),
        }
    }

    /// What it is called once it is done, and before.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Replay => ("replayed", "replay"),
            Self::Discard => ("discarded", "discard"),
        }
    }
}

impl ReplayArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        run(self.chosen, Deed::Replay, context)
    }
}

impl DiscardArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        let chosen = self.chosen;
        if chosen.ids.is_empty() && !chosen.dry_run && !self.yes {
            let message = "nothing brings discarded letters back";
            return Err(CommandError::usage(message)
                .with_hint("`--dry-run` shows which they are, `--yes` discards them"));
        }
        run(chosen, Deed::Discard, context)
    }
}

fn run(chosen: Chosen, deed: Deed, context: &Context) -> Result<Exit, CommandError> {
    let ids = chosen.named()?;
    let api = context.api(&context.settings()?)?;
    block_on_call(async {
        let peers = offered(api.peers().await)?;
        let mut run = Run {
            api,
            deed,
            peers,
            context,
            account: Account::default(),
        };
        let ids: Vec<String> = match ids {
            Some(ids) => ids.iter().map(|id| letter::whole(&run.peers, id)).collect(),
            None => {
                let rows = matching(&run.api, &chosen.which, context).await?;
                if chosen.dry_run && !rows.is_empty() {
                    return run.preview(&rows);
                }
                rows.into_iter().map(|row| row.id).collect()
            }
        };
        match &ids[..] {
            [] => {
                context.out.note("there are no such dead letters");
                Ok(Exit::Done)
            }
            // Whoever names one gets its own error.
            [id] if !chosen.ids.is_empty() => run.one(id, chosen.dry_run).await,
            ids => run.all(ids, chosen.dry_run).await,
        }
    })
}

impl Chosen {
    /// The letters that were named, each once; `None` where those that match are meant.
    fn named(&self) -> Result<Option<Vec<String>>, CommandError> {
        if self.ids.is_empty() {
            return Ok(None);
        }
        let mut ids = Vec::new();
        for id in &self.ids {
            match id.as_str() {
                "-" => ids.extend(letter::ids_in(&stdin::text("the ids")?)?),
                id => ids.push(id.to_owned()),
            }
        }
        let mut seen = HashSet::new();
        ids.retain(|id| seen.insert(id.clone()));
        match ids.len() > LETTERS_MAX {
            false => Ok(Some(ids)),
            true => Err(
                CommandError::usage(format!("there are more than {LETTERS_MAX} ids"))
                    .with_hint("give them in parts, or let `--peer` or `--type` choose"),
            ),
        }
    }
}

/// The letters that match, in an order that stays.
async fn matching(
    api: &Api,
    which: &Which,
    context: &Context,
) -> Result<Vec<OutboxRow>, CommandError> {
    let mut query = ForwardsQuery {
        limit: Some(PAGE),
        after: Some("0".to_owned()),
        ..which.query(api).await?
    };
    let mut rows: Vec<OutboxRow> = Vec::new();
    loop {
        let page = offered(api.dead_letters(&query).await)?;
        let is_last = (page.len() as u64) < PAGE;
        rows.extend(page);
        if is_last {
            return Ok(rows);
        }
        if rows.len() >= LETTERS_MAX {
            let words = format!("there may be more than {LETTERS_MAX}: run it again for the rest");
            context.out.warn(&words);
            return Ok(rows);
        }
        query.after = rows.last().map(|row| row.id.clone());
    }
}

/// How many letters it went well with, and how many not.
#[derive(Debug, Default)]
struct Account {
    done: usize,
    failed: usize,
}

impl Account {
    fn exit(&self) -> Exit {
        match (self.failed, self.done) {
            (0, _) => Exit::Done,
            (_, 0) => Exit::Failed,
            _ => Exit::SomeFailed,
        }
    }
}

/// Letters being dealt with.
struct Run<'a> {
    api: Api,
    deed: Deed,
    peers: Vec<Peer>,
    context: &'a Context,
    account: Account,
}

impl Run<'_> {
    async fn one(&mut self, id: &str, is_dry: bool) -> Result<Exit, CommandError> {
        let answer = match is_dry {
            true => self.api.dead_letter(id).await,
            false => self.deed.to(&self.api, id).await,
        };
        let answer = answer.map_err(|error| letter::missing(error.into()))?;
        self.tell(&answer, is_dry)?;
        Ok(Exit::Done)
    }

    /// Says what would be done.
    fn preview(&mut self, rows: &[OutboxRow]) -> Result<Exit, CommandError> {
        for row in rows {
            self.account.done += 1;
            self.context.out.show(row, |row| self.wish(row))?;
        }
        self.sum_up(rows.len(), true);
        Ok(Exit::Done)
    }

    fn wish(&self, row: &OutboxRow) -> String {
        let (_, name) = self.deed.names();
        let (id, kind) = (letter::short(&self.peers, &row.id), &row.event_type);
        format!(
            "Would {name} dead letter {} {}",
            visible(&id),
            visible(kind)
        )
    }

    async fn all(&mut self, ids: &[String], is_dry: bool) -> Result<Exit, CommandError> {
        let bar = self.context.out.counter(ids.len() as u64);
        let (api, deed) = (self.api.clone(), self.deed);
        let deal = |id: &String| {
            let (api, id) = (api.clone(), id.clone());
            async move {
                let answer = match is_dry {
                    true => api.dead_letter(&id).await,
                    false => deed.to(&api, &id).await,
                };
                (id, answer)
            }
        };
        let mut dealt = futures_util::stream::iter(ids.iter().map(deal)).buffered(IN_HAND);
        let mut ending = Ok(());
        while let Some((id, answer)) = dealt.next().await {
            let mut told = Ok(());
            bar.aside(|| told = self.settle(&id, answer, is_dry));
            bar.advance();
            if told.is_err() {
                ending = told;
                break;
            }
        }
        drop((dealt, bar));
        self.sum_up(ids.len(), is_dry);
        ending.map(|()| self.account.exit())
    }

    /// Counts what came of a letter and tells it. An error that all others would meet too ends the run.
    fn settle(
        &mut self,
        id: &str,
        answer: Result<Answer<OutboxRow>, ClientError>,
        is_dry: bool,
    ) -> Result<(), CommandError> {
        match answer {
            Ok(answer) => {
                self.account.done += 1;
                self.tell(&answer, is_dry)
            }
            Err(ClientError::Refused(refusal)) if matches!(refusal.status, 400 | 404 | 409) => {
                self.account.failed += 1;
                let (shown, why) = (letter::short(&self.peers, id), refusal.text);
                let words = format!("{}: {}", visible(&shown), visible(&why));
                let members = [("id", Value::from(id)), ("message", Value::from(why))];
                match self.context.out.json {
                    true => self.context.out.event("failed", &words, &members),
                    false => self.context.out.warn(&words),
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn tell(&self, answer: &Answer<OutboxRow>, is_dry: bool) -> Result<(), CommandError> {
        match is_dry {
            // Beside the row the answer has its event, which nobody asked for.
            true => self.context.out.show(&answer.value, |row| self.wish(row))?,
            false => self.context.out.answer(answer, |row| {
                let id = letter::short(&self.peers, &row.id);
                self.deed.words(&visible(&id))
            })?,
        }
        Ok(())
    }

    fn sum_up(&self, total: usize, is_dry: bool) {
        let Account { done, failed } = self.account;
        let (word, name) = self.deed.names();
        let left = total - done - failed;
        let words = match is_dry {
            true => format!("would {name} {done}, not found {failed}; nothing was done"),
            false => format!("{word} {done}, failed {failed}, not tried {left}"),
        };
        let members = [
            ("dry_run", Value::from(is_dry)),
            (word, Value::from(done)),
            ("failed", Value::from(failed)),
            ("not_tried", Value::from(left)),
        ];
        self.context.out.event("sum", &words, &members);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_tells_whether_some_or_all_failed() {
        let exit = |done, failed| Account { done, failed }.exit();
        assert_eq!(
            [exit(2, 0), exit(1, 1), exit(0, 2)],
            [Exit::Done, Exit::SomeFailed, Exit::Failed]
        );
    }
}
