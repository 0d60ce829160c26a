//! The log of this program on stderr: lines for people, or an object per line for machines.

use std::fmt;
use std::io;

use clap::ValueEnum;
use serde::Deserialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::base::request::RequestId;

/// What a line of the log looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Words.
    #[default]
    Text,
    /// A JSON object.
    Json,
}

/// Sends the log of this program to stderr, down to a level.
pub fn to_stderr(level: LevelFilter, format: LogFormat) {
    if level == LevelFilter::OFF {
        return;
    }
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false)
        .event_format(Lines::new(format));
    // Libraries log headers and bytes; ours is enough to see what happens, and holds no secret.
    let ours = Targets::new().with_target("kite", level);
    // A second call finds the first one's subscriber, which is as good.
    let _ = tracing_subscriber::registry()
        .with(layer)
        .with(ours)
        .try_init();
}

/// Makes the lines. Each has the id of the request that it was said for.
struct Lines {
    format: LogFormat,
    words: Format<Full, SystemTime>,
}

impl Lines {
    fn new(format: LogFormat) -> Self {
        Self {
            format,
            words: Format::default().with_ansi(false),
        }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let id = RequestId::current();
        if self.format == LogFormat::Json {
            return writeln!(writer, "{}", object(event, id));
        }
        let mut line = String::new();
        self.words
            .format_event(context, Writer::new(&mut line), event)?;
        match id {
            Some(id) => writeln!(writer, "{} request={id}", line.trim_end()),
            None => writer.write_str(&line),
        }
    }
}

/// An event as an object: what every line has, then the event's own fields beside it.
fn object(event: &Event<'_>, id: Option<RequestId>) -> String {
    let about = event.metadata();
    let mut time = String::new();
    // Writing to a string cannot fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    let mut line = Map::new();
    let level = about.level().as_str().to_ascii_lowercase();
    line.insert("time".to_owned(), time.into());
    line.insert("level".to_owned(), level.into());
    line.insert("target".to_owned(), about.target().into());
    // The place of the message; each event has one.
    line.insert("message".to_owned(), "".into());
    if let Some(id) = id {
        line.insert("request".to_owned(), id.as_str().into());
    }
    event.record(&mut Fields(&mut line));
    Value::Object(line).to_string()
}

/// Takes the fields of an event over.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn take(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, value);
    }
}
