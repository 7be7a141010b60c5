//! What a download may take.

use std::time::Duration;

/// What a download may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Largest song, in bytes.
    pub bytes: u64,
    /// Shortest song, in seconds.
    pub shortest: f64,
    /// Longest song, in seconds.
    pub longest: f64,
    /// Wait between songs, and between the requests that one takes.
    pub pause: Duration,
    /// Longest transfer of one song or list.
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64_000_000,
            shortest: 30.0,
            longest: 900.0,
            pause: Duration::from_secs(1),
            timeout: Duration::from_secs(600),
        }
    }
}

impl Limits {
    /// Why a song of so many seconds is not wanted.
    pub(super) fn refuse(&self, seconds: f64) -> Option<String> {
        if seconds < self.shortest {
            Some(format!("too short: {seconds:.0} s, and at least {:.0} s are wanted", self.shortest))
        } else if seconds > self.longest {
            Some(format!(
                "too long: {:.1} min, and at most {:.1} are wanted",
                seconds / 60.0,
                self.longest / 60.0
            ))
        } else {
            None
        }
    }

    /// The largest size, for messages.
    pub(super) fn size(&self) -> String {
        format!("{:.1} MB", self.bytes as f64 / 1e6)
    }
}
