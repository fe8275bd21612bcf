/** @file For error messages: what a file is that was taken for another, by how it begins. */

/** Files that are often found in the place of others, by their first bytes. */
const kinds: readonly (readonly [string, string])[] = [
  ["PK\x03\x04", "a zip archive, as torch.save writes; convert it with safetensors.torch.save_file"],
  ["\x80\x02", "a Python pickle, as torch.save writes; convert it with safetensors.torch.save_file"],
  ["\x80\x03", "a Python pickle; convert it with safetensors.torch.save_file"],
  ["\x80\x04", "a Python pickle; convert it with safetensors.torch.save_file"],
  ["\x80\x05", "a Python pickle; convert it with safetensors.torch.save_file"],
  ["version https://git-lfs", "a Git LFS pointer; fetch the file itself with git lfs pull"],
  ["GGUF", "a GGUF file"],
  ["\x89HDF", "an HDF5 file"],
  ["<", "a web page; the download went wrong"],
];

/** How many bytes of a file's beginning `otherKind` looks at. */
export const beginning = 64;

/**
 * The end of an error message about a file: what it is instead, when its first bytes tell, or the text with which it begins.
 * Empty for other files.
 * @param file the file or its beginning
 */
export function otherKind(file: Uint8Array): string {
  if (file.length === 0) return "; it is empty";
  const start = String.fromCharCode(...file.subarray(0, beginning));
  const text = start.replace(/^(\xef\xbb\xbf)?\s+|^\xef\xbb\xbf/, "");
  const found = kinds.find(([magic]) => text.startsWith(magic) || start.startsWith(magic));
  if (found) return `; this looks like ${found[1]}`;
  const isText = /^[\t\n\r\x20-\x7e]+$/.test(start);
  if (!isText) return "";
  if (text.startsWith("{")) return `; this looks like JSON: ${JSON.stringify(text)}`;
  return `; it begins with the text ${JSON.stringify(text)}`;
}
