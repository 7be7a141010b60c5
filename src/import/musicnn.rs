//! The layers of musicnn (Pons and Serra: "musicnn: pre-trained convolutional neural networks for music audio
//! tagging", 2019; `musicnn/models.py`): from the names and layouts of its checkpoints to ours.
//!
//! TensorFlow's convolution kernels are [time, frequency, 1, filters]; those of the middle layers have the channels
//! of the layer before in place of frequencies. Ours are [filters, channels, frequency, time]. TensorFlow's dense
//! kernels are [inputs, units], ours [units, inputs].

use std::collections::BTreeMap;

use super::bundle::{Bundle, Tensor};
use super::error::NetworkError;

/// A convolution: our name, and the length of its kernel in frames. They stand in the order in which checkpoints
/// number them.
pub(super) type Layer = (&'static str, usize);

/// Those that hear the spectrogram, side by side.
pub(super) const FRONT: [Layer; 5] =
    [("timbral1", 7), ("timbral2", 7), ("temporal1", 128), ("temporal2", 64), ("temporal3", 32)];

/// Those behind them, one after the other.
const MIDDLE: [Layer; 3] = [("middle1", 7), ("middle2", 7), ("middle3", 7)];

/// Kernels over frequency of those in front, for so many mel bands, by the package's own arithmetic.
fn heights(mels: usize) -> [usize; 5] {
    let part = |part: f64| (part * mels as f64) as usize;
    [part(0.4), part(0.7), 1, 1, 1]
}

/// The sizes of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// `timbral1`, `timbral2`, `temporal1`, `temporal2` and `temporal3`, side by side; 204, 204, 51, 51 and 51
    /// filters.
    pub front: [Convolution; 5],
    /// `middle1`, `middle2` and `middle3`, one after the other; 64 filters each.
    pub middle: [Convolution; 3],
    /// Units of `dense1`, the values of an embedding; 200 as published.
    pub dense: usize,
    /// Units of `head`; 50 as published.
    pub tags: usize,
}

/// The size of a convolution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Convolution {
    /// Output channels.
    pub filters: usize,
    /// The kernel over frequency.
    pub height: usize,
    /// The kernel over time.
    pub width: usize,
}

/// The tensors of a network for so many mel bands, by our names, and its sizes. It must have `tags` outputs.
///
/// A batch norm is two tensors [2, C]: `.norm.scale_shift`, and `.norm.running` with mean and variance. The pooled
/// features, whose maximum and mean alternate in a checkpoint, are all maxima, then all means.
///
/// # Errors
/// [`NetworkError`], except `Settings` and `Unsupported`.
pub fn network(
    checkpoint: &Bundle,
    mels: usize,
    tags: usize,
) -> Result<(BTreeMap<String, Tensor>, Sizes), NetworkError> {
    let mut layers = Layers { checkpoint, convolutions: 0, norms: 0, tensors: BTreeMap::new() };
    layers.norm("features", 1, identity)?;
    let mut front = [Convolution::default(); 5];
    for ((found, layer), height) in front.iter_mut().zip(FRONT).zip(heights(mels)) {
        *found = layers.front(layer, height)?;
    }
    let mut middle = [Convolution::default(); 3];
    let mut pooled = front.iter().map(|layer| layer.filters).sum();
    let (mut channels, mut filters) = (pooled, None);
    for (found, layer) in middle.iter_mut().zip(MIDDLE) {
        *found = layers.middle(layer, channels, filters)?;
        // What the second and third compute is added to what they hear.
        channels = found.filters;
        filters = Some(channels);
        pooled += channels;
    }
    layers.norm("pooling", 2 * pooled, separated)?;
    let dense = layers.dense("dense1", "dense", [Some(2 * pooled), None], separated)?;
    layers.norm("dense1", dense, identity)?;
    layers.dense("head", "dense_1", [Some(dense), Some(tags)], identity)?;
    Ok((layers.tensors, Sizes { front, middle, dense, tags }))
}

