//! Named trees, whole directories and the feed, from the command line, in both engines.

mod cli_support;

use cli_support::Home;

const ENGINES: [&str; 2] = ["native", "sandbox"];

#[test]
fn trees_are_apart_and_listed() {
    for engine in ENGINES {
        let home = Home { engine, ..Home::new() };
        home.run(["--tree", "users", "put", "ann", "1"]).expect(0);
        home.run(["--tree", "files", "put", "a/b", "2"]).expect(0);
        home.run(["put", "plain", "3"]).expect(0);
        assert_eq!(home.run(["trees"]).expect(0).text(), "files\nusers\n");
        let found = home.run(["--tree", "users", "get", "ann"]).expect(0);
        assert_eq!(found.out, b"1");
        home.run(["--tree", "files", "get", "ann"]).expect(1);
        let missing = home.run(["--tree", "nobody", "get", "ann"]).expect(1);
        assert!(missing.err.contains("holt trees"), "{}", missing.err);
        home.run(["trees", "--drop", "users"]).expect(0);
        let left = home.run(["trees", "--json"]).expect(0);
        assert_eq!(left.text(), "{\"tree\":\"files\"}\n");
        home.run(["check"]).expect(0);
    }
}

#[test]
fn directories_move_and_vanish_as_a_whole() {
    for engine in ENGINES {
        let home = Home { engine, ..Home::new() };
        for key in ["in/a", "in/b/c", "out", "other/x"] {
            home.run(["put", key, key]).expect(0);
        }
        home.run(["mv", "-r", "in/", "other/"]).expect(2);
        home.run(["mv", "-r", "in/", "moved/here/"]).expect(0);
        let listed = home.run(["ls", "-r"]).expect(0);
        assert_eq!(listed.text(), "moved/here/a\nmoved/here/b/c\nother/x\nout\n");
        let value = home.run(["get", "moved/here/b/c"]).expect(0);
        assert_eq!(value.out, b"in/b/c");
        let gone = home.run(["rm", "-r", "moved/", "--json"]).expect(0);
        assert!(gone.text().contains("\"deleted\":2"), "{}", gone.text());
        home.run(["rm", "-r", "moved/"]).expect(1);
        home.run(["mv", "-r", "moved/", "x/"]).expect(1);
        assert_eq!(home.run(["ls", "-r"]).expect(0).text(), "other/x\nout\n");
    }
}

#[test]
fn watch_prints_what_was_committed_under_a_prefix() {
    let home = Home::new();
    let feed = ["--feed", "1000000"];
    let put = |key: &str| home.run([feed[0], feed[1], "put", key, "v"]).expect(0);
    put("logs/1");
    put("other");
    home.run([feed[0], feed[1], "rm", "logs/1"]).expect(0);
    home.run([feed[0], feed[1], "mv", "-r", "other", "logs/moved"]).expect(0);
    let seen = home.run(["watch", "logs/", "--from", "0", "--once"]).expect(0);
    let events: Vec<Vec<&str>> =
        seen.text().lines().map(|line| line.split_whitespace().skip(1).collect()).collect();
    assert_eq!(
        events,
        [
            vec!["put", "logs/1"],
            vec!["delete", "logs/1"],
            vec!["rename-prefix", "other", "->", "logs/moved"],
        ]
    );
    let json = home.run(["watch", "logs/", "--from", "0", "--once", "--json"]).expect(0);
    assert_eq!(json.text().lines().count(), 3);
    assert!(json.text().contains("\"op\":\"put\""));
    // From now on there is nothing.
    assert!(home.run(["watch", "--once"]).expect(0).out.is_empty());
    // A writer without the feed ends it: what it wrote is not silently left out.
    home.run(["put", "unseen", "v"]).expect(0);
    home.run(["checkpoint"]).expect(0);
    put("seen");
    home.run(["watch", "--from", "0", "--once"]).expect(1);
}
