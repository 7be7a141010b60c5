//! From files to songs: formats, limits, and every kind of damage.

use std::f32::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use genre_recognizer::audio::{
    AudioError, AudioFault, AudioSpec, Decoded, Normalise, Song, decode, decode_bytes, load, write_wav,
};
use genre_recognizer::rng::Rng;
use tempfile::{TempDir, tempdir};

use super::ffmpeg;

/// How samples are stored in a WAV file.
#[derive(Clone, Copy, Debug)]
enum Store {
    Int(u16),
    Float(u16),
}

/// The bytes of a WAV file of planar `channels`.
fn wav_bytes(store: Store, rate: u32, channels: &[Vec<f32>]) -> Vec<u8> {
    let mut data = Vec::new();
    for i in 0..channels.first().map_or(0, Vec::len) {
        for channel in channels {
            let s = f64::from(channel[i]);
            match store {
                Store::Int(8) => data.push((s * 127.0 + 128.0).round() as u8),
                Store::Int(bits) => {
                    let full = f64::from(2u32.pow(u32::from(bits) - 1) - 1);
                    data.extend_from_slice(
                        &((s * full).round() as i32).to_le_bytes()[..usize::from(bits) / 8],
                    );
                }
                Store::Float(32) => data.extend_from_slice(&channel[i].to_le_bytes()),
                Store::Float(_) => data.extend_from_slice(&s.to_le_bytes()),
            }
        }
    }
    wav_header(store, rate, channels.len() as u16, data.len() as u32, &data)
}

/// A WAV file whose header says what is asked, true or not.
fn wav_header(store: Store, rate: u32, channels: u16, declared: u32, data: &[u8]) -> Vec<u8> {
    let (tag, bits) = match store {
        Store::Int(bits) => (1u16, bits),
        Store::Float(bits) => (3, bits),
    };
    let block = channels.wrapping_mul(bits / 8);
    let mut out = Vec::new();
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&declared.saturating_add(36).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt \x10\0\0\0");
    out.extend_from_slice(&tag.to_le_bytes());
    out.extend_from_slice(&channels.to_le_bytes());
    out.extend_from_slice(&rate.to_le_bytes());
    out.extend_from_slice(&rate.wrapping_mul(u32::from(block)).to_le_bytes());
    out.extend_from_slice(&block.to_le_bytes());
    out.extend_from_slice(&bits.to_le_bytes());
    out.extend_from_slice(b"data");
    out.extend_from_slice(&declared.to_le_bytes());
    out.extend_from_slice(data);
    out
}

fn tone(frequency: f32, amplitude: f32, rate: u32, seconds: f32) -> Vec<f32> {
    let n = (seconds * rate as f32).round() as usize;
    (0..n).map(|i| amplitude * (TAU * frequency * (i as f32 / rate as f32)).sin()).collect()
}

