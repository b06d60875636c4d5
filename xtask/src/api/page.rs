//! The list as a page for people.
//!
//! Owns: the Markdown. Never does: judge a row.

use super::rows::{HOMES, Row};

/// The whole page.
pub fn render(rows: &[Row]) -> String {
    let covered = rows.iter().filter(|row| !row.tests.is_empty()).count();
    let mut page = format!(
        "# API coverage\n\n\
         Every call, type and rule that a user can rely on, the homes it is for and the tests \
         that show it. Made by `cargo xtask api` from [api.toml](api.toml); change that, not \
         this. The homes are: native (the crate `holt`), sandbox (the component of \
         `holt:metadata`), web (the package `holt-web`). A row without a test is not finished.\n\n\
         {} rows, {covered} of them with tests.\n",
        rows.len()
    );
    let mut section = "";
    for row in rows {
        if row.section != section {
            section = &row.section;
            let homes = HOMES.join(" | ");
            let rules = "|---".repeat(HOMES.len() + 3);
            page += &format!("\n## {section}\n\n| row | what | {homes} | tests |\n{rules}|\n");
        }
        page += &line(row);
    }
    page
}

fn line(row: &Row) -> String {
    let homes: Vec<&str> = HOMES
        .iter()
        .map(|home| if row.homes.iter().any(|own| own == home) { "yes" } else { "" })
        .collect();
    let tests = match row.tests.is_empty() {
        true => "none yet".into(),
        false => row.tests.iter().map(|test| code(test)).collect::<Vec<_>>().join("<br>"),
    };
    let (name, what, homes) = (cell(&row.name), cell(&row.what), homes.join(" | "));
    format!("| {name} | {what} | {homes} | {tests} |\n")
}

/// A text within a cell: a bar would end it, in code too.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn code(text: &str) -> String {
    format!("`{}`", cell(text))
}
