//! What several test programs share.

use std::sync::Arc;

use genre_recognizer::device::Device;

/// A GPU adapter, a software one too; none where there is none, which fails under `REQUIRE_GPU=1`.
pub fn gpu() -> Option<Arc<dyn Device>> {
    let gpu: Option<Arc<dyn Device>> = None;
    let required = std::env::var("REQUIRE_GPU").is_ok_and(|value| value == "1");
    assert!(gpu.is_some() || !required, "REQUIRE_GPU=1, but no GPU adapter was found");
    gpu
}
