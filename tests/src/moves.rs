//! The directory that the suite of prefix moves renames back and forth.

/// Where the directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Under the first name.
    A,
    /// Under the second one, which is longer and sorts behind other records.
    B,
}

impl Side {
    /// What the keys start with there.
    pub const fn prefix(self) -> &'static [u8] {
        match self {
            Self::A => b"home/a/",
            Self::B => b"home/moved to b/",
        }
    }

    /// The other place.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// The key of a record of the directory: some hundred to a folder.
pub fn record_key(side: Side, number: u64) -> Vec<u8> {
    let name = format!("{:03}/{:05}", number % 997, number);
    [side.prefix(), name.as_bytes()].concat()
}

/// Its value.
pub fn record_value(number: u64) -> Vec<u8> {
    number.to_le_bytes().repeat(4)
}
