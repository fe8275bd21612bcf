/**
 * @file Y = A B for float32 matrices with any strides. All strides here are in bytes.
 *
 * The columns of B are cut into strips of 16 (the last has 16, 8 or 4) and packed: a packed strip [k, width] is
 * contiguous and padded with zeros (pack.ts). A is read in place when its rows are contiguous, else from a copy whose
 * rows are. A tile of Y, 2×16 (4×8 or 8×4 on narrow strips), is summed in registers over some steps of k, and added
 * to Y (tiles.ts).
 *
 * Every element of Y is summed in the same order, in whichever tile, strip or thread it is computed.
 */

import { argument, chunks, pointer, share, start, thread } from "./board";
import { copyRows, packStrip } from "./pack";
import { multiplyStrip, widthAt } from "./tiles";

/** Scratch memory of the threads, 32 floats each, for tiles at the edge of Y or of a Y that is not row-major. */
const TILES: usize = 2048;

/**
 * Computes rows [from, to) and strips [fromStrip, toStrip) of Y, `steps` steps of k at a time; with `adds` the
 * product is added to Y. A B that is not packed has contiguous columns and is read in place: what the last strip
 * reads to the right of B reaches only lanes that are not stored.
 */
function multiply(
  a: usize, aRow: usize, aCol: usize, b: usize, bRow: usize, isPacked: bool, y: usize, yRow: usize, yCol: usize,
  k: i32, m: i32, steps: i32, adds: bool, from: i32, to: i32, fromStrip: i32, toStrip: i32,
): void {
  const own = TILES + (<usize>thread << 7);
  for (let l = 0; l < k; l += steps) {
    const kSteps = min(steps, k - l);
    const first = l == 0 && !adds;
    for (let strip = fromStrip; strip < toStrip; strip++) {
      const column = strip << 4;
      const width = widthAt(column, m);
      const columns = min(width, m - column);
      const step = isPacked ? <usize>width << 2 : bRow;
      const bTile = b + (<usize>column << 2) * (isPacked ? <usize>k : 1) + <usize>l * step;
      const aStrip = a + <usize>from * aRow + <usize>l * aCol;
      const yStrip = y + <usize>from * yRow + <usize>column * yCol;
      if (columns == width && yCol == 4) {
        multiplyStrip(to - from, width, aStrip, aRow, aCol, bTile, step, kSteps, yStrip, yRow, first);
        continue;
      }
      const tileRows = 32 / width;
      for (let i = 0; i < to - from; i += tileRows) {
        const rows = min(tileRows, to - from - i);
        multiplyStrip(rows, width, aStrip + <usize>i * aRow, aRow, aCol, bTile, step, kSteps, own, <usize>width << 2, true);
        for (let r = 0; r < rows; r++) {
          const source = own + ((<usize>(r * width)) << 2);
          const target = yStrip + <usize>(i + r) * yRow;
          for (let c = 0; c < columns; c++) {
            const at = target + <usize>c * yCol;
            const sum = load<f32>(source + (<usize>c << 2));
            store<f32>(at, first ? sum : load<f32>(at) + sum);
          }
        }
      }
    }
  }
}

/**
 * Packs B and copies A, before `multiplyTiles`. Arguments: 0 a, 1 aRow, 2 aCol, 3 b, 4 bRow, 5 bCol, 6 n, 7 k, 8 m,
 * 9 packed, 10 copy, 11 its row stride, 12 chunks that pack B; the other chunks copy A.
 */
export function packOperands(chunk: i32): void {
  const k = argument(7);
  const bChunks = argument(12);
  if (chunk < bChunks) {
    const m = argument(8);
    const strips = (m + 15) >> 4;
    const end = share(chunk + 1, bChunks, strips);
    for (let strip = share(chunk, bChunks, strips); strip < end; strip++) {
      const packed = pointer(9) + (<usize>strip * <usize>k << 6);
      packStrip(pointer(3), pointer(4), pointer(5), k, m, strip << 4, packed);
    }
  } else {
    const aChunks = chunks() - bChunks;
    const part = chunk - bChunks;
    const groups = (argument(6) + 3) >> 2;
    const from = share(part, aChunks, groups) << 2;
    const to = min(argument(6), share(part + 1, aChunks, groups) << 2);
    copyRows(pointer(0), pointer(1), pointer(2), k, from, to, pointer(10), pointer(11));
  }
}

