//! `holt check`: verifies all of a store and lists the damage.

use holt_engine::db::VerifyReport;
use holt_engine::error::{Corruption, Error};
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::keys::escape;
use crate::cli::open::{Access, open};
use crate::cli::output::{count_of, human_bytes};
use crate::cli::{Context, progress};

const HELP: &str = "\
Examples:
  holt --store ./s check
  holt --store ./s check --json | jq .damage
  holt --store ./s --engine sandbox check

Reads every page and verifies checksums, layout, order, fences, routing, reachability, counts
and the accounting of space. Changes nothing. Prints a line for each piece of damage: its class,
the frame (or extent) and the page it is in, and what was expected. Damage that keeps the store
from opening is printed the same way. Ends with 1 if there is any.

JSON: {\"clean\",\"damage\":[{\"class\",\"detail\",\"extent\",\"frame\",\"page\"}],\"extents\",\"fill_per_mille\",
\"frames\",\"pages\",\"payload_bytes\",\"records\"}; frame, extent and page are null where the damage is
in none; page is a byte position for damage of the log or the manifest; the figures are zero if
the store cannot be opened";

/// Verify the store and list any damage
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {}

pub fn run(_: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let report = match verify(context) {
        Ok(report) => report,
        Err(Failure::Store(Error::Corrupt(corruption))) => {
            let mut report = VerifyReport::default();
            report.damage.push(corruption);
            report
        }
        Err(other) => return Err(other),
    };
    match context.json {
        true => context.out.json(&json!({
            "clean": report.is_clean(),
            "records": report.records,
            "frames": report.frames,
            "pages": report.pages,
            "extents": report.extents,
            "payload_bytes": report.payload_bytes,
            "fill_per_mille": report.fill_per_mille,
            "damage": report.damage.iter().map(damage_json).collect::<Vec<_>>(),
        }))?,
        false => print(context, &report)?,
    }
    match report.damage.len() {
        0 => Ok(()),
        count => Err(Failure::Damaged(format!(
            "damage found ({}); nothing was changed, restore from a backup",
            count_of(count as u64, "piece")
        ))),
    }
}

fn verify(context: &Context) -> Result<VerifyReport, Failure> {
    let mut opened = open(context, Access::Read)?;
    let bar = progress::pages("checking");
    let report = opened.store.verify(&mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    Ok(report?)
}

fn print(context: &mut Context, report: &VerifyReport) -> Result<(), Failure> {
    for piece in &report.damage {
        let line = damage_line(piece);
        context.out.line(line)?;
    }
    let verdict = match report.is_clean() {
        true => "clean",
        false => "DAMAGED",
    };
    context.out.line(format!(
        "{verdict}: {} ({}) in {}, {}, {}, fill {:.1} %",
        count_of(report.records, "record"),
        human_bytes(report.payload_bytes),
        count_of(report.frames, "frame"),
        count_of(report.extents, "extent"),
        count_of(report.pages, "page"),
        f64::from(report.fill_per_mille) / 10.0,
    ))
}

fn damage_line(piece: &Corruption) -> String {
    let blob = piece.blob.map_or_else(|| "-".into(), |blob| blob.to_string());
    let page = piece.page.map_or_else(|| "-".into(), |page| format!("page {page}"));
    let detail = escape(piece.detail.as_bytes());
    format!("{:<12} {blob:<12} {page:<10} {detail}", piece.class.name())
}

fn damage_json(piece: &Corruption) -> Value {
    // The number of an extent is its id without the mark that makes it one.
    let number = piece.blob.map(|blob| match blob.is_extent() {
        true => blob.0 & !holt_engine::ids::BlobId::extent(0).0,
        false => blob.0,
    });
    let is_extent = piece.blob.is_some_and(|blob| blob.is_extent());
    json!({
        "class": piece.class.name(),
        "frame": number.filter(|_| !is_extent),
        "extent": number.filter(|_| is_extent),
        "page": piece.page,
        "detail": piece.detail,
    })
}
