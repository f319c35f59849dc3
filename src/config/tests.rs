//! What configurations mean, and what is said about wrong ones.

use super::*;
use std::collections::BTreeSet;

const DEFAULT: &str = include_str!("../../config/default.toml");
const KAFKA: &str = include_str!("../../config/kafka.toml");

fn file(text: &str) -> SourceFile {
    SourceFile { path: "k.toml".into(), text: text.into() }
}

fn nothing(_: &str) -> Option<OsString> {
    None
}

fn parsed(text: &str) -> Config {
    Config::parse(&file(text), Path::new("conf"), &nothing).unwrap_or_else(|e| panic!("{e}"))
}

/// The least that a configuration has to say.
fn least() -> Config {
    Config {
        kairos: Kairos {
            pack: "conf/../dataflows/retail".into(),
            state: "conf/state".into(),
            ..Kairos::default()
        },
        inputs: vec![Input { topic: "events".into(), format: Format::Segment }],
        ..Config::default()
    }
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    assert_eq!(parsed(DEFAULT), least());
    let short = "[kairos]\npack = \"../dataflows/retail\"\nstate = \"state\"\n[[input]]\ntopic = \"events\"\n";
    assert_eq!(parsed(short), least());
}

/// A key that is not in the file must at least stand there as a comment.
#[test]
fn every_key_is_documented() {
    let (_, mistakes, asked) = read(&file(DEFAULT), Path::new(""));
    assert_eq!(mistakes, []);
    assert!(asked.len() > 40, "{asked:?}");
    let mut missing: BTreeSet<String> =
        asked.into_iter().filter(|(_, there)| !there).map(|(key, _)| key).collect();
    missing.extend(
        crate::decode::mapping::Mapping::fields().map(|field| format!("input.mapping.{field}")),
    );
    missing.retain(|path| {
        let key = path.rsplit('.').next().unwrap();
        !DEFAULT.contains(&format!("\n# {key} = "))
    });
    assert_eq!(missing, BTreeSet::new(), "config/default.toml says nothing of them");
}

/// What stands there as a comment is right as well.
#[test]
fn the_documented_mapping_is_a_mapping() {
    let start = DEFAULT.find("# [input.mapping]").unwrap();
    let lines = DEFAULT[start..].lines().take_while(|line| line.starts_with("# "));
    let lines = lines.map(|line| &line[2..]).filter(|line| !line.starts_with("mapping ="));
    let mapping: Vec<&str> = lines.collect();
    let text = format!(
        "[kairos]\npack = \"p\"\nstate = \"s\"\n[[input]]\ntopic = \"t\"\nformat = \"mapping\"\n{}",
        mapping.join("\n")
    );
    assert!(matches!(parsed(&text).inputs[0].format, Format::Mapping(_)));
}

#[test]
fn the_example_reads_the_retail_pack() {
    let config = parsed(KAFKA);
    let expected = least();
    assert_eq!(
        config,
        Config {
            kairos: Kairos { state: "conf/../state".into(), ..expected.kairos.clone() },
            ..expected
        }
    );
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    assert!(folder.join("../dataflows/retail").is_dir());
    assert!(Config::load(&folder.join("kafka.toml")).is_ok());
}

#[test]
fn names_derive_from_the_instance() {
    let config = parsed(
        "[kairos]\nname = \"shop\"\npack = \"/p\"\nstate = \"s\"\nworkers = 0\n[[input]]\ntopic = \"e\"\n\
         [output.topics]\nrejects = \"dead\"\n",
    );
    assert_eq!(config.kairos.transactional_ids(), ["shop-a", "shop-b"]);
    assert_eq!((config.kairos.group(), &*config.kairos.log_topic()), ("shop", "shop.epochs"));
    assert_eq!(config.topic(Stream::Triggers), "shop.triggers");
    assert_eq!(config.topic(Stream::Rejects), "dead");
    assert_eq!(config.kairos.pack, Path::new("/p"));
    assert!(config.kairos.worker_threads() >= 1);
    let config = parsed(
        "[kairos]\npack = \"p\"\nstate = \"s\"\n[[input]]\ntopic = \"e\"\n[output]\ntopic_prefix = \"\"\n",
    );
    assert_eq!(config.topic(Stream::Segments), "segments");
}

#[test]
fn properties_are_passed_on_and_secrets_come_from_outside() {
    let text = "[kairos]\npack = \"p\"\nstate = \"s\"\n[[input]]\ntopic = \"e\"\n[kafka]\nbrokers = [\"a:1\", \"b:2\"]\n\
                [kafka.properties]\nsecurity.protocol = \"SASL_SSL\"\n\"sasl.username\" = \"u\"\n\
                \"fetch.max.bytes\" = 1_000\n\"socket.keepalive.enable\" = true\n";
    let set = |name: &str| {
        let value = match name {
            "KAIROS_SASL_USERNAME" => "v",
            "KAIROS_SASL_PASSWORD" => "geheim",
            "KAIROS_HTTP_TOKEN" => "token",
            _ => return None,
        };
        Some(OsString::from(value))
    };
    let config = Config::parse(&file(text), Path::new(""), &set).unwrap();
    let mut properties = config.kafka.client_properties();
    properties.sort();
    let properties: Vec<_> = properties.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        properties,
        [
            "bootstrap.servers=a:1,b:2",
            "fetch.max.bytes=1000",
            "sasl.password=geheim",
            "sasl.username=v",
            "security.protocol=SASL_SSL",
            "socket.keepalive.enable=true",
        ]
    );
    assert_eq!(config.http.token, Some(Secret::new("token")));
    assert!(!format!("{config:?}").contains("geheim"));
}

