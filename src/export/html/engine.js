// Runs programs on the browser's GPU: buffers, and dispatches of WGSL in order, as the exporter planned them.
'use strict';

/** The browser has no GPU for this page; the message says what to do. */
class NoGpu extends Error {}

/** The GPU went away: the driver was reset, or the browser took the device back. */
class GpuLost extends Error {}

/** Opens the GPU with the limits that every WebGPU device has. */
async function openGpu() {
  if (!('gpu' in navigator)) {
    throw new NoGpu(
      window.isSecureContext
        ? 'This browser has no WebGPU, which this page computes with. Chrome and Edge have it from version 113 on, ' +
          'Safari from 26, Firefox from 141 (on Windows) and 145 (on macOS).'
        : 'Browsers offer WebGPU only to pages that were opened from a file or come over https, and this one did not. ' +
          'Save it and open the file, or host it with https.',
    );
  }
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) {
    throw new NoGpu(
      'This browser has WebGPU, but offers no GPU to it. Turn on hardware acceleration in its settings, or update the ' +
      'graphics driver; Chrome on Linux may want chrome://flags/#enable-unsafe-webgpu.',
    );
  }
  return adapter.requestDevice();
}

/** Floats from Base64. */
function floats(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Float32Array(bytes.buffer);
}

/** A program in the GPU's memory. Ranges are [buffer, offset, length], in floats. */
class Program {
  /** Compiles `code` and writes its constant data. */
  static async load(device, model, code) {
    const program = new Program(device, code);
    const errors = ['out-of-memory', 'validation', 'internal'];
    for (const filter of errors) device.pushErrorScope(filter);
    let failed = null;
    try {
      program.allocate(model.data);
      await program.compile(model.modules);
    } catch (error) {
      failed = error;
    }
    for (const _ of errors) {
      const error = await device.popErrorScope().catch(() => null);
      failed ??= error;
    }
    if (failed) throw await program.told(failed);
    return program;
  }

  constructor(device, code) {
    this.device = device;
    this.code = code;
    /** Staging buffers that wait to be used again. */
    this.free = [];
  }

  allocate(data) {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    this.buffers = this.code.buffers.map((buffer) => {
      // A new buffer holds zeros.
      const made = this.device.createBuffer({ size: 4 * buffer.len, usage });
      for (const [offset, number] of buffer.data ?? []) {
        this.device.queue.writeBuffer(made, 4 * offset, floats(data[number]));
      }
      return made;
    });
  }

  async compile(modules) {
    const used = new Map();
    const module = (name) => {
      if (!used.has(name)) used.set(name, this.device.createShaderModule({ label: name, code: modules[name] }));
      return used.get(name);
    };
    const pipelines = await Promise.all(
      this.code.pipelines.map((pipeline) => {
        const layout = this.device.createBindGroupLayout({
          entries: [...pipeline.access].map((access, binding) => ({
            binding,
            visibility: GPUShaderStage.COMPUTE,
            buffer: { type: access === 'r' ? 'read-only-storage' : 'storage' },
          })),
        });
        return this.device
          .createComputePipelineAsync({
            label: `${pipeline.module}: ${pipeline.entry}`,
            layout: this.device.createPipelineLayout({ bindGroupLayouts: [layout] }),
            compute: { module: module(pipeline.module), entryPoint: pipeline.entry, constants: pipeline.constants },
          })
          .then((compute) => ({ compute, layout }));
      }),
    );
    this.steps = this.code.steps.map((step) => {
      if (step.from) return step;
      const { compute, layout } = pipelines[step.pipeline];
      const entries = step.bindings.map(([buffer, offset, length], binding) => ({
        binding,
        resource: { buffer: this.buffers[buffer], offset: 4 * offset, size: 4 * length },
      }));
      const bindings = this.device.createBindGroup({ label: step.name, layout, entries });
      return { compute, bindings, workgroups: step.workgroups };
    });
  }

  /** Writes an input. */
  write(name, values) {
    const [buffer, offset] = this.code.inputs[name];
    this.device.queue.writeBuffer(this.buffers[buffer], 4 * offset, values);
  }

  /**
   * Starts a run on what was written, and promises its outputs by name. Another run may be started before they are there.
   */
  async run() {
    const outputs = Object.entries(this.code.outputs);
    const size = 4 * outputs.reduce((sum, [, range]) => sum + range[2], 0);
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const staging = this.free.pop() ?? this.device.createBuffer({ size, usage });
    const encoder = this.device.createCommandEncoder();
    const copy = ([buffer, offset, length], to, at) =>
      encoder.copyBufferToBuffer(this.buffers[buffer], 4 * offset, to, 4 * at, 4 * length);
    let pass = null;
    for (const step of this.steps) {
      if (step.from) {
        pass?.end();
        pass = null;
        copy(step.from, this.buffers[step.to[0]], step.to[1]);
        continue;
      }
      pass ??= encoder.beginComputePass();
      pass.setPipeline(step.compute);
      pass.setBindGroup(0, step.bindings);
      pass.dispatchWorkgroups(...step.workgroups);
    }
    pass?.end();
    let at = 0;
    const places = outputs.map(([name, range]) => {
      copy(range, staging, at);
      at += range[2];
      return [name, at - range[2], at];
    });
    this.device.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(GPUMapMode.READ);
    } catch (error) {
      throw await this.told(error);
    }
    const all = new Float32Array(staging.getMappedRange().slice(0));
    staging.unmap();
    this.free.push(staging);
    return Object.fromEntries(places.map(([name, from, to]) => [name, all.subarray(from, to)]));
  }

  /** An error, or what is behind it: a GPU that is lost makes all sorts of errors. */
  async told(error) {
    const lost = await Promise.race([this.device.lost, new Promise((done) => setTimeout(done, 300, null))]);
    if (lost) return new GpuLost(lost.message || 'the browser does not say why');
    return error instanceof Error ? error : new Error(error.message);
  }

  /** Gives the memory back. */
  destroy() {
    for (const buffer of [...this.buffers, ...this.free]) buffer.destroy();
  }
}
