//! A device of RADV that is not there: it compiles, and runs nothing. Vulkan's own interface, because wgpu wants timeline
//! semaphores, which such a device does not have. The only `unsafe` of this crate.

use std::error::Error;
use std::ffi::{CStr, CString};

use ash::{ext, khr, vk};
use genre_recognizer::ops::kernel::Cooperative;

use crate::Outcome;

/// What the driver says about one compiled kernel.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// Threads of a subgroup.
    pub subgroup: u32,
    /// Statistics by the driver's names.
    pub statistics: Vec<(String, f64)>,
    /// The compiler's representations by their names; the machine code is among them.
    pub texts: Vec<(String, String)>,
}

impl Compiled {
    /// The statistic of this name; 0 where the driver has none.
    pub fn statistic(&self, name: &str) -> f64 {
        self.statistics.iter().find(|(own, _)| own == name).map_or(0.0, |&(_, value)| value)
    }
}

/// An open device.
pub struct Driver {
    /// The adapter's name, such as `Null hardware (RADV NAVI31)`.
    pub name: String,
    /// The driver's name and version.
    pub version: String,
    /// Its matrix units for f16 summed in f32, where it has any.
    pub cooperative: Option<Cooperative>,
    /// Major and minor version of SPIR-V, as wgpu chooses it.
    pub spir_v: (u8, u8),
    device: ash::Device,
    executables: khr::pipeline_executable_properties::Device,
    instance: ash::Instance,
    // The library stays loaded for as long as it is used.
    _entry: ash::Entry,
}

