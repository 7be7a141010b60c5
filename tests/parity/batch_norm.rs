use std::sync::Arc;

use genre_recognizer::device::Device;
use genre_recognizer::graph::Shape;
use genre_recognizer::ops::batch_norm::{
    BatchNorm, BatchNormInputGrad, BatchNormSums, BatchStats, MergeStats, RunningStats,
};
use genre_recognizer::rng::Rng;
use proptest::prelude::*;

use super::harness::{Case, devices, normal, uniform};

/// Planes and rows, primes, one channel, one sample, more than one task of the CPU device (16384), more than
/// one f32 block of a plane (8192); on a GPU both sides of a channel by one invocation (16 elements, 128 of
/// rows), by a workgroup of 64 (1024), by one of 256 (2048), and in chunks; planes that divide into fours,
/// and that do not.
fn shapes() -> Vec<Shape> {
    vec![
        [3, 5, 7, 13].into(),
        [1, 2, 17, 3].into(),
        [2, 1, 131, 65].into(),
        [31, 33, 1, 5].into(),
        [13, 3, 2, 1].into(),
        [17, 7, 33].into(),
        [31, 17].into(),
        [67, 257].into(),
        [5, 1].into(),
        [2, 3, 8].into(),
        [128, 3].into(),
        [2, 3, 1024].into(),
        [3, 2, 683].into(),
    ]
}

type Data = (Shape, Vec<f32>);

fn count(x: &Shape) -> usize {
    x.elements() / x[1]
}

/// x of about the given mean and standard deviation 1 to 3, a little different in every channel.
fn input(rng: &mut Rng, shape: &Shape, mean: f32) -> Data {
    let size: usize = shape[2..].iter().product();
    let moments: Vec<(f32, f32)> =
        (0..shape[1]).map(|_| (mean * rng.range(0.5, 1.5) + rng.normal(), rng.range(1.0, 3.0))).collect();
    let data = (0..shape.elements()).map(|i| {
        let (mean, deviation) = moments[i / size % shape[1]];
        mean + deviation * rng.normal()
    });
    (shape.clone(), data.collect())
}

/// Statistics of [`input`]'s kind.
fn statistics(rng: &mut Rng, x: &Shape, mean: f32) -> Data {
    let c = x[1];
    let data = (0..2 * c).map(|i| if i < c { mean + rng.normal() } else { rng.range(0.5, 4.0) }).collect();
    ([2, c].into(), data)
}

/// Scale or sums, and shift.
fn pair(rng: &mut Rng, x: &Shape) -> Data {
    uniform(rng, [2, x[1]], -2.0, 2.0)
}

fn check(
    op: impl Into<genre_recognizer::ops::Op>,
    inputs: Vec<Data>,
    backward: bool,
    on: &[Arc<dyn Device>],
) {
    let reduction = count(&inputs[0].0);
    Case { op: op.into(), inputs, reduction, backward }.check_on(on);
}

/// All five operations on one shape.
fn check_all(rng: &mut Rng, x: &Shape, mean: f32, slope: f32, devices: &[Arc<dyn Device>]) {
    check(BatchStats, vec![input(rng, x, mean)], false, devices);
    for (slope, epsilon) in [(None, BatchNorm::EPSILON), (Some(slope), 0.1)] {
        for residual in [false, true] {
            let mut inputs = vec![input(rng, x, mean), statistics(rng, x, mean), pair(rng, x)];
            if residual {
                inputs.push(normal(rng, x.clone(), 1.0));
            }
            check(BatchNorm { training: residual, slope, epsilon }, inputs, false, devices);
        }
        let y = slope.map(|_| normal(rng, x.clone(), 1.0));
        let dy = normal(rng, x.clone(), 1.0);
        let inputs = vec![input(rng, x, mean), statistics(rng, x, mean), dy.clone()];
        check(BatchNormSums { slope, epsilon }, inputs.into_iter().chain(y.clone()).collect(), true, devices);
        // In training, of a slice of a batch of thrice as many.
        for count in [None, Some(3 * count(x))] {
            let rows =
                [input(rng, x, mean), statistics(rng, x, mean), pair(rng, x), pair(rng, x), dy.clone()];
            let inputs = rows.into_iter().chain(y.clone()).collect();
            check(BatchNormInputGrad { count, slope, epsilon }, inputs, true, devices);
        }
    }
}

#[test]
fn all_on_odd_shapes() {
    let devices = devices();
    let mut rng = Rng::new(4);
    for shape in shapes() {
        check_all(&mut rng, &shape, 0.0, 0.3, &devices);
    }
}