/// Two seconds of something like music: stereo, both sides different, with onsets.
fn music(rate: u32, seconds: f32) -> Vec<Vec<f32>> {
    let voice = |notes: [f32; 4]| -> Vec<f32> {
        let n = (seconds * rate as f32) as usize;
        (0..n)
            .map(|i| {
                let t = i as f32 / rate as f32;
                let (beat, age) = ((t * 4.0) as usize % 4, (t * 4.0).fract());
                0.6 * (-3.0 * age).exp() * (TAU * notes[beat] * t).sin() * (age * 40.0).min(1.0)
            })
            .collect()
    };
    vec![voice([220.0, 330.0, 440.0, 550.0]), voice([1100.0, 880.0, 660.0, 770.0])]
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

fn load_mono(path: &Path) -> Result<Song, AudioError> {
    load(path, &AudioSpec::default(), 0.5)
}

/// The error of a file, after a check that its message is one line that names the file.
fn fault(path: &Path) -> AudioFault {
    let error = match load_mono(path) {
        Ok(song) => panic!("{} loads: {} samples", path.display(), song.len()),
        Err(error) => error,
    };
    let message = error.to_string();
    assert!(message.starts_with(&format!("{}: ", path.display())) && !message.contains('\n'), "{message}");
    error.fault
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

#[test]
fn wav_of_every_sample_format() {
    let folder = Folder::new();
    let planes = music(44_100, 0.2);
    for (store, step) in [
        (Store::Int(8), 0.02),
        (Store::Int(16), 1e-4),
        (Store::Int(24), 1e-6),
        (Store::Int(32), 1e-6),
        (Store::Float(32), 0.0),
        (Store::Float(64), 1e-7),
    ] {
        let path = folder.file("a.wav", &wav_bytes(store, 44_100, &planes));
        let Decoded { rate, channels } = decode(&path).unwrap();
        assert_eq!((rate, channels.len(), channels[0].len()), (44_100, 2, planes[0].len()), "{store:?}");
        for (got, wanted) in channels.iter().zip(&planes) {
            let error = largest_difference(got, wanted);
            assert!(error <= step, "{store:?}: {error}");
        }
    }
}

#[test]
fn written_wav_reads_back() {
    let folder = Folder::new();
    let path = folder.path("a.wav");
    let (left, right) = (vec![0.5, -1.0, 2.0, f32::NAN], vec![0.0, 1.0, -0.25, 1e-9]);
    write_wav(&path, 8_000, &[&left, &right]).unwrap();
    let Decoded { rate, channels } = decode(&path).unwrap();
    assert_eq!(rate, 8_000);
    assert!(largest_difference(&channels[0], &[0.5, -1.0, 1.0, 0.0]) < 1e-4, "{:?}", channels[0]);
    assert!(largest_difference(&channels[1], &right) < 1e-4);
    assert!(write_wav(&path, 8_000, &[]).is_err());
    assert!(write_wav(&path, 8_000, &[&left, &right[..2]]).is_err());
    assert!(write_wav(&folder.path("no/such/folder.wav"), 8_000, &[&left]).is_err());
}

#[test]
fn a_song_is_mixed_resampled_and_normalised() {
    let folder = Folder::new();
    // 8 channels at 192 kHz: no damage.
    let planes: Vec<_> = (0..8).map(|c| tone(500.0, 0.1 + 0.02 * c as f32, 192_000, 1.0)).collect();
    let path = folder.file("surround.wav", &wav_bytes(Store::Int(24), 192_000, &planes));
    let song = load_mono(&path).unwrap();
    assert_eq!((song.sample_rate(), song.len(), song.seconds()), (44_100, 44_100, 1.0));
    let channels = song.samples().unwrap();
    assert_eq!(channels.len(), 1);
    let wanted = tone(500.0, 1.0, 44_100, 1.0);
    let middle = 10_000..30_000;
    let error = largest_difference(&channels[0][middle.clone()], &wanted[middle]);
    assert!(error < 0.02, "{error}");
    let peak = channels[0].iter().fold(0.0f32, |p, s| p.max(s.abs()));
    assert!((peak - 1.0).abs() < 1e-6);

    let stereo = AudioSpec { channels: 2, normalise: Normalise::None, ..AudioSpec::default() };
    let channels = load(&path, &stereo, 0.5).unwrap().samples().unwrap();
    assert_eq!(channels[0], channels[1]);
    let planes = vec![tone(300.0, 0.2, 44_100, 1.0), tone(400.0, 0.1, 44_100, 1.0)];
    let path = folder.file("stereo.wav", &wav_bytes(Store::Float(32), 44_100, &planes));
    let channels = load(&path, &stereo, 1.0).unwrap().samples().unwrap();
    for (channel, plane) in channels.iter().zip(&planes) {
        assert!(largest_difference(channel, plane) <= 0.2 / 65_000.0, "16 bits of the loudest sample");
    }
    // One gain for both sides: the balance stays.
    let peaks_of = |spec: &AudioSpec| -> Vec<f32> {
        let channels = load(&path, spec, 1.0).unwrap().samples().unwrap();
        channels.iter().map(|c| c.iter().fold(0.0, |p: f32, s| p.max(s.abs()))).collect()
    };
    let peaks = peaks_of(&AudioSpec { channels: 2, ..AudioSpec::default() });
    assert!((peaks[0] - 1.0).abs() < 1e-6 && (peaks[1] - 0.5).abs() < 1e-3, "{peaks:?}");
    // The root mean square over both is 0.1; that of the tones is √((0.2² + 0.1²) / 4).
    let peaks = peaks_of(&AudioSpec { channels: 2, normalise: Normalise::Rms, ..AudioSpec::default() });
    let wanted = 0.2 * 0.1 / (0.05f32 / 4.0).sqrt();
    assert!((peaks[0] - wanted).abs() < 1e-3 && (peaks[1] - wanted / 2.0).abs() < 1e-3, "{peaks:?}");
}

#[test]
fn content_decides_not_the_extension() {
    let folder = Folder::new();
    let bytes = wav_bytes(Store::Int(16), 44_100, &music(44_100, 1.0));
    let wav = load_mono(&folder.file("a.wav", &bytes)).unwrap();
    for name in ["a.mp3", "a.flac", "a", "a.txt"] {
        assert_eq!(load_mono(&folder.file(name, &bytes)).unwrap(), wav);
    }
}

#[test]
fn unusable_files_are_named_with_the_reason() {
    let folder = Folder::new();
    let int = Store::Int(16);
    let float = Store::Float(32);
    let good = tone(440.0, 0.5, 44_100, 1.0);
    let with = |value: f32| {
        let mut bad = good.clone();
        bad[20_000] = value;
        wav_bytes(float, 44_100, &[bad])
    };
    let second = |channels: u16, rate: u32| {
        wav_header(
            int,
            rate,
            channels,
            2 * u32::from(channels) * 1000,
            &vec![1; 2000 * usize::from(channels)],
        )
    };

    let is = |name: &str, bytes: &[u8], wanted: &dyn Fn(&AudioFault) -> bool, says: &str| {
        let fault = fault(&folder.file(name, bytes));
        assert!(wanted(&fault) && fault.to_string().contains(says), "{name}: {fault:?}: {fault}");
    };
    use AudioFault as F;
    is("empty.mp3", b"", &|f| matches!(f, F::Empty(_)), "no bytes");
    is("letter.mp3", b"Dear Sir or Madam, this is no song.\n", &|f| matches!(f, F::NotAudio { .. }), "text");
    is("page.mp3", b"<!DOCTYPE html><html>404</html>", &|f| matches!(f, F::NotAudio { .. }), "web page");
    is(
        "cover.mp3",
        &[b"\xff\xd8\xff\xe0".as_slice(), &[7; 5000]].concat(),
        &|f| matches!(f, F::NotAudio { .. }),
        "JPEG",
    );
    is("zeros.mp3", &[0; 100_000], &|f| matches!(f, F::NotAudio { .. }), "not an audio file");
    is("one byte.mp3", &[0xff], &|_| true, "");
    is(
        "song.wma",
        &[b"\x30\x26\xb2\x75\x8e\x66\xcf\x11".as_slice(), &[7; 5000]].concat(),
        &|f| matches!(f, F::Unsupported(_)),
        "WMA",
    );
    is("nan.wav", &with(f32::NAN), &|f| matches!(f, F::NonFinite), "NaN");
    is("infinite.wav", &with(f32::INFINITY), &|f| matches!(f, F::NonFinite), "infinity");
    is(
        "one sample.wav",
        &wav_bytes(int, 44_100, &[vec![0.5]]),
        &|f| matches!(f, F::TooShort { .. }),
        "at least 0.500 s",
    );
    is(
        "short.wav",
        &wav_bytes(int, 44_100, &[good[..22_000].to_vec()]),
        &|f| matches!(f, F::TooShort { .. }),
        "0.499 s",
    );
    is("no samples.wav", &wav_bytes(int, 44_100, &[vec![]]), &|f| matches!(f, F::Empty(_)), "no samples");
    is("silence.wav", &wav_bytes(int, 44_100, &[vec![0.0; 44_100]]), &|f| matches!(f, F::Silent), "-84 dBFS");
    is("offset.wav", &wav_bytes(int, 48_000, &[vec![0.3; 48_000]]), &|f| matches!(f, F::Silent), "silent");
    is("no channels.wav", &second(0, 44_100), &|f| matches!(f, F::Corrupt(_)), "");
    is(
        "65 channels.wav",
        &second(65, 44_100),
        &|f| matches!(f, F::Corrupt(_) | F::TooManyChannels(65)),
        "channel",
    );
    is("60000 channels.wav", &second(60_000, 44_100), &|_| true, "");
    is("0 Hz.wav", &second(1, 0), &|_| true, "");
    is("10 Hz.wav", &second(1, 10), &|f| matches!(f, F::Rate(10)), "10 Hz");
    is("4 GHz.wav", &second(1, u32::MAX), &|_| true, "");
    let long = wav_bytes(Store::Int(8), 1_000, &[vec![0.5; 7_200_001]]);
    let error = decode(&folder.file("long.wav", &long)).unwrap_err();
    assert!(matches!(error.fault, F::TooLong) && error.to_string().contains("2 h"));

    fs::create_dir(folder.path("folder.mp3")).unwrap();
    assert!(matches!(fault(&folder.path("folder.mp3")), F::NotAFile));
    assert!(matches!(fault(&folder.path("missing.mp3")), F::Io(_)));
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt, symlink};
        symlink(folder.path("loop.mp3"), folder.path("loop.mp3")).unwrap();
        assert!(matches!(fault(&folder.path("loop.mp3")), F::Io(_)));
        let locked = folder.file("locked.wav", &wav_bytes(int, 44_100, std::slice::from_ref(&good)));
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
        if fs::File::open(&locked).is_ok() {
            crate::common::skip("an unreadable file: this user may read everything");
        } else {
            assert!(matches!(fault(&locked), F::Io(_)));
        }
    }
}

