//! The elements of Matroska that matter here (RFC 9559, 5.1), and what may stand where a packet is looked for.

use super::ebml::{Header, header, number};
use super::tracks::Entry;

pub(super) const HEADER: u32 = 0x1a45_dfa3;
pub(super) const SEGMENT: u32 = 0x1853_8067;
pub(super) const SEEK_HEAD: u32 = 0x114d_9b74;
pub(super) const INFO: u32 = 0x1549_a966;
pub(super) const TRACKS: u32 = 0x1654_ae6b;
pub(super) const TAGS: u32 = 0x1254_c367;
pub(super) const CLUSTER: u32 = 0x1f43_b675;
pub(super) const GROUP: u32 = 0xa0;
pub(super) const BLOCK: u32 = 0xa1;
pub(super) const SIMPLE_BLOCK: u32 = 0xa3;
pub(super) const DISCARD: u32 = 0x75a2;
/// Those that hold others; cues, chapters and attachments, too.
pub(super) const HOLD_OTHERS: [u32; 11] =
    [HEADER, SEGMENT, SEEK_HEAD, INFO, TRACKS, TAGS, CLUSTER, GROUP, 0x1c53_bb6b, 0x1043_a770, 0x1941_a469];
/// Those of a cluster or a group of blocks that hold a number.
pub(super) const NUMBERS: [u32; 8] = [0xe7, 0xa7, 0xab, 0x9b, 0xfa, 0xfb, 0xfd, DISCARD];
/// Those of both that hold anything else; padding; a checksum.
pub(super) const OTHERS: [u32; 8] = [0x5854, 0xaf, 0x75a1, 0xa4, 0x8e, 0xc8, 0xec, 0xbf];

/// Most bytes of an element that is read at once.
pub(super) const LARGEST: u64 = 16 << 20;
/// Bytes that hold an element's header and that of its first child.
pub(super) const LOOK: usize = 24;

/// Whether an element begins here that may stand where a packet is looked for, or zeros that fill up.
pub(super) fn is_known(bytes: &[u8], entries: &[Entry]) -> bool {
    let Some(Header { id, size, length }) = header(bytes) else {
        return bytes.iter().take(LOOK).all(|&byte| byte == 0);
    };
    let inside = bytes.get(length..).unwrap_or_default();
    let is_within = |most: u64| size.is_some_and(|size| size <= most);
    match id {
        CLUSTER => is_cluster(bytes),
        GROUP => is_within(LARGEST) && header(inside).is_some_and(|child| is_inner(child.id)),
        BLOCK | SIMPLE_BLOCK => {
            let track = number(inside).and_then(|(track, _)| track);
            is_within(LARGEST) && entries.iter().any(|entry| Some(u64::from(entry.number)) == track)
        }
        id if NUMBERS.contains(&id) => is_within(8),
        id => HOLD_OTHERS.contains(&id) || OTHERS.contains(&id) && size.is_some(),
    }
}

/// Whether a cluster begins here: its name, and a child that it may have.
pub(super) fn is_cluster(bytes: &[u8]) -> bool {
    let Some(Header { id: CLUSTER, length, .. }) = header(bytes) else {
        return false;
    };
    header(bytes.get(length..).unwrap_or_default()).is_some_and(|child| is_inner(child.id))
}

/// Whether an element of this name stands in clusters or in groups of blocks.
fn is_inner(id: u32) -> bool {
    NUMBERS.contains(&id) || OTHERS.contains(&id) || matches!(id, GROUP | BLOCK | SIMPLE_BLOCK)
}
