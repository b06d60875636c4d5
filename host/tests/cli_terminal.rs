//! Progress is drawn on a terminal and nowhere else.

mod cli_support;

use std::fs;
use std::process::Command;

use cli_support::Home;

#[test]
fn progress_is_for_terminals() {
    let home = Home::new();
    let tree = home.path("tree");
    fs::create_dir(&tree).expect("directory");
    for n in 0..500 {
        fs::write(tree.join(n.to_string()), "").expect("file");
    }
    let piped = home.run(["import".as_ref(), tree.as_os_str()]).expect(0);
    assert_eq!(piped.err.lines().count(), 1, "only that the store was created: {}", piped.err);
    home.run(["check"]).expect(0).err.is_empty().then_some(()).expect("quiet");

    // `script` of util-linux gives the command a terminal.
    let command = format!(
        "{} --store {} import {}",
        env!("CARGO_BIN_EXE_holt"),
        home.store().display(),
        tree.display()
    );
    let ran = Command::new("script").args(["-qec", &command, "/dev/null"]).output();
    let Ok(ran) = ran else {
        println!("skipped: no `script` here to make a terminal");
        return;
    };
    let shown = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{shown}");
    assert!(shown.contains("imported ") && shown.contains("/s, "), "{shown}");
    assert!(shown.contains("500 records in "), "{shown}");
}