#[test]
fn a_wrong_length_in_the_header_is_survived() {
    let folder = Folder::new();
    let samples: Vec<u8> =
        tone(440.0, 0.5, 44_100, 1.0).iter().flat_map(|s| ((s * 32767.0) as i16).to_le_bytes()).collect();
    let file = |declared| folder.file("a.wav", &wav_header(Store::Int(16), 44_100, 1, declared, &samples));
    // Placeholders of programs that write to a pipe.
    for declared in [u32::MAX, u32::MAX - 36, 0x7fff_ffff, 0x7fff_f000, 0xffff_f000] {
        assert_eq!(load_mono(&file(declared)).unwrap().len(), 44_100, "{declared:#x}");
    }
    // A file that was cut off.
    for (times, says) in [(1.5, "67 % of the declared 1.5 s"), (3.0, "33 % of the declared 3.0 s")] {
        let song = load_mono(&file((samples.len() as f64 * times) as u32)).unwrap();
        let loss = song.recording().source.loss.as_ref().unwrap().to_string();
        assert!(song.len() == 44_100 && loss.starts_with(says), "{loss}");
    }
}

/// Encodes `source` with ffmpeg; `None`, said aloud, where this build of ffmpeg lacks the encoder.
fn encode(source: &Path, target: &Path, arguments: &str) -> Option<Vec<u8>> {
    match ffmpeg::run("", source, arguments, target) {
        Ok(()) => Some(fs::read(target).unwrap()),
        Err(why) => {
            ffmpeg::skip(arguments, &why);
            None
        }
    }
}

