//! `config.toml`: read and rewritten so that comments and unknown keys survive (spec 3.1).

use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value};

use super::{ConfigError, Paths, private};

/// Which identity of this machine is meant: the default one has the top-level tables, a named one `[profiles.NAME.*]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile(Option<String>);

impl Profile {
    /// The profile's name; `default` for the unnamed one.
    pub fn name(&self) -> &str {
        self.0.as_deref().unwrap_or("default")
    }

    /// The tables that lead to the profile's table `name`.
    fn path<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        match &self.0 {
            Some(profile) => vec!["profiles", profile, name],
            None => vec![name],
        }
    }
}

impl FromStr for Profile {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        match name {
            "" | "default" => Ok(Self(None)),
            name if name.chars().all(is_part) => Ok(Self(Some(name.to_owned()))),
            name => Err(ConfigError::ProfileName(name.to_owned())),
        }
    }
}

/// The configuration file, in memory.
#[derive(Debug)]
pub struct ConfigFile {
    path: PathBuf,
    document: DocumentMut,
}

impl ConfigFile {
    /// Reads the file; a missing one is empty. One that does not parse is an error and stays as it is.
    pub fn load(path: PathBuf) -> Result<Self, ConfigError> {
        let text = private::read(&path)?.unwrap_or_default();
        let document = text
            .parse::<DocumentMut>()
            .map_err(|error| ConfigError::Syntax {
                path: path.clone(),
                why: error.to_string().trim_end().to_owned(),
            })?;
        Ok(Self { path, document })
    }

    /// Reads, changes and writes the configuration as one step among all processes of this machine.
    pub fn update<T>(
        paths: &Paths,
        change: impl FnOnce(&mut Self) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        Self::update_at(paths, paths.config_file(), change)
    }

