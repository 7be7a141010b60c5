//! The settings of a published network: the file `config.json` beside its checkpoint.

use serde::Deserialize;

use super::error::NetworkError;

/// Most frames, bands, samples and hertz that a setting may name.
const LARGEST: usize = 1 << 16;

/// How a song becomes the network's input, log10(1 + 10⁴ · power) of a mel spectrogram: Slaney's scale and norm, from
/// 0 Hz to half the rate, by a Hann window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preprocessing {
    /// In Hz; 16,000 as published.
    pub sample_rate: usize,
    /// Samples of the window; 512 as published.
    pub n_fft: usize,
    /// Samples from one window to the next; 256 as published.
    pub hop: usize,
    /// Mel bands; 96 as published.
    pub mels: usize,
    /// Frames that the network heard at once in training; 187 as published. It takes any number.
    pub frames: usize,
}

/// What is read of the file.
#[derive(Deserialize)]
struct Settings {
    #[serde(rename = "xInput")]
    frames: usize,
    #[serde(rename = "yInput")]
    mels: usize,
    pre_processing: String,
    audio_rep: Spectrogram,
}

#[derive(Deserialize)]
struct Spectrogram {
    spectrogram_type: String,
    resample_sr: usize,
    n_fft: usize,
    hop: usize,
    n_mels: usize,
}

impl Preprocessing {
    /// Reads the file.
    ///
    /// # Errors
    /// [`NetworkError`]: `Settings` or `Unsupported`.
    pub fn read(json: &[u8]) -> Result<Self, NetworkError> {
        let Settings { frames, mels, pre_processing, audio_rep } =
            serde_json::from_slice(json).map_err(|error| NetworkError::Settings(error.to_string()))?;
        let Spectrogram { spectrogram_type, resample_sr: sample_rate, n_fft, hop, n_mels } = audio_rep;
        let wanted =
            [("pre_processing", &pre_processing, "logC"), ("spectrogram_type", &spectrogram_type, "mel")];
        if let Some((name, found, _)) = wanted.into_iter().find(|(_, found, wanted)| found != wanted) {
            return Err(NetworkError::Unsupported(format!("{name} \"{found}\"")));
        }
        let numbers = [frames, mels, sample_rate, n_fft, hop];
        if let Some(number) = numbers.into_iter().find(|number| !(1..=LARGEST).contains(number)) {
            return Err(NetworkError::Unsupported(format!("the number {number}")));
        }
        if n_mels != mels {
            return Err(NetworkError::Unsupported(format!("{n_mels} mel bands beside {mels}")));
        }
        Ok(Self { sample_rate, n_fft, hop, mels, frames })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published file, as far as it is read, with one thing in place of another.
    fn changed(from: &str, to: &str) -> Result<Preprocessing, String> {
        let json = r#"{"xInput": 187, "yInput": 96, "pre_processing": "logC", "audio_rep": {"resample_sr": 16000,
            "spectrogram_type": "mel", "hop": 256, "n_fft": 512, "n_mels": 96, "normalize_mean": null}}"#;
        assert!(json.contains(from));
        Preprocessing::read(json.replacen(from, to, 1).as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn settings_are_read_or_named() {
        let published = Preprocessing { sample_rate: 16_000, n_fft: 512, hop: 256, mels: 96, frames: 187 };
        assert_eq!(changed("", ""), Ok(published));
        for (from, to, named) in [
            ("logC", "logEPS", "pre_processing \"logEPS\""),
            ("\"mel\"", "\"cqt\"", "spectrogram_type \"cqt\""),
            ("512", "0", "the number 0"),
            ("187", "70000", "the number 70000"),
            ("\"n_mels\": 96", "\"n_mels\": 48", "48 mel bands beside 96"),
            ("16000", "-1", "cannot be read"),
            ("xInput", "yinput", "cannot be read"),
            ("}}", "}", "cannot be read"),
        ] {
            let error = changed(from, to).unwrap_err();
            assert!(error.contains(named), "{from} → {to}: {error}");
        }
    }
}
