// PyTorch on one thread, in a Python process that answers requests (`bench/pytorch_step.py`, which has the protocol).

import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Contestant } from "../contestant.ts";
import { ADAMW, LAYER_NORM_EPS } from "../gpt-problem.ts";

const SCRIPT = fileURLToPath(new URL("../pytorch_step.py", import.meta.url));

const encode = (array: Float32Array | Int32Array): string =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");

function decode(text: string): Float32Array {
  const bytes = Uint8Array.from(Buffer.from(text, "base64"));
  return new Float32Array(bytes.buffer);
}

/** The first Python that can import torch: the one on the path, else Debian's. */
function findPython(): string | undefined {
  return ["python3", "/usr/bin/python3"].find(
    (python) => spawnSync(python, ["-c", "import torch"]).status === 0,
  );
}

/** Lines of JSON to and from the process, one answer to each request. */
class Conversation {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #answers: AsyncIterator<string>;
  #complaint = "";
  #ids = 0;

  constructor(python: string) {
    this.#process = spawn(python, [SCRIPT]);
    this.#process.stderr.on("data", (text) => {
      this.#complaint += text;
    });
    this.#answers = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** The next line of the process; an object whose fields the script defines. */
  async listen<Answer>(): Promise<Answer> {
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`the PyTorch process ended: ${this.#complaint.trim().split("\n").at(-1)}`);
    return JSON.parse(value) as Answer;
  }

  ask<Answer>(op: string, id: number, fields: object = {}): Promise<Answer> {
    this.#process.stdin.write(`${JSON.stringify({ op, id, ...fields })}\n`);
    return this.listen();
  }

  /** Makes an object in the process and returns the question to put to it. */
  async make(kind: "product" | "training", fields: object) {
    const id = this.#ids++;
    await this.ask(kind, id, fields);
    return <Answer>(op: string, more?: object): Promise<Answer> => this.ask(op, id, more);
  }

  end(): void {
    this.#process.stdin.end();
  }
}

let python: Conversation | undefined;

export const pytorch: Contestant & { name: string; details: string } = {
  name: "PyTorch",
  details: "",
  largestProduct: 1024,

  async open() {
    const path = findPython();
    if (!path) return "no python3 here can import torch";
    python = new Conversation(path);
    const { version, blas } = await python.listen<{ version: string; blas: string }>();
    pytorch.details = `${version} with ${blas}, 1 thread`;
    if (blas === "reference BLAS") {
      // Ten times slower than any PyTorch people use, so it goes by another name and no claim rests on it.
      pytorch.name = "PyTorch (reference BLAS)";
      pytorch.details += "; Debian's libopenblas0-pthread makes it ten times faster";
    }
    return null;
  },

  async product(a, b, n) {
    const ask = await python!.make("product", { a: encode(a), b: encode(b), n });
    return {
      run: async (times) => (await ask<{ seconds: number }>("run", { times })).seconds,
      result: async () => decode((await ask<{ data: string }>("result")).data),
      dispose: () => void ask("dispose"),
    };
  },

  async training(config, weights, batch) {
    const ask = await python!.make("training", {
      config,
      layer_norm_eps: LAYER_NORM_EPS,
      adamw: ADAMW,
      weights: weights.map(({ name, shape, data }) => ({ name, shape, data: encode(data) })),
      inputs: encode(batch.inputs),
      targets: encode(batch.targets),
    });
    return {
      gradients: async () => {
        const answer = await ask<{ loss: number; gradients: Record<string, string> }>("gradients");
        const gradients = Object.entries(answer.gradients).map(
          ([name, text]) => [name, decode(text)] as const,
        );
        return { loss: answer.loss, gradients: new Map(gradients) };
      },
      step: () => ask<{ loss: number; seconds: number }>("step"),
      dispose: () => void ask("dispose"),
    };
  },

  close: () => python?.end(),
};
