//! What several test programs share.

use std::sync::{Arc, OnceLock};

use genre_recognizer::device::Device;
use genre_recognizer::device::gpu::Gpu;

/// A GPU adapter, a software one too; none where there is none, which fails under `REQUIRE_GPU=1`. All tests of a
/// program share it, and with it the kernels that were compiled.
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
