//! The server's signing keys, straight on the database: a new one, and the one that signs.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use super::super::super::context::{Context, block_on};
use super::super::super::error::{CommandError, Kind};
use super::super::super::exit::Exit;
use super::super::super::render;
use super::super::super::serve::{openintent_key_overlap, place};
use super::key_facts;
use crate::base::clock::{Clock, rfc3339};
use crate::base::{duration, random};
use crate::openintent::did::multibase;
use crate::protocol::identity::{IDENTITY_KEY_LEN, InstanceKey};
use crate::server::{KEY_OVERLAP_DEFAULT, kept_secret_key, open_seed, seal_seed};
use crate::store::openintent::SigningKeyRecord;
use crate::store::record::Millis;
use crate::store::seal::Sealer;
use crate::store::{Role, Store, StoreError, open};

/// Where the server's data is.
#[derive(Debug, Args)]
struct PlaceArgs {
    /// The database: `sqlite:PATH` or `postgres://…` [default: sqlite:kite.db in the data directory]
    #[arg(long, value_name = "URL", env = "KITE_DATABASE_URL")]
    database: Option<String>,
    /// Where the server keeps its files
    #[arg(long, value_name = "DIR", env = "KITE_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

/// Make the server a new key. The one before is published for a while beside it; a running server notices.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent identity rotate
  kite openintent identity rotate --overlap 2d --database postgres://kite@db/kite

It signs a few seconds later, when others can know it. Whoever has the old document still takes what
the old key has signed.
KITE_SECRET_KEY, or secret.key in the data directory, must be the server's.")]
pub(super) struct RotateArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// How long the key before stays published [default: `openintent.key_overlap` of --config, else 7d]
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    overlap: Option<Duration>,
    /// The server's TOML file, for its `openintent.key_overlap`
    #[arg(long, value_name = "FILE", env = "KITE_CONFIG")]
    config: Option<PathBuf>,
}

/// Write the key that signs to a file: 32 raw bytes, as the Python SDK reads them. Whoever has it is the server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent identity export --output openintent.key
  kite openintent identity export --output - | ssh backup 'umask 77; cat > openintent.key'

The file is made for its owner alone, and one that is there is not replaced.")]
pub(super) struct ExportArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The file; `-` is stdout
    #[arg(long = "output", alias = "out", value_name = "FILE|-")]
    out: String,
}

/// A key that is published.
#[derive(Serialize)]
struct Published {
    number: u32,
    public_key: String,
    multibase: String,
    created_at: String,
    retires_at: Option<String>,
}

/// The database with what opens it, and the keys that are published.
struct Keys {
    store: Arc<dyn Store>,
    sealer: Sealer,
    now: Millis,
    newest: SigningKeyRecord,
}

impl Keys {
    async fn open(args: PlaceArgs, context: &Context) -> Result<Self, CommandError> {
        let (address, data_dir) = place(args.database.as_deref(), args.data_dir, context)?;
        let given = context.environment.secret_key.as_ref();
        let secret_key = kept_secret_key(given, &data_dir)?.ok_or_else(|| {
            let message = format!("there is no secret key in {}", data_dir.display());
            CommandError::new(Kind::NotFound, message)
                .with_hint("`KITE_SECRET_KEY` or `--data-dir` gives the server's")
        })?;
        let store = open(&address, Role::Visitor).await?;
        let now = Clock::system().unix_millis();
        let newest = store.signing_keys(now).await?.pop();
        let newest = newest.ok_or_else(|| {
            let message = "the server has no key for OpenIntent yet";
            CommandError::new(Kind::NotFound, message).with_hint(
                "`kite serve` makes one when it starts, unless OpenIntent is switched off",
            )
        })?;
        Ok(Self {
            store,
            sealer: Sealer::new(&secret_key)?,
            now,
            newest,
        })
    }

    /// The seed of the key that signs. Only who has the server's secret key can read it, and may add another.
    fn seed(&self) -> Result<Zeroizing<[u8; IDENTITY_KEY_LEN]>, CommandError> {
        open_seed(&self.sealer, &self.newest).map_err(|_| StoreError::OtherSecretKey.into())
    }
}

