//! The contract of [`PositionedIo`].

use alloc::vec;

use super::{Failing, noise};
use crate::device::io::PositionedIo;
use crate::error::IoErrorKind;

/// Runs the contract against an empty medium and one opened anew on the same bytes.
///
/// # Panics
/// If a clause is broken, with its number.
///
/// ```
/// use holt_engine::device::{MemoryIo, conformance};
///
/// conformance::positioned_io(|| MemoryIo::new(vec![]), |io| io);
/// ```
pub fn positioned_io<Io: PositionedIo>(make: impl FnOnce() -> Io, reopen: impl FnOnce(Io) -> Io) {
    let io = make();
    assert_eq!(io.size().expect("size"), 0, "the medium must be empty to begin with");

    // Clauses 2 and 6: any place, any length.
    let mut model = vec![0u8; 300_000];
    for (seed, (at, len)) in
        (1u64..).zip([(0, 1), (1, 511), (4095, 2), (4096, 4096), (10_000, 70_001), (299_999, 1)])
    {
        let bytes = noise(seed, len);
        io.write_at(at as u64, &bytes).expect("write");
        model[at..at + len].copy_from_slice(&bytes);
    }
    io.write_at(10, &[]).expect("an empty write is fine");
    assert_eq!(io.size().expect("size"), 300_000, "clause 2: the length is the furthest write");
    let check = |io: &Io, model: &[u8], clause: &str| {
        for (at, len) in [(0, model.len()), (4095, 3), (9_999, 513), (model.len() - 1, 1)] {
            let mut buf = vec![7; len];
            io.read_at(at as u64, &mut buf).expect("read");
            assert!(buf == model[at..at + len], "{clause}: bytes at {at} differ");
        }
    };
    check(&io, &model, "clause 2");

    // Clause 1: never short.
    for (at, len) in [(299_999u64, 2usize), (300_000, 1), (1 << 40, 1), (u64::MAX, 1)] {
        let error = io.read_at(at, &mut vec![0; len]).expect_err("clause 1: short read");
        assert_eq!(error.kind, IoErrorKind::UnexpectedEof, "clause 1: {error}");
    }
    io.read_at(300_000, &mut []).expect("an empty read is fine");

    // Cutting and extending: what is cut is gone, what is added is zeros.
    io.set_len(5_000).expect("cut");
    io.set_len(9_000).expect("extend");
    assert_eq!(io.size().expect("size"), 9_000);
    model.truncate(5_000);
    model.resize(9_000, 0);
    let mut buf = vec![7; 9_000];
    io.read_at(0, &mut buf).expect("read");
    assert!(buf == model, "set_len must cut and add zeros");

    // Punching changes neither the length nor what lies outside the range.
    io.write_at(0, &noise(99, 65_536)).expect("write");
    io.punch(8_192, 16_384).expect("punch");
    io.punch(60_000, 1 << 20).expect("punch past the end");
    assert_eq!(io.size().expect("size"), 65_536, "punch must keep the length");
    let mut kept = noise(99, 65_536);
    for range in [0..8_192, 24_576..60_000] {
        let mut buf = vec![0; range.len()];
        io.read_at(range.start as u64, &mut buf).expect("read");
        assert!(buf == kept[range], "punch must keep what lies outside");
    }
    io.allocated().expect("allocated");

    // Clause 3, as far as it shows without loss of power.
    io.sync().expect("sync");
    io.write_durable(4_090, &noise(7, 12)).expect("durable write");
    kept[4_090..4_102].copy_from_slice(&noise(7, 12));
    let io = reopen(io);
    let mut buf = vec![0; 8_192];
    io.read_at(0, &mut buf).expect("read");
    assert!(buf == kept[..8_192], "clause 3: synced bytes must be there after reopening");
    assert_eq!(io.size().expect("size"), 65_536, "clause 3: the length must be too");
}

/// Clause 5, for media that keep it by themselves. `make` wraps a medium that can be made to
/// fail.
///
/// # Panics
/// If the clause is broken.
pub fn positioned_io_poisons<Base: PositionedIo, Io: PositionedIo>(
    base: impl Fn() -> Base,
    make: impl Fn(alloc::sync::Arc<Failing<Base>>) -> Io,
) {
    type Change<Io> = fn(&Io) -> Result<(), crate::error::IoError>;
    let changes: [Change<Io>; 5] = [
        |io| io.write_at(0, b"x"),
        |io| io.write_durable(0, b"x"),
        |io| io.sync(),
        |io| io.set_len(1),
        |io| io.punch(0, 1),
    ];
    for (number, first) in changes.iter().enumerate() {
        let failing = alloc::sync::Arc::new(Failing::new(base(), IoErrorKind::NoSpace));
        let io = make(failing.clone());
        io.write_at(0, b"kept").expect("write");
        failing.fail_after(0);
        let error = first(&io).expect_err("the injected failure must show");
        assert_eq!(error.kind, IoErrorKind::NoSpace, "clause 5: the first failure is itself");
        for change in &changes {
            let error = change(&io).expect_err("clause 5: a change after a failed one");
            assert_eq!(error.kind, IoErrorKind::Poisoned, "clause 5: after change {number}");
        }
        let mut buf = [0; 4];
        io.read_at(0, &mut buf).expect("clause 5: reads go on");
        assert_eq!(&buf, b"kept");
    }
}
