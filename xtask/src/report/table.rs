//! The table of the report: what suites printed, against what is required.
//!
//! Owns: reading figures, sums, verdicts, the page. Never does: run anything.

use std::collections::BTreeMap;
use std::time::Duration;

/// How a line with a figure begins; the same as in `holt_tests::report`.
const MARK: &str = "figure: ";

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as required.
    Passed,
    /// It is not.
    Failed,
    /// Nothing is required.
    Shown,
}

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    name: String,
    required: String,
    reached: String,
    seconds: f64,
    /// Whether it is as required.
    pub verdict: Verdict,
}

impl Row {
    /// A suite that ran: whether anything was lost, wrong, or not reached.
    pub fn suite(name: &str, took: Duration, passed: bool) -> Self {
        let verdict = if passed { Verdict::Passed } else { Verdict::Failed };
        Self {
            name: format!("losses in {name}"),
            required: "0".into(),
            reached: if passed { "0" } else { "see above" }.into(),
            seconds: took.as_secs_f64(),
            verdict,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// One figure, summed over the suites that print it.
#[derive(Debug, Default)]
struct Figure {
    reached: u64,
    /// What the suites themselves require.
    of: Option<u64>,
    took: Duration,
}

/// All figures by name.
#[derive(Debug, Default)]
pub struct Figures(BTreeMap<String, Figure>);

impl Figures {
    /// The figure of a line, without its mark; `None` for any other line.
    pub fn in_line(line: &str) -> Option<&str> {
        line.find(MARK).map(|at| line[at + MARK.len()..].trim())
    }

    /// Takes the figure of a line in: `name: reached` or `name: reached of required`.
    pub fn read(&mut self, line: &str, took: Duration) {
        let Some((name, value)) = Self::in_line(line).and_then(|text| text.rsplit_once(": "))
        else {
            return;
        };
        let (reached, of) = match value.split_once(" of ") {
            Some((reached, of)) => (reached, of.parse::<u64>().ok()),
            None => (value, None),
        };
        let Ok(reached) = reached.parse::<u64>() else { return };
        let figure = self.0.entry(name.to_owned()).or_default();
        figure.reached += reached;
        figure.took += took;
        if let Some(of) = of {
            *figure.of.get_or_insert(0) += of;
        }
    }

    /// The rows: what is required first, in that order, then the others. `partly`: figures that
    /// nothing printed are left out.
    pub fn judged(mut self, required: &[(&str, u64, u64)], cut: bool, partly: bool) -> Vec<Row> {
        let mut rows = Vec::new();
        for &(name, full, short) in required {
            let least = if cut { short } else { full };
            let figure = match self.0.remove(name) {
                None if partly => continue,
                found => found.unwrap_or_default(),
            };
            let all = figure.of.is_none_or(|of| figure.reached >= of);
            let enough = figure.reached >= least && all;
            let required = match figure.of {
                Some(of) => format!("all {}", grouped(of)),
                None => grouped(least),
            };
            rows.push(Row {
                name: name.into(),
                required,
                reached: grouped(figure.reached),
                seconds: figure.took.as_secs_f64(),
                verdict: if enough { Verdict::Passed } else { Verdict::Failed },
            });
        }
        rows.extend(self.0.into_iter().map(|(name, figure)| Row {
            name,
            required: String::new(),
            reached: grouped(figure.reached),
            seconds: figure.took.as_secs_f64(),
            verdict: Verdict::Shown,
        }));
        rows
    }
}

/// A number with a space between each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// The page, which reads well in a terminal too.
pub fn page(about: &[(&str, String)], rows: &[Row]) -> String {
    let mut page = String::from("# Report of the reliability suites\n\n");
    for (name, value) in about {
        page += &format!("- {name}: {value}\n");
    }
    page.push('\n');
    let widest = |of: fn(&Row) -> &str, least: usize| {
        rows.iter().map(|row| of(row).len()).fold(least, usize::max)
    };
    let (name, required, reached) =
        (widest(|r| &r.name, 6), widest(|r| &r.required, 8), widest(|r| &r.reached, 7));
    let mut line = |cells: [&str; 5]| {
        let [a, b, c, d, e] = cells;
        page += &format!("| {a:name$} | {b:>required$} | {c:>reached$} | {d:>7} | {e:7} |\n");
    };
    line(["figure", "required", "reached", "seconds", "verdict"]);
    let rules = [name, required, reached, 7, 7].map(|width| "-".repeat(width));
    line(rules.each_ref().map(String::as_str));
    for row in rows {
        let verdict = match row.verdict {
            Verdict::Passed => "passed",
            Verdict::Failed => "FAILED",
            Verdict::Shown => "",
        };
        let seconds = format!("{:.0}", row.seconds);
        line([&row.name, &row.required, &row.reached, &seconds, verdict]);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(lines: &[&str]) -> Figures {
        let mut figures = Figures::default();
        lines.iter().for_each(|line| figures.read(line, Duration::from_secs(2)));
        figures
    }

    #[test]
    fn figures_are_summed_and_judged() {
        let lines =
            ["test a ... figure: spills: 3", "figure: spills: 4", "figure: bugs: 15 of 16", "x: 1"];
        let required = [("spills", 7, 1), ("bugs", 10, 10), ("never", 1, 1)];
        let rows = figures(&lines).judged(&required, false, false);
        let verdicts: Vec<_> = rows.iter().map(|row| (row.name(), row.verdict)).collect();
        assert_eq!(
            verdicts,
            [("spills", Verdict::Passed), ("bugs", Verdict::Failed), ("never", Verdict::Failed)]
        );
        let rows = figures(&["figure: spills: 6"]).judged(&required, false, true);
        assert_eq!((rows.len(), rows[0].verdict), (1, Verdict::Failed));
        let rows = figures(&["figure: spills: 1"]).judged(&required, true, true);
        assert_eq!(rows[0].verdict, Verdict::Passed);
        assert!(page(&[("seed", "0".into())], &rows).contains("| spills |"));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
    }
}
