//! Every implementation against the obvious one, on random and on hostile shapes.

use std::collections::BTreeSet;
use std::format;
use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;

use super::{AnchorList, Refused};
use crate::limits::{MAX_ANCHOR_BYTES, MAX_ANCHORS};
use crate::random::repeats;

type Build = fn(&[&[u8]], &mut [u8]) -> Result<usize, Refused>;

/// The interface, as values, so that one suite runs them all.
struct Way {
    name: &'static str,
    build: Build,
    floor: fn(&[u8], &[u8]) -> usize,
    count: fn(&[u8]) -> usize,
    anchor: fn(&[u8], usize, &mut Vec<u8>) -> bool,
    anchors: fn(&[u8]) -> Result<AnchorList, &'static str>,
    verify: fn(&[u8]) -> Result<(), &'static str>,
}

macro_rules! way {
    ($name:literal, $($path:tt)+) => {{
        use $($path)+::{anchor, anchors, build, count, floor, verify};
        Way { name: $name, build, floor, count, anchor, anchors, verify }
    }};
}

fn ways() -> Vec<Way> {
    std::vec![
        way!("chosen", super::super::art),
        way!("heads", super::heads),
        way!("radix", super::radix)
    ]
}

/// Room for any index whose offsets still fit.
const ROOM: usize = 8192;

fn naive_floor(anchors: &[Vec<u8>], query: &[u8]) -> usize {
    anchors.iter().rposition(|anchor| anchor.as_slice() <= query).expect("the first is empty")
}

/// The set, made into anchors: bounded, and with the empty one.
fn normal(keys: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let mut set: BTreeSet<Vec<u8>> = keys
        .into_iter()
        .map(|mut key| {
            key.truncate(MAX_ANCHOR_BYTES);
            key
        })
        .take(MAX_ANCHORS - 1)
        .collect();
    set.insert(Vec::new());
    set.into_iter().collect()
}

/// The anchors and their neighbours.
fn around(anchors: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut queries = Vec::new();
    for anchor in anchors {
        queries.push(anchor.clone());
        for byte in [0, 1, 0x7f, 0xff] {
            queries.push([anchor.as_slice(), &[byte]].concat());
            queries.push([anchor.as_slice(), &[byte; 9]].concat());
        }
        for cut in 0..anchor.len().min(24) {
            queries.push(anchor[..anchor.len() - cut].to_vec());
            for step in [1u8, 255] {
                let mut near = anchor[..anchor.len() - cut].to_vec();
                if let Some(last) = near.last_mut() {
                    *last = last.wrapping_add(step);
                }
                queries.push(near.clone());
                near.extend([0xff; 12]);
                queries.push(near);
            }
        }
    }
    queries
}

/// Builds with every implementation and compares all it says; returns the indexes that fit.
fn check(anchors: &[Vec<u8>], queries: &[Vec<u8>]) -> Vec<(&'static str, Vec<u8>)> {
    let slices: Vec<&[u8]> = anchors.iter().map(Vec::as_slice).collect();
    let mut built = Vec::new();
    for way in ways() {
        let name = way.name;
        let mut index = std::vec![0xa5; ROOM];
        let len = match (way.build)(&slices, &mut index) {
            Ok(len) => len,
            Err(refused) => {
                assert_eq!(refused, Refused::NoRoom, "{name}");
                let bytes: usize = anchors.iter().map(Vec::len).sum();
                assert!(bytes > 1024, "{name} has no room for {bytes} bytes");
                continue;
            }
        };
        (way.verify)(&index).unwrap_or_else(|why| panic!("{name}: with slack: {why}"));
        index.truncate(len);
        (way.verify)(&index).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!((way.count)(&index), anchors.len(), "{name}");
        let list = (way.anchors)(&index).expect(name);
        assert_eq!(list.slices(), slices, "{name}");
        let mut out = Vec::new();
        for (ordinal, anchor) in anchors.iter().enumerate() {
            assert!((way.anchor)(&index, ordinal, &mut out), "{name} {ordinal}");
            assert_eq!(&out, anchor, "{name} {ordinal}");
        }
        assert!(!(way.anchor)(&index, anchors.len(), &mut out) && out.is_empty(), "{name}");
        for query in queries {
            let floor = (way.floor)(&index, query);
            assert_eq!(floor, naive_floor(anchors, query), "{name}: {query:?} in {anchors:?}");
        }
        let mut small = std::vec![0; len - 1];
        assert_eq!((way.build)(&slices, &mut small), Err(Refused::NoRoom), "{name}");
        assert!((way.verify)(&index[..len - 1]).is_err(), "{name} takes a short index");
        built.push((name, index));
    }
    built
}

