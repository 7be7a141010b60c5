//! Quotes in comma-separated tables, by RFC 4180, before the table is read.
//!
//! The csv reader takes whatever comes: a quote that nobody closed makes one cell of the rest of the file, or of all up to
//! the next quote, and rows vanish.

/// What is wrong with the quotes of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unbalanced {
    /// Where the cell's quote opens: the byte.
    pub byte: u64,
    /// Whether the file ends before it is closed; else something other than the cell's end follows a closing quote.
    pub open: bool,
}

impl Unbalanced {
    /// What it is, and the cure.
    pub fn reason(self) -> &'static str {
        match self.open {
            true => "a quote that is never closed; close it, or write a quote in a cell twice (\"\")",
            false => {
                "text behind a closing quote, as where the quote before was never closed; close it, or write a quote in a \
                 cell twice (\"\")"
            }
        }
    }
}

/// The first quote that is wrong. A cell is quoted where its first byte is a quote, as the csv reader takes it; blanks may
/// follow the closing one.
pub(super) fn unbalanced(bytes: &[u8]) -> Option<Unbalanced> {
    enum At {
        Begin,
        Bare,
        Quoted(usize),
        Closed(usize),
    }
    let mut at = At::Begin;
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mark = bytes.len() - text.len();
    for (i, &byte) in text.iter().enumerate() {
        at = match (at, byte) {
            (At::Quoted(from), b'"') => At::Closed(from),
            (At::Quoted(from), _) => At::Quoted(from),
            (At::Closed(from), b'"') if text.get(i - 1) == Some(&b'"') => At::Quoted(from),
            (_, b',' | b'\n' | b'\r') => At::Begin,
            (At::Begin, b'"') => At::Quoted(i),
            (At::Begin | At::Bare, _) => At::Bare,
            (At::Closed(from), b' ' | b'\t') => At::Closed(from),
            (At::Closed(from), _) => return Some(Unbalanced { byte: (mark + from) as u64, open: false }),
        };
    }
    match at {
        At::Quoted(from) => Some(Unbalanced { byte: (mark + from) as u64, open: true }),
        _ => None,
    }
}
