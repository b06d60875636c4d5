//! The tool on lists and sources of its own.

use std::path::PathBuf;

use super::*;

/// A folder below the build output, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("holt-xtask-{}-{name}", std::process::id()));
        std::fs::create_dir_all(path.join("docs")).expect("can be made");
        Self(path)
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.0.join(path), text).expect("can be written");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const CHECK: Options = Options { check: true, allow_missing: false };
const LENIENT: Options = Options { check: true, allow_missing: true };
const WRITE: Options = Options { check: false, allow_missing: false };

fn row(name: &str, section: &str, tests: &str) -> String {
    format!(
        "[[row]]\nname = '{name}'\nsection = '{section}'\nwhat = 'one line'\n\
         homes = ['native', 'web']\ntests = [{tests}]\n"
    )
}

#[test]
fn a_stale_page_fails_the_check_and_writing_mends_it() {
    let folder = Folder::new("stale");
    folder.write("a.rs", "#[test]\nfn works() {}\n");
    folder.write(LIST, &row("put", "Tree", "'a.rs::works'"));
    assert!(run_at(&folder.0, &CHECK).is_err(), "there is no page yet");
    run_at(&folder.0, &WRITE).expect("written");
    run_at(&folder.0, &CHECK).expect("is fresh");
    folder.write(LIST, &(row("put", "Tree", "'a.rs::works'") + &row("x", "Tree", "'a.rs'")));
    let why = run_at(&folder.0, &LENIENT).expect_err("is stale");
    assert!(why.contains("cargo xtask api"), "{why}");
    run_at(&folder.0, &WRITE).expect("written");
    run_at(&folder.0, &CHECK).expect("is fresh");
}

#[test]
fn rows_without_tests_fail_unless_they_are_allowed() {
    let folder = Folder::new("bare");
    folder.write("a.rs", "#[test]\nfn works() {}\n");
    folder.write(LIST, &(row("put", "Tree", "'a.rs'") + &row("no test", "Tree", "")));
    run_at(&folder.0, &WRITE).expect("written all the same");
    let why = run_at(&folder.0, &CHECK).expect_err("one has none");
    assert_eq!(why, "1 of 2 rows have no test:\n  no test");
    run_at(&folder.0, &LENIENT).expect("is allowed");
}

#[test]
fn tests_that_are_not_there_are_always_an_error() {
    let folder = Folder::new("named");
    folder.write(
        "a.rs",
        "fn helper() {}\n#[test]\n// Why.\n#[ignore]\nfn works() {\n}\nfn works_not() {}\n",
    );
    folder.write("b.rs", "fn helper() {}\n");
    folder.write("c.mjs", "  test('a, b (c)', () => {});\n  test(`${x}`, f);\n");
    for good in ["a.rs", "a.rs::works", "c.mjs", "c.mjs::a, b (c)"] {
        folder.write(LIST, &row("put", "Tree", &format!("\"{good}\"")));
        run_at(&folder.0, &WRITE).unwrap_or_else(|why| panic!("{good}: {why}"));
    }
    for bad in [
        "a.rs::helper",
        "a.rs::work",
        "a.rs::works_not",
        "b.rs",
        "c.mjs::a, b",
        "c.mjs::",
        "d.rs",
        "docs/api.toml",
        "../a.rs",
        "/etc/hosts",
        "",
    ] {
        folder.write(LIST, &row("put", "Tree", &format!("\"{bad}\"")));
        for options in [WRITE, CHECK, LENIENT] {
            let why = run_at(&folder.0, &options).expect_err(bad);
            assert!(why.contains(&format!("put: {bad}:")), "{why}");
        }
    }
}

#[test]
fn a_wrong_list_is_refused_with_its_row() {
    let good = row("put", "Tree", "");
    assert_eq!(rows::parse(&good).expect("is right").len(), 1);
    for (from, to, names) in [
        ("'web'", "'desktop'", "desktop"),
        ("'web'", "'native'", "home twice"),
        ("'native', 'web'", "", "needs a home"),
        ("'one line'", "''", "its what"),
        ("'one line'", "\"two\\nlines\"", "its what"),
        ("tests = []", "tests = ['a', 'a']", "test twice"),
        ("tests = []", "", "tests"),
        ("tests = []", "tests = []\nowner = 'me'", "owner"),
        ("[[row]]", "[[rows]]", "rows"),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good);
        let why = rows::parse(&bad).expect_err(&bad);
        assert!(why.contains(names), "{bad}\n{why}");
    }
    let twice = good.clone() + &good;
    assert!(rows::parse(&twice).expect_err("twice").contains("there twice"));
    let split = row("a", "X", "") + &row("b", "Y", "") + &row("c", "X", "");
    assert!(rows::parse(&split).expect_err("split").contains("two places"));
    assert!(rows::parse("").is_err());
}

#[test]
fn the_page_has_a_table_for_each_section_and_no_bar_breaks_it() {
    let list = row("a(|b| c)", "X", "'p.rs::t', 'q.rs'") + &row("b", "Y", "");
    let page = page::render(&rows::parse(&list).expect("is right"));
    assert!(page.contains("2 rows, 1 of them with tests."), "{page}");
    assert_eq!(page.matches("\n## ").count(), 2);
    assert!(page.contains("| a(\\|b\\| c) | one line | yes |  | yes | `p.rs::t`<br>`q.rs` |\n"));
    assert!(page.contains("| b | one line | yes |  | yes | none yet |\n"), "{page}");
    for table in page.lines().filter(|line| line.starts_with('|')) {
        assert_eq!(table.replace("\\|", "").matches('|').count(), 7, "{table}");
    }
}
