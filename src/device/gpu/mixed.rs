//! What an adapter has for mixed precision.

use crate::ops::conv2d::gpu_mixed_window;
use crate::ops::kernel::{Cooperative, Mixed};

/// Bytes of workgroup memory that kernels on matrix units take.
pub const MEMORY: u32 = gpu_mixed_window::MEMORY as u32;

/// What cooperative matrices need besides 16-bit floats; which subgroup a thread belongs to decides its matrices.
pub const COOPERATIVE: wgpu::Features =
    wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX.union(wgpu::Features::SUBGROUP);

/// How an adapter computes products in mixed precision; none where it has no 16-bit floats.
pub fn offered(handle: &wgpu::Adapter) -> Option<Mixed> {
    if !handle.features().contains(wgpu::Features::SHADER_F16) {
        return None;
    }
    let info = handle.get_info();
    let subgroup = match info.backend {
        // Metal does not say, so wgpu gives 4 to 64; every Apple GPU that has matrix units has 32.
        wgpu::Backend::Metal => [32, 32],
        _ => [info.subgroup_min_size, info.subgroup_max_size],
    };
    let memory = handle.limits().max_compute_workgroup_storage_size;
    let offered = handle.features().contains(COOPERATIVE) && memory >= MEMORY;
    let cooperative = offered.then(|| choose(&handle.cooperative_matrix_properties(), subgroup)).flatten();
    Some(Mixed { cooperative })
}

/// The largest square matrices of f16 whose products are summed in f32; none where there are none, or where subgroups
/// vary so much, or are so large, that the kernel's workgroups would not do (`shaders/mixed/cooperative.wgsl`).
fn choose(properties: &[wgpu::CooperativeMatrixProperties], subgroup: [u32; 2]) -> Option<Cooperative> {
    let [min, max] = subgroup;
    if !min.is_power_of_two() || !max.is_power_of_two() || max > 64 || max > 2 * min {
        return None;
    }
    let square = |p: &&wgpu::CooperativeMatrixProperties| p.m_size == p.n_size && p.n_size == p.k_size;
    let halves = |p: &&wgpu::CooperativeMatrixProperties| {
        (p.ab_type, p.cr_type) == (wgpu::CooperativeScalarType::F16, wgpu::CooperativeScalarType::F32)
    };
    let sides = properties.iter().filter(square).filter(halves).map(|p| p.m_size as usize);
    let side = sides.filter(|side| [8, 16].contains(side)).max()?;
    Some(Cooperative { side, subgroup: [min as usize, max as usize] })
}

#[cfg(test)]
mod tests {
    use wgpu::CooperativeMatrixProperties as Properties;
    use wgpu::CooperativeScalarType::{F16, F32};

    use super::*;

    fn properties(sizes: [u32; 3], ab_type: wgpu::CooperativeScalarType) -> Properties {
        let [m_size, n_size, k_size] = sizes;
        Properties { m_size, n_size, k_size, ab_type, cr_type: F32, saturating_accumulation: false }
    }

    #[test]
    fn the_largest_square_of_halves_is_chosen() {
        let [eight, sixteen] = [8, 16].map(|side| properties([side; 3], F16));
        let sums_in_f16 = Properties { cr_type: F16, ..sixteen };
        let flat = properties([8, 16, 16], F16);
        let chosen = |list: &[Properties], subgroup| choose(list, subgroup).map(|chosen| chosen.side);
        assert_eq!(chosen(&[eight, sixteen, properties([16; 3], F32)], [32, 32]), Some(16));
        assert_eq!(chosen(&[properties([8; 3], F32), eight, sums_in_f16, flat], [32, 64]), Some(8));
        assert_eq!(chosen(&[sums_in_f16, flat, properties([16; 3], F32)], [32, 32]), None);
        assert_eq!(chosen(&[], [32, 32]), None);
        for subgroup in [[8, 32], [64, 128], [4, 128], [0, 0]] {
            assert_eq!(chosen(&[sixteen], subgroup), None, "{subgroup:?}");
        }
    }
}
