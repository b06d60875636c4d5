//! Taking all trees out as an image, and putting an image in.
//!
//! Owns: the order of an installation: everything is written without the log, into trees that
//! nothing leads to yet, and one publish makes all of it the state of the store. Never does:
//! know the format.

use alloc::string::String;
use alloc::vec::Vec;

use super::catalog::{NEXT_KEY, check_name};
use super::core::Core;
use super::image::{self, CheckpointImage, ImageSummary, ImageTarget, ImageWriter};
use super::multi::DB;
use super::scan::RangeEntryRef;
use super::snapshot::Moment;
use super::view::View;
use crate::error::{Error, Result};
use crate::ids::{
    CATALOG_TREE, FEED_TREE, FIRST_SYSTEM_TREE, INCOMING_TREE, STANDALONE_TREE, TreeId,
};
use crate::limits::{IMAGE_BLOCK_BYTES, MAX_IMAGE_VERSION, MAX_LSN, MAX_TREES};

/// The name that an image gives the tree without a name.
pub(super) const UNNAMED: &str = "";

impl DB {
    /// All records of all trees, with their versions, as one image. It takes as much memory as
    /// the records; [`DB::export_checkpoint_to`] does not.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// db.create_tree("files")?.put(b"key", b"value")?;
    /// let image = db.export_checkpoint()?;
    /// assert_eq!(image.validate()?.records, 1);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`DB::export_checkpoint_to`].
    pub fn export_checkpoint(&self) -> Result<CheckpointImage> {
        let mut bytes = Vec::new();
        self.export_checkpoint_to(&mut |part| {
            bytes.extend_from_slice(part);
            Ok(())
        })?;
        Ok(CheckpointImage::from_bytes(bytes))
    }

    /// Writes all records of all trees as they are now, with their versions, to `sink`, part by
    /// part. Others write meanwhile.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// let mut bytes = 0;
    /// db.export_checkpoint_to(&mut |part| {
    ///     bytes += part.len();
    ///     Ok(())
    /// })?;
    /// assert!(bytes > 0);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of `sink`; `Expired` if so much changes meanwhile that the moment cannot be kept;
    /// `Corrupt` and failures of the device.
    pub fn export_checkpoint_to(
        &self,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<ImageSummary> {
        let (moment, names) =
            Moment::take_with(&self.shared, |core| Ok(core.catalog.names.clone()))?;
        let mut writer = ImageWriter::begin();
        let mut send = |writer: &mut ImageWriter, least: usize| match writer.written() {
            written if written.len() >= least => {
                sink(written)?;
                written.clear();
                Ok(())
            }
            _ => Ok(()),
        };
        let unnamed = (String::from(UNNAMED), STANDALONE_TREE);
        for (name, tree) in core::iter::once(unnamed).chain(names) {
            let view = View::new(moment.clone(), tree, b"");
            if name == UNNAMED && view.is_prefix_empty(b"")? {
                continue;
            }
            writer.tree(&name);
            view.range().visit(usize::MAX, |entry| match entry {
                RangeEntryRef::Key { key, value, version } => {
                    writer.record(key, version.as_u64(), value);
                    send(&mut writer, IMAGE_BLOCK_BYTES)
                }
                RangeEntryRef::CommonPrefix(_) => Ok(()),
            })?;
        }
        let summary = writer.end();
        send(&mut writer, 0)?;
        Ok(summary)
    }

    /// Puts the trees of an image into this store: all of them, or nothing. Their names must be
    /// free. Versions come along, and later writes get higher ones than any of the image. The
    /// change feed begins anew.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// db.create_tree("files")?.put(b"a", b"1")?;
    /// let copy = holt_engine::db::DB::memory()?;
    /// copy.install_checkpoint(&db.export_checkpoint()?)?;
    /// assert_eq!(copy.open_tree("files")?.get(b"a")?.as_deref(), Some(&b"1"[..]));
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`DB::install_checkpoint_from`].
    pub fn install_checkpoint(&self, image: &CheckpointImage) -> Result<ImageSummary> {
        image.validate()?;
        self.install_checkpoint_from(&mut image::slice_source(image.as_bytes()))
    }

    /// The same from a source that fills as much of a buffer as it can, nothing at its end. The
    /// store is held meanwhile: readers and writers wait.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// db.create_tree("files")?.put(b"key", b"value")?;
    /// let image = db.export_checkpoint()?;
    /// let copy = holt_engine::db::DB::memory()?;
    /// let mut left = image.as_bytes();
    /// copy.install_checkpoint_from(&mut |buf| {
    ///     let count = buf.len().min(left.len());
    ///     buf[..count].copy_from_slice(&left[..count]);
    ///     left = &left[count..];
    ///     Ok(count)
    /// })?;
    /// assert_eq!(copy.list_trees()?, ["files"]);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidImage`, `UnsupportedFormat`, `TreeExists`, `InvalidTreeName`, `QuotaExceeded` and
    /// those of the source, with nothing changed; `ReadOnly`, `Poisoned`, failures of the devices.
    pub fn install_checkpoint_from(
        &self,
        source: &mut dyn FnMut(&mut [u8]) -> Result<usize>,
    ) -> Result<ImageSummary> {
        let mut core = self.shared.settled();
        prepare(&mut core)?;
        let mut installation = Installation { core: &mut core, trees: Vec::new() };
        let read = image::read(source, &mut installation);
        let trees = installation.trees;
        let finished = read.and_then(|summary| {
            finish(&mut core, &trees, summary)?;
            Ok(summary)
        });
        if finished.is_err() {
            give_up(&mut core, &trees)?;
        }
        finished
    }
}

