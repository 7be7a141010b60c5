use super::*;

fn frame(version: u8, name: &str, contents: &[u8]) -> Vec<u8> {
    let size = contents.len();
    let head = match version {
        2 => (size as u32).to_be_bytes()[1..].to_vec(),
        3 => [&(size as u32).to_be_bytes()[..], &[0, 0]].concat(),
        _ => [&to_syncsafe(size).unwrap()[..], &[0, 0]].concat(),
    };
    [name.as_bytes(), &head, contents].concat()
}

fn tag(version: u8, flags: u8, frames: &[Vec<u8>], padding: usize) -> Vec<u8> {
    let mut body = frames.concat();
    body.resize(body.len() + padding, 0);
    if version < 4 && flags & UNSYNCHRONISED != 0 {
        body = unsynchronised(&body);
    }
    let mut bytes = b"ID3".to_vec();
    bytes.extend([version, 0, flags]);
    bytes.extend(to_syncsafe(body.len()).unwrap());
    bytes.extend(&body);
    if flags & FOOTER != 0 {
        let head: Vec<u8> = b"3DI".iter().chain(&bytes[3..10]).copied().collect();
        bytes.extend(head);
    }
    bytes
}

fn values(text: &[&str]) -> Vec<String> {
    text.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn genres_are_written_and_all_else_is_kept() {
    let picture: Vec<u8> =
        (0..40_000u32).map(|i| [0xff, 0x00, 0xe1, 0x7f][(i * i % 7 % 4) as usize]).collect();
    for (version, names) in [
        (2, ["TT2", "TCO", "PIC", "XXX"]),
        (3, ["TIT2", "TCON", "APIC", "XYZ9"]),
        (4, ["TIT2", "TCON", "APIC", "XYZ9"]),
    ] {
        for flags in [0, UNSYNCHRONISED, FOOTER] {
            if flags == FOOTER && version < 4 {
                continue;
            }
            for padding in [0, 5, 300] {
                if flags == FOOTER && padding > 0 {
                    continue;
                }
                let frames = [
                    frame(version, names[0], b"\0A title"),
                    frame(version, names[1], b"\0(17)"),
                    frame(version, names[2], &picture),
                    frame(version, names[3], b"what nobody knows"),
                ];
                let bytes = tag(version, flags, &frames, padding);
                let old = Id3v2::parse(&bytes).unwrap();
                assert_eq!(old.values(), ["Rock"]);
                let wanted = values(&["Hip-Hop", "Chanson française", "(Post) 摇滚"]);
                let fields = old.encode(&wanted).unwrap();
                let written = old.with(&fields).unwrap();
                let new = Id3v2::parse(&written).unwrap();
                assert_eq!((new.values(), Block::others(&new)), (wanted, Block::others(&old)));
                assert_eq!(new.fields(), fields);
                if padding == 300 {
                    assert_eq!(written.len(), bytes.len());
                }
                // And back again.
                let back = new.with(&old.fields()).unwrap();
                let again = Id3v2::parse(&back).unwrap();
                assert_eq!((again.fields(), Block::others(&again)), (old.fields(), Block::others(&old)));
                if padding == 300 {
                    assert_eq!(back, bytes);
                }
            }
        }
    }
}

#[test]
fn separators_are_those_of_the_version() {
    for (version, wanted) in [(3, &b"\0Rock; R&B"[..]), (4, b"\x03Rock\0R&B")] {
        let old = Id3v2::parse(&tag(version, 0, &[frame(version, "TIT2", b"\0x")], 0)).unwrap();
        let fields = old.encode(&values(&["Rock", "R&B"])).unwrap();
        assert_eq!((fields[0].at, &fields[0].bytes[10..]), (1, wanted));
    }
    let two =
        tag(4, 0, &[frame(4, "TCON", b"\x01\xff\xfeA\0\0\0\xff\xfeB\0"), frame(4, "TCON", b"\x02\0C")], 0);
    assert_eq!(Id3v2::parse(&two).unwrap().values(), ["A", "B", "C"]);
    assert!(Id3v2::empty().encode(&values(&["Rock; Pop"])).is_err());
}

#[test]
fn sizes_that_are_not_syncsafe_are_kept_so() {
    let mut long = frame(3, "TXXX", &[b'a'; 500]);
    long.extend(frame(3, "TCON", b"\0Pop"));
    let old = Id3v2::parse(&tag(4, 0, &[long], 100)).unwrap();
    assert!(old.plain && old.values() == ["Pop"]);
    let new = Id3v2::parse(&old.with(&old.encode(&values(&["Jazz"])).unwrap()).unwrap()).unwrap();
    assert!(new.plain && new.values() == ["Jazz"]);
}

#[test]
fn what_is_not_understood_is_refused() {
    let whole = tag(3, 0, &[frame(3, "TIT2", b"\0x")], 10);
    let with = |at: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        Id3v2::parse(&bytes).is_err()
    };
    assert!(Id3v2::parse(&whole).is_ok());
    assert!(with(3, 5) && with(5, 1) && with(10, b'a') && with(17, 200) && with(whole.len() - 1, 7));
    assert!(Id3v2::parse(&whole[..whole.len() - 1]).is_err());
    let sealed = Id3v2::parse(&tag(3, 0, &[[&b"TCON\0\0\0\x04\0\x80"[..], b"abcd"].concat()], 0)).unwrap();
    assert!(sealed.encode(&values(&["Rock"])).is_err());
}
