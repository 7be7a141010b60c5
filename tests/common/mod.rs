//! What tests share: adapters, and a record of what was skipped.

#[allow(dead_code)]
pub mod python;
pub mod skipped;

use std::sync::{Arc, Mutex};

use genre_recognizer::device::gpu::Gpu;
use genre_recognizer::device::{Device, DeviceError, Precision};
pub use skipped::skip;

/// Open adapters of one precision that no test uses.
type Free = Mutex<Vec<Gpu>>;

/// An adapter that the next test gets when this one's thread ends.
struct Lent {
    gpu: Result<Gpu, DeviceError>,
    free: &'static Free,
}

impl Lent {
    fn new(free: &'static Free, precision: Precision) -> Self {
        let found = free.lock().unwrap().pop();
        let gpu = found.map_or_else(|| Gpu::open_at(precision), Ok);
        match &gpu {
            Err(error @ DeviceError::NoMixedPrecision { .. }) => skip(&error.to_string()),
            Err(error) => {
                let required = std::env::var("REQUIRE_GPU").is_ok_and(|value| value == "1");
                assert!(!required, "REQUIRE_GPU=1, but {error}");
                skip(&format!("on a GPU: {error}"));
            }
            Ok(_) => (),
        }
        Self { gpu, free }
    }

    fn get(&self) -> Option<Arc<dyn Device>> {
        self.gpu.clone().ok().map(|gpu| Arc::new(gpu) as Arc<dyn Device>)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Ok(gpu), Ok(mut free)) = (&self.gpu, self.free.lock()) {
            free.push(gpu.clone());
        }
    }
}

/// A GPU adapter, a software one too; none where there is none, which fails under `REQUIRE_GPU=1` and is recorded as
/// skipped otherwise.
///
/// While a test runs, its adapter is its own: a software adapter compiles kernels on the one thread of its queue, where
/// two tests would wait for each other. What one test had compiled, later ones find compiled.
pub fn gpu() -> Option<Arc<dyn Device>> {
    static FREE: Free = Mutex::new(Vec::new());
    thread_local!(static LENT: Lent = Lent::new(&FREE, Precision::F32));
    LENT.with(Lent::get)
}

/// As [`gpu`], opened for mixed precision; none where the adapter has none.
#[allow(dead_code)]
pub fn mixed_gpu() -> Option<Arc<dyn Device>> {
    static FREE: Free = Mutex::new(Vec::new());
    thread_local!(static LENT: Lent = Lent::new(&FREE, Precision::Mixed));
    LENT.with(Lent::get)
}
