"""Makes a folder of songs of every format and kind of tag with ffmpeg and mutagen, damaged and odd ones too: corpus.py FOLDER"""

import os
import struct
import subprocess
import sys

import mutagen.id3 as id3
from mutagen.aiff import AIFF
from mutagen.apev2 import APEv2
from mutagen.flac import FLAC, Picture
from mutagen.mp4 import MP4, MP4Cover
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

os.makedirs(sys.argv[1])
os.chdir(sys.argv[1])
PICTURE = bytes((i * 7919 + (i >> 8)) % 256 for i in range(3000)) + b"\xff\x00\xff\xe0" * 50
LARGE = PICTURE * 6500  # 20 MB


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-nostdin", "-y", "-v", "error", *arguments], check=True)


def make(name, *arguments, tags=True):
    bare = ["-fflags", "+bitexact", "-flags", "+bitexact", "-map_metadata", "-1"]
    about = ["-metadata", "title=A title", "-metadata", "artist=Somebody"] if tags else bare
    ffmpeg("-f", "lavfi", "-i", "sine=440:d=2:r=44100", "-ac", "2", *about, *arguments, name)


def read(name):
    with open(name, "rb") as file:
        return file.read()


def write(name, contents):
    with open(name, "wb") as file:
        file.write(contents)


def copy(source, name):
    write(name, read(source))
    return name


# ID3

def frames(picture=PICTURE):
    tag = id3.ID3()
    for frame in [
        id3.TIT2(1, text="Título"),
        id3.TPE1(1, text="Somebody"),
        id3.TCON(0, text="Old Genre"),
        id3.APIC(encoding=0, mime="image/png", type=3, desc="x", data=picture),
        id3.GEOB(encoding=0, mime="a/b", filename="f", desc="d", data=PICTURE),
        id3.PRIV(owner="me", data=PICTURE),
        id3.TXXX(encoding=0, desc="replaygain_track_gain", text="-3 dB"),
        id3.CHAP(
            element_id="c1", start_time=0, end_time=900, start_offset=0xFFFFFFFF, end_offset=0xFFFFFFFF,
            sub_frames=[id3.TIT2(0, text="Chapter")],
        ),
        id3.CTOC(element_id="toc", flags=3, child_element_ids=["c1"], sub_frames=[]),
        id3.UFID(owner="http://musicbrainz.org", data=b"abc"),
        id3.POPM(email="a", rating=5, count=3),
        id3.RVA2(desc="x", channel=1, gain=-2.0, peak=0.5),
    ]:
        tag.add(frame)
    return tag


def tagged(name, version, v1=0, **how):
    tag = frames(how.pop("picture", PICTURE))
    if version == 3:
        tag.update_to_v23()
    tag.save(name, v2_version=version, v1=v1, **how)


def syncsafe(size):
    return bytes(size >> shift & 127 for shift in (21, 14, 7, 0))


def id3v2(version, flags, body):
    return b"ID3" + bytes([version, 0, flags]) + syncsafe(len(body)) + body


def frame(name, contents, flags=b"\0\0", safe=False):
    size = syncsafe(len(contents)) if safe else struct.pack(">I", len(contents))
    return name + size + flags + contents


def unsynchronised(contents):
    out = bytearray()
    for i, byte in enumerate(contents):
        out.append(byte)
        if byte == 255 and (i + 1 == len(contents) or contents[i + 1] == 0 or contents[i + 1] >= 0xE0):
            out.append(0)
    return bytes(out)


make("bare.mp3", "-write_id3v1", "0", "-id3v2_version", "0", tags=False)
make("ffmpeg24.mp3", "-id3v2_version", "4")
make("ffmpeg23.mp3", "-id3v2_version", "3")
mp3 = read("bare.mp3")
for version in (3, 4):
    tagged(copy("bare.mp3", f"id3v2{version}.mp3"), version)
    tagged(copy("bare.mp3", f"both2{version}.mp3"), version, v1=2)
