use crate::graph::Shape;
use crate::rng::Rng;

/// What a parameter begins with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// Normal with variance `2 / ((1 + slope²)·fan_in)` (He et al. 2015), for weights before a leaky ReLU.
    He {
        fan_in: usize,
        slope: f32,
    },
    /// Uniform in `±1/√fan_in`, for the weights of the last layer.
    Uniform {
        fan_in: usize,
    },
    /// Scale 1 and shift 0 of a batch norm, [2, C].
    ScaleShift,
    Zero,
}

/// A trainable tensor of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: String,
    pub shape: Shape,
    pub initial: Initial,
    /// Where it lies among all parameters.
    pub offset: usize,
}

impl Parameter {
    /// Whether weight decay applies: to weights, not to scales, shifts and biases.
    pub fn decays(&self) -> bool {
        matches!(self.initial, Initial::He { .. } | Initial::Uniform { .. })
    }
}

/// All parameters of a network, laid one after another in a flat tensor: those that decay first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParameterLayout {
    pub parameters: Vec<Parameter>,
    /// Length of the flat tensor, gaps included.
    pub len: usize,
    /// Where the parameters that do not decay begin.
    pub decayed: usize,
}

/// Parameters begin at multiples of this, as GPU bindings must (256 bytes).
const ALIGNMENT: usize = 64;

impl ParameterLayout {
    /// Lays out parameters given in the order of the network.
    pub fn new(mut parameters: Vec<Parameter>) -> Self {
        let mut end = 0;
        let mut place = |decays: bool, parameters: &mut [Parameter]| {
            for parameter in parameters.iter_mut().filter(|p| p.decays() == decays) {
                parameter.offset = end;
                end = (end + parameter.shape.elements()).next_multiple_of(ALIGNMENT);
            }
            end
        };
        let decayed = place(true, &mut parameters);
        let len = place(false, &mut parameters);
        Self { parameters, len, decayed }
    }

    /// How many numbers are trained, gaps not counted.
    pub fn trained(&self) -> usize {
        self.parameters.iter().map(|p| p.shape.elements()).sum()
    }

    /// Initial values of all parameters; every parameter has its own stream of the seed.
    pub fn initialise(&self, seed: u64) -> Vec<f32> {
        let mut flat = vec![0.0; self.len];
        for parameter in &self.parameters {
            let mut rng = Rng::new(seed).split_str(&parameter.name);
            let values = &mut flat[parameter.offset..][..parameter.shape.elements()];
            match parameter.initial {
                Initial::He { fan_in, slope } => {
                    let deviation = (2.0 / ((1.0 + slope * slope) * fan_in as f32)).sqrt();
                    values.fill_with(|| deviation * rng.normal());
                }
                Initial::Uniform { fan_in } => {
                    let bound = (fan_in as f32).sqrt().recip();
                    values.fill_with(|| rng.range(-bound, bound));
                }
                Initial::ScaleShift => {
                    let channels = values.len() / 2;
                    values[..channels].fill(1.0);
                }
                Initial::Zero => {}
            }
        }
        flat
    }
}
