//! The names of a file system: directories, files, listings, moves and quotas, without the files'
//! contents. What a file server keeps beside its data.
//!
//!     cargo run --example filesystem_meta [DIRECTORY]
//!
//! The key of a file is its path, `home/ann/notes.txt`; that of a directory ends in a slash,
//! `home/ann/`, so that everything in it comes right behind it. One level is then one scan with a
//! delimiter, and a move of a directory with all that is in it is one operation on a prefix.

use std::fmt;
use std::path::PathBuf;

use holt::{KeyRangeEntryRef, RangeEntryRef, RecordVersion, Tree, TreeBuilder};

/// What a call of the file system can answer instead of what was asked for.
#[derive(Debug)]
enum FsError {
    NotFound(String),
    Exists(String),
    NotEmpty(String),
    Store(holt::Error),
}

impl fmt::Display for FsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(path) => write!(f, "{path}: no such file or directory"),
            Self::Exists(path) => write!(f, "{path}: exists"),
            Self::NotEmpty(path) => write!(f, "{path}: directory is not empty"),
            Self::Store(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for FsError {}

impl From<holt::Error> for FsError {
    fn from(error: holt::Error) -> Self {
        Self::Store(error)
    }
}

type Result<T, E = FsError> = std::result::Result<T, E>;

/// A file system's names. Paths have no slash at either end; the root is the empty path.
struct Names {
    tree: Tree,
}

/// The key of a directory.
fn dir(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}/") }
}

