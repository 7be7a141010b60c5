use std::io;

/// Why a file's tags are not read or not written; the file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum TagError {
    /// The file system fails.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file holds something that is not understood well enough to be written.
    #[error("{0}")]
    Refused(String),
}

/// For `?` on whatever is refused with a reason.
pub(super) fn refused<T>(why: impl Into<String>) -> Result<T, TagError> {
    Err(TagError::Refused(why.into()))
}
