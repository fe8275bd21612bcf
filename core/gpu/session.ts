/**
 * @file Session: an instance of gpu.js in one mode, with its kernels and the arrays on the device, by number. gpu.js
 * answers at once in all modes but WebGPU, where it answers with promises. The methods return what gpu.js returns: the
 * caller of a WebGPU session awaits it, and all other sessions are a `SyncSession`.
 */

import {
  type DeviceArray,
  flatten,
  type GpuInstance,
  type GpuJs,
  type HostArray,
  type Kernel,
  type KernelResult,
  type MaybePromise,
  type Nested,
  then,
} from "./gpu-js.ts";
import {
  type ArgumentsOf,
  argumentTypes,
  helpersOf,
  type KernelName,
  kernelSources,
  productArguments,
} from "./kernels.ts";
import { type Limits, limitsOf } from "./limits.ts";
import type { Plan } from "./plan.ts";
import {
  type Adapter,
  type GpuMode,
  SessionError,
  type Statistics,
  type SyncSession,
} from "./sync-session.ts";

/** Opens a session of a mode in which gpu.js answers at once: any but WebGPU. */
export function openSyncSession(library: GpuJs, mode: Exclude<GpuMode, "webgpu">): SyncSession {
  const session = new Session(library, mode);
  checkStart(session.start() as number);
  return session as SyncSession;
}

/** Opens a WebGPU session. Needs `navigator.gpu`, which in Node dawn.node.ts provides. */
export async function openWebGpuSession(library: GpuJs): Promise<Session> {
  const session = new Session(library, "webgpu");
  checkStart(await session.start());
  return session;
}

/** Checks the first product, 2 · 3. */
function checkStart(product: number): void {
  if (product !== 6) throw new SessionError("failed", `the adapter computes 2 x 3 = ${product}`);
}

/** After an upload longer than this, gpu.js's staging buffer of that size is freed. */
const LARGE = 2 ** 20;

/** gpu.js's name for the type of a resident array in each mode. */
const arrayTypes: Record<GpuMode, string> = {
  webgpu: "WebGPUBuffer",
  webgl2: "ArrayTexture(1)",
  headlessgl: "ArrayTexture(1)",
  webasm: "Input",
  cpu: "Input",
};

/** One instance of gpu.js, from its opening until `close` or the loss of its device. */
export class Session {
  readonly #mode: GpuMode;
  readonly #library: GpuJs;
  readonly #gpu: GpuInstance;
  readonly #kernels = new Map<KernelName, Kernel>();
  readonly #arrays = new Map<number, DeviceArray | HostArray>();
  /** The number given last. */
  #numbers = 0;
  #counts = { uploads: 0, products: 0, downloads: 0 };
  /** In WebGPU mode, once there is one. */
  #device: GPUDevice | null = null;
  /** Why the WebGPU device is lost, once it is. */
  #lost: string | null = null;

  /** Call `start` next. @throws SessionError when gpu.js does not have the mode here */
  constructor(library: GpuJs, mode: GpuMode) {
    this.#library = library;
    this.#mode = mode;
    try {
      this.#gpu = new library.GPU({ mode });
    } catch (error) {
      throw new SessionError("absent", (error as Error).message);
    }
  }