id3v1 = b"TAG" + b"Title".ljust(30, b"\0") + b"Artist".ljust(30, b"\0") + b"\0" * 64
write("v1.mp3", mp3 + id3v1 + b"\x11")
tag = APEv2()
tag["Title"], tag["Genre"], tag["Cover Art (Front)"] = "T", ["Old", "Older"], PICTURE
tag.save(copy("bare.mp3", "ape.mp3"))
tag = APEv2()
tag["Title"], tag["GENRE"] = "T", "Old"
tag.save(copy("both23.mp3", "three.mp3"))
tagged(copy("bare.mp3", "large.mp3"), 4, picture=LARGE)
tagged(copy("bare.mp3", "nopad.mp3"), 4, padding=lambda info: 0)
body = b"".join(
    name + struct.pack(">I", len(contents))[1:] + contents
    for name, contents in [
        (b"TT2", b"\0Title"), (b"TCO", b"\0(17)"), (b"PIC", b"\0PNG\3x\0" + PICTURE), (b"XYZ", b"unknown"),
    ]
)
write("id3v22.mp3", id3v2(2, 0, body) + mp3)
body = frame(b"TIT2", b"\1\xff\xfeT\0") + frame(b"TCON", b"\0(4)Eurodisco")
body += frame(b"APIC", b"\0image/png\0\3\0" + PICTURE) + frame(b"ZZZZ", PICTURE) + b"\0" * 100
write("unsync23.mp3", id3v2(3, 0x80, unsynchronised(body)) + mp3)
extended = struct.pack(">I", 6) + b"\0\0" + struct.pack(">I", 64)
write("extended23.mp3", id3v2(3, 0x40, extended + frame(b"TIT2", b"\0T") + b"\0" * 64) + mp3)
write("crypt.mp3", id3v2(3, 0, frame(b"TCON", b"\x01abcd", b"\0\x40")) + mp3)
write("junk.mp3", id3v2(4, 0, frame(b"TIT2", b"\0T", safe=True) + b"junk that is no padding") + mp3)
two = frame(b"TIT2", b"\0T", safe=True) + frame(b"TCON", b"\0A", safe=True)
write("two.mp3", id3v2(4, 0, two) + id3v2(3, 0, frame(b"TCON", b"\0B")) + mp3)
write("lyrics.mp3", mp3 + b"LYRICSBEGININD0000210000021LYRICS200" + id3v1 + b"\xff")

# FLAC


def blocks(contents):
    found, at = [], 4
    while True:
        head, size = contents[at], int.from_bytes(contents[at + 1 : at + 4], "big")
        found.append((head & 127, contents[at + 4 : at + 4 + size]))
        at += 4 + size
        if head & 128:
            return found, contents[at:]


make("plain.flac")
make("notags.flac", tags=False)
file = FLAC(copy("plain.flac", "rich.flac"))
picture = Picture()
picture.data, picture.mime = PICTURE, "image/png"
file.add_picture(picture)
file["genre"], file["CUSTOM"], file["title"] = ["Old", "Older"], ["1", "2"], "T"
file.save()
FLAC(copy("rich.flac", "nopad.flac")).save(padding=lambda info: 0)
FLAC(copy("rich.flac", "pad5.flac")).save(padding=lambda info: 5)
file = FLAC(copy("rich.flac", "large.flac"))
picture = Picture()
picture.data, picture.mime = LARGE[:16_000_000], "image/png"
file.add_picture(picture)
file.save()
rich = read("rich.flac")
before = id3v2(3, 0, frame(b"TIT2", b"\0T") + frame(b"TCON", b"\0Old"))
write("id3.flac", before + rich + b"TAG" + b"\0" * 124 + b"\x07")
kept, sound = blocks(rich)
kept = [block for block in kept if block[0] not in (1, 4)]
heads = [bytes([kind | 128 * (i == len(kept) - 1)]) + len(data).to_bytes(3, "big") for i, (kind, data) in enumerate(kept)]
write("nocomment.flac", b"fLaC" + b"".join(head + data for head, (_, data) in zip(heads, kept)) + sound)

# Ogg



def pages(contents):
    """Each page as [header without its table, table, body]."""
    found, at = [], 0
    while at < len(contents):
        table = contents[at + 27 : at + 27 + contents[at + 26]]
        end = at + 27 + len(table) + sum(table)
        found.append([bytearray(contents[at : at + 27]), table, contents[end - sum(table) : end]])
        at = end
    return found


def header_packets(contents, count):
    """The first page, the packets behind it, and the pages behind these."""
    first, *rest = pages(contents)
    packets, packet, used = [], b"", 0
    while len(packets) < count:
        _, table, body = rest[used]
        used += 1
        for size in table:
            packet, body = packet + body[:size], body[size:]
            if size < 255:
                packets, packet = [*packets, packet], b""
    return first, packets, rest[used:]


def sealed(header, table, body):
    header = bytes(header[:22]) + b"\0\0\0\0" + bytes([len(table)])
    page, sum_ = header + bytes(table) + body, 0
    for byte in page:
        sum_ ^= byte << 24
        for _ in range(8):
            sum_ = (sum_ << 1 ^ 0x04C11DB7 if sum_ >> 31 else sum_ << 1) & 0xFFFFFFFF
    return page[:22] + struct.pack("<I", sum_) + page[26:]


def paged(first, packets, audio, count):
    """The packets on `count` pages of 255 segments."""
    segments = [packet[i : i + 255] for packet in packets for i in range(0, len(packet) + 1, 255)]
    assert len(segments) == 255 * count, len(segments)
    out, serial, continued = sealed(*first), bytes(first[0][14:18]), 0
    for number in range(count):
        now = segments[255 * number : 255 * (number + 1)]
        ends = any(len(segment) < 255 for segment in now)
        header = b"OggS\0" + bytes([continued]) + (b"\0" * 8 if ends else b"\xff" * 8)
        header += serial + struct.pack("<II", number + 1, 0) + b"\0"
        out += sealed(header, [len(segment) for segment in now], b"".join(now))
        continued = int(len(now[-1]) == 255)
    for i, (header, table, body) in enumerate(audio):
        header[18:22] = struct.pack("<I", count + 1 + i)
        out += sealed(header, table, body)
    return out


