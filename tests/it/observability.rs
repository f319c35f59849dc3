//! What ships in `config/` for operators names metrics that there are, and shows those that matter.

use kairos::metrics::table::{self, ALL, Type};
use std::collections::BTreeSet;

fn read(path: &str) -> String {
    let whole = format!("{}/config/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&whole).unwrap_or_else(|error| panic!("{whole}: {error}"))
}

/// `KAIROS_UPDATE=1 cargo test` writes the page anew.
#[test]
fn the_page_of_metrics_is_up_to_date() {
    let path = format!("{}/config/METRICS.md", env!("CARGO_MANIFEST_DIR"));
    if std::env::var("KAIROS_UPDATE").is_ok() {
        std::fs::write(&path, table::markdown()).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, table::markdown(), "run KAIROS_UPDATE=1 cargo test metrics");
}

/// Names of metrics in a text, as written.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    words
        .filter(|word| word.starts_with("kairos_") || word.starts_with("process_"))
        .map(String::from)
        .collect()
}

/// The metric that a name in an expression stands for.
fn metric(name: &str) -> Option<&'static table::Metric> {
    ALL.iter().find(|metric| {
        let suffix = name.strip_prefix(metric.name);
        match metric.of {
            Type::Histogram => matches!(suffix, Some("_bucket" | "_sum" | "_count")),
            _ => suffix == Some(""),
        }
    })
}

fn expressions(dashboard: &serde_json::Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_dashboard_shows_every_metric_and_no_other() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("grafana/dashboard.json")).unwrap();
    let mut shown = BTreeSet::new();
    for expression in expressions(&dashboard) {
        for name in names(&expression) {
            let found = metric(&name).unwrap_or_else(|| panic!("{name} in {expression}"));
            shown.insert(found.name);
        }
    }
    let missing: Vec<&str> =
        ALL.iter().map(|metric| metric.name).filter(|name| !shown.contains(name)).collect();
    assert!(missing.is_empty(), "not on the dashboard: {missing:?}");
}

/// Labels by which expressions choose, group and name series.
#[test]
fn the_dashboard_names_labels_that_there_are() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("grafana/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let mut checked = 0;
    for target in targets {
        let expression = target["expr"].as_str().unwrap();
        let known: BTreeSet<&str> = names(expression)
            .iter()
            .filter_map(|name| metric(name))
            .flat_map(|metric| metric.labels.iter().copied())
            .chain(["instance", "job", "le"])
            .collect();
        let legend = target["legendFormat"].as_str().unwrap();
        let named = legend.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap());
        let grouped = expression.split("by (").skip(1);
        let grouped = grouped.flat_map(|rest| rest.split(')').next().unwrap().split(", "));
        for label in named.chain(grouped) {
            assert!(known.contains(label), "{label} in {expression} / {legend}");
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
}

#[test]
fn alerts_watch_what_matters_and_nothing_that_is_not_there() {
    let alerts = read("alerts.yml");
    let mut watched = BTreeSet::new();
    let expressions = alerts.lines().filter(|line| line.trim_start().starts_with("expr:"));
    for name in names(&expressions.collect::<String>()) {
        watched.insert(metric(&name).unwrap_or_else(|| panic!("{name}")).name);
    }
    // What people are told to look at is named as in the table.
    for name in names(&alerts) {
        let known = metric(&name).is_some() || ALL.iter().any(|metric| metric.name == name);
        assert!(known, "{name}");
    }
    for needed in [
        "kairos_alive",
        "kairos_broker_reachable",
        "kairos_watermark_delay_seconds",
        "kairos_caught_up",
        "kairos_transactions_failed_total",
        "kairos_event_to_trigger_seconds",
        "kairos_events_read_total",
    ] {
        assert!(watched.contains(needed), "no alert on {needed}");
    }
    let count =
        |word: &str| alerts.lines().filter(|line| line.trim_start().starts_with(word)).count();
    let rules = count("- alert:");
    for part in ["expr:", "labels: { severity:", "summary:", "action:"] {
        assert_eq!(count(part), rules, "every rule has {part}");
    }
}

/// What one file takes from another is there under that name.
#[test]
fn the_files_of_a_deployment_fit_together() {
    let (compose, prometheus) = (read("compose.yaml"), read("prometheus.yml"));
    let mounted = compose.lines().filter_map(|line| line.trim().strip_prefix("- ./"));
    let mut files = 0;
    for mount in mounted {
        read(mount.split(':').next().unwrap());
        files += 1;
    }
    assert_eq!(files, 5);
    assert!(prometheus.contains("- alerts.yml") && prometheus.contains("\"kairos:9464\""));
    let ports: Vec<&str> =
        compose.lines().filter(|line| line.trim().starts_with("ports:")).collect();
    assert!(
        ports.iter().all(|line| line.contains("[\"127.0.0.1:")) && ports.len() == 4,
        "{ports:?}"
    );
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("grafana/dashboard.json")).unwrap();
    let source = read("grafana/datasource.yaml");
    for panel in dashboard["panels"].as_array().unwrap() {
        if let Some(uid) = panel["datasource"]["uid"].as_str() {
            assert!(source.contains(&format!("uid: {uid}")), "{uid}");
        }
    }
    let toolchain = include_str!("../../rust-toolchain.toml");
    let version = toolchain.split("channel = \"").nth(1).unwrap().split('"').next().unwrap();
    let minor = version.rsplit_once('.').unwrap().0;
    assert!(read("Containerfile").contains(&format!("FROM rust:{minor}-")), "{version}");
    assert!(read("kairos.service").contains("ExecStart=/usr/bin/kairos run --config /etc/kairos/"));
}