pub(super) fn rotate(args: RotateArgs, context: &Context) -> Result<Exit, CommandError> {
    let configured = match (args.overlap, &args.config) {
        (None, Some(path)) if !path.as_os_str().is_empty() => openintent_key_overlap(path)?,
        _ => None,
    };
    let overlap = args.overlap.or(configured).unwrap_or(KEY_OVERLAP_DEFAULT);
    block_on(async {
        let keys = Keys::open(args.place, context).await?;
        keys.seed()?;
        let seed: Zeroizing<[u8; IDENTITY_KEY_LEN]> = Zeroizing::new(random::bytes());
        let number = keys.newest.number.saturating_add(1);
        let fresh = SigningKeyRecord {
            number,
            seed: seal_seed(&keys.sealer, number, &seed)?,
            created_at: keys.now,
            retires_at: None,
        };
        let overlap = Millis::try_from(overlap.as_millis()).unwrap_or(Millis::MAX);
        let until = keys.now.saturating_add(overlap);
        let after = keys.store.add_signing_key(fresh.clone(), until).await?;
        if !after.iter().any(|key| key.seed == fresh.seed) {
            let message = "somebody else has made a new key at the same time; nothing was changed";
            return Err(CommandError::failed(message));
        }
        let published = after.iter().map(|key| published(&keys.sealer, key));
        let published = published.collect::<Result<Vec<_>, _>>()?;
        context.out.show(&published, |published| words(published))?;
        Ok(Exit::Done)
    })
}

fn published(sealer: &Sealer, key: &SigningKeyRecord) -> Result<Published, CommandError> {
    let public = public(&*open_seed(sealer, key)?)?;
    Ok(Published {
        number: key.number,
        public_key: STANDARD.encode(public),
        multibase: multibase(&public),
        created_at: rfc3339(key.created_at),
        retires_at: key.retires_at.map(rfc3339),
    })
}

fn public(seed: &[u8; IDENTITY_KEY_LEN]) -> Result<[u8; IDENTITY_KEY_LEN], CommandError> {
    let key = InstanceKey::from_seed(seed);
    let key = key.map_err(|fault| CommandError::failed(fault.to_string()))?;
    Ok(key.public())
}

fn words(published: &[Published]) -> String {
    let mut facts = Vec::new();
    for key in published.iter().rev() {
        facts.push(("key", format!("#key-{}", key.number)));
        facts.push(("public key", key.public_key.clone()));
        facts.push(("multibase", key.multibase.clone()));
        let until = key.retires_at.clone();
        facts.extend(until.map(|until| ("published until", until)));
    }
    render::facts("Made a new key, which signs in a few seconds", &facts)
}

pub(super) fn export(args: ExportArgs, context: &Context) -> Result<Exit, CommandError> {
    if args.out == "-" && io::stdout().is_terminal() {
        return Err(
            CommandError::usage("a terminal cannot take the raw bytes of a key")
                .with_hint("`--output FILE` writes them to a file, a pipe takes them too"),
        );
    }
    block_on(async {
        let keys = Keys::open(args.place, context).await?;
        let seed = keys.seed()?;
        if args.out == "-" {
            context.out.bytes(seed.as_slice())?;
            return Ok(Exit::Done);
        }
        write_key(&args.out, &seed)?;
        let exported = serde_json::json!({
            "file": args.out,
            "number": keys.newest.number,
            "public_key": STANDARD.encode(public(&seed)?),
        });
        let facts = key_facts(format!("#key-{}", keys.newest.number), &public(&seed)?);
        context.out.show(&exported, |_| {
            render::facts(&format!("Wrote the key to {}", args.out), &facts)
        })?;
        context
            .out
            .note("whoever has the file can sign as the server");
        Ok(Exit::Done)
    })
}

/// Writes a file that only its owner can read, where there is none.
fn write_key(path: &str, seed: &[u8; IDENTITY_KEY_LEN]) -> Result<(), CommandError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let what = format!("`{path}`");
    let mut file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            CommandError::failed(format!("`{path}` is there already, and is not replaced"))
                .with_hint("name another file, or move it away")
        }
        _ => CommandError::unwritten(&what)(error),
    })?;
    file.write_all(seed)
        .and_then(|()| file.sync_all())
        .map_err(CommandError::unwritten(&what))
}
