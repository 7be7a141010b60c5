//! The update rules by their definitions, parameter by parameter.

use super::{Adam, Sgd, UpdateSettings};
use crate::ops::kernel::Real;

/// Clipped gradient `i`, with weight decay added where `coupled`; `None` where the update is refused because
/// a gradient is not finite.
fn gradients<'a, T: Real>(
    common: &'a UpdateSettings,
    inputs: &'a [&'a [T]],
    coupled: bool,
) -> Option<impl Fn(usize) -> T + 'a> {
    let (state, gradients, norm) = (inputs[0], inputs[1], inputs[2]);
    let clip = common.clip(norm[0], inputs[3][3]);
    let decay = T::of(f64::from(common.weight_decay));
    (norm[1] == T::zero()).then_some(move |i| {
        let g = gradients[i] * clip;
        if coupled && i < common.decayed { g + decay * state[i] } else { g }
    })
}

pub fn sgd<T: Real>(op: &Sgd, inputs: &[&[T]], new: &mut [T]) {
    let (state, rate) = (inputs[0], inputs[3][0]);
    let p = state.len() / 2;
    new.copy_from_slice(state);
    let Some(gradient) = gradients(&op.common, inputs, true) else { return };
    for i in 0..p {
        let velocity = T::of(f64::from(op.momentum)) * state[p + i] + gradient(i);
        new[p + i] = velocity;
        new[i] = state[i] - T::of(f64::from(op.common.pace(i))) * rate * velocity;
    }
}

pub fn adam<T: Real>(op: &Adam, inputs: &[&[T]], new: &mut [T]) {
    let (state, scalars) = (inputs[0], inputs[3]);
    let [rate, correction1, correction2] = [scalars[0], scalars[1], scalars[2]];
    let p = state.len() / 3;
    let (beta1, beta2) = (T::of(f64::from(op.beta1)), T::of(f64::from(op.beta2)));
    let decay = T::of(f64::from(op.common.weight_decay));
    new.copy_from_slice(state);
    let Some(gradient) = gradients(&op.common, inputs, !op.decoupled) else { return };
    for i in 0..p {
        let g = gradient(i);
        let rate = T::of(f64::from(op.common.pace(i))) * rate;
        let m = beta1 * state[p + i] + (T::one() - beta1) * g;
        let s = beta2 * state[2 * p + i] + (T::one() - beta2) * g * g;
        let kept = if op.decoupled && i < op.common.decayed {
            state[i] * (T::one() - rate * decay)
        } else {
            state[i]
        };
        let root = (s / correction2).sqrt() + T::of(f64::from(op.epsilon));
        new[i] = kept - rate * (m / correction1) / root;
        new[p + i] = m;
        new[2 * p + i] = s;
    }
}
