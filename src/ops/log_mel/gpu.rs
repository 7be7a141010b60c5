use super::LogMel;
use crate::ops::kernel::{Binding, GpuKernel};
use crate::ops::stft::Signals;
use crate::ops::{mel, stft};

/// One dispatch of `log_mel`, which stands in shaders/stft.wgsl beside the transform.
pub fn forward(op: &LogMel, signals: Signals) -> GpuKernel {
    let mut tables = stft::gpu::tables(op.stft);
    tables.extend(mel::gpu::tables(&op.mel));
    let given = [Binding::Input(0)].into_iter().chain((0..tables.len()).map(Binding::Table));
    let bindings = given.chain([Binding::Output]).collect();
    let mut launch = stft::gpu::launch(op.stft, signals, "log_mel", bindings);
    launch.constants.extend([
        ("ROWS", op.mel.rows() as f64),
        ("LOGARITHM", f64::from(u8::from(op.ln.is_some()))),
        ("FLOOR", op.ln.map_or(0.0, |ln| f64::from(ln.floor))),
    ]);
    GpuKernel { tables, ..launch.into() }
}

#[cfg(test)]
mod tests {
    /// A WGSL file cannot include another: the logarithm stands in two.
    #[test]
    fn one_logarithm() {
        let of = |source: &'static str| {
            let start = source.find("fn split(").expect("a logarithm");
            let natural = source.find("fn natural(").expect("a logarithm");
            let end = natural + source[natural..].find("\n}\n").expect("its end");
            &source[start..end]
        };
        let log = of(include_str!("../../../shaders/log.wgsl"));
        assert_eq!(log, of(include_str!("../../../shaders/stft.wgsl")));
    }
}