/// What damage is done to: (name, ffmpeg's arguments).
const FORMATS: &[(&str, &str)] = &[
    ("a.flac", "-c:a flac"),
    ("a.aiff", "-c:a pcm_s16be"),
    ("a.caf", "-c:a pcm_s16be"),
    ("alac.m4a", "-c:a alac"),
    ("a.mp3", "-c:a libmp3lame -b:a 192k"),
    ("a.ogg", "-c:a libvorbis -q:a 6"),
    ("a.m4a", "-c:a aac -b:a 192k"),
    ("fragments.mp4", "-c:a aac -movflags frag_every_frame+empty_moov"),
    ("a.aac", "-c:a aac -b:a 192k -f adts"),
    ("ms.wav", "-c:a adpcm_ms"),
    ("a.opus", "-c:a libopus -b:a 64k"),
    ("a.webm", "-c:a libvorbis"),
    ("opus.mka", "-c:a libopus -b:a 24k -application voip"),
];

#[test]
fn a_large_tag_before_the_music_is_passed_over() {
    if !ffmpeg::is_here("a tagged mp3") {
        return;
    }
    let folder = Folder::new();
    let source = folder.file("source.wav", &wav_bytes(Store::Int(16), 44_100, &music(44_100, 1.0)));
    let Some(plain) = encode(&source, &folder.path("a.mp3"), "-c:a libmp3lame -id3v2_version 0") else {
        return;
    };
    // 3 MB of a "picture" full of false sync words, in an ID3v2.3 tag.
    let mut rng = Rng::new(5);
    let picture: Vec<u8> =
        (0..3_000_000).map(|i| if i % 97 == 0 { 0xff } else { rng.next_u64() as u8 }).collect();
    let size = picture.len() as u32 + 10;
    let mut tagged = b"ID3\x03\0\0".to_vec();
    tagged.extend([
        (size >> 21) as u8 & 127,
        (size >> 14) as u8 & 127,
        (size >> 7) as u8 & 127,
        size as u8 & 127,
    ]);
    tagged.extend_from_slice(b"APIC");
    tagged.extend_from_slice(&(picture.len() as u32).to_be_bytes());
    tagged.extend_from_slice(&[0, 0]);
    tagged.extend_from_slice(&picture);
    tagged.extend_from_slice(&plain);
    let (plain, tagged) = (folder.file("plain.mp3", &plain), folder.file("tagged.mp3", &tagged));
    assert_eq!(decode(&tagged).unwrap(), decode(&plain).unwrap());
}

