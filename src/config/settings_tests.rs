//! The rules of precedence, and where a key may go.

use super::*;
use crate::config::Login;
use crate::config::login::logout;

const KEY: &str = "kite_0a1b2c3d_0011223344556677";

struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    fn new(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.toml"), config).unwrap();
        Self { dir }
    }

    fn environment(&self, pairs: &[(&str, &str)]) -> Environment {
        let mut environment = Environment::from(|name| {
            let pair = pairs.iter().find(|(key, _)| *key == name);
            pair.map(|(_, value)| (*value).to_owned())
        });
        environment.config_dir = Some(self.dir.path().to_owned());
        environment.data_dir = Some(self.dir.path().join("data"));
        environment.keyring_is_possible = false;
        environment
    }

    fn resolve(&self, flags: &Flags, pairs: &[(&str, &str)]) -> Settings {
        Settings::resolve(flags, &self.environment(pairs)).unwrap()
    }

    fn key(&self, flags: &Flags, pairs: &[(&str, &str)]) -> Result<Token, ConfigError> {
        let environment = self.environment(pairs);
        Settings::resolve(flags, &environment)?.key(&environment)
    }
}

fn server(url: &str) -> Flags {
    Flags {
        server: Some(url.to_owned()),
        ..Flags::default()
    }
}

#[test]
fn without_anything_the_server_is_on_this_machine() {
    let machine = Machine::new("");
    let settings = machine.resolve(&Flags::default(), &[("KITE_WS_URL", "")]);
    assert_eq!(settings.http_base, "http://localhost:7700");
    assert_eq!(settings.ws_url, "ws://localhost:7700/ws");
    assert_eq!(settings.hook_base, settings.http_base);
    assert_eq!(settings.team, None);
}

#[test]
fn a_flag_beats_the_environment_beats_the_profile() {
    let machine = Machine::new(
        "auth.team_id = \"file\"\nserver.url = \"wss://api.example/ws\"\nserver.http_base = \"https://example\"\n",
    );
    let profile = machine.resolve(&Flags::default(), &[]);
    assert_eq!(profile.http_base, "https://example");
    assert_eq!(profile.ws_url, "wss://api.example/ws");
    assert_eq!(profile.team.as_ref().unwrap().as_str(), "file");

    let from_environment =
        machine.resolve(&Flags::default(), &[("KITE_WS_URL", "ws://other:1/ws")]);
    assert_eq!(from_environment.http_base, "http://other:1");

    let same = machine.resolve(&server("https://example/"), &[]);
    assert_eq!(same.ws_url, "wss://api.example/ws");
    let other = machine.resolve(&server("https://third"), &[]);
    assert_eq!(other.ws_url, "wss://third/ws");
}

#[test]
fn a_named_profile_has_tables_of_its_own() {
    let machine = Machine::new(
        "auth.team_id = \"one\"\nagent.id = \"a\"\n[profiles.work.auth]\nteam_id = \"two\"\n",
    );
    let flags = Flags {
        profile: Some("work".to_owned()),
        ..Flags::default()
    };
    let settings = machine.resolve(&flags, &[]);
    assert_eq!(settings.team.unwrap().as_str(), "two");
    assert_eq!(settings.identity, None);
}

#[test]
fn a_stored_key_goes_to_the_server_of_its_login_and_nowhere_else() {
    let machine = Machine::new("# kept\n");
    let environment = machine.environment(&[]);
    let login = Login {
        http_base: "https://example".to_owned(),
        ws_url: "wss://api.example/ws".to_owned(),
        team: "t".parse().unwrap(),
        key: Token::parse(KEY).unwrap(),
    };
    let paths = Paths::find(&environment);
    let profile = Profile::default();
    let store = login.save(&paths, &environment, &profile).unwrap();
    assert_eq!(store, Store::File);
    assert_eq!(machine.key(&Flags::default(), &[]).unwrap().reveal(), KEY);
    for elsewhere in [
        "https://evil.example",
        "http://example",
        "https://example:8443",
    ] {
        let refused = machine.key(&server(elsewhere), &[]);
        assert!(
            matches!(refused, Err(ConfigError::OtherOrigin { .. })),
            "{elsewhere}"
        );
    }
    let moved = machine.key(
        &Flags::default(),
        &[("KITE_WS_URL", "wss://evil.example/ws")],
    );
    assert!(matches!(moved, Err(ConfigError::OtherOrigin { .. })));

    let config = std::fs::read_to_string(paths.config_file()).unwrap();
    assert!(config.contains("# kept") && !config.contains(KEY));
    assert!(logout(&paths, &environment, &profile).unwrap());
    assert!(matches!(
        machine.key(&Flags::default(), &[]),
        Err(ConfigError::NotLoggedIn { .. })
    ));
}

#[test]
fn a_key_in_the_configuration_is_used_and_bound_to_its_server() {
    let machine = Machine::new(&format!("auth.api_key = \"{KEY}\"\n"));
    assert_eq!(machine.key(&Flags::default(), &[]).unwrap().reveal(), KEY);
    assert!(matches!(
        machine.key(&server("https://other"), &[]),
        Err(ConfigError::OtherOrigin { .. })
    ));
}

#[test]
fn a_key_of_the_environment_wins_and_stays_out_of_clear_text() {
    let machine = Machine::new("auth.store = \"keyring\"\n");
    let pairs = [("KITE_API_KEY", KEY)];
    assert_eq!(
        machine
            .key(&server("https://any"), &pairs)
            .unwrap()
            .reveal(),
        KEY
    );
    let plain = server("http://10.0.0.1:7700");
    assert!(matches!(
        machine.key(&plain, &pairs),
        Err(ConfigError::PlainHttp(_))
    ));
    let allowed = Flags {
        insecure: true,
        ..plain
    };
    assert!(machine.key(&allowed, &pairs).is_ok());
    let hook_token = [("KITE_API_KEY", "khk_0a1b2c3d_0011223344556677")];
    let error = machine.key(&Flags::default(), &hook_token).unwrap_err();
    assert!(!error.to_string().contains("0011223344556677"));
}
