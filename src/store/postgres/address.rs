//! Where a PostgreSQL server is, and how to speak to it safely.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::store::StoreError;

/// How long connecting to one address may take, unless the URL says otherwise.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// After how long without an answer from the other machine a connection counts as dead.
const DEAD_AFTER: Duration = Duration::from_secs(10);

/// `postgres://USER:PASSWORD@HOST:PORT/NAME?…`, with the parameters that libpq knows.
///
/// A server on this machine may be spoken to in the clear. Any other is spoken to over TLS, and its certificate is
/// checked, unless the URL says `sslmode=disable`; `sslrootcert=FILE` trusts one more CA. Weaker modes of libpq, which
/// encrypt without knowing to whom, are taken for this one.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    pub(super) config: Config,
    ca_file: Option<PathBuf>,
}

impl PostgresAddress {
    /// Trusts a CA too, unless the URL names one.
    pub fn trust(&mut self, ca_file: &Path) {
        self.ca_file.get_or_insert_with(|| ca_file.to_owned());
    }

    /// Whether TLS is spoken.
    pub(super) fn is_tls(&self) -> bool {
        self.config.get_ssl_mode() == SslMode::Require
    }

    /// The CA to trust beside the platform's.
    pub(super) fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }
}

impl FromStr for PostgresAddress {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut ssl_mode, mut ca_file, mut rest) = (None, None, Vec::new());
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name {
                "sslmode" => ssl_mode = Some(mode(value)?),
                "sslrootcert" => {
                    let path = percent_decode_str(value).decode_utf8_lossy();
                    ca_file = Some(PathBuf::from(path.into_owned()));
                }
                _ => rest.push(parameter),
            }
        }
        let url = format!("{base}?{}", rest.join("&"));
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            StoreError::Address(format!(
                "the PostgreSQL address cannot be read ({})",
                super::chain(&error)
            ))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(StoreError::Address(
                "the PostgreSQL address names no host".to_owned(),
            ));
        }
        // What follows an `@` in a password that is not escaped counts as the host, and hosts are shown.
        let has_at = |host: &Host| matches!(host, Host::Tcp(name) if name.contains('@'));
        if config.get_hosts().iter().any(has_at) {
            return Err(StoreError::Address(
                "the PostgreSQL address has a second `@`, which is written `%40` in a password"
                    .to_owned(),
            ));
        }
        let is_here = config.get_hostaddrs().iter().all(|ip| ip.is_loopback())
            && config.get_hosts().iter().all(is_here);
        config.ssl_mode(match (ssl_mode, is_here) {
            (Some(mode), _) => mode,
            (None, true) => SslMode::Disable,
            (None, false) => SslMode::Require,
        });
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_LIMIT);
        }
        // Every connection, also one that is made after a failover: a standby knows less than what was announced, and what
        // it lacks would count as looked at.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        config
            .keepalives_idle(DEAD_AFTER)
            .keepalives_interval(DEAD_AFTER / 5)
            .keepalives_retries(3)
            .tcp_user_timeout(DEAD_AFTER);
        if config.get_application_name().is_none() {
            config.application_name("kite");
        }
        Ok(Self { config, ca_file })
    }
}

fn mode(word: &str) -> Result<SslMode, StoreError> {
    match word {
        "disable" => Ok(SslMode::Disable),
        "allow" | "prefer" | "require" | "verify-ca" | "verify-full" => Ok(SslMode::Require),
        _ => Err(StoreError::Address(
            "`sslmode` in the PostgreSQL address is neither `disable` nor `verify-full`".to_owned(),
        )),
    }
}

fn is_here(host: &Host) -> bool {
    match host {
        #[cfg(unix)]
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse()
                    .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
    }
}

impl fmt::Display for PostgresAddress {
    /// The first host and the database: never the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.display().to_string(),
            None => self
                .config
                .get_hostaddrs()
                .first()
                .map(ToString::to_string)
                .unwrap_or_default(),
        };
        write!(f, "PostgreSQL at {host}")?;
        if let Some(port) = self.config.get_ports().first() {
            write!(f, ":{port}")?;
        }
        match self.config.get_dbname() {
            Some(name) => write!(f, "/{name}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> PostgresAddress {
        text.parse().unwrap()
    }

    #[test]
    fn another_machine_is_spoken_to_over_tls_unless_the_url_says_no() {
        for (url, is_tls) in [
            ("postgres://kite@localhost/kite", false),
            ("postgres://kite@127.0.0.1/kite", false),
            ("postgres://kite@[::1]/kite", false),
            ("postgres:///kite?host=/run/postgresql", false),
            ("postgres://kite@db.example/kite", true),
            ("postgres://kite@localhost,db.example/kite", true),
            ("postgres://kite@db.example/kite?sslmode=disable", false),
            ("postgres://kite@db.example/kite?sslmode=prefer", true),
            ("postgres://kite@localhost/kite?sslmode=verify-full", true),
        ] {
            assert_eq!(address(url).is_tls(), is_tls, "{url}");
        }
    }

    #[test]
    fn the_ca_of_the_url_wins_over_the_one_of_the_command_line() {
        let mut named =
            address("postgres://db.example:5433/kite?sslrootcert=/a%20b/ca.pem&user=kite");
        named.trust(Path::new("other.pem"));
        assert_eq!(named.ca_file(), Some(Path::new("/a b/ca.pem")));
        assert_eq!(named.config.get_user(), Some("kite"));
        let mut plain = address("postgres://db.example/kite");
        plain.trust(Path::new("other.pem"));
        assert_eq!(plain.ca_file(), Some(Path::new("other.pem")));
    }

    #[test]
    fn no_password_is_ever_shown() {
        let known = address("postgres://kite:hunter2@db.example:5433/kite");
        assert_eq!(known.to_string(), "PostgreSQL at db.example:5433/kite");
        assert!(!format!("{known:?}").contains("hunter2"));
        for bad in [
            "postgres://kite:hunter2@db.example/kite?sslmode=hunter2",
            "postgres://kite:hunter2@db.example/kite?port=hunter2",
            "postgres://kite:hunter2@/kite",
            "postgres://kite:p@hunter2@db.example/kite",
        ] {
            let error = bad.parse::<PostgresAddress>().unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