fn check_around(anchors: Vec<Vec<u8>>) {
    check(&anchors, &around(&anchors));
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn small_sets_around_every_node_boundary() {
    for count in (0..MAX_ANCHORS).step_by(repeats(1, 60)) {
        check_around(normal((0..count).map(|at| std::vec![at as u8 * 2])));
        check_around(normal((0..count).map(|at| format!("file-{:05}", at * 37).into_bytes())));
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn staircases() {
    for byte in [0u8, b'a', 0xff] {
        for lengths in [0..20, 0..127, 100..226, 129..256] {
            check_around(normal(lengths.map(|len| std::vec![byte; len])));
        }
    }
    let zigzag = |at: usize| {
        let mut key = std::vec![b'm'; at];
        key.push(if at.is_multiple_of(2) { 0 } else { 0xff });
        key
    };
    check_around(normal((0..60).map(zigzag)));
    check_around(normal((0..126).map(|at| std::vec![0xff; at * 2])));
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn every_byte_value_and_zeros() {
    for start in [0usize, 64, 129] {
        check_around(normal((start..start + 127).map(|byte| std::vec![byte as u8])));
    }
    check_around(normal((0..=255u8).step_by(2).map(|byte| std::vec![7, 7, byte, 0])));
    let zeros =
        (0..30).flat_map(|len| [std::vec![0; len], [&std::vec![0; len][..], b"x"].concat()]);
    check_around(normal(zeros));
    let lengths = (0..9).flat_map(|len| [0, 1, 8].map(|byte| std::vec![byte; len]));
    check_around(normal(lengths));
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn long_common_prefixes() {
    for prefix in [6, 7, 8, 13, 14, 15, 200, 248, 250, 252] {
        for (step, tail) in [(1, 0), (3, 0), (7, 3)] {
            let keys = (0..126u32).map(|at| {
                let mut key = std::vec![b'p'; prefix];
                key.extend(format!("{:03}", at * step).into_bytes());
                key.extend(std::vec![b't'; tail]);
                key
            });
            check_around(normal(keys));
        }
    }
    let two = ["a", "b", "c"].iter().flat_map(|top| {
        (0..40).map(move |at| {
            let deep = String::from("/directory-with-a-name").repeat(3);
            format!("{top}{deep}/file-{at:03}").into_bytes()
        })
    });
    check_around(normal(two));
}

#[test]
fn the_chosen_way_is_heads() {
    let way = way!("chosen", super::super::art);
    let anchors = normal(["", "b", "bc"].map(|key| key.as_bytes().to_vec()));
    let (_, index) = check(&anchors, &[]).into_iter().find(|(name, _)| *name == "heads").unwrap();
    let list = (way.anchors)(&index).unwrap();
    let mut again = std::vec![0; index.len()];
    assert_eq!((way.build)(&list.slices(), &mut again), Ok(index.len()));
    assert_eq!(((way.count)(&again), (way.verify)(&again)), (3, Ok(())));
    let mut out = Vec::new();
    assert!((way.anchor)(&again, 2, &mut out) && out == b"bc" && way.name == "chosen");
    assert_eq!(
        ["", "a", "b", "bb", "bcd"].map(|key| (way.floor)(&again, key.as_bytes())),
        [0, 0, 1, 1, 2]
    );
}

#[test]
fn bad_lists_are_refused() {
    let long = [b'x'; MAX_ANCHOR_BYTES + 1];
    let lists: [&[&[u8]]; 6] = [
        &[],
        &[b"a"],
        &[b"", b""],
        &[b"", b"b", b"a"],
        &[b"", &long],
        &[&b""[..]; MAX_ANCHORS + 1],
    ];
    for way in ways() {
        for list in lists {
            let built = (way.build)(list, &mut [0; ROOM]);
            assert_eq!(built, Err(Refused::NotAnchors), "{} {}", way.name, list.len());
        }
        assert_eq!((way.build)(&[b""], &mut []), Err(Refused::NoRoom));
    }
}

#[test]
fn a_list_is_edited_as_a_vec_is() {
    let mut list = AnchorList::new();
    assert!(list.is_empty() && !list.remove(0) && !list.insert(1, b"x"));
    assert!(list.push(b"") && list.push(b"ccc") && list.insert(1, b"bb"));
    assert_eq!(list.slices(), [&b""[..], b"bb", b"ccc"]);
    assert!(list.remove(1) && !list.remove(2));
    assert_eq!(list.slices(), [&b""[..], b"ccc"]);
    assert_eq!((list.len(), list.get(1), list.get(2)), (2, Some(&b"ccc"[..]), None));
    assert!(!list.push(&[0; MAX_ANCHOR_BYTES + 1]));
    while list.len() < MAX_ANCHORS {
        assert!(list.push(b"z"));
    }
    assert!(!list.push(b"z"));
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn lying_samples_are_searched() {
    let anchors = normal((0..100).map(|at| format!("{at:03}-more-than-a-head").into_bytes()));
    for (name, index) in check(&anchors, &[]) {
        let way = ways().into_iter().find(|way| way.name == name).expect("built by it");
        for filler in [0, 0xff] {
            let mut bad = index.clone();
            bad[8..128].fill(filler);
            assert!((way.verify)(&bad).is_err(), "{name}");
            for anchor in &anchors {
                assert!((way.floor)(&bad, anchor) < MAX_ANCHORS, "{name}");
            }
        }
    }
}

#[test]
fn nodes_in_a_circle_come_to_an_end() {
    // Four heads, `aaaaaa` to `dddddd`, all going on in the node they are in.
    let mut circle = std::vec![127, 0x10, 40, 0, 4, 0, 0, 126];
    for letter in b'a'..=b'd' {
        let six = u64::from_be_bytes([0, 0, letter, letter, letter, letter, letter, letter]);
        circle.extend((six << 15 | 7 << 12 | 2 << 10 | 1).to_le_bytes());
    }
    assert!(super::heads::floor(&circle, &[b'a'; 4000]) < MAX_ANCHORS);
    assert!(super::heads::anchors(&circle).is_err() && super::heads::verify(&circle).is_err());
    assert!(!super::heads::anchor(&circle, 5, &mut Vec::new()));
    // The same with a radix node of one key.
    let circle = [127, 0x20, 20, 0, 8, 2 << 5, 0, 0, 1, 0, 0, 0, 126, 0, b'a', 255, 255, 255, 126];
    let circle = [&circle[..], &[8, 2 << 5]].concat();
    assert!(super::radix::floor(&circle, &[b'a'; 4000]) < MAX_ANCHORS);
    assert!(super::radix::anchors(&circle).is_err() && super::radix::verify(&circle).is_err());
}

/// Strings that share much: few letters, few lengths, sometimes a long front.
fn strings() -> impl Strategy<Value = Vec<u8>> {
    let letters = prop::sample::select(&[0u8, 1, b'a', b'b', b'/', 0xfe, 0xff][..]);
    let narrow = prop::collection::vec(letters, 0..20);
    let wide = prop::collection::vec(any::<u8>(), 0..12);
    let path = (0..4u8, 0..5u16, 0..2000u16)
        .prop_map(|(top, sub, file)| format!("dir-{top}/sub{sub}/file-{file:05}").into_bytes());
    let long = (0..3usize, prop::collection::vec(any::<u8>(), 0..6)).prop_map(|(front, back)| {
        let mut key = std::vec![b'k'; 7 * 31 + front];
        key.extend(back);
        key
    });
    prop_oneof![4 => narrow, 3 => wide, 4 => path, 1 => long]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(repeats(150, 1) as u32))]

    #[test]
    #[cfg_attr(miri, ignore = "too long for Miri")]
    fn agrees_with_the_naive_search(
        keys in prop::collection::vec(strings(), 0..127),
        queries in prop::collection::vec(strings(), 0..200),
    ) {
        let anchors = normal(keys);
        check(&anchors, &queries);
        check_around(anchors);
    }

    #[test]
    #[cfg_attr(miri, ignore = "too long for Miri")]
    fn a_revised_index_is_the_one_that_would_be_built(
        keys in prop::collection::vec(strings(), 0..127),
        changes in prop::collection::vec((strings(), 0..128usize, any::<bool>()), 1..40),
    ) {
        let anchors = normal(keys);
        for (change, at, comes_in) in changes {
            let place = anchors.partition_point(|anchor| *anchor < change);
            revised(&anchors, place, &change, comes_in);
            revised(&anchors, place.saturating_sub(1), &change, false);
            revised(&anchors, at, &change, comes_in);
        }
    }

    #[test]
    fn any_bytes_are_searched_and_checked(
        index in prop::collection::vec(any::<u8>(), 0..600),
        query in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        for ordinal in [0, 1, 2, 60] {
            let revision = super::heads::revise(&index, ordinal, &query, ordinal % 2 == 0);
            revision.map(|revision| revision.write(&mut [0; 600]));
        }
        for way in ways() {
            total(&way, &index, &query)?;
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "too long for Miri")]
    fn a_damaged_index_is_searched_and_told(
        keys in prop::collection::vec(strings(), 0..127),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..4),
        queries in prop::collection::vec(strings(), 1..20),
    ) {
        let anchors = normal(keys);
        for (name, index) in check(&anchors, &[]) {
            let way = ways().into_iter().find(|way| way.name == name).expect("built by it");
            let mut bad = index.clone();
            for (at, change) in &damage {
                let at = at.index(bad.len());
                bad[at] ^= change;
            }
            for (ordinal, query) in queries.iter().enumerate() {
                let revision = super::heads::revise(&bad, ordinal, query, ordinal % 2 == 0);
                revision.map(|revision| revision.write(&mut [0; ROOM]));
            }
            for query in anchors.iter().chain(&queries) {
                total(&way, &bad, query)?;
            }
            // What verify accepts is exactly what build would write.
            if bad != index && (way.verify)(&bad).is_ok() {
                let list = (way.anchors)(&bad).expect("verified");
                let mut again = std::vec![0; ROOM];
                let len = (way.build)(&list.slices(), &mut again).expect("verified");
                prop_assert_eq!(&again[..len], &bad[..len]);
            }
        }
    }
}

/// Changes one anchor, or adds one, in the index; what comes out is what would be built of them,
/// or nothing. Returns whether something did.
fn revised(anchors: &[Vec<u8>], ordinal: usize, anchor: &[u8], comes_in: bool) -> bool {
    let slices: Vec<&[u8]> = anchors.iter().map(Vec::as_slice).collect();
    let mut index = std::vec![0; ROOM];
    let Ok(len) = super::heads::build(&slices, &mut index) else { return false };
    let mut out = std::vec![0; ROOM];
    let revision = super::heads::revise(&index[..len], ordinal, anchor, comes_in);
    let revised = revision.and_then(|revision| revision.write(&mut out));
    let mut changed = slices.clone();
    match comes_in {
        true => changed.insert(ordinal.min(slices.len()), anchor),
        false if ordinal < slices.len() => changed[ordinal] = anchor,
        false => {}
    }
    let mut anew = std::vec![0; ROOM];
    let Some(len) = revised else { return false };
    let built = super::heads::build(&changed, &mut anew);
    assert_eq!(built, Ok(len), "{anchor:?} at {ordinal} of {slices:?}");
    assert!(out[..len] == anew[..len], "{anchor:?} at {ordinal} of {slices:?}");
    let short = super::heads::revise(&index, ordinal, anchor, comes_in);
    let short = short.and_then(|revision| revision.write(&mut out[..len - 1]));
    assert_eq!(short, None, "it needs all of its room");
    true
}

#[test]
fn separators_that_move_are_revised_and_not_built() {
    let key = |at: usize| format!("bucket-{:02}/path-{:05}/file-{at:07}", at % 3, at % 7);
    let keys = normal((0..100).map(|at| key(at * 100).into_bytes()));
    let mut done = 0;
    for ordinal in 1..keys.len() {
        let mut near = keys[ordinal].clone();
        let last = near.len() - 2;
        near[last] += 1;
        done += usize::from(revised(&keys, ordinal, &near, false));
        done += usize::from(revised(&keys, ordinal + 1, &near, true));
        // In no place but its own.
        assert!(!revised(&keys, ordinal, &near, true) && !revised(&keys, 0, &near, false));
    }
    assert!(done > keys.len(), "{done} of {}", 2 * keys.len());
}

/// Nothing panics, and what comes back is in bounds.
fn total(way: &Way, index: &[u8], query: &[u8]) -> Result<(), TestCaseError> {
    prop_assert!((way.floor)(index, query) < MAX_ANCHORS, "{}", way.name);
    let _ = (way.count)(index);
    let mut out = Vec::new();
    for ordinal in 0..130 {
        (way.anchor)(index, ordinal, &mut out);
        // One pass down can gather a shared front and a slice on each of at most 256 nodes.
        prop_assert!(out.len() <= 256 * 512);
    }
    if (way.verify)(index).is_ok() {
        prop_assert!((way.anchors)(index).is_ok());
        prop_assert!((way.floor)(index, query) < (way.count)(index));
    }
    Ok(())
}