/// Reads layer after layer, in the order in which the checkpoint numbers them.
struct Layers<'a> {
    checkpoint: &'a Bundle<'a>,
    convolutions: usize,
    norms: usize,
    tensors: BTreeMap<String, Tensor>,
}

impl Layers<'_> {
    /// A tensor of the checkpoint, of finite values. `None` is a size that the checkpoint chooses.
    fn tensor(&self, name: &str, wanted: &[Option<usize>]) -> Result<Tensor, NetworkError> {
        let (shape, values) = self.checkpoint.tensor(name)?;
        let fits =
            |(&found, wanted): (&usize, &Option<usize>)| found > 0 && wanted.is_none_or(|size| size == found);
        if shape.len() != wanted.len() || !shape.iter().zip(wanted).all(fits) {
            return Err(NetworkError::Shape { name: name.into(), shape, wanted: wanted.into() });
        }
        if !values.iter().all(|value| value.is_finite()) {
            return Err(NetworkError::Values { name: name.into(), what: "not finite" });
        }
        Ok((shape, values))
    }

    /// Layers of one kind are numbered from 0, which is not written.
    fn numbered(kind: &str, count: &mut usize) -> String {
        *count += 1;
        match *count {
            1 => kind.into(),
            count => format!("{kind}_{}", count - 1),
        }
    }

    fn norm(&mut self, ours: &str, channels: usize, order: Order) -> Result<(), NetworkError> {
        let theirs = Self::numbered("batch_normalization", &mut self.norms);
        let [scale, shift, mean, variance] =
            ["gamma", "beta", "moving_mean", "moving_variance"].map(|part| {
                let name = format!("{theirs}/{part}");
                let (_, values) = self.tensor(&name, &[Some(channels)])?;
                if part == "moving_variance" && values.iter().any(|&variance| variance < 0.0) {
                    return Err(NetworkError::Values { name, what: "below 0" });
                }
                Ok(order(values))
            });
        for (part, first, second) in [("scale_shift", scale?, shift?), ("running", mean?, variance?)] {
            let rows = (vec![2, channels], [first, second].concat());
            self.tensors.insert(format!("{ours}.norm.{part}"), rows);
        }
        Ok(())
    }

    /// A convolution of the spectrogram, with its batch norm.
    fn front(&mut self, (ours, width): Layer, height: usize) -> Result<Convolution, NetworkError> {
        let filters = self
            .convolution(ours, [Some(width), Some(height), Some(1), None], |k| vec![k, 1, height, width])?;
        Ok(Convolution { filters, height, width })
    }

    /// A convolution over time, with its batch norm.
    fn middle(
        &mut self,
        (ours, width): Layer,
        channels: usize,
        filters: Option<usize>,
    ) -> Result<Convolution, NetworkError> {
        let wanted = [Some(width), Some(channels), Some(1), filters];
        let filters = self.convolution(ours, wanted, |k| vec![k, channels, 1, width])?;
        Ok(Convolution { filters, height: 1, width })
    }

    /// A kernel of the shape `wanted`, bias and batch norm. Gives how many filters there are, of which `shape` makes
    /// ours.
    fn convolution(
        &mut self,
        ours: &str,
        wanted: [Option<usize>; 4],
        shape: impl Fn(usize) -> Vec<usize>,
    ) -> Result<usize, NetworkError> {
        let theirs = Self::numbered("conv2d", &mut self.convolutions);
        let (found, kernel) = self.tensor(&format!("{theirs}/kernel"), &wanted)?;
        let [width, height, filters] = [found[0], found[1], found[3]];
        // [time, frequencies or channels, filters] becomes [filters, frequencies or channels, time].
        let mut weight = Vec::with_capacity(kernel.len());
        for filter in 0..filters {
            for row in 0..height {
                weight.extend((0..width).map(|column| kernel[(column * height + row) * filters + filter]));
            }
        }
        self.tensors.insert(format!("{ours}.conv.weight"), (shape(filters), weight));
        let bias = self.tensor(&format!("{theirs}/bias"), &[Some(filters)])?;
        self.tensors.insert(format!("{ours}.conv.bias"), bias);
        self.norm(ours, filters, identity)?;
        Ok(filters)
    }

    /// A dense layer, whose inputs come in another order. Gives how many units there are.
    fn dense(
        &mut self,
        ours: &str,
        theirs: &str,
        wanted: [Option<usize>; 2],
        order: Order,
    ) -> Result<usize, NetworkError> {
        let (shape, kernel) = self.tensor(&format!("{theirs}/kernel"), &wanted)?;
        let [inputs, units] = [shape[0], shape[1]];
        let column = |unit| kernel.iter().skip(unit).step_by(units).copied().collect();
        let weight = (0..units).flat_map(|unit| order(column(unit))).collect();
        self.tensors.insert(format!("{ours}.weight"), (vec![units, inputs], weight));
        let bias = self.tensor(&format!("{theirs}/bias"), &[Some(units)])?;
        self.tensors.insert(format!("{ours}.bias"), bias);
        Ok(units)
    }
}

