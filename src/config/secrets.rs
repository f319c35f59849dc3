//! What must not stand in a file that is shown around comes from the environment.
//!
//! Each variable has a twin with `_FILE` at its end, which names a file with the secret in it, as systemd and Docker hand
//! credentials over. The only place that reads the environment.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::Path;

/// A text that is not shown by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret of this text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Properties of Kafka's clients, and where they come from.
pub(super) const OF_KAFKA: [(&str, &str); 3] = [
    ("KAIROS_SASL_USERNAME", "sasl.username"),
    ("KAIROS_SASL_PASSWORD", "sasl.password"),
    ("KAIROS_SSL_KEY_PASSWORD", "ssl.key.password"),
];

/// The token that HTTP requests carry.
pub(super) const HTTP_TOKEN: &str = "KAIROS_HTTP_TOKEN";

/// The environment of the process.
#[expect(
    clippy::disallowed_methods,
    reason = "secrets must not stand in arguments or files: here is the one place"
)]
pub(super) fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The token that an instance wants, where there is no configuration to say so.
///
/// # Errors
/// What is wrong with it, with the name of the variable.
pub fn http_token() -> Result<Option<Secret>, String> {
    secret(HTTP_TOKEN, &environment)
}

/// A secret, if one is given.
///
/// # Errors
/// What is wrong with it, with the name of the variable.
pub(super) fn secret(
    name: &str,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Option<Secret>, String> {
    let file_name = format!("{name}_FILE");
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    let text = match (set(name), set(&file_name)) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(format!("{name} and {file_name} are both set: unset one"));
        }
        (Some(value), None) => {
            value.into_string().map_err(|_| format!("{name} is not UTF-8 text"))?
        }
        (None, Some(path)) => {
            let path = Path::new(&path);
            fs::read_to_string(path).map_err(|error| {
                format!("{file_name} names {}, which cannot be read: {error}", path.display())
            })?
        }
    };
    // A line feed at the end is the editor's.
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(format!("{file_name} names an empty file"));
    }
    Ok(Some(Secret::new(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_variable_or_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("good"), "from file\n").unwrap();
        fs::write(path("empty"), "\n").unwrap();
        let ask = |value: Option<&str>, file: Option<&str>| {
            let of = |name: &str| match name {
                "S" => value.map(OsString::from),
                "S_FILE" => file.map(|name| path(name).into_os_string()),
                _ => None,
            };
            let said = secret("S", &of)
                .map_err(|e| e.replace(&folder.path().display().to_string(), "DIR"));
            said.map(|secret| secret.map(|secret| secret.reveal().to_owned()))
        };
        assert_eq!(ask(None, None), Ok(None));
        assert_eq!(ask(Some(""), None), Ok(None));
        assert_eq!(ask(Some("word"), None), Ok(Some("word".into())));
        assert_eq!(ask(None, Some("good")), Ok(Some("from file".into())));
        assert_eq!(
            ask(Some("word"), Some("good")),
            Err("S and S_FILE are both set: unset one".into())
        );
        assert_eq!(ask(None, Some("empty")), Err("S_FILE names an empty file".into()));
        let missing = ask(None, Some("none")).unwrap_err();
        assert!(missing.starts_with("S_FILE names DIR/none, which cannot be read: "), "{missing}");
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Some(Secret::new("word"))), "Some((secret))");
    }
}