/// Chunks of more than 1024 elements, and more of them than the 64 invocations that merge them.
#[test]
fn large_chunks() {
    let devices = devices();
    let mut rng = Rng::new(8);
    let x = Shape::from([3, 5, 283, 307]);
    check(BatchStats, vec![input(&mut rng, &x, 3.0)], false, &devices);
    let dy = normal(&mut rng, x.clone(), 1.0);
    let inputs = vec![input(&mut rng, &x, 0.0), statistics(&mut rng, &x, 0.0), dy.clone(), dy];
    check(BatchNormSums { slope: Some(0.3), epsilon: BatchNorm::EPSILON }, inputs, true, &devices);
}

/// The batch's own statistics and sums, chained as in a network, far from zero: mean 1000, standard deviation
/// 1 to 3.
#[test]
fn large_means() {
    let devices = devices();
    let mut rng = Rng::new(5);
    for shape in [Shape::from([3, 2, 65, 31]), [7, 3, 5, 3].into(), [129, 5].into()] {
        check_all(&mut rng, &shape, 1000.0, 0.0, &devices);
    }
}

/// The harness allows an error relative to the RMS of means and variances together, which large means loosen:
/// here every variance is held to its own size.
#[test]
fn variance_of_large_means() {
    use genre_recognizer::device::LoadOptions;
    use genre_recognizer::ops::{Graph, source::Input};
    use genre_recognizer::plan::{Request, plan};
    let mut rng = Rng::new(6);
    for shape in [Shape::from([3, 2, 65, 97]), [7, 3, 5, 3].into(), [129, 5].into()] {
        let (_, x) = input(&mut rng, &shape, 1000.0);
        let mut graph = Graph::new();
        let node = graph.add(Input { shape: shape.clone() }.into(), &[]).unwrap();
        let stats = graph.add(BatchStats.into(), &[node]).unwrap();
        let request = Request { outputs: vec![stats], ..Request::default() };
        let given = [(node, x.iter().map(|&v| f64::from(v)).collect())].into();
        let expected = genre_recognizer::device::reference::evaluate(&graph, &given, &[stats]).remove(0);
        for device in devices() {
            let program = Arc::new(plan(&graph, &request, device.as_ref()).unwrap());
            let mut loaded = device.load(program, LoadOptions { poison: true, profile: false }).unwrap();
            loaded.write(node, &x).unwrap();
            loaded.run().unwrap();
            let actual = loaded.outputs().unwrap().remove(0);
            for (r, &g) in expected.iter().zip(&actual) {
                let error = (f64::from(g) - r).abs() / r;
                assert!(error <= 1e-5, "{}: {g}, not {r} over {shape}", device.describe());
            }
        }
    }
}

#[test]
fn running_statistics() {
    let devices = devices();
    let mut rng = Rng::new(7);
    for (c, count) in [(1, 2), (17, 1001), (257, 90112)] {
        let x = Shape::from([count, c]);
        let inputs = vec![statistics(&mut rng, &x, 0.5), statistics(&mut rng, &x, 1.5)];
        let op = RunningStats { momentum: 0.1, count };
        Case { op: op.into(), inputs, reduction: 1, backward: false }.check_on(&devices);
    }
}

/// Equal parts and unequal ones, means that are near each other and far apart.
#[test]
fn merged_statistics() {
    let devices = devices();
    let mut rng = Rng::new(8);
    for (c, counts, apart) in
        [(1, [1, 1], 0.0), (17, [64, 36], 3.0), (257, [4096, 1], 1.0), (5, [3, 99], 1e3)]
    {
        let x = Shape::from([1, c]);
        let inputs = vec![statistics(&mut rng, &x, 0.5), statistics(&mut rng, &x, 0.5 + apart)];
        let op = MergeStats { counts };
        Case { op: op.into(), inputs, reduction: 2, backward: false }.check_on(&devices);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Sizes drawn at random, on the CPU, where a case costs no pipelines.
    #[test]
    fn all_on_random_shapes(
        n in 1usize..9, c in 1usize..40, h in 1usize..20, w in 1usize..40, flat: bool, slope in 0f32..0.9, seed: u64,
    ) {
        let shape: Shape = if flat { [n * h, c].into() } else { [n, c, h, w].into() };
        prop_assume!(count(&shape) >= 5);
        check_all(&mut Rng::new(seed), &shape, 0.0, slope, &devices()[..1]);
    }
}