/// Damages files in many ways: each loads, or is refused in one line.
#[test]
fn no_damage_panics() {
    let folder = Folder::new();
    let wav = wav_bytes(Store::Int(16), 44_100, &music(44_100, 1.0));
    let source = folder.file("source.wav", &wav);
    let mut files = vec![("a.wav", wav)];
    if ffmpeg::is_here("damage of compressed formats") {
        for &(name, arguments) in FORMATS {
            files.extend(encode(&source, &folder.path(name), arguments).map(|bytes| (name, bytes)));
        }
    }
    let mut rng = Rng::new(11);
    let (mut loaded, mut refused) = (0, 0);
    for (name, bytes) in &files {
        let mut check = |damaged: &[u8]| match load_mono(&folder.file(&format!("damaged {name}"), damaged)) {
            Ok(song) => {
                let channels = song.samples().unwrap();
                assert!(song.len() >= 22_050 && channels[0].iter().all(|s| s.abs() <= 1.000_001));
                loaded += 1;
            }
            Err(error) => {
                assert!(!error.to_string().contains('\n'));
                refused += 1;
            }
        };
        // Cut off: everywhere in the header, then in many places.
        let cuts = (0..48).chain((0..16).map(|i| 48 + i * bytes.len().saturating_sub(48) / 16));
        for cut in cuts {
            check(&bytes[..cut.min(bytes.len())]);
        }
        for round in 0..24 {
            let mut damaged = bytes.clone();
            // Single bytes, most of them in the headers; then runs.
            for _ in 0..1 + round % 8 {
                let end = if round % 2 == 0 { bytes.len().min(300) } else { bytes.len() };
                let at = rng.below(end);
                damaged[at] = rng.next_u64() as u8;
            }
            if round % 4 == 3 {
                let at = rng.below(bytes.len());
                let end = bytes.len().min(at + rng.below(bytes.len() / 2));
                damaged[at..end].fill(if round % 8 == 3 { 0 } else { 0xff });
            }
            check(&damaged);
        }
    }
    if let Ok(bytes) = fs::read(folder.path("alac.m4a")) {
        // The index stands at the end of the file.
        let fault = fault(&folder.file("cut.m4a", &bytes[..bytes.len() / 2]));
        assert!(matches!(fault, AudioFault::Corrupt(_)), "{fault}");
    }
    println!("{} files: {loaded} damaged copies loaded, {refused} refused", files.len());
    assert!(loaded > 0 && refused > 0);
}

