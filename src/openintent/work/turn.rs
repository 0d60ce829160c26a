//! What a report makes of an intent: the rules of the work, as one step from how it stood to how it stands.

use super::budget;
use super::fault::WorkFault;
use super::log;
use super::merge::{compose, patch};
use super::told::Told;
use super::{BudgetShare, Intent, Verb, WorkReport};
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{CallbackEventType, FederationAttestation, IntentStatus};
use crate::openintent::stamp;

/// How large the record of an intent may become, in bytes: its changes travel in one callback, and no body may have more than
/// 1 MiB (spec 4, rule 10).
pub const RECORD_MAX_BYTES: usize = 960 * 1024;

/// The longest key and the longest word to people, in characters.
pub(super) const KEY_MAX_CHARS: usize = 256;
pub(super) const MESSAGE_MAX_CHARS: usize = 4096;

/// How deep a change may be nested: it travels within other objects, and readers stop at 128 (spec 4, rule 10).
const DELTA_DEPTH_MAX: usize = 64;

/// How many keys are remembered, the last ones: repeats come soon.
const KEYS_MAX: usize = 256;

/// Who reports, and when.
#[derive(Debug, Clone, Default)]
pub struct Reporter {
    /// Who says that a person agrees, where the report says so and they may.
    pub approver: Option<String>,
    /// The time: Unix milliseconds.
    pub now_ms: i64,
}

/// An intent after a report.
#[derive(Debug, Clone)]
pub struct Turn {
    /// What is kept of it.
    pub intent: Intent,
    /// How it stands.
    pub status: IntentStatus,
    /// What whoever gave it is told, in this order.
    pub told: Vec<Told>,
    /// What is entered into its log.
    pub entry: Object,
}

/// What a [`Turn`] is made from.
struct Said<'r> {
    word: &'static str,
    agent_id: Option<&'r str>,
    state_delta: &'r Object,
    usage: &'r Object,
    message: Option<&'r str>,
    key: Option<&'r str>,
    /// How the intent stands then, if the budget is kept.
    after: IntentStatus,
    begins: bool,
}

impl Intent {
    /// What a report makes of an intent that stands like this. None where the report was made before.
    ///
    /// # Errors
    /// When the report cannot be used, or something does not allow it.
    pub fn report(
        &self,
        status: IntentStatus,
        verb: Verb,
        report: &WorkReport,
        by: &Reporter,
    ) -> Result<Option<Turn>, WorkFault> {
        check(report)?;
        // A key is one of its verb's: who uses one key for all reports still comes to an end.
        let key = report.idempotency_key.as_deref();
        let key = key.map(|key| format!("{} {key}", verb.word()));
        let is_seen = key.as_ref().is_some_and(|key| self.keys.contains(key));
        if is_seen || self.is_known(status, verb, report) {
            return Ok(None);
        }
        let begins = status == IntentStatus::Accepted && verb != Verb::Fail;
        self.permit_by_state(status, verb, report)?;
        self.permit_by_agents(report)?;
        self.permit_by_scope(verb, report, begins, by.now_ms)?;
        self.permit_by_policy(verb, report, by.approver.is_some())?;
        let mut intent = self.clone();
        if report.approve && begins && self.policy.needs_approval() {
            intent.approved_by = intent.approved_by.or_else(|| by.approver.clone());
        }
        let said = Said {
            word: verb.word(),
            agent_id: report.agent_id.as_deref(),
            state_delta: &report.state_delta,
            usage: &report.usage,
            message: report.message.as_deref(),
            key: key.as_deref(),
            after: match verb {
                Verb::Accept | Verb::Progress => IntentStatus::Running,
                Verb::Complete => IntentStatus::Completed,
                Verb::Fail => IntentStatus::Failed,
            },
            begins,
        };
        if verb == Verb::Progress {
            intent.steps = intent.steps.saturating_add(1);
        }
        let turn = intent.turned(&said, by.now_ms)?;
        // An end without a change adds little, and is never refused for what came before.
        let may_grow = matches!(verb, Verb::Progress) || !report.state_delta.is_empty();
        if may_grow && turn.intent.to_json().to_string().len() > RECORD_MAX_BYTES {
            return Err(WorkFault::TooLarge {
                max_bytes: RECORD_MAX_BYTES,
            });
        }
        Ok(Some(turn))
    }

    /// What becomes of an intent by what was used for a part of it elsewhere, in a dispatch. None where that was added
    /// before, or comes after its end. Time is not added: it passes here as well.
    ///
    /// # Errors
    /// When the usage is none.
    pub fn account(
        &self,
        status: IntentStatus,
        dispatch_id: &str,
        usage: &Object,
        now_ms: i64,
    ) -> Result<Option<Turn>, WorkFault> {
        if status.is_final() || self.accounted.iter().any(|it| it == dispatch_id) {
            return Ok(None);
        }
        let mut usage = budget::fitting(&self.usage, usage);
        usage.remove(budget::DURATION);
        let mut intent = self.clone();
        intent.accounted.push(dispatch_id.to_owned());
        let said = Said {
            word: "account",
            agent_id: None,
            state_delta: &Object::new(),
            usage: &usage,
            message: None,
            key: None,
            after: status,
            begins: false,
        };
        intent.turned(&said, now_ms).map(Some)
    }

