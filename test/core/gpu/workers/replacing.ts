/** @file For workers that misbehave: sessions with other methods, and the device that gpu.js asks for. */

import type { Served } from "../../../../core/gpu/webgpu/serve.ts";

/** `session` with some of its methods replaced. */
export function replacing(session: Served, methods: Partial<Served>): Served {
  return new Proxy(session, {
    get: (target, key: keyof Served) => {
      const value = methods[key] ?? target[key];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** The device that the next adapter gives, once it has; with the default limits. */
export function keepDevice(): () => GPUDevice {
  let device: GPUDevice | null = null;
  const { gpu } = navigator;
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  gpu.requestAdapter = async (options) => {
    const adapter = await requestAdapter(options);
    if (!adapter) return null;
    return {
      info: adapter.info,
      limits: {},
      requestDevice: async () => {
        device = await adapter.requestDevice();
        return device;
      },
    } as unknown as GPUAdapter;
  };
  return () => device!;
}
