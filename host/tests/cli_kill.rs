//! What a command acknowledged is there after the process was killed.

mod cli_support;

use std::io::{BufRead, BufReader, Write};

use cli_support::{Home, spawn};

#[test]
fn a_killed_load_keeps_what_it_acknowledged() {
    let home = Home::new();
    for round in 0..8_usize {
        let lines = 256 * (round + 1);
        let mut load = spawn(home.command().args(["load", "--keep-going"]));
        let mut input = load.stdin.take().expect("piped");
        let mut said = BufReader::new(load.stderr.take().expect("piped"));
        for n in 0..lines {
            let line = format!("{{\"key\":\"r{round}/{n:06}\",\"value\":\"{round}-{n}\"}}\n");
            input.write_all(line.as_bytes()).expect("load reads");
        }
        // The complaint about this line comes after the batches before it were committed.
        input.write_all(b"no record\n").expect("load reads");
        let mark = format!("line {}: ", lines + 1);
        let mut line = String::new();
        while !line.contains(&mark) {
            line.clear();
            assert!(said.read_line(&mut line).expect("load speaks") > 0, "load ended early");
        }
        load.kill().expect("SIGKILL");
        load.wait().expect("dead");
        drop(input);

        let prefix = format!("r{round}/");
        let listed = home.run(["ls", "-r", &prefix]).expect(0);
        assert_eq!(listed.text().lines().count(), lines, "round {round}");
        let last = format!("r{round}/{:06}", lines - 1);
        assert_eq!(home.run(["get", &last]).expect(0).text(), format!("{round}-{}", lines - 1));
        home.run(["check"]).expect(0);
    }
    let stat = home.run(["stat", "--json"]).expect(0).object();
    assert_eq!(stat["tree"]["records"], 256 * (1 + 2 + 3 + 4 + 5 + 6 + 7 + 8));
}