/// What comes before an installation.
pub(super) fn prepare(core: &mut Core) -> Result<()> {
    core.check_journal()?;
    core.settle_log()
}

/// An image on its way in.
pub(super) struct Installation<'a> {
    pub core: &'a mut Core,
    /// The trees so far.
    pub trees: Vec<(String, TreeId)>,
}

impl ImageTarget for Installation<'_> {
    fn tree(&mut self, name: &str) -> Result<()> {
        let taken = self.trees.iter().any(|(other, _)| other == name);
        let forest = &mut self.core.forest;
        if name == UNNAMED {
            let used = forest.roots.get(&STANDALONE_TREE).is_some_and(|root| root.records > 0);
            if used || taken {
                return Err(Error::TreeExists { name: name.into() });
            }
            // Readers have the tree already, and shall see nothing before it is all there.
            forest.create_tree(INCOMING_TREE)?;
            self.trees.push((name.into(), INCOMING_TREE));
            return Ok(());
        }
        check_name(name)?;
        if taken || self.core.catalog.names.contains_key(name) {
            return Err(Error::TreeExists { name: name.into() });
        }
        // What comes in without a name takes the place of what is there without one.
        let held = forest.roots.len() - usize::from(forest.roots.contains_key(&INCOMING_TREE));
        if held >= MAX_TREES {
            return Err(Error::QuotaExceeded { what: "trees", limit: MAX_TREES as u64 });
        }
        let tree = self.core.catalog.next;
        if tree >= FIRST_SYSTEM_TREE {
            let limit = u64::from(FIRST_SYSTEM_TREE);
            return Err(Error::QuotaExceeded { what: "trees ever created", limit });
        }
        self.core.catalog.next = tree + 1;
        forest.create_tree(tree)?;
        self.trees.push((name.into(), tree));
        Ok(())
    }

    fn record(&mut self, key: &[u8], version: u64, value: &[u8]) -> Result<()> {
        if version >= MAX_LSN {
            return Err(Error::InvalidImage { why: "a version that no store gives out" });
        }
        if version > MAX_IMAGE_VERSION {
            return Err(Error::QuotaExceeded { what: "log positions", limit: MAX_IMAGE_VERSION });
        }
        let Some(&(_, tree)) = self.trees.last() else { return Ok(()) };
        put(self.core, tree, key, value, version)?;
        self.core.forest.cache.trim()
    }
}

fn put(core: &mut Core, tree: TreeId, key: &[u8], value: &[u8], version: u64) -> Result<()> {
    let place = core.forest.make_place(tree, key, value.len())?;
    let remains = core.forest.settle(|f| f.write(tree, place, key, value, version))?;
    core.forest.give_back(remains);
    Ok(())
}

/// Names the trees and publishes everything.
pub(super) fn finish(
    core: &mut Core,
    trees: &[(String, TreeId)],
    summary: ImageSummary,
) -> Result<()> {
    let version = core.last_lsn();
    if !core.forest.roots.contains_key(&CATALOG_TREE) {
        core.forest.create_tree(CATALOG_TREE)?;
    }
    for (name, tree) in trees.iter().filter(|(name, _)| name != UNNAMED) {
        put(core, CATALOG_TREE, name.as_bytes(), &tree.to_le_bytes(), version)?;
    }
    let next = core.catalog.next.to_le_bytes();
    put(core, CATALOG_TREE, NEXT_KEY, &next, version)?;
    core.raise(summary.max_version)?;
    // Before it is gone: what fails from here on must not leave the feed to go on without a tree.
    core.restart_feed(version + 1);
    if core.forest.roots.contains_key(&FEED_TREE) {
        core.forest.remove_tree(FEED_TREE)?;
    }
    if core.forest.roots.contains_key(&INCOMING_TREE) {
        core.forest.move_prefix(INCOMING_TREE, b"", STANDALONE_TREE, b"")?;
        core.forest.remove_tree(INCOMING_TREE)?;
    }
    core.checkpoint()?;
    for (name, tree) in trees.iter().filter(|(name, _)| name != UNNAMED) {
        core.catalog.names.insert(name.clone(), *tree);
    }
    Ok(())
}

/// Removes what an installation that failed left; if that fails too, the store is not usable
/// before it is opened again.
pub(super) fn give_up(core: &mut Core, trees: &[(String, TreeId)]) -> Result<()> {
    let undone = undo(core, trees);
    if undone.is_err() {
        core.tear();
    }
    core.guard(undone)
}

/// Removes what an installation that failed left.
fn undo(core: &mut Core, trees: &[(String, TreeId)]) -> Result<()> {
    for (name, tree) in trees {
        core.forest.remove_tree(*tree)?;
        if *tree == INCOMING_TREE {
            // It was empty before; some may have been moved there by now.
            core.forest.remove_prefix(STANDALONE_TREE, b"")?;
        }
        if core.forest.roots.contains_key(&CATALOG_TREE) && name != UNNAMED {
            remove(core, CATALOG_TREE, name.as_bytes())?;
        }
    }
    Ok(())
}

fn remove(core: &mut Core, tree: TreeId, key: &[u8]) -> Result<()> {
    let place = core.forest.with(|forest| forest.place(tree, key))?;
    if place.exact {
        let remains = core.forest.settle(|forest| forest.erase(tree, place))?;
        core.forest.give_back(remains);
        core.forest.shrink(tree, key)?;
    }
    Ok(())
}