#[test]
fn a_token_is_a_file_and_says_how_to_log_in() {
    let text = |more: &str| {
        format!(
            "[kairos]\npack = \"p\"\nstate = \"s\"\n[[input]]\ntopic = \"e\"\n[kafka]\n\
             oauth_token_file = \"tokens/kafka\"\n[kafka.properties]\n{more}"
        )
    };
    let config = parsed(&text("\"security.protocol\" = \"SASL_SSL\"\n"));
    let properties: Vec<_> =
        config.kafka.client_properties().iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        properties,
        [
            "bootstrap.servers=localhost:9092",
            "security.protocol=SASL_SSL",
            "sasl.mechanism=OAUTHBEARER",
            "sasl.oauthbearer.config=conf/tokens/kafka",
        ]
    );
    // Said twice is said.
    let config = parsed(&text("\"sasl.mechanism\" = \"OAUTHBEARER\"\n"));
    assert_eq!(config.kafka.oauth_token_file, Some("conf/tokens/kafka".into()));
}

#[test]
fn mistakes_are_shown_with_their_lines() {
    let both = |name: &str| name.starts_with("KAIROS_HTTP_TOKEN").then(|| OsString::from("x"));
    let text =
        "[kairos]\npack = \"p\"\nstate = \"s\"\n[[input]]\ntopic = \"e\"\nformt = \"segment\"\n";
    let error = Config::parse(&file(text), Path::new(""), &both).unwrap_err();
    assert_eq!(
        error.to_string(),
        "k.toml:6:1: there is no key `formt` in [input]\n    formt = \"segment\"\n    ^^^^^\n\
         hint: did you mean \"format\"?\n\n\
         environment: KAIROS_HTTP_TOKEN and KAIROS_HTTP_TOKEN_FILE are both set: unset one"
    );
    let folder = tempfile::tempdir().unwrap();
    let said = |path: &Path| {
        let said = Config::load(path).unwrap_err().to_string();
        said.replace(&folder.path().display().to_string(), "DIR")
    };
    assert_eq!(said(folder.path()), "DIR: it is not a file");
    assert!(said(&folder.path().join("none.toml")).starts_with("DIR/none.toml: "));
    let binary = folder.path().join("b.toml");
    fs::write(&binary, b"\xff").unwrap();
    assert_eq!(said(&binary), "DIR/b.toml: it is not UTF-8 text");
}

/// A table of wrong configurations, each up to the empty line after the lines `#> line:col: message | hint`, which say
/// what must be reported, all of it.
#[test]
fn every_mistake_is_said_with_its_place_and_advice() {
    let (mut text, mut expected, mut wrong, mut count) =
        (String::new(), String::new(), String::new(), 0);
    let lines =
        include_str!("mistakes.txt").lines().skip_while(|l| l.starts_with("# ") || l.is_empty());
    for line in lines.chain([""]) {
        if line.starts_with("#> ") {
            expected += &format!("{line}\n");
            count += 1;
        } else if line.is_empty() && !expected.is_empty() {
            let found = said(&text);
            if found != expected {
                wrong += &format!("{text}{found}\n");
            }
            text.clear();
            expected.clear();
        } else {
            text += &format!("{line}\n");
        }
    }
    assert!(wrong.is_empty(), "said otherwise:\n\n{wrong}");
    assert!(count >= 50, "only {count} mistakes");
}

fn said(text: &str) -> String {
    let (_, mistakes, _) = read(&file(text), Path::new(""));
    let lines = mistakes.iter().map(|d| {
        let hint = d.hint.as_ref().map(|h| format!(" | {h}")).unwrap_or_default();
        format!("#> {}:{}: {}{hint}\n", d.span.line, d.span.col, d.message)
    });
    lines.collect()
}

proptest::proptest! {
    /// Whatever the text, there is a configuration or there are mistakes with places in it.
    #[test]
    fn any_text_is_read(at in proptest::prelude::any::<proptest::sample::Index>(), text in "\\PC{0,8}|[\\[\\]\"'=\n.{}#]{1,4}") {
        let mut all = DEFAULT.to_owned();
        let mut place = at.index(all.len());
        while !all.is_char_boundary(place) {
            place -= 1;
        }
        all.insert_str(place, &text);
        if let Err(error) = Config::parse(&file(&all), Path::new(""), &nothing) {
            proptest::prop_assert!(error.to_string().starts_with("k.toml:"), "{}", error);
        }
    }
}
