//! Memory and device traffic of this process, from `/proc/self`.

use std::fs;

use serde::{Deserialize, Serialize};

/// Figures of a process. Where the system does not tell, they are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Largest resident set so far, in bytes: anonymous, file and shared pages (VmHWM).
    pub peak_rss: u64,
    /// Anonymous bytes resident now.
    pub rss_anon: u64,
    /// Bytes of mapped files resident now.
    pub rss_file: u64,
    /// Bytes of its files in the page cache now, whoever put them there.
    pub page_cache: u64,
    /// Allocated bytes of all its files now.
    pub disk: u64,
    /// Bytes read from devices, over a step. The page cache's hits are not in it.
    pub device_read: u64,
    /// Bytes sent to devices, over a step; pages dirtied through the page cache or a mapping
    /// count when they are dirtied.
    pub device_written: u64,
}

impl Usage {
    /// Figures of this process since it started.
    pub fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
        let kib = |name| field(&status, name) * 1024;
        Self {
            peak_rss: kib("VmHWM:"),
            rss_anon: kib("RssAnon:"),
            rss_file: kib("RssFile:") + kib("RssShmem:"),
            device_read: field(&io, "read_bytes:"),
            device_written: field(&io, "write_bytes:")
                .saturating_sub(field(&io, "cancelled_write_bytes:")),
            ..Self::default()
        }
    }

    /// The same with the counters taken since `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            device_read: self.device_read.saturating_sub(earlier.device_read),
            device_written: self.device_written.saturating_sub(earlier.device_written),
            ..self
        }
    }
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(name));
    let number = line.and_then(|line| line.split_ascii_whitespace().nth(1));
    number.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Processor time of all threads of this process, in nanoseconds.
pub fn cpu_nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
