//! Statistics as text for Prometheus.
//!
//! Owns: the exposition format, version 0.0.4: names, units, escapes. Never does: know a figure
//! by name; [`TreeStats::figures`] has them all.
//!
//! Serve the text with the content type [`CONTENT_TYPE`]. The metrics are named `holt_` and the
//! figure's name, counters `_total` after that; all are in base units: bytes, seconds, and ratios
//! from 0 to 1. Counters start at zero when a tree is opened.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use holt_engine::db::{DBStats, Figure, FigureKind, FigureValue, TreeStats};

/// The content type of what is rendered here.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Statistics that can be rendered: [`TreeStats`] and [`DBStats`].
pub trait Exported: sealed::Sealed {
    /// The text for them; [`render_prometheus`] is the usual way to it.
    fn to_prometheus(&self) -> String;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for holt_engine::db::TreeStats {}
    impl Sealed for holt_engine::db::DBStats {}
}

impl Exported for TreeStats {
    fn to_prometheus(&self) -> String {
        render(&[(String::new(), self.figures())])
    }
}

impl Exported for DBStats {
    fn to_prometheus(&self) -> String {
        let trees: Vec<_> =
            self.trees.iter().map(|tree| (tree_label(&tree.name), tree.figures())).collect();
        render(&[(String::new(), self.figures())]) + &render(&trees)
    }
}

/// The figures of one tree, or of a database: those of the store as they are, and those of each
/// tree, named `holt_tree_…`, with the label `tree`.
///
/// ```
/// # fn main() -> holt::Result<()> {
/// let tree = holt::TreeBuilder::new("").memory().open()?;
/// tree.put(b"key", b"value")?;
/// let text = holt::metrics::render_prometheus(&tree.stats()?);
/// assert!(text.contains("# TYPE holt_records gauge\nholt_records 1\n"));
///
/// let db = holt::TreeBuilder::new("").memory().open_db()?;
/// db.create_tree("users")?.put(b"ann", b"1000")?;
/// let text = holt::metrics::render_prometheus(&db.stats()?);
/// assert!(text.contains("holt_tree_records{tree=\"users\"} 1\n"));
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn render_prometheus(stats: &impl Exported) -> String {
    stats.to_prometheus()
}

/// The figures of several trees in one text, told apart by the label `tree`. Of several trees of
/// one name the last counts.
///
/// ```
/// # fn main() -> holt::Result<()> {
/// let photos = holt::TreeBuilder::new("").memory().open()?;
/// let notes = holt::TreeBuilder::new("").memory().open()?;
/// photos.put(b"cat.png", b"")?;
/// let (photos, notes) = (photos.stats()?, notes.stats()?);
/// let text = holt::metrics::render_prometheus_named([("photos", &photos), ("notes", &notes)]);
/// assert!(text.contains("holt_records{tree=\"photos\"} 1\n"));
/// assert!(text.contains("holt_records{tree=\"notes\"} 0\n"));
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn render_prometheus_named<'a>(
    trees: impl IntoIterator<Item = (&'a str, &'a TreeStats)>,
) -> String {
    let trees: BTreeMap<&str, &TreeStats> = trees.into_iter().collect();
    let series: Vec<_> =
        trees.into_iter().map(|(name, stats)| (tree_label(name), stats.figures())).collect();
    render(&series)
}

fn tree_label(name: &str) -> String {
    format!("{{tree=\"{}\"}}", label_value(name))
}

/// Renders series, each with its labels in braces (or nothing) and the same figures in the same
/// order. The format wants all samples of one metric together, below its one description.
fn render(series: &[(String, Vec<Figure>)]) -> String {
    let mut text = String::new();
    let Some((_, described)) = series.first() else { return text };
    for (at, Figure { name, help, kind, .. }) in described.iter().enumerate() {
        let (suffix, kind) = match kind {
            FigureKind::Counter => ("_total", "counter"),
            FigureKind::Gauge => ("", "gauge"),
        };
        let name = format!("holt_{name}{suffix}");
        // Writing to a `String` does not fail.
        let _ = writeln!(text, "# HELP {name} {}", help_text(help));
        let _ = writeln!(text, "# TYPE {name} {kind}");
        for (labels, figures) in series {
            if let Some(figure) = figures.get(at) {
                let _ = writeln!(text, "{name}{labels} {}", number(figure.value));
            }
        }
    }
    text
}

/// A value in its base unit.
fn number(value: FigureValue) -> String {
    let decimal = |value: u64, digits: usize| {
        let scale = 10_u64.pow(digits as u32);
        let text = format!("{}.{:0digits$}", value / scale, value % scale);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match value {
        FigureValue::Number(value) => value.to_string(),
        FigureValue::Micros(micros) => decimal(micros, 6),
        FigureValue::PerMille(thousandths) => decimal(thousandths, 3),
        // A kind of value that this version does not know: the format's way to say so.
        _ => "NaN".to_owned(),
    }
}

/// The inside of a label's quotes.
fn label_value(text: &str) -> String {
    help_text(text).replace('"', "\\\"")
}

/// The text of a `HELP` line.
fn help_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
