//! The contract of [`LogDevice`].

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::{Failing, noise};
use crate::device::io::PositionedIo;
use crate::device::log::{LogBounds, LogDevice};
use crate::error::{Error, IoErrorKind};

fn all(log: &dyn LogDevice) -> Vec<u8> {
    let LogBounds { start, end } = log.bounds().expect("bounds");
    let mut out = Vec::new();
    let mut at = start;
    while at < end {
        let mut buf = vec![0; 1000];
        let count = log.read(at, &mut buf).expect("read");
        assert!(count > 0, "a read before the end must return bytes");
        out.extend_from_slice(&buf[..count]);
        at += count as u64;
    }
    assert_eq!(log.read(end, &mut [0; 8]).expect("a read at the end"), 0);
    out
}

/// Runs the contract against an empty log.
///
/// # Panics
/// If a clause is broken, with its number.
///
/// ```
/// use holt_engine::device::{MemoryLog, conformance};
///
/// // `reopen` closes the device and opens it again; memory has nothing to close.
/// conformance::log_device(MemoryLog::new, |log| log);
/// ```
pub fn log_device<L: LogDevice>(make: impl FnOnce() -> L, mut reopen: impl FnMut(L) -> L) {
    let log = make();
    let bounds = log.bounds().expect("bounds");
    assert_eq!(bounds.start, bounds.end, "the log must be empty to begin with");
    let base = bounds.start;

    // Clause 1: at the end and nowhere else; kept when the process dies.
    let bytes = noise(1, 100_000);
    let mut done = 0;
    for len in [1, 4095, 2, 50_000, 45_902] {
        log.append(base + done as u64, &bytes[done..done + len]).expect("append");
        done += len;
    }
    for wrong in [base, base + 99_999, base + 100_001, u64::MAX] {
        let refused = matches!(log.append(wrong, b"x"), Err(Error::InvalidArgument { .. }));
        assert!(refused, "clause 1: an append at {wrong} must be refused");
    }
    assert!(all(&log) == bytes, "clause 1: what was appended must be read back");
    assert!(log.read(base + 100_001, &mut [0; 1]).is_err(), "reading past the end must fail");
    let log = reopen(log);
    assert_eq!(log.bounds().expect("bounds"), LogBounds { start: base, end: base + 100_000 });
    assert!(all(&log) == bytes, "clause 1: appended bytes must survive reopening");

    // Clause 2.
    log.append(base + 100_000, b"tail").expect("append");
    log.sync().expect("sync");
    let log = reopen(log);
    assert_eq!(log.bounds().expect("bounds").end, base + 100_004, "clause 2");

    // Clause 4: positions never change.
    for before in [base, base + 5_000, base + 4_000, base + 99_000] {
        log.truncate(before).expect("truncate");
        let bounds = log.bounds().expect("bounds");
        assert!(bounds.start <= base + 99_000 && bounds.start >= base, "clause 4: start");
        assert_eq!(bounds.end, base + 100_004, "clause 4: truncate keeps the end");
    }
    log.sync().expect("sync");
    let log = reopen(log);
    let start = log.bounds().expect("bounds").start;
    assert!(start <= base + 99_000, "clause 4: no byte that was kept may vanish");
    let mut buf = vec![0; 1_000];
    assert_eq!(log.read(base + 99_000, &mut buf).expect("read"), 1_000);
    assert!(buf == bytes[99_000..], "clause 4: positions of surviving bytes never change");

    // Reset: empty, and never back.
    let far = base + (1 << 33);
    assert!(log.reset(base + 100_003).is_err(), "a reset below the end must be refused");
    log.reset(far).expect("reset");
    assert_eq!(log.bounds().expect("bounds"), LogBounds { start: far, end: far });
    log.sync().expect("sync");
    let log = reopen(log);
    assert_eq!(log.bounds().expect("bounds"), LogBounds { start: far, end: far });
    log.append(far, b"after").expect("append");
    let log = reopen(log);
    assert_eq!(all(&log), b"after");
    log.reset(far + 5).expect("reset");
    log.reset(far + 5).expect("a second reset");
    assert_eq!(all(&log), b"");
    let refused = matches!(log.append(far, b"x"), Err(Error::InvalidArgument { .. }));
    assert!(refused, "clause 1: positions before a reset are gone");
    log.allocated().expect("allocated");
}

/// Clause 5, for logs over a medium that can be made to fail.
///
/// # Panics
/// If the clause is broken.
pub fn log_device_poisons<Base: PositionedIo, L: LogDevice>(
    base: impl Fn() -> Base,
    make: impl Fn(Arc<Failing<Base>>) -> L,
) {
    type Change<L> = fn(&L) -> Result<(), Error>;
    let append: Change<L> = |log| log.append(log.bounds()?.end, &noise(3, 300_000));
    let truncate: Change<L> = |log| log.truncate(log.bounds()?.end);
    let reset: Change<L> = |log| log.reset(log.bounds()?.end);
    let changes = [append, |log| log.sync(), truncate, reset];
    for first in &changes {
        let failing = Arc::new(Failing::new(base(), IoErrorKind::NoSpace));
        let log = make(failing.clone());
        append(&log).expect("append");
        let end = log.bounds().expect("bounds").end;
        failing.fail_after(0);
        first(&log).expect_err("the injected failure must show");
        for change in &changes {
            let poisoned = matches!(change(&log), Err(Error::Poisoned { .. }));
            assert!(poisoned, "clause 5: a change after a failed one must say Poisoned");
        }
        let bounds = log.bounds().expect("bounds");
        assert_eq!(bounds.end, end, "clause 5: a failed append must not move the end");
        log.read(bounds.start, &mut [0; 8]).expect("clause 5: reads go on");
    }
}
