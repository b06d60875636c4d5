//! `import` keeps what `lstat` says of every entry of a real tree.

mod cli_support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, SystemTime};

use cli_support::Home;
use serde_json::{Value, json};

/// A tree with one of everything that needs no rights.
fn plant(root: &Path) {
    fs::create_dir_all(root.join("dir/empty")).expect("directories");
    let file = root.join("dir/file");
    fs::write(&file, "12345").expect("file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o4751)).expect("mode");
    let time = SystemTime::UNIX_EPOCH - Duration::new(1, 250_000_000);
    fs::File::options().write(true).open(&file).expect("file").set_modified(time).expect("mtime");
    fs::hard_link(&file, root.join("hard")).expect("link");
    symlink("../nowhere\n", root.join("dir/dangling")).expect("link");
    symlink("..", root.join("dir/loop")).expect("link");
    fs::write(root.join(OsStr::from_bytes(b"odd\xff\n")), "").expect("file");
    drop(UnixListener::bind(root.join("socket")).expect("socket"));
}

fn entry<'a>(listing: &'a [Value], key: &str) -> &'a Value {
    listing.iter().find(|entry| entry["key"] == key).unwrap_or_else(|| panic!("no {key}"))
}

#[test]
fn a_tree_with_links_and_odd_names() {
    let home = Home::new();
    let tree = home.path("tree");
    plant(&tree);
    let imported = home.run(["import".as_ref(), tree.as_os_str()]).expect(0);
    assert!(imported.err.starts_with("holt: created a store in "), "{}", imported.err);
    assert!(imported.text().starts_with("8 records in "), "{}", imported.text());
    assert!(imported.text().contains("bytes a record"));

    let keys = home.run(["ls", "-r"]).expect(0);
    assert_eq!(
        keys.text().lines().collect::<Vec<_>>(),
        [
            "dir",
            "dir/dangling",
            "dir/empty",
            "dir/file",
            "dir/loop",
            "hard",
            "odd\\xff\\n",
            "socket"
        ]
    );
    assert_eq!(home.run(["ls"]).expect(0).text(), "dir\ndir/\nhard\nodd\\xff\\n\nsocket\n");

    let all = home.run(["ls", "-r", "--json"]).expect(0).objects();
    let file = &entry(&all, "dir/file")["stat"];
    let real = fs::metadata(tree.join("dir/file")).expect("file");
    assert_eq!(
        *file,
        json!({"kind": "file", "mode": "4751", "size": 5, "uid": real.uid(), "gid": real.gid(),
               "mtime": -2, "mtime_nanos": 750_000_000, "links": 2})
    );
    assert_eq!(entry(&all, "hard")["stat"], *file);
    assert_eq!(entry(&all, "dir")["stat"]["kind"], "directory");
    assert_eq!(entry(&all, "socket")["stat"]["kind"], "socket");
    let dangling = &entry(&all, "dir/dangling")["stat"];
    assert_eq!((&dangling["kind"], &dangling["target"]), (&json!("link"), &json!("../nowhere\n")));
    assert_eq!(home.run(["get", "--json", "dir/loop"]).expect(0).object()["stat"]["target"], "..");

    let long = home.run(["ls", "-l", "dir/"]).expect(0);
    assert!(long.text().contains("lrwxrwxrwx") && long.text().contains("-> ../nowhere\\n"));
    assert!(long.text().contains("-rwsr-x--x") && long.text().contains("1969-12-31T23:59:58Z"));
    home.run(["check"]).expect(0);
}

