use super::RecognizeError;
use super::gathering::Gathering;
use crate::audio::Song;
use crate::device::{Device, Executable};
use crate::engine;
use crate::graph::NodeId;
use crate::model::{InferenceGraph, Network, ParameterLayout, Running, Weights};

/// A network loaded on a device for inference, a batch of frames at a time, of which one output is wanted.
pub(super) struct FrameProgram {
    inference: InferenceGraph,
    program: Box<dyn Executable>,
    /// Numbers of the output a frame.
    width: usize,
    gathering: Gathering,
}

impl FrameProgram {
    /// Loads the network for the output [N, width] that `output` names; it knows nothing until it is given weights.
    ///
    /// # Errors
    /// [`RecognizeError`] where the network cannot be built or the device cannot hold it.
    pub fn new(
        network: &Network,
        device: &dyn Device,
        batch: usize,
        output: impl Fn(&InferenceGraph) -> NodeId,
    ) -> Result<Self, RecognizeError> {
        let inference = network.inference(batch)?;
        let output = output(&inference);
        let program = engine::compile(&inference.graph, &engine::Request::outputs(&[output]), device)?;
        let width = inference.graph.shape(output)[1];
        Ok(Self { inference, program, width, gathering: Gathering::new(&network.config, batch) })
    }

    /// Gives the network its weights.
    ///
    /// # Errors
    /// [`crate::model::ModelError::Weights`] where they are another network's.
    pub fn set_weights(&mut self, weights: &Weights) -> Result<(), RecognizeError> {
        let InferenceGraph { layout, running, state, .. } = &self.inference;
        write_weights(self.program.as_mut(), (layout, running, *state), weights)
    }

    /// Samples of a frame and channel.
    pub fn frame_length(&self) -> usize {
        self.gathering.frame_length()
    }

    /// Calls `each` with the number of the song, the first sample and the output of every frame of songs, song by song and
    /// in order, without those that are silent and those that the network's framing drops as quiet; where that would drop
    /// all of a song's, it drops none. A song shorter than a frame has none.
    ///
    /// # Errors
    /// [`RecognizeError::OtherAudio`] where a song has not the network's sample rate and channels; [`RecognizeError`]
    /// where the device fails, or a song's storage.
    pub fn frames(
        &mut self,
        songs: &[&Song],
        each: &mut dyn FnMut(usize, usize, &[f32]),
    ) -> Result<(), RecognizeError> {
        let Self { program, inference, width, gathering } = self;
        gathering.batches(songs, &mut |audio, frames| {
            program.write(inference.audio, audio)?;
            program.run()?;
            let output = program.outputs()?.swap_remove(0);
            for (&(song, start), row) in frames.iter().zip(output.chunks_exact(*width)) {
                each(song, start, row);
            }
            Ok(())
        })
    }
}

/// Writes weights into a program of a network with this layout, these running statistics and this variable of parameters.
///
/// # Errors
/// [`crate::model::ModelError::Weights`] where they are another network's; [`crate::device::DeviceError`].
pub(super) fn write_weights(
    program: &mut dyn Executable,
    (layout, running, state): (&ParameterLayout, &[Running], NodeId),
    weights: &Weights,
) -> Result<(), RecognizeError> {
    let (flat, statistics) = weights.scatter(layout, running)?;
    program.write(state, &flat)?;
    for (running, data) in running.iter().zip(&statistics) {
        program.write(running.node, data)?;
    }
    Ok(())
}
