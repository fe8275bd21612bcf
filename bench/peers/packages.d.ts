// The part of the peers' types that the bench uses, so that the repository type-checks where they are not installed.

declare module "@jax-js/jax" {
  type Tree = Array | { [key: string]: Tree } | Tree[];

  interface Array {
    readonly ref: this;
    readonly shape: number[];
    add(other: Array | number): Array;
    sub(other: Array | number): Array;
    mul(other: Array | number): Array;
    div(other: Array | number): Array;
    sum(): Array;
    reshape(shape: number[]): Array;
    transpose(axes?: number[]): Array;
    item(): number;
    data(): Promise<Float32Array>;
    dispose(): void;
  }

  interface Compiled<Arguments extends unknown[], Result> {
    (...args: Arguments): Result;
    dispose(): void;
  }

  export function init(...devices: "wasm"[]): Promise<string[]>;
  export function defaultDevice(device: "wasm"): void;
  export function blockUntilReady(arrays: Tree): Promise<void>;
  export function jit<A extends unknown[], R>(f: (...args: A) => R): Compiled<A, R>;
  export function valueAndGrad<W, A extends unknown[]>(
    f: (weights: W, ...rest: A) => Array,
  ): (weights: W, ...rest: A) => [Array, W];

  export namespace numpy {
    export type { Array };

    function array(data: Float32Array | Int32Array | number, options?: { shape: number[] }): Array;
    function zeros(shape: number[]): Array;
    function matmul(a: Array, b: Array): Array;
    function split(a: Array, sections: number, axis: number): Array[];
    function sqrt(a: Array): Array;
    function square(a: Array): Array;
  }

  export namespace nn {
    function standardize(x: Array, axis: number, options: { epsilon: number }): Array;
    function gelu(x: Array, options: { approximate: boolean }): Array;
    function softmax(x: Array, axis: number): Array;
    function logSoftmax(x: Array, axis: number): Array;
    function oneHot(x: Array, classes: number): Array;
  }

  export namespace tree {
    function ref<T extends Tree>(tree: T): T;
    function dispose(tree: Tree): void;
  }
}

declare module "@tensorflow/tfjs" {
  interface Tensor {
    readonly shape: number[];
    add(other: Tensor | number): Tensor;
    sub(other: Tensor | number): Tensor;
    mul(other: Tensor | number): Tensor;
    rsqrt(): Tensor;
    tanh(): Tensor;
    softmax(): Tensor;
    logSoftmax(): Tensor;
    sum(): Tensor;
    toFloat(): Tensor;
    reshape(shape: number[]): Tensor;
    transpose(axes: number[]): Tensor;
    split(sections: number, axis: number): Tensor[];
    dataSync(): Float32Array;
    dispose(): void;
  }

  interface Variable extends Tensor {
    readonly name: string;
    assign(value: Tensor): void;
  }

  type NamedTensors = Record<string, Tensor>;

  interface Adam {
    applyGradients(gradients: NamedTensors): void;
    dispose(): void;
  }

  export const version_core: string;
  export const train: { adam(lr: number, beta1: number, beta2: number, epsilon: number): Adam };
  export function enableProdMode(): void;
  export function setBackend(name: string): Promise<boolean>;
  export function tensor(data: Float32Array, shape: number[]): Tensor;
  export function tensor1d(data: Int32Array, dtype: "int32"): Tensor;
  export function variable(initial: Tensor): Variable;
  export function oneHot(ids: Tensor, depth: number): Tensor;
  export function matMul(a: Tensor, b: Tensor): Tensor;
  export function moments(x: Tensor, axis: number, keepDims: boolean): { mean: Tensor; variance: Tensor };
  export function tidy<T>(work: () => T): T;
  export function dispose(tensors: Tensor[]): void;
  export function variableGrads(f: () => Tensor, of: Variable[]): { value: Tensor; grads: NamedTensors };
  export function customGrad(
    f: (
      a: Tensor,
      b: Tensor,
      save: (tensors: Tensor[]) => void,
    ) => { value: Tensor; gradFunc: (dy: Tensor, saved: Tensor[]) => Tensor[] },
  ): (a: Tensor, b: Tensor) => Tensor;
}

declare module "@tensorflow/tfjs-backend-wasm" {
  export function setWasmPaths(folder: string): void;
}