/// Decoders allocate a packet at once.
#[test]
fn a_packet_as_large_as_memory_is_refused() {
    let caf = |samples: u32| {
        let mut bytes = b"caff\0\x01\0\0desc\0\0\0\0\0\0\0\x20".to_vec();
        bytes.extend(44_100f64.to_be_bytes());
        bytes.extend(b"ima4\0\0\0\0");
        bytes.extend([34u32, samples, 1, 0].iter().flat_map(|n| n.to_be_bytes()));
        bytes.extend(b"data");
        bytes.extend((4u64 + 34 * 800).to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend((0..34 * 800).map(|i| (i % 34 * 7) as u8));
        bytes
    };
    assert_eq!(decode_bytes(caf(64)).unwrap().channels[0].len(), 64 * 800);
    for samples in [u32::MAX, 1 << 30, 300_000] {
        let error = decode_bytes(caf(samples)).unwrap_err().to_string();
        assert!(error.contains(&format!("packets of {samples} samples")), "{error}");
    }
}

/// A fragment may promise any number of samples of no bytes.
#[test]
fn packets_of_nothing_end() {
    if !ffmpeg::is_here("fragments without samples") {
        return;
    }
    let folder = Folder::new();
    let source = folder.file("source.wav", &wav_bytes(Store::Int(16), 44_100, &music(44_100, 0.6)));
    let how = "-c:a pcm_s16be -movflags frag_every_frame+empty_moov";
    let Some(mut bytes) = encode(&source, &folder.path("a.mov"), how) else {
        return;
    };
    let find = |bytes: &[u8], name: &[u8]| bytes.windows(4).position(|w| w == name);
    let (Some(run), Some(head)) = (find(&bytes, b"trun"), find(&bytes, b"tfhd")) else {
        panic!("no fragments");
    };
    bytes[head + 24..head + 28].fill(0);
    for (count, many) in [(bytes.len() as u32 / 2, false), (20_000_000, true), (u32::MAX, true)] {
        bytes[run + 8..run + 12].copy_from_slice(&count.to_be_bytes());
        let start = Instant::now();
        let result = load_mono(&folder.file("b.mov", &bytes));
        assert!(start.elapsed().as_secs() < 5, "{count}: {:?}", start.elapsed());
        if many {
            assert!(result.unwrap_err().to_string().contains("more samples than it has bytes"));
        }
        // Nor is it looked for behind something else.
        let behind = [&[0; 64], bytes.as_slice()].concat();
        assert!(load_mono(&folder.file("c.mov", &behind)).is_err());
        assert!(start.elapsed().as_secs() < 5, "{count}: {:?}", start.elapsed());
    }
}

#[test]
fn what_is_mostly_noise_is_damaged() {
    if !ffmpeg::is_here("an mp3 whose middle is lost") {
        return;
    }
    let folder = Folder::new();
    let source = folder.file("source.wav", &wav_bytes(Store::Int(16), 44_100, &music(44_100, 4.0)));
    for (name, arguments) in [("a.mp3", "-c:a libmp3lame"), ("a.flac", "-c:a flac")] {
        let Some(bytes) = encode(&source, &folder.path(name), arguments) else {
            continue;
        };
        let lose = |share: usize| {
            let mut lost = bytes.clone();
            let (start, length) = (bytes.len() / 10, bytes.len() * share / 100);
            lost[start..start + length].fill(0);
            folder.file(name, &lost)
        };
        let song = load_mono(&lose(20)).unwrap();
        assert!(song.seconds() > 2.5 && song.seconds() < 4.1, "{name}: {}", song.seconds());
        let fault = fault(&lose(80));
        assert!(matches!(fault, AudioFault::Corrupt(_)), "{name}: {fault}");
    }
}
