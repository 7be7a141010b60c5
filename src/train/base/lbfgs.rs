//! The minimum of a smooth convex function, by the method of limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.5).

use std::collections::VecDeque;

/// Pairs that the curvature is known from.
const MEMORY: usize = 10;
/// What a step must gain, as a share of what the slope promises (Armijo).
const GAIN: f64 = 1e-4;
/// Halvings of a step after which there is nothing left to gain at the function's precision.
const HALVINGS: usize = 20;

/// Goes from `x` to where no component of the gradient is larger than `tolerance`, in at most `most` steps. `evaluate` gives
/// the function's value and gradient.
///
/// # Errors
/// Whatever `evaluate` says.
pub fn minimise<E>(
    mut x: Vec<f64>,
    tolerance: f64,
    most: usize,
    mut evaluate: impl FnMut(&[f64]) -> Result<(f64, Vec<f64>), E>,
) -> Result<Vec<f64>, E> {
    let (mut value, mut gradient) = evaluate(&x)?;
    let mut pairs: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
    for _ in 0..most {
        if gradient.iter().all(|g| g.abs() <= tolerance) {
            break;
        }
        let direction = direction(&gradient, &pairs);
        let slope = dot(&direction, &gradient);
        let mut step = if pairs.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt().max(1.0) } else { 1.0 };
        let mut next = None;
        for _ in 0..HALVINGS {
            let there: Vec<f64> = x.iter().zip(&direction).map(|(x, d)| x + step * d).collect();
            let (found, slopes) = evaluate(&there)?;
            if found <= value + GAIN * step * slope {
                next = Some((there, found, slopes));
                break;
            }
            step /= 2.0;
        }
        let Some((there, found, slopes)) = next else { break };
        let moved: Vec<f64> = there.iter().zip(&x).map(|(a, b)| a - b).collect();
        let turned: Vec<f64> = slopes.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        if dot(&moved, &turned) > 0.0 {
            pairs.push_back((moved, turned));
            if pairs.len() > MEMORY {
                pairs.pop_front();
            }
        }
        (x, value, gradient) = (there, found, slopes);
    }
    Ok(x)
}

/// −H·gradient, H the inverse of the Hessian as the pairs tell it.
fn direction(gradient: &[f64], pairs: &VecDeque<(Vec<f64>, Vec<f64>)>) -> Vec<f64> {
    let mut d: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut shares = Vec::with_capacity(pairs.len());
    for (s, y) in pairs.iter().rev() {
        let share = dot(s, &d) / dot(s, y);
        d.iter_mut().zip(y).for_each(|(d, y)| *d -= share * y);
        shares.push(share);
    }
    if let Some((s, y)) = pairs.back() {
        let scale = dot(s, y) / dot(y, y);
        d.iter_mut().for_each(|d| *d *= scale);
    }
    for ((s, y), share) in pairs.iter().zip(shares.into_iter().rev()) {
        let rest = share - dot(y, &d) / dot(s, y);
        d.iter_mut().zip(s).for_each(|(d, s)| *d += rest * s);
    }
    d
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_minimum_of_a_badly_scaled_convex_function() {
        // Σ aᵢ(xᵢ − i)² + ln(1 + e^x₀): aᵢ from 1 to 1000.
        let scale = |i: usize| 10f64.powf(i as f64 / 3.0);
        let evaluate = |x: &[f64]| {
            let squares = x.iter().enumerate().map(|(i, x)| scale(i) * (x - i as f64).powi(2));
            let mut gradient: Vec<f64> =
                x.iter().enumerate().map(|(i, x)| 2.0 * scale(i) * (x - i as f64)).collect();
            gradient[0] += 1.0 / (1.0 + (-x[0]).exp());
            Ok::<_, ()>((squares.sum::<f64>() + (1.0 + x[0].exp()).ln(), gradient))
        };
        // Where gradients are smaller, steps gain less than the function's value can tell.
        let x = minimise(vec![5.0; 10], 1e-7, 200, evaluate).unwrap();
        let (_, gradient) = evaluate(&x).unwrap();
        assert!(gradient.iter().all(|g| g.abs() <= 1e-7), "{gradient:?}");
        for (i, x) in x.iter().enumerate().skip(1) {
            assert!((x - i as f64).abs() < 1e-7, "{i} {x}");
        }
        // 2x + σ(x) = 0.
        assert!((x[0] + 0.222_323_5).abs() < 1e-6, "{}", x[0]);
    }
}