    /// As [`ConfigFile::update`], for the file at `path`.
    pub(super) fn update_at<T>(
        paths: &Paths,
        path: PathBuf,
        change: impl FnOnce(&mut Self) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let lock_path = paths.config_lock();
        let lock = private::open_lock(&lock_path)?;
        lock.lock().map_err(private::fault("lock", &lock_path))?;
        let mut file = Self::load(path)?;
        let before = file.document.to_string();
        let result = change(&mut file)?;
        let after = file.document.to_string();
        if after != before {
            private::replace(&file.path, &after)?;
        }
        Ok(result)
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether others than the owner may read it.
    pub fn is_exposed(&self) -> bool {
        private::is_exposed(&self.path)
    }

    /// A text of the profile; empty counts as missing.
    pub fn text(
        &self,
        profile: &Profile,
        table: &str,
        key: &str,
    ) -> Result<Option<String>, ConfigError> {
        match self.item(profile, table, key)? {
            None => Ok(None),
            Some(item) => match item.as_str() {
                Some(text) => Ok(Some(text.to_owned()).filter(|text| !text.trim().is_empty())),
                None => Err(self.fault(profile, table, key, "a string")),
            },
        }
    }

    /// A list of texts of the profile.
    pub fn texts(
        &self,
        profile: &Profile,
        table: &str,
        key: &str,
    ) -> Result<Option<Vec<String>>, ConfigError> {
        let fault = || self.fault(profile, table, key, "a list of strings");
        let Some(item) = self.item(profile, table, key)? else {
            return Ok(None);
        };
        let array = item.as_array().ok_or_else(fault)?;
        let texts = array
            .iter()
            .map(|value| value.as_str().map(str::to_owned).ok_or_else(fault));
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// Sets a text of the profile.
    pub fn set_text(
        &mut self,
        profile: &Profile,
        table: &str,
        key: &str,
        text: &str,
    ) -> Result<(), ConfigError> {
        self.set(profile, table, key, Value::from(text))
    }

    /// Sets a list of texts of the profile.
    pub fn set_texts(
        &mut self,
        profile: &Profile,
        table: &str,
        key: &str,
        texts: &[String],
    ) -> Result<(), ConfigError> {
        let array: Array = texts.iter().map(String::as_str).collect();
        self.set(profile, table, key, Value::Array(array))
    }

    /// Removes a key of the profile; says whether it was there.
    pub fn remove(
        &mut self,
        profile: &Profile,
        table: &str,
        key: &str,
    ) -> Result<bool, ConfigError> {
        if self.item(profile, table, key)?.is_none() {
            return Ok(false);
        }
        let table = self.table_mut(profile, table)?;
        Ok(table.remove(key).is_some())
    }

    fn set(
        &mut self,
        profile: &Profile,
        table: &str,
        key: &str,
        mut value: Value,
    ) -> Result<(), ConfigError> {
        let table = self.table_mut(profile, table)?;
        match table.get_mut(key).and_then(Item::as_value_mut) {
            // A comment behind the old value belongs to its key.
            Some(old) => {
                *value.decor_mut() = old.decor().clone();
                *old = value;
            }
            None => {
                table.insert(key, Item::Value(value));
            }
        }
        Ok(())
    }

    fn item(
        &self,
        profile: &Profile,
        table: &str,
        key: &str,
    ) -> Result<Option<&Item>, ConfigError> {
        let mut at: &dyn TableLike = self.document.as_table();
        for name in profile.path(table) {
            match at.get(name) {
                None | Some(Item::None) => return Ok(None),
                Some(item) => at = item.as_table_like().ok_or_else(|| self.not_a_table(name))?,
            }
        }
        Ok(at.get(key).filter(|item| !item.is_none()))
    }

    fn table_mut(
        &mut self,
        profile: &Profile,
        table: &str,
    ) -> Result<&mut dyn TableLike, ConfigError> {
        let path = profile.path(table);
        let file = self.path.clone();
        let last = path.len() - 1;
        let mut at: &mut dyn TableLike = self.document.as_table_mut();
        for (depth, name) in path.into_iter().enumerate() {
            let item = at.entry(name).or_insert_with(|| {
                let mut fresh = Table::new();
                // The tables on the way need no header of their own.
                fresh.set_implicit(depth < last);
                Item::Table(fresh)
            });
            at = item.as_table_like_mut().ok_or_else(|| ConfigError::Value {
                path: file.clone(),
                key: name.to_owned(),
                expected: "a table",
            })?;
        }
        Ok(at)
    }

    fn not_a_table(&self, name: &str) -> ConfigError {
        ConfigError::Value {
            path: self.path.clone(),
            key: name.to_owned(),
            expected: "a table",
        }
    }

    fn fault(
        &self,
        profile: &Profile,
        table: &str,
        key: &str,
        expected: &'static str,
    ) -> ConfigError {
        ConfigError::Value {
            path: self.path.clone(),
            key: format!("{}.{key}", profile.path(table).join(".")),
            expected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn paths(dir: &tempfile::TempDir) -> Paths {
        let text = dir.path().to_string_lossy().into_owned();
        Paths::find(&Environment::from(|name| match name {
            "KITE_CONFIG_DIR" => Some(format!("{text}/config")),
            "KITE_DATA_DIR" => Some(format!("{text}/data")),
            _ => None,
        }))
    }

    #[test]
    fn a_rewrite_keeps_comments_and_unknown_keys() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(&dir);
        std::fs::create_dir_all(paths.config_dir()).unwrap();
        let text =
            "# mine\n[server]\nurl = \"ws://old/ws\" # here\nfuture = [1, 2]\n\n[other]\nx = 1\n";
        std::fs::write(paths.config_file(), text).unwrap();
        let work: Profile = "work".parse().unwrap();
        ConfigFile::update(&paths, |file| {
            file.set_text(&Profile::default(), "server", "url", "ws://new/ws")?;
            file.set_text(&work, "agent", "id", "a-1")
        })
        .unwrap();
        let after = std::fs::read_to_string(paths.config_file()).unwrap();
        assert_eq!(
            after,
            text.replace("ws://old", "ws://new") + "\n[profiles.work.agent]\nid = \"a-1\"\n"
        );
        let file = ConfigFile::load(paths.config_file()).unwrap();
        assert_eq!(
            file.text(&work, "agent", "id").unwrap().as_deref(),
            Some("a-1")
        );
        assert_eq!(file.text(&work, "agent", "name").unwrap(), None);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_what_is_written() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(&dir);
        let set =
            |file: &mut ConfigFile| file.set_text(&Profile::default(), "auth", "team_id", "t");
        ConfigFile::update(&paths, set).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&paths.config_file()), 0o600);
        assert_eq!(mode(paths.config_dir()), 0o700);
        let file = ConfigFile::load(paths.config_file()).unwrap();
        assert!(!file.is_exposed());
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(paths.config_file(), open).unwrap();
        assert!(file.is_exposed());
    }

    #[test]
    fn a_file_that_does_not_parse_is_named_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(&dir);
        std::fs::create_dir_all(paths.config_dir()).unwrap();
        std::fs::write(paths.config_file(), "[agent\nid = 1").unwrap();
        let set =
            |file: &mut ConfigFile| file.set_text(&Profile::default(), "auth", "team_id", "t");
        let error = ConfigFile::update(&paths, set).unwrap_err().to_string();
        assert!(error.contains("config.toml"), "{error}");
        let text = std::fs::read_to_string(paths.config_file()).unwrap();
        assert_eq!(text, "[agent\nid = 1");
    }

    #[test]
    fn a_value_of_another_type_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, "agent.id = 5\nserver = 1\n").unwrap();
        let file = ConfigFile::load(path).unwrap();
        let profile = Profile::default();
        let error = file.text(&profile, "agent", "id").unwrap_err().to_string();
        assert!(error.starts_with("`agent.id` in"), "{error}");
        assert!(file.text(&profile, "server", "url").is_err());
        assert!("a.b".parse::<Profile>().is_err());
    }
}