make("plain.ogg", "-c:a", "libvorbis")
make("plain.opus", "-c:a", "libopus", "-ar", "48000")
for kind, opened in (("ogg", OggVorbis), ("opus", OggOpus)):
    plain = read(f"plain.{kind}")
    file = opened(copy(f"plain.{kind}", f"rich.{kind}"))
    file["genre"], file["R128_TRACK_GAIN"], file["CHAPTER001"] = ["Old"], "-20", "00:00:01.000"
    file["METADATA_BLOCK_PICTURE"] = "A" * 4000
    file.save()
    file = opened(copy(f"rich.{kind}", f"large.{kind}"))
    file["METADATA_BLOCK_PICTURE"] = "A" * 20_000_000
    file.save()
    # Comments that fill their pages to the last segment: with a genre they need one more.
    first, headers, audio = header_packets(plain, 1 if kind == "opus" else 2)
    others = sum(len(packet) // 255 + 1 for packet in headers[1:])
    count = (len(headers[0]) // 255 + others) // 255 + 1
    room = 255 * (255 * count - others - 1) + 250 - len(headers[0]) - 6
    comment = b"X=" + b"B" * room
    vendor = 8 if kind == "opus" else 7
    vendor += 4 + int.from_bytes(headers[0][vendor : vendor + 4], "little")
    number = int.from_bytes(headers[0][vendor : vendor + 4], "little") + 1
    counted = struct.pack("<I", number) + struct.pack("<I", len(comment)) + comment
    headers[0] = headers[0][:vendor] + counted + headers[0][vendor + 4 :]
    write(f"full.{kind}", paged(first, headers, audio, count))
    for name in ("rich", "full"):
        contents = read(f"{name}.{kind}")
        at = contents.index(b"OggS", len(contents) - 3000)
        write(f"stray{name}.{kind}", contents[:at] + b"stray bytes, thirty-seven in all, ok!" + contents[at:])
    contents = read(f"rich.{kind}")
    at = contents.index(b"OggS", len(contents) * 3 // 4)
    write(f"torn.{kind}", contents[: at + 40] + b"xx" + contents[at + 42 :])
    write(f"chain.{kind}", plain + plain)

# MP4

front = ["-movflags", "+faststart"]
make("end.m4a", "-c:a", "aac")
make("front.m4a", "-c:a", "aac", *front)
make("alac.m4a", "-c:a", "alac")
make("none.m4a", "-c:a", "aac", tags=False)
make("nonefront.m4a", "-c:a", "aac", *front, tags=False)
make("frag.m4a", "-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov")
for name in ("end", "front"):
    file = MP4(copy(f"{name}.m4a", f"rich{name}.m4a"))
    file["\xa9gen"], file["covr"], file["----:com.apple.iTunes:X"] = ["Old", "Older"], [MP4Cover(PICTURE)], [b"y"]
    file.save()
    MP4(copy(f"rich{name}.m4a", f"nopad{name}.m4a")).save(padding=lambda info: 0)
# A genre by number, which mutagen does not write: in the place of a box of the same size.
file = MP4(copy("front.m4a", "number.m4a"))
file["tmpo"] = [18]
file.save()
contents = read("number.m4a")
at = contents.index(b"tmpo")
write("number.m4a", contents[:at] + b"gnre" + contents[at + 4 : at + 15] + b"\0" + contents[at + 16 :])

# WAV, AIFF

make("plain.wav")
make("none.wav", tags=False)
make("plain.aiff", "-write_id3v2", "1")
make("none.aiff", tags=False)


def chunked(file, version):
    file.add_tags()
    for item in frames().values():
        file.tags.add(item)
    file.save(v2_version=version)


chunked(WAVE(copy("none.wav", "id3.wav")), 4)
chunked(WAVE(copy("plain.wav", "two.wav")), 3)
chunked(AIFF(copy("none.aiff", "id3.aiff")), 3)
ffmpeg("-i", "plain.wav", "-metadata", "genre=Old Genre", "-write_bext", "1", "-metadata", "description=bext text", "info.wav")
none = read("none.wav")
chunks = b"cue " + struct.pack("<II", 28, 1) + b"\0" * 24 + b"odd " + struct.pack("<I", 3) + b"abc\0"
write("cue.wav", none[:4] + struct.pack("<I", len(none) - 8 + len(chunks)) + none[8:] + chunks)

# What is left alone

write("cut.wav", none[: len(none) // 2])
write("cut.m4a", read("end.m4a")[:5000])
write("text.mp3", b"this is no audio at all\n" * 40)
write("empty.mp3", b"")
make("x.mka", "-c:a", "libvorbis")
make("adts.aac", "-c:a", "aac")
make("x.caf")
make("x.wv")
