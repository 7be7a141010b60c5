use super::RecognizeError;
use super::explain::logarithmic;
use super::gathering::Gathering;
use crate::audio::Song;
use crate::device::{Device, Executable};
use crate::engine;
use crate::model::{ExplanationGraph, Network};
use crate::plan::Request;

/// What a network hears, a batch of frames at a time: the beginning of its graph, loaded on a device.
pub struct Spectrograph {
    network: Network,
    explanation: ExplanationGraph,
    program: Box<dyn Executable>,
    gathering: Gathering,
}

impl Spectrograph {
    /// Loads the beginning of the network's graph; it has no weights.
    ///
    /// # Errors
    /// [`RecognizeError`] where the network cannot be built or the device cannot hold it.
    pub fn new(network: &Network, device: &dyn Device, batch: usize) -> Result<Self, RecognizeError> {
        let explanation = network.explanation(batch)?;
        // Of the whole graph, only what leads to the features is planned.
        let request = Request { outputs: vec![explanation.features], updates: vec![], fuse: true };
        let program = engine::compile(&explanation.graph, &request, device)?;
        let gathering = Gathering::new(&network.config, batch);
        Ok(Self { network: network.clone(), explanation, program, gathering })
    }

    /// Calls `each` with every frame of a song, in order, without those that the network's framing drops as quiet: its
    /// first sample, and [H, W], row 0 the lowest frequency: natural logarithms of power, whatever features the network
    /// takes; the mean of the channels.
    ///
    /// # Errors
    /// [`RecognizeError`] where the song has not the network's sample rate and channels, or the device or the song's
    /// storage fails.
    pub fn frames(&mut self, song: &Song, each: &mut dyn FnMut(usize, &[f32])) -> Result<(), RecognizeError> {
        let (height, width) = self.network.feature_size();
        let (size, channels) = (height * width, self.network.config.channels);
        let features = self.network.config.features;
        let mut power = vec![0.0; size];
        let (program, explanation) = (&mut self.program, &self.explanation);
        self.gathering.batches(&[song], &mut |audio, frames| {
            program.write(explanation.audio, audio)?;
            program.run()?;
            let images = program.outputs()?.swap_remove(0);
            for (&(_, start), image) in frames.iter().zip(images.chunks_exact(channels * size)) {
                power.fill(0.0);
                for (i, &value) in image.iter().enumerate() {
                    power[i % size] += logarithmic(features, value, 0.0).0 / channels as f32;
                }
                each(start, &power);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu::Cpu;
    use crate::model::{Features, ModelConfig};
    use crate::recognize::Explainer;
    use crate::rng::Rng;

    #[test]
    fn it_hears_what_the_network_hears() {
        let all = [
            Features::LogMel,
            Features::CompressedMel,
            Features::MelDecibel,
            Features::Power,
            Features::Decibel,
        ];
        for features in all {
            let config = ModelConfig {
                sample_rate: 4_000,
                frame_seconds: 0.25,
                channels: 2,
                features,
                n_fft: 256,
                hop: 125,
                mels: 16,
                high: 2_000.0,
                filters: vec![2],
                dense: vec![],
                // The second frame is silent, and dropped.
                drop_below: Some(-60.0),
                ..ModelConfig::default()
            };
            let network = Network::new(config, 2).unwrap();
            let mut rng = Rng::new(3);
            let quiet = |i: usize| if (1_000..2_000).contains(&i) { 0.0 } else { 0.3 };
            let mut channel = || (0..3_500).map(|i| quiet(i) * rng.normal()).collect::<Vec<f32>>();
            let song = Song::from_samples(&[channel(), channel()], 4_000);
            let weights = network.initialise(1).unwrap();
            let mut explainer = Explainer::new(&network, &weights, &Cpu, 2).unwrap();
            let mut expected = Vec::new();
            let mut explained = |start: usize, power: &[f32]| expected.push((start, power.to_vec()));
            explainer.explain(&song, 0, &mut |frame| explained(frame.start, frame.power)).unwrap();
            let mut heard = Vec::new();
            let mut spectrograph = Spectrograph::new(&network, &Cpu, 3).unwrap();
            spectrograph.frames(&song, &mut |start, power| heard.push((start, power.to_vec()))).unwrap();
            assert_eq!(heard.iter().map(|(start, _)| *start).collect::<Vec<_>>(), [0, 2_000]);
            assert_eq!(heard, expected, "{features:?}");
        }
    }
}
