use std::collections::BTreeMap;

use super::ModelError;
use super::builder::Running;
use super::parameters::ParameterLayout;
use crate::graph::Shape;

/// A named tensor's data.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its shape.
    pub shape: Shape,
    /// Its elements, the last axis innermost.
    pub data: Vec<f32>,
}

/// All that a trained network is made of: parameters and running statistics, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights(pub BTreeMap<String, Tensor>);

impl Weights {
    /// Takes the parameters out of the flat tensor that holds them, and the running statistics.
    pub fn gather(
        layout: &ParameterLayout,
        flat: &[f32],
        running: &[Running],
        statistics: &[Vec<f32>],
    ) -> Self {
        let parameters = layout.parameters.iter().map(|p| {
            let data = flat[p.offset..][..p.shape.elements()].to_vec();
            (p.name.clone(), Tensor { shape: p.shape.clone(), data })
        });
        let statistics = running
            .iter()
            .zip(statistics)
            .map(|(r, data)| (r.name.clone(), Tensor { shape: [2, r.channels].into(), data: data.clone() }));
        Self(parameters.chain(statistics).collect())
    }

    /// The flat tensor of the parameters in a layout (gaps are 0), and the running statistics in order.
    ///
    /// # Errors
    /// [`ModelError::Weights`] where a tensor is missing, has another shape, or is not of the network.
    pub fn scatter(
        &self,
        layout: &ParameterLayout,
        running: &[Running],
    ) -> Result<(Vec<f32>, Vec<Vec<f32>>), ModelError> {
        let tensor = |name: &str, shape: &Shape| match self.0.get(name) {
            Some(tensor) if tensor.shape == *shape => Ok(&tensor.data),
            Some(tensor) => Err(ModelError::Weights(format!("`{name}` is {}, not {shape}", tensor.shape))),
            None => Err(ModelError::Weights(format!("`{name}` {shape} is missing"))),
        };
        // All are there before anything of the network's size is allocated, which a damaged file could name.
        let parameters =
            layout.parameters.iter().map(|p| tensor(&p.name, &p.shape)).collect::<Result<Vec<_>, _>>()?;
        let statistics = running
            .iter()
            .map(|r| tensor(&r.name, &[2, r.channels].into()).cloned())
            .collect::<Result<Vec<_>, _>>()?;
        let wanted = layout.parameters.len() + running.len();
        if self.0.len() != wanted {
            return Err(ModelError::Weights(format!("{} tensors, {wanted} wanted", self.0.len())));
        }
        let mut flat = vec![0.0; layout.len];
        for (p, data) in layout.parameters.iter().zip(parameters) {
            flat[p.offset..][..data.len()].copy_from_slice(data);
        }
        Ok((flat, statistics))
    }
}
