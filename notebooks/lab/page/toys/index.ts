/** @file The pictures to turn by hand. Each is a component that takes the library's lines: `<RankDial sources={…} />`. */
export { DoraRow } from "./dora-row.tsx";
export { RateLandscape } from "./landscape.tsx";
export { TripletLives } from "./lives.tsx";
export { MemoryLedger } from "./memory-ledger.tsx";
export { QuantizeBlock } from "./quantize-block.tsx";
export { RankDial } from "./rank-dial.tsx";
