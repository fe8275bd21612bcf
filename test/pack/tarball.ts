/** @file What is in the package's archive, and what must not be. */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect } from "./checks.ts";

/** Bytes of the archive, and of what it unpacks to, that nothing should make it exceed. */
const MOST_PACKED = 2e6;
const MOST_UNPACKED = 6e6;

/** Checks the unpacked package. */
export function checkContents(archive: string, folder: string): string {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(join(folder, name)).isFile())
    .map((name) => name.replaceAll("\\", "/"));
  const text = (name: string): string => readFileSync(join(folder, name), "utf8");
  for (const name of ["LICENSE", "README.md", "CHANGELOG.md", "package.json"])
    expect(files.includes(name), `${name} is not in the package`);
  const outside = files.filter((name) => !name.startsWith("dist/") && name.includes("/"));
  expect(outside.length === 0, `outside of dist: ${outside}`);
  const strange = files.filter((name) => /\.test\.|(^|\/)(test|notebooks|bench|assembly)\//.test(name));
  expect(strange.length === 0, `tests or sources in the package: ${strange}`);
  const kinds = files.filter((name) => name.startsWith("dist/") && !/\.(js|d\.ts|js\.map)$/.test(name));
  expect(kinds.length === 0, `neither JavaScript nor declarations: ${kinds}`);

  const absolute = files.filter((name) => text(name).includes(resolve(".")));
  expect(absolute.length === 0, `paths of this machine: ${absolute}`);
  const encoded = files.filter((name) => name.endsWith(".d.ts") && /[A-Za-z0-9+/]{500}/.test(text(name)));
  expect(encoded.length === 0, `base64 in declarations: ${encoded}`);
  for (const name of files.filter((file) => file.endsWith(".map"))) {
    const { sources, sourcesContent } = JSON.parse(text(name));
    expect(sourcesContent?.length === sources.length, `${name} does not carry its sources`);
  }
  const maps = files.filter((name) => /^\/\/# sourceMappingURL=(?!data:)(.*)/m.test(text(name)));
  const lost = maps.filter((name) => !existsSync(join(folder, `${name}.map`)));
  expect(lost.length === 0, `maps that are not there: ${lost}`);

  const manifest = JSON.parse(text("package.json"));
  for (const field of ["repository", "homepage", "bugs"])
    expect(!(field in manifest), `${field}: there is no public address`);
  for (const name of Object.keys(manifest.peerDependencies))
    expect(manifest.peerDependenciesMeta[name]?.optional === true, `the peer ${name} is not optional`);
  const places = JSON.stringify([manifest.exports, manifest.imports, manifest.bin]).matchAll(
    /"(?:\.\/)?(dist\/[^"]+)"/g,
  );
  for (const [, path] of places)
    expect(files.includes(path), `package.json names ${path}, which is not there`);

  const packed = statSync(archive).size;
  const unpacked = files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  expect(packed <= MOST_PACKED && unpacked <= MOST_UNPACKED, `${packed} bytes packed, ${unpacked} unpacked`);
  return `${files.length} files, ${(packed / 1e6).toFixed(2)} MB packed, ${(unpacked / 1e6).toFixed(1)} MB unpacked`;
}
