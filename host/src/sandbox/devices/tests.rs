//! Hostile arguments, put straight to the host's side of the imports: whatever a guest sends, the
//! answer is a typed error, and the device never sees it.

use std::sync::Arc;

use holt_engine::device::{MemoryBlobStore, MemoryLog};
use holt_engine::geometry::Geometry;
use holt_engine::limits::{MAX_TRANSFER_BYTES, PAGE_BYTES};

use super::*;
use crate::sandbox::bindings::holt::metadata::blob_store::Host as Blobs;
use crate::sandbox::bindings::holt::metadata::log::Host as Log;

/// Every boundary of the integers that cross.
const EDGES: [u64; 10] =
    [0, 1, 255, 256, 257, u32::MAX as u64, 1 << 32, i64::MAX as u64, u64::MAX - 1, u64::MAX];

fn devices_with(quotas: Quotas) -> Devices {
    let blobs = Arc::new(MemoryBlobStore::new(Geometry::default(), [7; 16]));
    let mut devices = Devices::new(blobs, Arc::new(MemoryLog::new()), quotas, DeviceUse::default());
    devices.calls_left = u64::MAX;
    devices
}

fn devices() -> Devices {
    devices_with(Quotas::default())
}

fn refused<T: std::fmt::Debug>(answer: Answer<T>) {
    let outcome = answer.expect("a wrong argument is no trap");
    assert!(matches!(outcome, Err(types::Error::InvalidArgument(_))), "{outcome:?}");
}

fn quota<T: std::fmt::Debug>(answer: Answer<T>) {
    let outcome = answer.expect("a quota is no trap");
    assert!(matches!(outcome, Err(types::Error::QuotaExceeded(_))), "{outcome:?}");
}

fn done<T>(answer: Answer<T>) -> T {
    answer.expect("no trap").expect("no error")
}

/// One packed item that puts `blob` with pages at `tickets`.
fn put_item(blob: u64, tickets: &[u64]) -> Vec<u8> {
    let mut item = vec![1];
    item.extend(blob.to_le_bytes());
    item.extend(0u32.to_le_bytes());
    item.extend((tickets.len() as u32).to_le_bytes());
    for (page, ticket) in (0u32..).zip(tickets) {
        item.extend(page.to_le_bytes());
        item.extend(ticket.to_le_bytes());
    }
    item.extend(0u32.to_le_bytes());
    item
}

fn with_root(mut item: Vec<u8>) -> Vec<u8> {
    item.extend([2, 0, 0, 0, 0]);
    item
}

#[test]
fn tickets_never_given_out_are_refused_everywhere() {
    let mut devices = devices();
    for ticket in EDGES {
        refused(devices.read_staged(ticket));
        refused(Blobs::release(&mut devices, vec![ticket]));
        refused(devices.publish(with_root(put_item(1, &[ticket])), true));
    }
    assert_eq!(devices.used.publishes, 0);
}

#[test]
fn tickets_are_used_up_once() {
    let mut devices = devices();
    let tickets = done(devices.stage(vec![1; 2 * PAGE_BYTES]));
    refused(devices.publish(with_root(put_item(1, &[tickets[0], tickets[0]])), true));
    refused(Blobs::release(&mut devices, vec![tickets[0], tickets[0]]));
    done(devices.publish(with_root(put_item(1, &tickets)), true));
    refused(devices.read_staged(tickets[0]));
    refused(devices.publish(with_root(put_item(2, &tickets)), true));
    refused(Blobs::release(&mut devices, tickets));
    assert_eq!(done(Blobs::read(&mut devices, 1, 0, 2)), vec![1; 2 * PAGE_BYTES]);
}

#[test]
fn another_instances_tickets_are_no_tickets() {
    let mut first = devices();
    let ticket = done(first.stage(vec![1; PAGE_BYTES]))[0];
    let (blobs, log) = (Arc::clone(&first.blobs), Arc::clone(&first.log));
    let mut second = Devices::new(blobs, log, Quotas::default(), DeviceUse::default());
    second.calls_left = u64::MAX;
    refused(second.read_staged(ticket));
    refused(Blobs::release(&mut second, vec![ticket]));
}

#[test]
fn page_ranges_are_bounded_before_anything_is_allocated() {
    let mut devices = devices();
    for first in EDGES.map(|edge| edge as u32) {
        for count in [0, 257, 1 << 20, u32::MAX] {
            refused(Blobs::read(&mut devices, 1, first, count));
        }
    }
    refused(Blobs::read(&mut devices, 1, 256, 1));
    refused(Blobs::read_scattered(&mut devices, 1, vec![]));
    refused(Blobs::read_scattered(&mut devices, 1, vec![2, 1]));
    refused(Blobs::read_scattered(&mut devices, 1, (0..257).collect()));
    refused(Blobs::near(&mut devices, 1, 0, (0..257).collect(), 8));
    for edge in EDGES.map(|edge| edge as u32) {
        assert_eq!(done(Blobs::near(&mut devices, 1, edge, vec![edge, 7], edge)), [edge]);
    }
    refused(Blobs::read(&mut devices, 1, u32::MAX, 256));
    let outcome = Blobs::read(&mut devices, 1, 0, 1).expect("no trap");
    assert!(matches!(outcome, Err(types::Error::NotFound)), "{outcome:?}");
    for len in [0, 1, PAGE_BYTES - 1, PAGE_BYTES + 1, MAX_TRANSFER_BYTES + PAGE_BYTES] {
        refused(devices.stage(vec![0; len]));
    }
    assert_eq!(done(Blobs::usage(&mut devices)).staged_pages, 0);
}