fn fixed(bytes: &[std::ffi::c_char]) -> String {
    let bytes: Vec<u8> = bytes.iter().map(|&byte| byte as u8).take_while(|&byte| byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Driver {
    /// Opens the first adapter of the first driver that the loader finds; None where there is none, or where it is not a
    /// device of RADV that is not there.
    pub fn open() -> Outcome<Option<Self>> {
        // SAFETY: the loader is the system's; what follows from it is dropped before it.
        let Ok(entry) = (unsafe { ash::Entry::load() }) else { return Ok(None) };
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let descriptor = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: what the descriptor borrows outlives the call, here and below.
        let Ok(instance) = (unsafe { entry.create_instance(&descriptor, None) }) else { return Ok(None) };
        // SAFETY: the instance is alive.
        let adapters = unsafe { instance.enumerate_physical_devices() }.unwrap_or_default();
        for adapter in adapters {
            // SAFETY: the adapter is the instance's.
            let properties = unsafe { instance.get_physical_device_properties(adapter) };
            let name = properties.device_name_as_c_str().unwrap_or_default().to_string_lossy().into_owned();
            if name.contains("RADV") && name.contains("Null") {
                return Self::of(entry, instance, adapter, name, properties.api_version).map(Some);
            }
        }
        // SAFETY: nothing that was made of the instance is left.
        unsafe { instance.destroy_instance(None) };
        Ok(None)
    }

    fn of(
        entry: ash::Entry,
        instance: ash::Instance,
        adapter: vk::PhysicalDevice,
        name: String,
        api: u32,
    ) -> Outcome<Self> {
        let (mut about, mut sizes) = (
            vk::PhysicalDeviceDriverProperties::default(),
            vk::PhysicalDeviceSubgroupSizeControlProperties::default(),
        );
        let mut properties =
            vk::PhysicalDeviceProperties2::default().push_next(&mut about).push_next(&mut sizes);
        // SAFETY: the adapter is the instance's, the structures are Vulkan 1.3's.
        unsafe { instance.get_physical_device_properties2(adapter, &mut properties) };
        let version = format!("{} {}", fixed(&about.driver_name), fixed(&about.driver_info));
        let subgroup = [sizes.min_subgroup_size as usize, sizes.max_subgroup_size as usize];
        // SAFETY: as above.
        let extensions = unsafe { instance.enumerate_device_extension_properties(adapter) }?;
        let has = |name: &CStr| extensions.iter().any(|own| own.extension_name_as_c_str() == Ok(name));
        let cooperative = if has(khr::cooperative_matrix::NAME) {
            let matrices = khr::cooperative_matrix::Instance::new(&entry, &instance);
            // SAFETY: the adapter has the extension.
            choose(&unsafe { matrices.get_physical_device_cooperative_matrix_properties(adapter) }?, subgroup)
        } else {
            None
        };

        // What wgpu enables of what changes the code: robust access to buffers; for mixed precision f16 and matrices.
        let mut wanted = vec![khr::pipeline_executable_properties::NAME];
        let mut executables = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default()
            .pipeline_executable_info(true);
        let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default().robust_buffer_access2(true);
        let mut matrices = vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default().cooperative_matrix(true);
        let mut twelve = vk::PhysicalDeviceVulkan12Features::default();
        let mut thirteen = vk::PhysicalDeviceVulkan13Features::default();
        let mut offered = vk::PhysicalDeviceFeatures2::default().push_next(&mut twelve);
        // SAFETY: the structure is Vulkan 1.2's.
        unsafe { instance.get_physical_device_features2(adapter, &mut offered) };
        let f16 = twelve.shader_float16;
        let mut twelve = vk::PhysicalDeviceVulkan12Features::default()
            .shader_float16(f16 == vk::TRUE)
            .vulkan_memory_model(true)
            .vulkan_memory_model_device_scope(true);
        thirteen.subgroup_size_control = vk::TRUE;
        thirteen.maintenance4 = vk::TRUE;
        let mut features = vk::PhysicalDeviceFeatures2::default()
            .features(vk::PhysicalDeviceFeatures::default().robust_buffer_access(true))
            .push_next(&mut executables)
            .push_next(&mut twelve)
            .push_next(&mut thirteen);
        if has(ext::robustness2::NAME) {
            wanted.push(ext::robustness2::NAME);
            features = features.push_next(&mut robust);
        }
        if cooperative.is_some() {
            wanted.push(khr::cooperative_matrix::NAME);
            features = features.push_next(&mut matrices);
        }
        let names: Vec<_> = wanted.iter().map(|name| name.as_ptr()).collect();
        let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
        let descriptor = vk::DeviceCreateInfo::default()
            .queue_create_infos(&queues)
            .enabled_extension_names(&names)
            .push_next(&mut features);
        // SAFETY: the adapter is the instance's and has what is asked of it, or says so.
        let device = unsafe { instance.create_device(adapter, &descriptor, None) }?;
        let executables = khr::pipeline_executable_properties::Device::new(&instance, &device);
        let spir_v = match api {
            ..vk::API_VERSION_1_1 => (1, 0),
            ..vk::API_VERSION_1_2 => (1, 3),
            ..vk::API_VERSION_1_3 => (1, 5),
            _ => (1, 6),
        };
        Ok(Self { name, version, cooperative, spir_v, device, executables, instance, _entry: entry })
    }

    /// Compiles a module's entry point with as many storage buffers as it has bindings. `varying`: whether the subgroup's
    /// size is the driver's to choose, which wgpu allows where subgroups are a feature in use.
    pub fn compile(&self, spir_v: &[u32], entry: &str, bindings: usize, varying: bool) -> Outcome<Compiled> {
        let entry = CString::new(entry)?;
        let bindings: Vec<_> = (0..bindings as u32)
            .map(|binding| {
                vk::DescriptorSetLayoutBinding::default()
                    .binding(binding)
                    .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
                    .descriptor_count(1)
                    .stage_flags(vk::ShaderStageFlags::COMPUTE)
            })
            .collect();
        let device = &self.device;
        // SAFETY: every object is made of this device, used here alone and destroyed here; descriptors outlive their calls.
        // The module is naga's, validated.
        unsafe {
            let set = device.create_descriptor_set_layout(
                &vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings),
                None,
            )?;
            let sets = [set];
            let layout = device
                .create_pipeline_layout(&vk::PipelineLayoutCreateInfo::default().set_layouts(&sets), None)?;
            let module =
                device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(spir_v), None)?;
            let flags = if varying {
                vk::PipelineShaderStageCreateFlags::ALLOW_VARYING_SUBGROUP_SIZE
            } else {
                vk::PipelineShaderStageCreateFlags::empty()
            };
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .flags(flags)
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(&entry);
            let capture = vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR;
            let descriptor =
                vk::ComputePipelineCreateInfo::default().flags(capture).stage(stage).layout(layout);
            let pipeline = device.create_compute_pipelines(vk::PipelineCache::null(), &[descriptor], None);
            let compiled = match pipeline {
                Ok(pipelines) => {
                    let compiled = self.inspect(pipelines[0]);
                    device.destroy_pipeline(pipelines[0], None);
                    compiled
                }
                Err((_, error)) => Err(Box::<dyn Error>::from(error)),
            };
            device.destroy_shader_module(module, None);
            device.destroy_pipeline_layout(layout, None);
            device.destroy_descriptor_set_layout(set, None);
            compiled
        }
    }

    /// # Safety
    /// The pipeline is of this device, compiled with both flags of capture.
    unsafe fn inspect(&self, pipeline: vk::Pipeline) -> Outcome<Compiled> {
        let info = vk::PipelineInfoKHR::default().pipeline(pipeline);
        let executable = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline).executable_index(0);
        // SAFETY: the caller's; `format` says which part of the union is valid.
        unsafe {
            let about = self.executables.get_pipeline_executable_properties(&info)?;
            let subgroup = about.first().ok_or("a pipeline without executables")?.subgroup_size;
            let statistics = self.executables.get_pipeline_executable_statistics(&executable)?;
            let statistics = statistics
                .iter()
                .map(|statistic| {
                    let value = match statistic.format {
                        vk::PipelineExecutableStatisticFormatKHR::UINT64 => statistic.value.u64 as f64,
                        vk::PipelineExecutableStatisticFormatKHR::INT64 => statistic.value.i64 as f64,
                        vk::PipelineExecutableStatisticFormatKHR::FLOAT64 => statistic.value.f64,
                        _ => f64::from(statistic.value.b32),
                    };
                    (fixed(&statistic.name), value)
                })
                .collect();
            let mut texts = self.executables.get_pipeline_executable_internal_representations(&executable)?;
            let mut memory: Vec<Vec<u8>> = texts.iter().map(|text| vec![0; text.data_size]).collect();
            for (text, memory) in texts.iter_mut().zip(&mut memory) {
                text.p_data = memory.as_mut_ptr().cast();
            }
            let mut count = texts.len() as u32;
            let fill = self.executables.fp().get_pipeline_executable_internal_representations_khr;
            fill(self.device.handle(), &executable, &mut count, texts.as_mut_ptr()).result()?;
            let texts = texts
                .iter()
                .zip(&memory)
                .map(|(text, memory)| {
                    let text_of =
                        CStr::from_bytes_until_nul(memory).map(|text| text.to_string_lossy().into_owned());
                    (fixed(&text.name), text_of.unwrap_or_default())
                })
                .collect();
            Ok(Compiled { subgroup, statistics, texts })
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // SAFETY: everything that was made of them is gone; the device goes before its instance.
        unsafe {
            self.device.destroy_device(None);
            self.instance.destroy_instance(None);
        }
    }
}

/// The largest square matrices of f16 whose products are summed in f32, as `src/device/gpu/mixed.rs` chooses.
fn choose(offered: &[vk::CooperativeMatrixPropertiesKHR<'_>], subgroup: [usize; 2]) -> Option<Cooperative> {
    let [min, max] = subgroup;
    if !min.is_power_of_two() || !max.is_power_of_two() || max > 64 || max > 2 * min {
        return None;
    }
    let (half, single) = (vk::ComponentTypeKHR::FLOAT16, vk::ComponentTypeKHR::FLOAT32);
    let fits = |p: &&vk::CooperativeMatrixPropertiesKHR<'_>| {
        p.m_size == p.n_size
            && p.n_size == p.k_size
            && p.scope == vk::ScopeKHR::SUBGROUP
            && [p.a_type, p.b_type, p.c_type, p.result_type] == [half, half, single, single]
            && p.saturating_accumulation == vk::FALSE
    };
    let side =
        offered.iter().filter(fits).map(|p| p.m_size as usize).filter(|side| [8, 16].contains(side)).max()?;
    Some(Cooperative { side, subgroup })
}
