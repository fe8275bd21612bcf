/**
 * @file Models and adapters on the Hugging Face Hub: found in its cache on this machine, or downloaded into it.
 *
 *     resolve.ts      from a name to a folder, without a network: what `--base ORG/NAME` does
 *     snapshot.ts     a download, from the listing to the links
 *     place.ts        where the cache is, and its layout
 *     connection.ts   requests: token, endpoint, time limits, messages
 *     listing.ts      what a model holds; choose.ts: what of it is needed
 *     blob.ts         one file: resumed, checked; content.ts: its hash; link.ts: its place in a snapshot
 *     copy.ts         a snapshot in a plain folder
 */

export { copyFiles } from "./copy.ts";
export { type Environment, isRepo } from "./place.ts";
export { type ResolveOptions, resolveFolder } from "./resolve.ts";
export { type DownloadOptions, downloadSnapshot, type Snapshot, type SnapshotFile } from "./snapshot.ts";
