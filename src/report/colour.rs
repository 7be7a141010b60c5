//! Colour maps.

/// Colours at equal distances, linear between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColourMap(&'static [[u8; 3]]);

/// Perceptually uniform, from black over purple and orange to pale yellow: every 16th colour of Matplotlib's "magma"
/// (N. Smith and S. van der Walt, CC0), which is nowhere further than 3 of 255 from what is between them.
pub const MAGMA: ColourMap = ColourMap(&[
    [0, 0, 4],
    [10, 8, 34],
    [29, 17, 71],
    [54, 16, 107],
    [81, 18, 124],
    [106, 28, 129],
    [131, 38, 129],
    [156, 46, 127],
    [183, 55, 121],
    [208, 65, 111],
    [231, 82, 99],
    [245, 107, 92],
    [252, 137, 97],
    [254, 167, 114],
    [254, 196, 136],
    [253, 226, 163],
    [252, 253, 191],
]);

/// Diverging and safe for the colour-blind, from blue over white to red: "RdBu" of ColorBrewer (C. Brewer, Apache 2.0), from
/// its other end.
pub const BLUE_RED: ColourMap = ColourMap(&[
    [5, 48, 97],
    [33, 102, 172],
    [67, 147, 195],
    [146, 197, 222],
    [209, 229, 240],
    [247, 247, 247],
    [253, 219, 199],
    [244, 165, 130],
    [214, 96, 77],
    [178, 24, 43],
    [103, 0, 31],
]);

impl ColourMap {
    /// The colour at a place from 0 to 1; beyond them, that of the nearer end.
    pub fn at(&self, place: f64) -> [u8; 3] {
        let last = self.0.len() - 1;
        let place = if place.is_nan() { 0.0 } else { place.clamp(0.0, 1.0) * last as f64 };
        let i = (place as usize).min(last - 1);
        let part = place - i as f64;
        let mix = |a: u8, b: u8| (f64::from(a) + part * (f64::from(b) - f64::from(a))).round() as u8;
        std::array::from_fn(|c| mix(self.0[i][c], self.0[i + 1][c]))
    }

    /// The map as a CSS gradient from left to right.
    pub fn css(&self) -> String {
        let stops: Vec<String> = self.0.iter().map(|[r, g, b]| format!("#{r:02x}{g:02x}{b:02x}")).collect();
        format!("linear-gradient(to right,{})", stops.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance as in WCAG 2.
    fn luminance(colour: [u8; 3]) -> f64 {
        let [r, g, b] = colour.map(|c| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    #[test]
    fn brightness_rises_evenly_or_mirrors() {
        let places: Vec<f64> = (0..=64).map(|i| f64::from(i) / 64.0).collect();
        // CIE lightness of a luminance.
        let lightness = |place: &f64| 116.0 * luminance(MAGMA.at(*place)).cbrt() - 16.0;
        let magma: Vec<f64> = places.iter().map(lightness).collect();
        assert!(magma.windows(2).skip(4).all(|w| w[1] > w[0]), "{magma:?}");
        let steps = magma[8..].windows(2).map(|w| w[1] - w[0]);
        let (least, most) = steps.fold((f64::MAX, 0f64), |(l, m), step| (l.min(step), m.max(step)));
        assert!(least > 0.9 && most < 2.2, "{least} to {most}");
        for place in &places {
            let (a, b) = (luminance(BLUE_RED.at(*place)), luminance(BLUE_RED.at(1.0 - place)));
            assert!((a - b).abs() < 0.12, "{place}: {a} and {b}");
        }
        assert_eq!(BLUE_RED.at(0.5), [247, 247, 247]);
        assert_eq!((MAGMA.at(-1.0), MAGMA.at(2.0)), ([0, 0, 4], [252, 253, 191]));
        assert_eq!(MAGMA.at(f64::NAN), [0, 0, 4]);
    }
}
