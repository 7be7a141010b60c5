use serde::{Deserialize, Serialize};

use super::architecture::{HEAD_BIAS, HEAD_WEIGHT};
use super::parameters::ParameterLayout;
use crate::ops::Op;
use crate::ops::optimizer::{Adam, Sgd, UpdateSettings};

/// An update rule for the parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019).
    #[default]
    Adamw,
    /// Adam (Kingma & Ba 2015); weight decay is added to the gradient.
    Adam,
    /// Stochastic gradient descent with momentum.
    Sgd,
}

/// The update rule with its constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptimizerConfig {
    pub kind: OptimizerKind,
    pub weight_decay: f32,
    /// Gradients are scaled down to this norm; infinite for no clipping.
    pub max_norm: f32,
    /// Of SGD.
    pub momentum: f32,
    /// Whether scales, shifts and biases decay too.
    pub decay_all: bool,
    /// What the learning rate is multiplied by, but for the last layer.
    pub base_rate: f32,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::Adamw,
            weight_decay: 0.01,
            max_norm: f32::INFINITY,
            momentum: 0.9,
            decay_all: false,
            base_rate: 1.0,
        }
    }
}

impl OptimizerConfig {
    /// Decay rates of Adam's moments.
    pub const BETAS: (f32, f32) = (0.9, 0.999);
    const EPSILON: f32 = 1e-8;

    /// Rows of the optimizer's state: parameters and moments.
    pub fn rows(&self) -> usize {
        if self.kind == OptimizerKind::Sgd { 2 } else { 3 }
    }

    /// The operation that updates the parameters of a layout.
    pub(super) fn op(&self, layout: &ParameterLayout) -> Op {
        let decayed = if self.decay_all { layout.len } else { layout.decayed };
        let Self { max_norm, weight_decay, base_rate, .. } = *self;
        // The last layer's parameters are the last of their kind.
        let first = |name| layout.parameters.iter().find(|p| p.name == name).map_or(0, |p| p.offset);
        let fresh = [first(HEAD_WEIGHT), layout.decayed, first(HEAD_BIAS)];
        let common = UpdateSettings { max_norm, weight_decay, decayed, base_rate, fresh };
        match self.kind {
            OptimizerKind::Sgd => Sgd { momentum: self.momentum, common }.into(),
            kind => Adam {
                beta1: Self::BETAS.0,
                beta2: Self::BETAS.1,
                epsilon: Self::EPSILON,
                decoupled: kind == OptimizerKind::Adamw,
                common,
            }
            .into(),
        }
    }

    /// What the optimizer's `schedule` input holds at an update (counted from 1) by the gradients of a loss that is
    /// multiplied by `scale`, which is 1 or another power of two.
    pub fn schedule(&self, rate: f32, update: u64, scale: f32) -> [f32; 4] {
        let correction = |beta: f32| (1.0 - f64::from(beta).powf(update as f64)) as f32;
        [rate, correction(Self::BETAS.0), correction(Self::BETAS.1), scale.recip()]
    }
}
