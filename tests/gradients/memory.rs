use genre_recognizer::ops::view::{Pack, View};
use genre_recognizer::rng::Rng;

use super::harness::{Case, signed};

#[test]
fn view() {
    let mut rng = Rng::new(70);
    for (offset, shape) in [(0, &[5, 6][..]), (0, &[30]), (7, &[3, 5]), (29, &[1]), (0, &[2, 2])] {
        let view = View { offset, shape: shape.into() };
        Case::of(view, vec![signed(&mut rng, [2, 3, 5])], &[0]).check();
    }
}

/// Without and with gaps, before the first tensor and behind the last.
#[test]
fn pack() {
    let mut rng = Rng::new(71);
    for (offsets, len) in [([0, 15, 22], 23), ([2, 19, 31], 37)] {
        let inputs = vec![signed(&mut rng, [3, 5]), signed(&mut rng, [7]), signed(&mut rng, [1, 1])];
        Case::of(Pack { offsets: offsets.to_vec(), len }, inputs, &[0, 1, 2]).check();
    }
}
