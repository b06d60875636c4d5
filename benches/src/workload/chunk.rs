//! A few hundred keys and values in one buffer, made before the clock starts.

/// Records of one timed stretch.
#[derive(Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    /// Start of the key, start of the value, end of the value.
    bounds: Vec<(u32, u32, u32)>,
}

impl Chunk {
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bounds.clear();
    }

    /// Adds a record; `key` and `value` append to the buffer.
    pub fn push(&mut self, key: impl FnOnce(&mut Vec<u8>), value: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len() as u32;
        key(&mut self.bytes);
        let middle = self.bytes.len() as u32;
        value(&mut self.bytes);
        self.bounds.push((start, middle, self.bytes.len() as u32));
    }

    /// Records held.
    pub fn len(&self) -> usize {
        self.bounds.len()
    }

    /// Bytes of keys and values held.
    pub fn payload(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Keys and values, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.bounds.iter().map(|&(start, middle, end)| {
            let (start, middle, end) = (start as usize, middle as usize, end as usize);
            (&self.bytes[start..middle], &self.bytes[middle..end])
        })
    }
}
