//! What several test programs share.

use std::sync::{Arc, OnceLock};

use genre_recognizer::device::gpu::Gpu;
use genre_recognizer::device::{Device, Precision};

/// A GPU adapter, a software one too; none where there is none, which fails under `REQUIRE_GPU=1`. All tests
/// of a program share it, and with it the kernels that were compiled.
pub fn gpu() -> Option<Arc<dyn Device>> {
    static GPU: OnceLock<Option<Gpu>> = OnceLock::new();
    let required = std::env::var("REQUIRE_GPU").is_ok_and(|value| value == "1");
    let gpu = GPU.get_or_init(|| match Gpu::open() {
        Ok(gpu) => Some(gpu),
        Err(error) if required => panic!("REQUIRE_GPU=1, but {error}"),
        Err(_) => None,
    });
    gpu.clone().map(|gpu| Arc::new(gpu) as Arc<dyn Device>)
}

/// The adapter of [`gpu`] at mixed precision; none where it has none.
#[allow(dead_code)]
pub fn mixed_gpu() -> Option<Arc<dyn Device>> {
    static GPU: OnceLock<Option<Arc<dyn Device>>> = OnceLock::new();
    let open = || {
        let found = gpu()?.at(Precision::Mixed);
        found.map_err(|error| eprintln!("SKIPPED in mixed precision: {error}")).ok()
    };
    GPU.get_or_init(open).clone()
}