/**
 * Y = A B, or with argument 13 Y + A B. Arguments: 0 a, 1 aRow, 2 aCol, 3 b, 4 bRow, 5 whether b is packed, 6 y, 7
 * yRow, 8 yCol, 9 n, 10 k, 11 m, 12 steps of k that are summed in registers, 13 whether to add to y, 14 blocks of
 * rows, 15 blocks of strips: a chunk is one block of rows in one block of strips.
 */
export function multiplyTiles(chunk: i32): void {
  const n = argument(9);
  const m = argument(11);
  const rowBlocks = argument(14);
  const stripBlocks = argument(15);
  const groups = (n + 7) >> 3;
  const strips = (m + 15) >> 4;
  const i = chunk / stripBlocks;
  const j = chunk % stripBlocks;
  multiply(
    pointer(0), pointer(1), pointer(2), pointer(3), pointer(4), argument(5) != 0, pointer(6), pointer(7), pointer(8),
    argument(10), m, argument(12), argument(13) != 0,
    share(i, rowBlocks, groups) << 3, min(n, share(i + 1, rowBlocks, groups) << 3),
    share(j, stripBlocks, strips), share(j + 1, stripBlocks, strips),
  );
}

/**
 * A batch of small products, of which a chunk has some. Arguments: 0 a, 1 aRow, 2 aCol, 3 b, 4 bRow, 5 bCol, 6 y, 7
 * yRow, 8 yCol, 9 n, 10 k, 11 m, 12 steps of k that are summed in registers, 13 number of products, 14 offsets of
 * their As in bytes, 15 of their Bs, 16 of their Ys, 17 workspace, 18 its bytes for each thread, 19 whether A is
 * copied, 20 the copy's row stride, 21 its bytes, 22 whether B is packed.
 */
export function multiplyBatch(chunk: i32): void {
  const aRow = pointer(1);
  const aCol = pointer(2);
  const bRow = pointer(4);
  const bCol = pointer(5);
  const n = argument(9);
  const k = argument(10);
  const m = argument(11);
  const products = argument(13);
  const copy = pointer(17) + <usize>thread * pointer(18);
  const copies = argument(19) != 0;
  const copyRow = pointer(20);
  const packed = copy + pointer(21);
  const packs = argument(22) != 0;
  const strips = (m + 15) >> 4;
  const begin = start(chunk, products);
  const end = start(chunk + 1, products);
  let aBefore: usize = 0;
  let bBefore: usize = 0;
  for (let p = begin; p < end; p++) {
    const a = pointer(0) + load<usize>(pointer(14) + (<usize>p << 2));
    const b = pointer(3) + load<usize>(pointer(15) + (<usize>p << 2));
    const y = pointer(6) + load<usize>(pointer(16) + (<usize>p << 2));
    // A matrix that is repeated along the batch is copied, or packed, once a chunk.
    if (copies && (p == begin || a != aBefore)) copyRows(a, aRow, aCol, k, 0, n, copy, copyRow);
    if (packs && (p == begin || b != bBefore)) {
      for (let s = 0; s < strips; s++) packStrip(b, bRow, bCol, k, m, s << 4, packed + (<usize>s * <usize>k << 6));
    }
    aBefore = a;
    bBefore = b;
    multiply(
      copies ? copy : a, copies ? copyRow : aRow, copies ? 4 : aCol, packs ? packed : b, bRow, packs,
      y, pointer(7), pointer(8), k, m, argument(12), false, 0, n, 0, strips,
    );
  }
}