    fn turned(mut self, said: &Said<'_>, now_ms: i64) -> Result<Turn, WorkFault> {
        if said.begins {
            self.started_at = Some(now_ms);
            self.agent_id = self.agent_id.or_else(|| said.agent_id.map(str::to_owned));
        }
        patch(&mut self.state, said.state_delta);
        self.changes = compose(&self.changes, said.state_delta);
        budget::add(&mut self.usage, said.usage)?;
        if let Some(message) = said.message {
            self.message = Some(message.to_owned());
        }
        if let Some(key) = said.key {
            let surplus = (self.keys.len() + 1).saturating_sub(KEYS_MAX);
            self.keys.drain(..surplus);
            self.keys.push(key.to_owned());
        }
        let mut turn = Turn {
            intent: self,
            status: said.after,
            told: Vec::new(),
            entry: Object::new(),
        };
        turn.tell_of_work(said);
        let excess = turn.judge_budget(now_ms);
        if let Some(why) = &excess {
            turn.status = IntentStatus::Failed;
            turn.intent.message = Some(why.clone());
        }
        if turn.status.is_final() {
            turn.intent.usage = turn.intent.used(now_ms);
        }
        turn.enter(said, now_ms);
        turn.tell_of_end(said, excess.is_none(), now_ms);
        Ok(turn)
    }
}

impl Turn {
    fn tell(
        &mut self,
        event_type: CallbackEventType,
        state_delta: Object,
        attestation: Option<FederationAttestation>,
    ) {
        self.intent.callbacks = self.intent.callbacks.saturating_add(1);
        self.told.push(Told {
            event_type,
            number: self.intent.callbacks,
            state_delta,
            attestation,
        });
    }

    /// That it has begun, and how far it has come.
    fn tell_of_work(&mut self, said: &Said<'_>) {
        if self.status != IntentStatus::Running {
            return;
        }
        if said.begins {
            let delta = status(IntentStatus::Running);
            self.tell(CallbackEventType::StatusChanged, delta, None);
        }
        let mut delta = said.state_delta.clone();
        if let Some(message) = said.message {
            delta.insert("message".to_owned(), message.into());
        }
        if !delta.is_empty() {
            self.tell(CallbackEventType::StateDelta, delta, None);
        }
    }

    /// Warns of each limit once. Says why the intent fails, where more than all of one is used.
    fn judge_budget(&mut self, now_ms: i64) -> Option<String> {
        let budget = self.intent.policy.budget.clone();
        let used = self.intent.used(now_ms);
        let shares = budget::shares(&budget, &used);
        if let Some(share) = shares.iter().find(|share| share.is_exceeded()) {
            return Some(format!(
                "the budget is exceeded: `{}` is {}, and {} were used",
                share.name, share.limit, share.used
            ));
        }
        let is_new =
            |share: &BudgetShare| share.is_short() && !self.intent.warned.contains(&share.name);
        let short: Vec<BudgetShare> = shares.into_iter().filter(is_new).collect();
        for share in short {
            let warning = Json::Object(share.warning(&budget, &used));
            let delta = Object::from([("budget_warning".to_owned(), warning)]);
            self.tell(CallbackEventType::BudgetWarning, delta, None);
            self.intent.warned.push(share.name);
        }
        None
    }

    fn enter(&mut self, said: &Said<'_>, now_ms: i64) {
        let some = |object: &Object| (!object.is_empty()).then(|| Json::Object(object.clone()));
        let members = [
            ("event_type", Some(Json::from(said.word))),
            ("agent_id", said.agent_id.map(Json::from)),
            ("state_delta", some(said.state_delta)),
            ("usage", some(said.usage)),
            ("message", said.message.map(Json::from)),
            ("status", Some(Json::from(self.status))),
            ("timestamp", Some(Json::from(stamp::write(now_ms)))),
        ];
        let members = members.into_iter();
        let entry = members.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        self.entry = log::enter(&mut self.intent.log, entry.collect());
    }

    /// What was attested, and all that has changed: whatever deltas are late or lost.
    fn tell_of_end(&mut self, said: &Said<'_>, is_compliant: bool, now_ms: i64) {
        let (event_type, word) = match self.status {
            IntentStatus::Completed => (CallbackEventType::Completed, "message"),
            IntentStatus::Failed => (CallbackEventType::Failed, "error"),
            _ => return,
        };
        let attestation = Some(self.intent.attestation(is_compliant, now_ms));
        let nothing = Object::new();
        self.tell(CallbackEventType::Attestation, nothing, attestation.clone());
        let mut delta = self.intent.changes.clone();
        delta.extend(status(self.status));
        let message = match is_compliant {
            true => said.message,
            false => self.intent.message.as_deref(),
        };
        if let Some(message) = message {
            delta.insert(word.to_owned(), message.into());
        }
        self.tell(event_type, delta, attestation);
    }
}

fn status(status: IntentStatus) -> Object {
    Object::from([("status".to_owned(), Json::from(status))])
}

/// Refuses a report that nobody could keep.
fn check(report: &WorkReport) -> Result<(), WorkFault> {
    let long = [
        ("agent_id", &report.agent_id, KEY_MAX_CHARS),
        ("idempotency_key", &report.idempotency_key, KEY_MAX_CHARS),
        ("message", &report.message, MESSAGE_MAX_CHARS),
    ];
    for (name, text, max) in long {
        if text.as_ref().is_some_and(|it| it.chars().count() > max) {
            let why = format!("must have at most {max} characters");
            return Err(WorkFault::member(name, why));
        }
    }
    match report
        .state_delta
        .values()
        .all(|it| it.is_flat(DELTA_DEPTH_MAX))
    {
        true => Ok(()),
        false => Err(WorkFault::member(
            "state_delta",
            format!("must not be nested deeper than {DELTA_DEPTH_MAX} levels"),
        )),
    }
}