#[test]
fn prefixes_and_a_second_import() {
    let home = Home::new();
    let tree = home.path("tree");
    plant(&tree);
    let args = ["import".as_ref(), tree.as_os_str(), "--json".as_ref(), "--prefix".as_ref()];
    let with = |prefix: &str| {
        let args = args.into_iter().chain([OsStr::new(prefix)]);
        home.run(args).expect(0).object()
    };
    let first = with("t/");
    assert_eq!((&first["records"], &first["store_records"]), (&json!(8), &json!(8)));
    assert_eq!((&first["unreadable"], &first["created_store"]), (&json!(0), &json!(true)));
    assert_eq!((&first["engine"], &first["fuel"]), (&json!("native"), &json!(null)));
    let each = first["bytes_per_record"].as_f64().expect("number");
    assert_eq!(first["disk_bytes"].as_f64().expect("number"), each * 8.0);
    assert!(first["records_per_second"].as_f64().expect("number") > 0.0);
    let again = with("t/");
    assert_eq!((&again["store_records"], &again["created_store"]), (&json!(8), &json!(false)));
    assert_eq!(with("u-")["store_records"], 16);
    assert_eq!(home.run(["ls"]).expect(0).text().lines().next(), Some("t/"));
    assert!(home.run(["ls", "u-h"]).expect(0).text() == "u-hard\n");
    // From inside the tree, and through a link to it, the keys are the same.
    let before = home.run(["dump", "t/"]).expect(0).out;
    let mut inside = home.command();
    cli_support::run(inside.current_dir(&tree).args(["import", ".", "--prefix", "t/"]), b"")
        .expect(0);
    symlink(&tree, home.path("link")).expect("link");
    let link = home.path("link");
    home.run(["import".as_ref(), link.as_os_str(), "--prefix".as_ref(), "t/".as_ref()]).expect(0);
    assert!(home.run(["dump", "t/"]).expect(0).out == before, "the records differ");
}

#[test]
fn what_cannot_be_taken_is_counted_and_listed() {
    let home = Home::new();
    let tree = home.path("tree");
    fs::create_dir(&tree).expect("directory");
    for n in 0..30 {
        fs::write(tree.join(format!("long-name-{n:02}")), "").expect("file");
    }
    fs::write(tree.join("s"), "").expect("file");
    // Permissions do not stop root, but the limit on keys stops everyone.
    let prefix = "p".repeat(65_530);
    let args = ["import", tree.to_str().expect("UTF-8"), "--prefix", &prefix, "--json"];
    let ran = home.run(args).expect(3);
    let object = ran.object();
    assert_eq!((&object["records"], &object["unreadable"]), (&json!(1), &json!(30)));
    let listed = ran.err.lines().filter(|line| line.contains("left out ")).count();
    assert_eq!(listed, 20);
    assert!(ran.err.contains("key of 65542 bytes is over the limit"), "{}", ran.err);
    assert!(ran.err.lines().last().is_some_and(|line| line.contains("30 entries")), "{}", ran.err);
}

#[test]
fn directories_without_rights_are_counted() {
    let home = Home::new();
    let tree = home.path("tree");
    fs::create_dir_all(tree.join("closed")).expect("directories");
    fs::write(tree.join("closed/hidden"), "").expect("file");
    fs::set_permissions(tree.join("closed"), fs::Permissions::from_mode(0o0)).expect("mode");
    let root = fs::read_dir(tree.join("closed")).is_ok();
    let ran = home.run(["import".as_ref(), tree.as_os_str()]);
    if root {
        // Rights do not stop root: then all is read, which is right too.
        ran.expect(0);
    } else {
        let ran = ran.expect(3);
        assert!(ran.err.contains("closed"), "{}", ran.err);
        assert_eq!(home.run(["ls", "-r"]).expect(0).text(), "closed\n");
    }
    fs::set_permissions(tree.join("closed"), fs::Permissions::from_mode(0o700)).expect("mode");
}

#[test]
fn paths_longer_than_the_system_takes() {
    let home = Home::new();
    let tree = home.path("tree");
    fs::create_dir(&tree).expect("directory");
    // Deeper than one path may be long: made with relative steps by a child of its own.
    let script =
        "n=$(printf %0200d 7); for i in $(seq 30); do mkdir $n && cd -P $n || exit 1; done";
    let made = std::process::Command::new("sh").args(["-c", script]).current_dir(&tree).status();
    assert!(made.expect("sh").success());
    let ran = home.run(["import", "--json", tree.to_str().expect("UTF-8")]).expect(3);
    let object = ran.object();
    assert_eq!(object["unreadable"], 1, "{}", ran.err);
    let records = object["records"].as_u64().expect("number");
    assert!((15..30).contains(&records), "{records}");
}

#[test]
fn only_directories_are_imported() {
    let home = Home::new();
    fs::write(home.path("file"), "").expect("file");
    let file = home.path("file");
    home.run(["import".as_ref(), file.as_os_str()]).complains(2, "is not a directory");
    assert!(!home.store().exists());
}