/// Puts the channels of a tensor into our order.
type Order = fn(Vec<f32>) -> Vec<f32>;

fn identity(values: Vec<f32>) -> Vec<f32> {
    values
}

/// Every second value, the maxima; then the others, the means.
fn separated(values: Vec<f32>) -> Vec<f32> {
    let every_second = |from| values.iter().skip(from).step_by(2).copied();
    every_second(0).chain(every_second(1)).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::import::bundle::{self, BundleError};

    pub const MELS: usize = 5;
    const TAGS: usize = 3;

    /// A network of 2, 2, 1, 1 and 1 filters, then 2, and 4 units, as a checkpoint has it. Values count up from 0.
    pub fn published() -> BTreeMap<String, Tensor> {
        let mut tensors = BTreeMap::new();
        let mut add = |name: String, shape: &[usize]| {
            let values = (0..shape.iter().product()).map(|value: usize| value as f32).collect();
            tensors.insert(name, (shape.to_vec(), values));
        };
        let kernels =
            [[7, 2, 2], [7, 3, 2], [128, 1, 1], [64, 1, 1], [32, 1, 1], [7, 7, 2], [7, 2, 2], [7, 2, 2]];
        let numbered = |kind: &str, i: usize| if i == 0 { kind.to_string() } else { format!("{kind}_{i}") };
        for (i, [time, rows, filters]) in kernels.into_iter().enumerate() {
            add(numbered("conv2d", i) + "/kernel", &[time, rows, 1, filters]);
            add(numbered("conv2d", i) + "/bias", &[filters]);
        }
        for (i, channels) in [1, 2, 2, 1, 1, 1, 2, 2, 2, 26, 4].into_iter().enumerate() {
            for part in ["gamma", "beta", "moving_mean", "moving_variance"] {
                add(format!("{}/{part}", numbered("batch_normalization", i)), &[channels]);
            }
        }
        for (name, inputs, units) in [("dense", 26, 4), ("dense_1", 4, TAGS)] {
            add(format!("{name}/kernel"), &[inputs, units]);
            add(format!("{name}/bias"), &[units]);
        }
        add("beta1_power".into(), &[]);
        tensors
    }

    /// Its layers as ours.
    pub fn read(
        tensors: &BTreeMap<String, Tensor>,
    ) -> Result<(BTreeMap<String, Tensor>, Sizes), NetworkError> {
        let (index, data) = bundle::tests::build(tensors);
        network(&Bundle::read(&index, &data)?, MELS, TAGS)
    }

    #[test]
    fn sizes_and_layouts_are_ours() {
        let (tensors, sizes) = read(&published()).unwrap();
        let convolution = |filters, height, width| Convolution { filters, height, width };
        let front = [(2, 2, 7), (2, 3, 7), (1, 1, 128), (1, 1, 64), (1, 1, 32)];
        let wanted = Sizes {
            front: front.map(|(filters, height, width)| convolution(filters, height, width)),
            middle: [convolution(2, 1, 7); 3],
            dense: 4,
            tags: TAGS,
        };
        assert_eq!(sizes, wanted);
        assert_eq!(tensors.len(), 8 * 4 + 3 * 2 + 2 * 2);
        // The value of a kernel counts up over [time, row, filter].
        let (shape, values) = &tensors["timbral2.conv.weight"];
        assert_eq!(*shape, [2, 1, 3, 7]);
        for (i, value) in values.iter().enumerate() {
            let (filter, row, time) = (i / 21, i / 7 % 3, i % 7);
            assert_eq!(*value, (time * 6 + row * 2 + filter) as f32, "{i}");
        }
        assert_eq!(tensors["temporal1.conv.weight"].0, [1, 1, 1, 128]);
        assert_eq!(tensors["middle1.conv.weight"].0, [2, 7, 1, 7]);
        assert_eq!(tensors["middle1.conv.weight"].1[1], 14.0);
        assert_eq!(tensors["middle1.conv.weight"].1[7], 2.0);
        let rows = |row: &[f32]| (vec![2, row.len()], [row, row].concat());
        assert_eq!(tensors["timbral1.norm.scale_shift"], rows(&[0.0, 1.0]));
        let separated: Vec<f32> = (0..26).map(|i| (i % 13 * 2 + i / 13) as f32).collect();
        assert_eq!(tensors["pooling.norm.running"], rows(&separated));
        let (shape, values) = &tensors["dense1.weight"];
        assert_eq!(*shape, [4, 26]);
        for (i, value) in values.iter().enumerate() {
            assert_eq!(*value, 4.0 * separated[i % 26] + (i / 26) as f32, "{i}");
        }
        assert_eq!(
            tensors["head.weight"],
            (vec![3, 4], [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11].map(|v| v as f32).into())
        );
    }

    #[test]
    fn a_tensor_that_is_missing_or_of_another_shape_is_named() {
        let whole = published();
        for name in whole.keys().filter(|name| *name != "beta1_power") {
            let mut without = whole.clone();
            let (shape, values) = without.remove(name).unwrap();
            let missing = BundleError::Missing(name.clone());
            assert_eq!(read(&without), Err(NetworkError::Bundle(missing)));
            // One more of what comes first, or of nothing.
            let larger = [&[shape[0] + 1], &shape[1..]].concat();
            let mut larger_values = values.clone();
            larger_values.extend(std::iter::repeat_n(0.0, values.len() / shape[0]));
            let nested = [&[1], &shape[..]].concat();
            let none = [&shape[..shape.len() - 1], &[0]].concat();
            for (shape, values) in [(larger, larger_values), (nested, values), (none, vec![])] {
                without.insert(name.clone(), (shape, values));
                match read(&without) {
                    Err(NetworkError::Shape { name: named, .. }) => assert_eq!(named, *name),
                    other => panic!("{name}: {other:?}"),
                }
            }
        }
        let (index, data) = bundle::tests::build(&whole);
        let bundle = Bundle::read(&index, &data).unwrap();
        for (mels, tags, message) in [
            (MELS, 4, "tensor `dense_1/kernel` is [4, 3], not [4, 4]"),
            (1, TAGS, "tensor `conv2d/kernel` is [7, 2, 1, 2], not [7, 0, 1, any]"),
            (96, TAGS, "tensor `conv2d/kernel` is [7, 2, 1, 2], not [7, 38, 1, any]"),
        ] {
            assert_eq!(network(&bundle, mels, tags).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn values_that_no_network_has_are_refused() {
        for (name, value, what) in [
            ("conv2d_3/kernel", f32::NAN, "not finite"),
            ("dense/bias", f32::INFINITY, "not finite"),
            ("batch_normalization_9/moving_variance", -1e-3, "below 0"),
        ] {
            let mut tensors = published();
            tensors.get_mut(name).unwrap().1[3] = value;
            assert_eq!(read(&tensors), Err(NetworkError::Values { name: name.into(), what }));
        }
    }
}