  /** Computes a first product, 2 · 3, which compiles the kernels and shows whether an adapter answers. Returns it. */
  start(): MaybePromise<number> {
    const zeros = Object.fromEntries(productArguments.product.map((name) => [name, 0]));
    const product: Plan = {
      kernel: "product",
      output: [1, 1, 1],
      arguments: { ...(zeros as ArgumentsOf<"product">), middle: 1, inner: 1 },
    };
    return then(this.upload(Float32Array.of(2)), (a) =>
      then(this.upload(Float32Array.of(3)), (b) => {
        this.#watchDevice();
        return then(this.matmul(product, a, b), (y) =>
          then(this.download(y), (values) => {
            for (const array of [a, b, y]) this.free(array);
            this.#counts = { uploads: 0, products: 0, downloads: 0 };
            if (!(this.#kernel("product").kernel instanceof this.#gpu.Kernel)) {
              throw new SessionError("failed", `gpu.js fell back from ${this.#mode} to its cpu mode`);
            }
            return values[0];
          }),
        );
      }),
    );
  }

  /** What computes: the name of the GPU, or of gpu.js's mode without one. */
  get adapter(): Adapter {
    if (this.#mode === "cpu") return { name: "gpu.js, JavaScript loops", software: true };
    if (this.#mode === "webasm") return { name: "gpu.js, WebAssembly", software: true };
    const { context } = this.#kernel("product");
    if (this.#mode !== "webgpu") {
      const gl = context as WebGLRenderingContext;
      const names = gl.getExtension("WEBGL_debug_renderer_info");
      return named(String(gl.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : gl.RENDERER)), false);
    }
    const { info } = (context as { adapter: GPUAdapter }).adapter;
    const name = [info.vendor, info.architecture, info.description].filter(Boolean).join(" ");
    return named(name || "unnamed adapter", info.isFallbackAdapter);
  }

  /** The largest products that the session can address. */
  get limits(): Limits {
    return limitsOf(this.#mode, this.#device?.limits);
  }

  /** How many uploads, products and downloads there have been, and how many arrays there are now. */
  statistics(): Statistics {
    return { ...this.#counts, arrays: this.#arrays.size };
  }

  /** Copies `data` to the device and returns the number of the array there. */
  upload(data: Float32Array): MaybePromise<number> {
    this.#counts.uploads++;
    if (arrayTypes[this.#mode] === "Input")
      return this.#keep(this.#library.input(data.slice(), [data.length]));
    // WebGPU takes one axis of any length. In GL a kernel takes textures of one rank only, which is that of products.
    const output = this.#mode === "webgpu" ? [data.length] : [data.length, 1, 1];
    return this.#watched(() => {
      const copied = this.#run("copy", output, [this.#library.input(data, [data.length])]);
      return then(copied, (array) => {
        if (this.#mode === "webgpu" && data.length > LARGE) this.#discard("copy");
        return this.#keep(array as DeviceArray);
      });
    });
  }

  /** Multiplies the arrays number `a` and `b`, and returns the number of the result, which stays on the device. */
  matmul(plan: Plan, a: number, b: number): MaybePromise<number> {
    this.#counts.products++;
    const given: Readonly<Record<string, number>> = plan.arguments;
    const scalars = productArguments[plan.kernel].map((name) => given[name]);
    return this.#watched(() => {
      const values = [this.#array(a), this.#array(b), ...scalars];
      return then(this.#run(plan.kernel, [...plan.output], values), (result) => {
        if (arrayTypes[this.#mode] !== "Input") return this.#keep(result as DeviceArray);
        const flat = flatten(result as Nested);
        return this.#keep(this.#library.input(flat, [flat.length]));
      });
    });
  }

  /** Downloads an array. */
  download(array: number): MaybePromise<Float32Array> {
    this.#counts.downloads++;
    const source = this.#array(array);
    if ("value" in source) return source.value;
    return this.#watched(() => then(source.toArray(), flatten));
  }

  /** Frees an array. The memory of a kernel's latest result is freed by its next call, since gpu.js keeps it. */
  free(array: number): void {
    const freed = this.#arrays.get(array);
    this.#arrays.delete(array);
    if (freed && "delete" in freed) freed.delete();
  }

  /** Frees all arrays and kernels. */
  close(): void {
    for (const array of [...this.#arrays.keys()]) this.free(array);
    for (const name of [...this.#kernels.keys()]) this.#discard(name);
  }

  #array(array: number): DeviceArray | HostArray {
    const found = this.#arrays.get(array);
    if (!found) throw new SessionError("failed", `array ${array} is not on the device`);
    return found;
  }

  #keep(array: DeviceArray | HostArray): number {
    this.#arrays.set(++this.#numbers, array);
    return this.#numbers;
  }

  #run(name: KernelName, output: number[], values: unknown[]): MaybePromise<KernelResult> {
    const kernel = this.#kernel(name);
    kernel.setOutput(output);
    return kernel(...values);
  }

  /**
   * The kernel of that name, compiled when it is first needed. It serves all shapes: sizes and strides are arguments.
   */
  #kernel(name: KernelName): Kernel {
    let kernel = this.#kernels.get(name);
    if (!kernel) {
      kernel = this.#gpu.createKernel(kernelSources[name], {
        argumentTypes: argumentTypes(name, arrayTypes[this.#mode]),
        functions: helpersOf[name],
        precision: "single",
        tactic: "precision",
        pipeline: true, // results stay on the device
        immutable: true, // each result is an array of its own
        dynamicOutput: true,
        dynamicArguments: true,
        loopMaxIterations: 2 ** 31 - 1, // gpu.js silently ends loops here
      });
      this.#kernels.set(name, kernel);
    }
    return kernel;
  }

  /** Frees a kernel with its buffers. It is compiled anew when it is needed. */
  #discard(name: KernelName): void {
    this.#kernels.get(name)?.destroy();
    this.#kernels.delete(name);
  }

  /** From now on the errors and the loss of the WebGPU device are noticed. */
  #watchDevice(): void {
    if (this.#mode !== "webgpu") return;
    const { device } = this.#kernel("copy").context as { device: GPUDevice };
    this.#device = device;
    device.lost.then((info) => {
      this.#lost = `the device was lost: ${info.message || info.reason}`;
    });
  }

  /** Runs `work`, and throws the errors that the device reports elsewhere or later. */
  #watched<T>(work: () => MaybePromise<T>): MaybePromise<T> {
    if (this.#device) return this.#watchedWebGpu(this.#device, work);
    const result = work();
    if (this.#mode === "webgl2" || this.#mode === "headlessgl") this.#checkGl();
    return result;
  }

  #checkGl(): void {
    const gl = this.#kernel("copy").context as WebGLRenderingContext;
    if (gl.isContextLost()) throw new SessionError("lost", "the WebGL context was lost");
    const error = gl.getError();
    if (error === gl.OUT_OF_MEMORY) throw new SessionError("memory", "out of device memory");
    if (error !== gl.NO_ERROR) throw new SessionError("failed", `WebGL error 0x${error.toString(16)}`);
  }

  async #watchedWebGpu<T>(device: GPUDevice, work: () => MaybePromise<T>): Promise<T> {
    for (const filter of errorFilters) device.pushErrorScope(filter);
    let result: T | undefined;
    let thrown: Error | null = null;
    try {
      result = await work();
    } catch (error) {
      thrown = error as Error;
    }
    const pending = errorFilters.map(() => device.popErrorScope().catch(() => null));
    const [memory, internal, validation] = (await Promise.all(pending)).reverse();
    if (thrown) await new Promise((resolve) => setTimeout(resolve)); // a loss may be the cause, and be reported later
    if (this.#lost) throw new SessionError("lost", this.#lost);
    const message = memory?.message ?? internal?.message ?? validation?.message ?? thrown?.message;
    if (message === undefined) return result as T;
    // gpu.js keeps buffers between calls, which may be invalid after an error.
    for (const name of [...this.#kernels.keys()]) this.#discard(name);
    if (typeof result === "number") this.free(result);
    throw new SessionError(
      memory ? "memory" : "failed",
      memory ? `out of device memory (${message})` : message,
    );
  }
}

const errorFilters = ["out-of-memory", "internal", "validation"] as const;

const named = (name: string, fallback: boolean): Adapter => ({
  name,
  software: fallback || /swiftshader|llvmpipe|lavapipe|softpipe|software|basic render/i.test(name),
});
