//! What is said of Paperclip: flags, variables and the table `[paperclip]` of the file.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use crate::base::secret::Secret;
use crate::cli::error::CommandError;
use crate::server::PaperclipConfig;

/// The settings. The key itself is never among them: it comes in `KITE_PAPERCLIP_API_KEY` or in a file.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PaperclipSettings {
    /// Post messages for agents to the Paperclip at this address too [default: to none]
    #[arg(
        id = "paperclip_api_url",
        long = "paperclip-api-url",
        value_name = "URL",
        env = "KITE_PAPERCLIP_API_URL"
    )]
    api_url: Option<String>,

    /// A file with the key that Paperclip is called with; `KITE_PAPERCLIP_API_KEY` wins
    #[arg(
        id = "paperclip_api_key_file",
        long = "paperclip-api-key-file",
        value_name = "FILE",
        env = "KITE_PAPERCLIP_API_KEY_FILE"
    )]
    api_key_file: Option<PathBuf>,
}

impl PaperclipSettings {
    /// What is missing here is taken from there.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            api_url: self.api_url.or(other.api_url),
            api_key_file: self.api_key_file.or(other.api_key_file),
        }
    }

    /// Where Paperclip is, if there is one. `key` is that of the environment.
    pub(super) fn paperclip(
        self,
        key: Option<Secret>,
    ) -> Result<Option<PaperclipConfig>, CommandError> {
        let given = |path: &PathBuf| !path.as_os_str().is_empty();
        let file = self.api_key_file.filter(given);
        let Some(api_url) = self.api_url.filter(|url| !url.trim().is_empty()) else {
            return match file {
                None => Ok(None),
                Some(_) => Err(CommandError::usage(
                    "`--paperclip-api-key-file` needs `--paperclip-api-url` too",
                )),
            };
        };
        let read = |path: PathBuf| {
            let text = std::fs::read_to_string(&path).map_err(|error| {
                CommandError::usage(format!(
                    "cannot read the key of Paperclip in `{}`: {error}",
                    path.display()
                ))
            })?;
            Ok::<_, CommandError>(Secret::from(text.trim().to_owned()))
        };
        let key = match key {
            Some(key) => Some(key),
            None => file.map(read).transpose()?,
        };
        Ok(Some(PaperclipConfig {
            api_url: api_url.trim().to_owned(),
            key,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> PaperclipSettings {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn without_an_address_there_is_none_and_a_key_alone_is_a_mistake() {
        let key = || Some(Secret::from("k".to_owned()));
        assert!(table("").paperclip(key()).unwrap().is_none());
        assert!(table("api_url = \" \"").paperclip(key()).unwrap().is_none());
        assert!(table("api_key_file = \"/k\"").paperclip(None).is_err());
        assert!(toml::from_str::<PaperclipSettings>("api_key = \"k\"").is_err());
    }

    #[test]
    fn a_key_comes_from_the_environment_or_from_a_file() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "of the file\n").unwrap();
        let file = format!("api_url = \"https://pc\"\napi_key_file = {path:?}");
        let key = |given: Option<&str>| {
            let given = given.map(|key| Secret::from(key.to_owned()));
            let config = table(&file).paperclip(given).unwrap().unwrap();
            config.key.unwrap().reveal().to_owned()
        };
        assert_eq!(key(None), "of the file");
        assert_eq!(key(Some("given")), "given");
        std::fs::remove_file(&path).unwrap();
        assert!(table(&file).paperclip(None).is_err());
    }
}
