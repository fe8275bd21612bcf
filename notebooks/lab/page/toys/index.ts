/** @file The pictures to turn by hand. Each is a component that takes the library's lines: `<RankDial sources={…} />`. */
export { RankDial } from "./rank-dial.tsx";
