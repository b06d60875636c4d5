//! The value that `import` writes for each entry of a tree: what `lstat` says, in few bytes.
//!
//! Owns: the encoding of a stat record, version 1.
//! Never does: look at a file system, print.
//! Invariants: decoding takes any bytes and is exact: what decodes encodes to the same bytes.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | `0xFE`: never the first byte of UTF-8 text, so a text value is not taken for a record |
//! | 1 | version, `1` |
//! | 2 | little-endian: bits 0 to 11 the permission bits, bits 12 to 15 the kind (below) |
//! | 1-10 | size in bytes, varint |
//! | 1-5 | user id, varint |
//! | 1-5 | group id, varint |
//! | 1-10 | whole seconds of the modification time since 1970 UTC, zigzag, varint |
//! | 1-5 | its nanoseconds, 0 to 999 999 999, varint |
//! | 1-10 | number of links, varint |
//! | rest | target of a symbolic link, as stored; empty for every other kind |
//!
//! A varint carries seven bits a byte, lowest first, the top bit set on all but the last byte,
//! in the fewest bytes. Zigzag maps 0, -1, 1, -2 to 0, 1, 2, 3. Kinds: 1 fifo, 2 character
//! device, 4 directory, 6 block device, 8 file, 10 link, 12 socket, 0 unknown.

const MARK: u8 = 0xFE;
const VERSION: u8 = 1;
const PERMISSION_BITS: u16 = 0o7777;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Unknown,
    Fifo,
    CharacterDevice,
    Directory,
    BlockDevice,
    File,
    Link,
    Socket,
}

impl Kind {
    const ALL: [(Kind, u16, char, &'static str); 8] = [
        (Kind::Unknown, 0, '?', "unknown"),
        (Kind::Fifo, 1, 'p', "fifo"),
        (Kind::CharacterDevice, 2, 'c', "character-device"),
        (Kind::Directory, 4, 'd', "directory"),
        (Kind::BlockDevice, 6, 'b', "block-device"),
        (Kind::File, 8, '-', "file"),
        (Kind::Link, 10, 'l', "link"),
        (Kind::Socket, 12, 's', "socket"),
    ];

    fn row(self) -> (Kind, u16, char, &'static str) {
        Self::ALL.into_iter().find(|row| row.0 == self).unwrap_or(Self::ALL[0])
    }

    /// The kind with this number of the table above.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|row| row.1 == number).map(|row| row.0)
    }

    /// The letter that `ls -l` shows.
    pub fn letter(self) -> char {
        self.row().2
    }

    /// The name that `--json` shows.
    pub fn name(self) -> &'static str {
        self.row().3
    }
}

/// What `import` keeps of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatRecord {
    /// What it is.
    pub kind: Kind,
    /// The twelve permission bits.
    pub permissions: u16,
    /// Size in bytes.
    pub size: u64,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Whole seconds of the modification time since 1970 UTC, rounded down.
    pub mtime: i64,
    /// Nanoseconds on top of `mtime`.
    pub mtime_nanos: u32,
    /// Number of hard links.
    pub links: u64,
    /// Target of a symbolic link; empty for every other kind.
    pub target: Vec<u8>,
}

impl StatRecord {
    /// The record in its stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + self.target.len());
        out.extend([MARK, VERSION]);
        let word = (self.permissions & PERMISSION_BITS) | (self.kind.row().1 << 12);
        out.extend(word.to_le_bytes());
        put_varint(&mut out, self.size);
        put_varint(&mut out, self.uid.into());
        put_varint(&mut out, self.gid.into());
        put_varint(&mut out, ((self.mtime << 1) ^ (self.mtime >> 63)) as u64);
        put_varint(&mut out, self.mtime_nanos.into());
        put_varint(&mut out, self.links);
        out.extend_from_slice(&self.target);
        out
    }

    /// The record in `bytes`, or `None` if they are anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[mark, version, low, high], mut rest) = bytes.split_first_chunk::<4>()?;
        if mark != MARK || version != VERSION {
            return None;
        }
        let word = u16::from_le_bytes([low, high]);
        let kind = Kind::from_number(word >> 12)?;
        let size = take_varint(&mut rest)?;
        let uid = u32::try_from(take_varint(&mut rest)?).ok()?;
        let gid = u32::try_from(take_varint(&mut rest)?).ok()?;
        let zigzag = take_varint(&mut rest)?;
        let mtime = ((zigzag >> 1) as i64) ^ -((zigzag & 1) as i64);
        let nanos = take_varint(&mut rest)?;
        let links = take_varint(&mut rest)?;
        if nanos >= NANOS_PER_SECOND || (kind != Kind::Link && !rest.is_empty()) {
            return None;
        }
        Some(Self {
            kind,
            permissions: word & PERMISSION_BITS,
            size,
            uid,
            gid,
            mtime,
            mtime_nanos: nanos as u32,
            links,
            target: rest.into(),
        })
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if (part << shift) >> shift != part {
            return None;
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            // A last byte of zero says that a shorter form exists.
            return (byte != 0 || shift == 0).then_some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> StatRecord {
        StatRecord {
            kind: Kind::File,
            permissions: 0o644,
            size: 300,
            uid: 0,
            gid: 1000,
            mtime: -2,
            mtime_nanos: 5,
            links: 1,
            target: Vec::new(),
        }
    }

    #[test]
    fn bytes_are_as_documented() {
        let expected =
            [0xFE, 1, 0xA4, 0x81, 0xAC, 0x02, 0x00, 0xE8, 0x07, 0x03, 0x05, 0x01].to_vec();
        assert_eq!(sample().encode(), expected);
        let link = StatRecord { kind: Kind::Link, target: b"../x\xff".to_vec(), ..sample() };
        let bytes = link.encode();
        assert!(bytes.ends_with(b"\x01../x\xff"));
        assert_eq!(StatRecord::decode(&bytes), Some(link));
    }

    #[test]
    fn extremes_round_trip() {
        for (kind, _, _, _) in Kind::ALL {
            for number in [0, 1, 127, 128, u64::MAX] {
                for mtime in [i64::MIN, -1, 0, 1, i64::MAX] {
                    let record = StatRecord {
                        kind,
                        permissions: 0o7777,
                        size: number,
                        uid: number as u32,
                        gid: !(number as u32),
                        mtime,
                        mtime_nanos: 999_999_999,
                        links: number,
                        target: Vec::new(),
                    };
                    assert_eq!(StatRecord::decode(&record.encode()), Some(record));
                }
            }
        }
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes() {
        let good = sample().encode();
        for at in 0..good.len() {
            assert_eq!(StatRecord::decode(&good[..at]), None, "cut at {at}");
            for byte in 0..=255 {
                let mut bytes = good.clone();
                bytes[at] = byte;
                if let Some(record) = StatRecord::decode(&bytes) {
                    assert_eq!(record.encode(), bytes);
                }
            }
        }
        for text in [&b""[..], b"hello", "\u{fe}\u{1}".as_bytes(), &[MARK; 40], &[0xff; 40]] {
            assert_eq!(StatRecord::decode(text), None);
        }
        let long_zero = [MARK, VERSION, 0, 0x80, 0x80, 0, 0, 0, 0, 0, 0];
        assert_eq!(StatRecord::decode(&long_zero), None, "not the fewest bytes");
    }
}
