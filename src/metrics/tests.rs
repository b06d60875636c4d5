//! What is rendered is read back by a strict reader of the format.
//!
//! Owns: the reader. It takes less than Prometheus does: one `HELP` and one `TYPE` line before
//! the samples of each metric, no blank lines, no timestamps.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// A metric as it was read.
#[derive(Debug, PartialEq)]
struct Metric {
    help: String,
    kind: String,
    /// Values by their labels, `name=value` each.
    samples: BTreeMap<Vec<String>, f64>,
}

/// Reads a whole exposition.
fn read(text: &str) -> Result<BTreeMap<String, Metric>, String> {
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line has no end".into());
    }
    let mut metrics = BTreeMap::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let described = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '));
        let (name, help) = described.ok_or_else(|| format!("no HELP line: {line}"))?;
        let help = unescaped(help, false)?;
        metric_name(name)?;
        let typed = lines.next().unwrap_or_default();
        let kind = typed
            .strip_prefix(&format!("# TYPE {name} "))
            .ok_or_else(|| format!("no TYPE line of {name}: {typed}"))?;
        if !["counter", "gauge"].contains(&kind) {
            return Err(format!("{name} is of the unknown type {kind}"));
        }
        if (kind == "counter") != name.ends_with("_total") {
            return Err(format!("{name} is a {kind}"));
        }
        let mut samples = BTreeMap::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (labels, value) = sample(name, line)?;
            if samples.insert(labels, value).is_some() {
                return Err(format!("twice: {line}"));
            }
        }
        if samples.is_empty() {
            return Err(format!("{name} has no sample"));
        }
        let metric = Metric { help, kind: kind.into(), samples };
        if metrics.insert(name.to_owned(), metric).is_some() {
            return Err(format!("{name} is described twice"));
        }
    }
    Ok(metrics)
}

fn metric_name(name: &str) -> Result<(), String> {
    let legal = |byte: u8| byte == b'_' || byte == b':' || byte.is_ascii_alphanumeric();
    match name.bytes().all(legal) && !name.starts_with(|c: char| c.is_ascii_digit()) {
        true if !name.is_empty() => Ok(()),
        _ => Err(format!("{name:?} is no name of a metric")),
    }
}

/// One sample of `name`: its labels and its value.
fn sample(name: &str, line: &str) -> Result<(Vec<String>, f64), String> {
    let wrong = || format!("no sample of {name}: {line}");
    let rest = line.strip_prefix(name).ok_or_else(wrong)?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inner) => labels(inner)?,
        None => (Vec::new(), rest),
    };
    let value = rest.strip_prefix(' ').ok_or_else(wrong)?;
    let plain = value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match value.parse::<f64>() {
        Ok(number) if plain && number.is_finite() => Ok((labels, number)),
        _ => Err(wrong()),
    }
}

/// Labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Result<(Vec<String>, &str), String> {
    let mut found = Vec::new();
    loop {
        let (name, after) = rest.split_once("=\"").ok_or_else(|| format!("no label: {rest}"))?;
        metric_name(name)?;
        let mut escaped = false;
        let end = after.find(|c: char| {
            let closing = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closing
        });
        let end = end.ok_or_else(|| format!("a label does not end: {after}"))?;
        found.push(format!("{name}={}", unescaped(&after[..end], true)?));
        rest = &after[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => {
                let rest = rest.strip_prefix('}').ok_or_else(|| format!("no brace: {rest}"))?;
                return Ok((found, rest));
            }
        }
    }
}

/// Undoes the escapes of a help text or, with quotes among them, of a label.
fn unescaped(text: &str, quotes: bool) -> Result<String, String> {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('"') if quotes => '"',
                other => return Err(format!("escape of {other:?} in {text}")),
            },
            '"' if quotes => return Err(format!("bare quote in {text}")),
            other => other,
        });
    }
    Ok(plain)
}

fn busy_tree() -> holt_engine::db::Tree {
    let tree = holt_engine::db::Tree::memory().expect("opens");
    for number in 0..300_u32 {
        tree.put(&number.to_be_bytes(), &[1; 200]).expect("written");
    }
    tree.checkpoint().expect("published");
    tree
}

#[test]
fn every_figure_is_a_metric_with_its_value() {
    let stats = busy_tree().stats().expect("answers");
    let text = render_prometheus(&stats);
    let metrics = read(&text).unwrap_or_else(|why| panic!("{why}\n{text}"));
    let figures = stats.figures();
    assert_eq!(metrics.len(), figures.len());
    for figure in &figures {
        let Figure { name, help, kind, value, .. } = *figure;
        let full = match kind {
            FigureKind::Counter => format!("holt_{name}_total"),
            FigureKind::Gauge => format!("holt_{name}"),
        };
        let metric = metrics.get(&full).unwrap_or_else(|| panic!("{full} is missing"));
        assert_eq!(metric.help, help);
        let value = match value {
            FigureValue::Number(value) => value as f64,
            FigureValue::PerMille(value) => value as f64 / 1000.0,
            other => panic!("{name} is {other:?}"),
        };
        assert_eq!(metric.samples[&vec![]], value, "{full}");
    }
    assert_eq!(metrics["holt_records"].samples[&vec![]], 300.0);
    assert_eq!(metrics["holt_checkpoints_total"].kind, "counter");
}

