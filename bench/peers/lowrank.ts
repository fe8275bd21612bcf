// lowrank itself, a contestant per device that works here. The engine is synchronous: a step is timed as it runs.

import { crossEntropy } from "lowrank/autograd";
import { array, type DeviceName, listDevices, matmul, openDevice, scope, withDevice } from "lowrank/core";
import { AdamW, GPT2 } from "lowrank/nn";
import { type Contestant, clock } from "../contestant.ts";
import { ADAMW, type Batch, type GptConfig, LAYER_NORM_EPS, type Parameter } from "../gpt-problem.ts";

const PREFIX = "transformer.";

/** Devices worth a column, with the largest product each does in reasonable time. */
const LARGEST: Partial<Record<DeviceName, number>> = {
  reference: 256,
  cpu: 1024,
  "gpu:webgpu": 1024,
  "gpu:headlessgl": 1024,
  "gpu:webasm": 512,
  "gpu:cpu": 128,
};

const TRAINS: readonly DeviceName[] = ["cpu", "gpu:webgpu"];

/** Every device of the table that works here; a software adapter of a GPU multiplies only small matrices. */
export function lowrankDevices(): Contestant[] {
  return listDevices()
    .filter(({ name, works }) => works && LARGEST[name] !== undefined)
    .map(({ name, software, detail }) => contestant(name, detail, software));
}

function contestant(device: DeviceName, details: string, software: boolean): Contestant {
  const isSlow = software && device === "gpu:webgpu";
  return {
    name: `lowrank ${device}`,
    details,
    largestProduct: isSlow ? 256 : (LARGEST[device] as number),
    open: async () => {
      openDevice(device);
      return null;
    },

    product: async (a, b, n) => {
      const [A, B] = [array(a, [n, n], "weights"), array(b, [n, n], "weights")];
      let c = new Float32Array(0);
      return {
        // As in training: operands stay where they are, the product of each turn is released.
        run: async (times) =>
          withDevice(device, () =>
            scope(() => {
              const seconds = clock(times - 1, () => scope(() => void matmul(A, B)));
              return (
                seconds +
                clock(1, () => {
                  c = Float32Array.from(matmul(A, B).data); // what was queued on a device is finished when this is here
                })
              );
            }),
          ),
        result: async () => c,
        dispose: () => {},
      };
    },

    training:
      TRAINS.includes(device) && !isSlow
        ? async (config, weights, batch) => training(device, config, weights, batch)
        : undefined,
    close: () => {},
  };
}

function training(device: DeviceName, config: GptConfig, weights: readonly Parameter[], batch: Batch) {
  const model = new GPT2({
    model_type: "gpt2",
    vocab_size: config.vocabulary,
    n_positions: config.context,
    n_embd: config.width,
    n_layer: config.layers,
    n_head: config.heads,
    layer_norm_epsilon: LAYER_NORM_EPS,
    embd_pdrop: 0,
    attn_pdrop: 0,
    resid_pdrop: 0,
  });
  model.loadStateDict(new Map(weights.map(({ name, shape, data }) => [PREFIX + name, array(data, shape)])));
  const { beta1, beta2, ...rest } = ADAMW;
  const optimizer = new AdamW(model.parameters(), { ...rest, betas: [beta1, beta2] });
  const shape = [config.batch, config.context];
  const [inputs, targets] = [batch.inputs, batch.targets].map((data) => ({ data, shape }));

  const backward = (): number => {
    const loss = crossEntropy(model.forward(inputs), targets);
    loss.backward();
    return loss.item();
  };
  return {
    gradients: async () => {
      const loss = withDevice(device, () => scope(backward));
      const gradients = new Map(
        Array.from(model.namedParameters(), ([name, { grad }]) => [
          name.slice(PREFIX.length),
          grad?.toArray() ?? new Float32Array(0),
        ]),
      );
      optimizer.zeroGrad();
      return { loss, gradients };
    },
    step: async () => {
      const start = performance.now();
      const loss = withDevice(device, () =>
        scope(() => {
          const value = backward();
          optimizer.step();
          optimizer.zeroGrad();
          return value;
        }),
      );
      return { loss, seconds: (performance.now() - start) / 1000 };
    },
    dispose: () => {},
  };
}