#[test]
fn blob_ids_and_limits_at_every_edge_answer_something() {
    let mut devices = devices();
    for edge in EDGES {
        assert_eq!(done(devices.entry(edge)), None);
        assert!(done(devices.list_blobs(Some(edge), u32::MAX)).is_empty());
    }
    refused(Blobs::release(&mut devices, vec![0; 65_537]));
}

#[test]
fn malformed_publishes_change_nothing() {
    let mut devices = devices();
    let ticket = done(devices.stage(vec![5; PAGE_BYTES]))[0];
    let whole = with_root(put_item(9, &[ticket]));
    for len in 0..whole.len() {
        refused(devices.publish(whole[..len].to_vec(), true));
    }
    refused(devices.publish(vec![0; MAX_TRANSFER_BYTES + 1], false));
    refused(devices.publish([put_item(9, &[]), whole.clone()].concat(), true));
    assert_eq!(done(devices.entry(9)), None);
    // A refused part forgets those before it, and the store is as usable as before.
    done(devices.publish(whole, true));
    assert_eq!(done(Blobs::read(&mut devices, 9, 0, 1)), vec![5; PAGE_BYTES]);
}

#[test]
fn log_positions_at_every_edge_are_refused_unless_right() {
    let mut devices = devices();
    let start = done(Log::bounds(&mut devices)).end;
    done(Log::append(&mut devices, start, b"record".to_vec()));
    let end = done(Log::bounds(&mut devices)).end;
    for at in EDGES.into_iter().filter(|at| *at != end) {
        refused(Log::append(&mut devices, at, b"x".to_vec()));
        if at > end {
            refused(Log::read(&mut devices, at, u32::MAX));
            refused(devices.truncate(at));
        }
        if at < end {
            refused(devices.reset(at));
        }
    }
    refused(Log::append(&mut devices, end, vec![0; MAX_TRANSFER_BYTES + 1]));
    assert_eq!(done(Log::read(&mut devices, start, u32::MAX)), b"record");
    assert_eq!(done(Log::read(&mut devices, end, u32::MAX)), b"");
    assert_eq!(devices.used.appends, 1);
}

#[test]
fn quotas_are_typed_errors_and_leave_the_store_usable() {
    let quotas = Quotas { pages: Some(3), staged_pages: 2, blobs: Some(1), log_bytes: Some(10) };
    let mut devices = devices_with(quotas);
    quota(devices.stage(vec![0; 3 * PAGE_BYTES]));
    let tickets = done(devices.stage(vec![0; 2 * PAGE_BYTES]));
    quota(devices.stage(vec![0; PAGE_BYTES]));
    done(devices.publish(with_root(put_item(1, &tickets)), true));
    quota(devices.stage(vec![0; 2 * PAGE_BYTES]));
    let ticket = done(devices.stage(vec![0; PAGE_BYTES]))[0];
    quota(devices.publish(with_root(put_item(2, &[ticket])), true));
    // Replacing the one blob, or one blob by another, stays within the quota.
    done(devices.publish(with_root(put_item(1, &[ticket])), true));
    let mut swap = vec![0];
    swap.extend(1u64.to_le_bytes());
    done(devices.publish(with_root([swap, put_item(2, &[])].concat()), true));
    let end = done(Log::bounds(&mut devices)).end;
    done(Log::append(&mut devices, end, vec![0; 10]));
    quota(Log::append(&mut devices, end + 10, vec![0; 1]));
}

#[test]
fn used_up_calls_end_the_instance() {
    let mut devices = devices();
    devices.calls_left = 2;
    done(Blobs::root(&mut devices));
    done(Log::bounds(&mut devices));
    let error = Log::bounds(&mut devices).expect_err("the third call traps");
    assert!(error.is::<Stopped>(), "{error:#}");
    assert_eq!(devices.used.calls, 3);
}

#[test]
fn discard_forgets_tickets_and_parts() {
    let mut devices = devices();
    let tickets = done(devices.stage(vec![0; PAGE_BYTES]));
    done(devices.publish(put_item(1, &tickets), false));
    done(Blobs::discard(&mut devices));
    refused(devices.read_staged(tickets[0]));
    done(devices.publish(vec![2, 0, 0, 0, 0], true));
    assert_eq!(done(devices.entry(1)), None);
}
