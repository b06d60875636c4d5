//! The runs of one command, and the files they are kept in.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Report, Row, cells, markdown, plots};
use crate::Result;
use crate::cli::{self, Load};

/// Marks in a file between which the tables go.
const MARKS: [&str; 2] = ["<!-- bench -->", "<!-- /bench -->"];

/// Everything one command found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Book {
    /// `load`, or the profile's name.
    pub profile: String,
    /// The figures: one row an engine and cell of a run.
    pub results: Vec<Row>,
    /// What the figures were made of.
    pub runs: Vec<Report>,
}

impl Book {
    /// An empty one.
    pub fn new(profile: &str) -> Self {
        Self { profile: profile.into(), results: Vec::new(), runs: Vec::new() }
    }

    /// The one of this profile that is kept in `out`, or an empty one.
    pub fn resume(out: &Path, profile: &str) -> Result<Self> {
        let kept = out.join("results.json");
        if !kept.exists() {
            return Ok(Self::new(profile));
        }
        let book = Self::read(&kept)?;
        if book.profile != profile {
            let (kept, other) = (kept.display(), book.profile);
            return Err(format!("{kept} is of {other}; choose another --out, or --fresh").into());
        }
        Ok(book)
    }

    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Where the report of a load is; a new one if there is none yet.
    pub fn page(&mut self, load: &Load) -> usize {
        if let Some(page) = self.runs.iter().position(|run| run.is_of(&load.shape)) {
            return page;
        }
        self.runs.push(Report::new(load));
        self.runs.len() - 1
    }

    /// Makes the rows and writes `results.json`, `results.md` and the plots.
    pub fn keep(&mut self, out: &Path) -> Result<()> {
        self.results = self.runs.iter().flat_map(cells::rows).collect();
        fs::create_dir_all(out)?;
        fs::write(out.join("results.json"), serde_json::to_string_pretty(self)?)?;
        self.draw(out)
    }

    /// Writes what a person reads.
    fn draw(&self, out: &Path) -> Result<()> {
        fs::create_dir_all(out)?;
        fs::write(out.join("results.md"), markdown::render(self, true)?)?;
        for run in &self.runs {
            for (name, plot) in plots::of(run, &self.rows(run)) {
                svg::save(out.join(name), &plot)?;
            }
        }
        Ok(())
    }

    /// The rows of one of its runs.
    pub fn rows(&self, run: &Report) -> Vec<&Row> {
        let of = |row: &&Row| {
            (&row.workload, row.of, row.order) == (&run.workload, run.records, run.order)
        };
        self.results.iter().filter(of).collect()
    }

    /// Prints the tables.
    pub fn show(&self) {
        match markdown::render(self, false) {
            Ok(text) => print!("{text}"),
            Err(error) => eprintln!("holt-benches: {error}"),
        }
    }

    /// The first failure of an engine, as an error.
    pub fn verdict(&self) -> Result<()> {
        match self.runs.iter().find_map(Report::failure) {
            Some(failure) => Err(failure.into()),
            None => Ok(()),
        }
    }

    /// Puts the tables between the marks of a file.
    fn put_into(&self, path: &Path) -> Result<()> {
        let text = fs::read_to_string(path)?;
        let parts = text.split_once(MARKS[0]).and_then(|(before, rest)| {
            let (_, after) = rest.split_once(MARKS[1])?;
            Some((before, after))
        });
        let Some((before, after)) = parts else {
            return Err(format!("{} lacks the marks {MARKS:?}", path.display()).into());
        };
        let tables = markdown::summary(self)?;
        let [open, close] = MARKS;
        Ok(fs::write(path, format!("{before}{open}\n\n{tables}\n{close}{after}"))?)
    }
}

/// Shows an earlier run again.
pub fn again(from: &cli::Report) -> Result<()> {
    let mut book = Book::read(&from.results)?;
    book.results = book.runs.iter().flat_map(cells::rows).collect();
    if let Some(out) = &from.out {
        book.draw(out)?;
    }
    if let Some(path) = &from.into {
        return book.put_into(path);
    }
    book.show();
    Ok(())
}
