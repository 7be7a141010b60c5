//! Draws the spectrogram of a song, computed on a device by a graph of its own:
//! `cargo run --release --example spectrogram -- SONG PICTURE.png [auto|gpu|cpu]`
//!
//! Above the power of every frequency of a short-time Fourier transform, below that of mel bands, which lie closer where
//! the ear tells pitches better; both in decibels, as brightness. Low frequencies are at the bottom.

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use genre_recognizer::engine::ops::{Mel, MelScale, MelSpec, PowerStft};
use genre_recognizer::engine::{DeviceChoice, Graph, Request, compile, open};
use genre_recognizer::{AudioSpec, load_song};

const N_FFT: usize = 1024;
const MELS: usize = 128;
/// The darkest value, in decibels below the brightest.
const RANGE: f32 = 80.0;
/// Longer songs are cut.
const SECONDS: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (song, picture, device) = match &arguments[..] {
        [song, picture] => (song, picture, "auto"),
        [song, picture, device] => (song, picture, device.as_str()),
        _ => return Err("usage: spectrogram SONG PICTURE.png [auto|gpu|cpu]".into()),
    };
    let device = open(match device {
        "gpu" => DeviceChoice::Gpu,
        "cpu" => DeviceChoice::Cpu,
        _ => DeviceChoice::Auto,
    })?;

    let spec = AudioSpec::default(); // mono at 44.1 kHz
    let song = load_song(Path::new(song), &spec, N_FFT as f64 / f64::from(spec.sample_rate))?;
    let mut samples = song.samples()?.swap_remove(0);
    samples.truncate(SECONDS * spec.sample_rate as usize);

    let mut graph = Graph::new();
    let audio = graph.input("audio", [1, 1, samples.len()])?;
    let stft = PowerStft { n_fft: N_FFT, hop: N_FFT / 4, centred: true };
    let power = graph.apply(stft, &[audio])?; // [1, 1, frequencies, columns]
    let bands = MelSpec {
        sample_rate: spec.sample_rate,
        n_fft: N_FFT,
        mels: MELS,
        low: 30.0,
        high: 16_000.0,
        scale: MelScale::Htk,
    };
    let mel = graph.apply(Mel::new(bands)?, &[power])?; // [1, 1, bands, columns]

    let mut program = compile(&graph, &Request::outputs(&[power, mel]), device.as_ref())?;
    program.write(audio, &samples)?;
    program.run()?;
    let images = program.outputs()?;

    let width = graph.shape(mel)[3];
    let pixels: Vec<u8> = images.iter().flat_map(|image| decibels(image, width)).collect();
    let height = pixels.len() / width;
    let file = BufWriter::new(File::create(picture)?);
    let mut encoder = png::Encoder::new(file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header()?.write_image_data(&pixels)?;
    println!("{picture}: {width} × {height} pixels, computed on {}", device.describe());
    Ok(())
}

/// The brightness of an image of power, row 0 of which is at the bottom.
fn decibels(image: &[f32], width: usize) -> Vec<u8> {
    let loudest = image.iter().fold(f32::MIN_POSITIVE, |a, &b| a.max(b));
    let level = |&power: &f32| 10.0 * (power / loudest).max(f32::MIN_POSITIVE).log10();
    let brightness = |power: &f32| (255.0 * (1.0 + level(power) / RANGE).max(0.0)) as u8;
    image.chunks_exact(width).rev().flatten().map(brightness).collect()
}
