/** @file A worker whose gpu.js makes shaders that do not compile. */

import { openWebGpuSession } from "../../../../core/gpu/session.ts";
import { loadDawn, serveThread } from "../../../../core/gpu/webgpu/dawn.node.ts";

serveThread(async () => {
  const library = await loadDawn();
  const { gpu } = navigator;
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  gpu.requestAdapter = async (options) => {
    const adapter = (await requestAdapter(options))!;
    const requestDevice = adapter.requestDevice.bind(adapter);
    adapter.requestDevice = async (descriptor) => {
      const device = await requestDevice(descriptor);
      const createShaderModule = device.createShaderModule.bind(device);
      device.createShaderModule = ({ code }) => createShaderModule({ code: `${code}\n this is no WGSL` });
      return device;
    };
    return adapter;
  };
  return openWebGpuSession(library);
});