#[test]
fn a_database_is_its_store_and_each_of_its_trees() {
    let db = holt_engine::db::DB::memory().expect("opens");
    for (name, records) in [("files", 3_u32), ("a\"b", 40)] {
        let tree = db.create_tree(name).expect("creates");
        for number in 0..records {
            tree.put(&number.to_be_bytes(), b"value").expect("written");
        }
    }
    let stats = db.stats().expect("answers");
    let text = render_prometheus(&stats);
    let metrics = read(&text).unwrap_or_else(|why| panic!("{why}\n{text}"));
    assert_eq!(metrics.len(), stats.figures().len() + stats.trees[0].figures().len());
    assert_eq!(metrics["holt_open_trees"].samples, BTreeMap::from([(vec![], 2.0)]));
    let label = |name: &str| vec![format!("tree={name}")];
    let records = BTreeMap::from([(label("files"), 3.0), (label("a\"b"), 40.0)]);
    assert_eq!(metrics["holt_tree_records"].samples, records);
    // The catalog has records too.
    assert!(metrics["holt_records"].samples[&vec![]] > 43.0);
    let text = render_prometheus(&DBStats::default());
    let metrics = read(&text).unwrap_or_else(|why| panic!("{why}\n{text}"));
    assert!(!metrics.contains_key("holt_tree_records"), "no trees, no series");
}

#[test]
fn names_of_trees_are_labels_whatever_they_contain() {
    let stats = busy_tree().stats().expect("answers");
    let empty = TreeStats::default();
    let names = ["", "plain", "a\"b", "a\\", "a\nb", "}\" 1\n# HELP x", "\u{fc}\u{1f600}"];
    let text = render_prometheus_named(names.iter().map(|name| (*name, &stats)));
    let metrics = read(&text).unwrap_or_else(|why| panic!("{why}\n{text}"));
    let expected: BTreeSet<_> = names.iter().map(|name| vec![format!("tree={name}")]).collect();
    for (name, metric) in &metrics {
        let found: BTreeSet<_> = metric.samples.keys().cloned().collect();
        assert_eq!(found, expected, "{name}");
    }
    // Of equal names the last counts, and no series is there twice.
    let text = render_prometheus_named([("a", &stats), ("a", &empty)]);
    let metrics = read(&text).unwrap_or_else(|why| panic!("{why}\n{text}"));
    assert_eq!(metrics["holt_records"].samples, BTreeMap::from([(vec!["tree=a".into()], 0.0)]));
    assert_eq!(render_prometheus_named([]), "");
}

#[test]
fn values_are_in_base_units_and_exact() {
    assert_eq!(number(FigureValue::Number(u64::MAX)), "18446744073709551615");
    assert_eq!(number(FigureValue::Number(10)), "10");
    assert_eq!(number(FigureValue::Micros(1_500_000)), "1.5");
    assert_eq!(number(FigureValue::Micros(30_000_000)), "30");
    assert_eq!(number(FigureValue::Micros(7)), "0.000007");
    assert_eq!(number(FigureValue::Micros(0)), "0");
    assert_eq!(number(FigureValue::PerMille(800)), "0.8");
    assert_eq!(number(FigureValue::PerMille(1000)), "1");
}

#[test]
fn the_reader_refuses_what_the_format_does_not_allow() {
    let good = "# HELP a_total A \\\\ b.\n# TYPE a_total counter\na_total{tree=\"x\"} 1\n";
    assert_eq!(read(good).expect("is right")["a_total"].help, "A \\ b.");
    for (from, to) in [
        ("counter", "gauge"),
        ("counter", "sum"),
        ("a_total", "a"),
        ("a_total", "1a_total"),
        ("# HELP a_total A \\\\ b.\n", ""),
        ("# TYPE a_total counter\n", ""),
        ("\\\\", "\\x"),
        ("a_total{tree=\"x\"} 1\n", ""),
        (" 1\n", " 1"),
        (" 1\n", " one\n"),
        (" 1\n", " 1 2\n"),
        (" 1\n", " NaN\n"),
        (" 1\n", "\n"),
        ("\"x\"", "\"x"),
        ("\"x\"", "\"x\\\""),
        ("\"x\"", "x"),
        ("\"x\"}", "\"x\""),
        ("{tree", "{tr ee"),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good);
        assert!(read(&bad).is_err(), "was read:\n{bad}");
    }
    assert!(read(&format!("{good}{good}")).is_err());
    assert!(read(&good.replace("} 1\n", "} 1\na_total{tree=\"x\"} 2\n")).is_err());
}