/// The directory that a path is in.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl Names {
    fn open(path: PathBuf) -> Result<Self> {
        let tree = TreeBuilder::new(path).open()?;
        tree.delete_prefix(b"")?;
        tree.put(b"", b"")?;
        Ok(Self { tree })
    }

    /// The version of a directory that must be there.
    fn dir_version(&self, path: &str) -> Result<RecordVersion> {
        let version = self.tree.get_version(dir(path).as_bytes())?;
        version.ok_or_else(|| FsError::NotFound(path.into()))
    }

    /// Adds a name to a directory, which must be there when it is added.
    fn add(&self, path: &str, key: &str, other: &str, value: &[u8]) -> Result<()> {
        loop {
            let (above, version) = (dir(parent(path)), self.dir_version(parent(path))?);
            let added = self.tree.atomic(|batch| {
                batch.assert_version(above.as_bytes(), version);
                // A directory and a file of one name have different keys.
                batch.assert_absent(other.as_bytes());
                batch.put_if_absent(key.as_bytes(), value);
            })?;
            if added {
                return Ok(());
            }
            if self.tree.contains_key(key.as_bytes())?
                || self.tree.contains_key(other.as_bytes())?
            {
                return Err(FsError::Exists(path.into()));
            }
            // The directory was replaced between the two calls: look again.
        }
    }

    fn mkdir(&self, path: &str) -> Result<()> {
        self.add(path, &dir(path), path, b"")
    }

    fn create(&self, path: &str, bytes: u64) -> Result<()> {
        self.add(path, path, &dir(path), &bytes.to_be_bytes())
    }

    /// The size of a file.
    fn size(&self, path: &str) -> Result<u64> {
        let size = self.tree.get(path.as_bytes())?;
        size.map(|size| number(&size)).ok_or_else(|| FsError::NotFound(path.into()))
    }

    /// The names in a directory, in order; those of directories end in a slash. What lies deeper
    /// is not read.
    fn list(&self, path: &str) -> Result<Vec<String>> {
        self.dir_version(path)?;
        let prefix = dir(path);
        let mut names = Vec::new();
        let scan = self.tree.scan_keys(prefix.as_bytes()).delimiter(b'/');
        scan.visit(usize::MAX, |entry| {
            let (KeyRangeEntryRef::Key { key, .. } | KeyRangeEntryRef::CommonPrefix(key)) = entry
            else {
                return Ok(());
            };
            let name = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
            // The directory's own record has no name left.
            names.extend(Some(name).filter(|name| !name.is_empty()));
            Ok(())
        })?;
        Ok(names)
    }

    fn remove(&self, path: &str) -> Result<()> {
        match self.tree.delete(path.as_bytes())? {
            true => Ok(()),
            false => Err(FsError::NotFound(path.into())),
        }
    }

    /// Removes a directory that holds nothing: guards see what the batch did before them.
    fn rmdir(&self, path: &str) -> Result<()> {
        self.dir_version(path)?;
        let removed = self.tree.atomic(|batch| {
            batch.delete(dir(path).as_bytes());
            batch.assert_prefix_empty(dir(path).as_bytes());
        })?;
        if removed { Ok(()) } else { Err(FsError::NotEmpty(path.into())) }
    }

    /// Removes a directory with all that is in it; says how many names.
    fn remove_all(&self, path: &str) -> Result<u64> {
        self.dir_version(path)?;
        Ok(self.tree.delete_prefix(dir(path).as_bytes())?)
    }

    /// Moves a directory with all that is in it, however much that is, as one change: readers
    /// see it in one place or in the other.
    fn rename_dir(&self, from: &str, to: &str) -> Result<()> {
        loop {
            self.dir_version(from)?;
            let (above, version) = (dir(parent(to)), self.dir_version(parent(to))?);
            let moved = self.tree.atomic(|batch| {
                batch.assert_version(above.as_bytes(), version);
                batch.assert_absent(to.as_bytes());
                batch.rename_prefix(dir(from).as_bytes(), dir(to).as_bytes(), false);
            });
            match moved {
                Ok(true) => return Ok(()),
                Ok(false) if !self.tree.contains_key(to.as_bytes())? => {}
                Ok(false) | Err(holt::Error::DstExists) => return Err(FsError::Exists(to.into())),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Names below a directory, itself included; counted without reading them.
    fn count(&self, path: &str) -> Result<u64> {
        Ok(self.tree.prefix_count(dir(path).as_bytes(), 0)?.count)
    }

    /// Bytes of all files below a directory, at one moment: what moves meanwhile counts once.
    fn usage(&self, path: &str) -> Result<u64> {
        let mut bytes = 0;
        let snapshot = self.tree.snapshot(dir(path).as_bytes())?;
        snapshot.range().visit(usize::MAX, |entry| {
            if let RangeEntryRef::Key { key, value, .. } = entry
                && !key.ends_with(b"/")
            {
                bytes += number(value);
            }
            Ok(())
        })?;
        Ok(bytes)
    }

    /// The nearest directory above a path that is there, itself included.
    fn nearest(&self, path: &str) -> Result<String> {
        let mut query = dir(path);
        loop {
            let found = self.tree.longest_prefix_record(query.as_bytes())?;
            let key = found.map(|found| String::from_utf8_lossy(&found.key).into_owned());
            let key = key.ok_or_else(|| FsError::NotFound(path.into()))?;
            if key.is_empty() || key.ends_with('/') {
                return Ok(key);
            }
            // A file whose name begins like the path: look above it.
            query = dir(parent(&key));
        }
    }
}

fn number(value: &[u8]) -> u64 {
    value.try_into().map_or(0, u64::from_be_bytes)
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let scratch = tempfile::tempdir()?;
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    let names = Names::open(given.unwrap_or_else(|| scratch.path().join("store")))?;

    for path in ["home", "home/ann", "home/bob", "home/ann/src", "tmp"] {
        names.mkdir(path)?;
    }
    for number in 0..10_000 {
        names.create(&format!("home/ann/src/{number:05}.rs"), 100)?;
    }
    names.create("home/ann/notes.txt", 42)?;
    println!("home/ann holds {:?}", names.list("home/ann")?);
    assert_eq!(names.list("home/ann")?, ["notes.txt", "src/"]);
    assert_eq!(names.list("")?, ["home/", "tmp/"]);
    assert_eq!(names.size("home/ann/notes.txt")?, 42);

    for refused in [
        names.create("home/eve/notes.txt", 1),
        names.create("home/ann", 1),
        names.mkdir("home/ann/notes.txt"),
        names.rmdir("home/ann"),
    ] {
        println!("refused: {}", refused.expect_err("must be refused"));
    }

    names.rename_dir("home/ann", "tmp/ann")?;
    println!("moved {} names at once", names.count("tmp/ann")?);
    assert_eq!(names.count("tmp/ann")?, 10_003);
    assert_eq!(names.list("home")?, ["bob/"]);
    assert_eq!(names.usage("tmp")?, 10_000 * 100 + 42);
    assert!(matches!(names.rename_dir("tmp/ann", "home/bob"), Err(FsError::Exists(_))));

    assert_eq!(names.nearest("tmp/ann/src/gone/and/lost")?, "tmp/ann/src/");
    assert_eq!(names.nearest("tmp/ann/notes.txt.old/x")?, "tmp/ann/");
    assert_eq!(names.nearest("elsewhere")?, "");

    names.remove("tmp/ann/notes.txt")?;
    println!("removed {} names at once", names.remove_all("tmp/ann")?);
    names.rmdir("tmp")?;
    assert_eq!(names.list("")?, ["home/"]);
    Ok(())
}
