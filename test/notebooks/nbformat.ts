/**
 * @file The rules of Jupyter's notebook format 4.5, as its JSON schema states them, for the parts that we write.
 * `violations` lists what is wrong; an empty list means a valid notebook.
 */

type Json = Record<string, unknown>;

export function violations(text: string): string[] {
  const found: string[] = [];
  const check = (ok: boolean, rule: string) => {
    if (!ok) found.push(rule);
  };
  const keys = (value: Json, where: string, required: string[], optional: string[] = []) => {
    for (const key of required) check(key in value, `${where}: ${key} is required`);
    for (const key of Object.keys(value))
      check([...required, ...optional].includes(key), `${where}: ${key} is extra`);
  };

  const notebook = JSON.parse(text) as Json;
  keys(notebook, "notebook", ["cells", "metadata", "nbformat", "nbformat_minor"]);
  check(notebook.nbformat === 4 && notebook.nbformat_minor === 5, "notebook: nbformat 4.5");
  const { kernelspec, language_info } = notebook.metadata as { kernelspec: Json; language_info: Json };
  check(isText(kernelspec.name) && isText(kernelspec.display_name), "kernelspec: name and display_name");
  check(isText(language_info.name), "language_info: name");

  const ids = new Set<unknown>();
  for (const [i, cell] of (notebook.cells as Json[]).entries()) {
    const where = `cell ${i}`;
    check(/^[a-zA-Z0-9-_]{1,64}$/.test(String(cell.id)), `${where}: id ${cell.id}`);
    check(!ids.has(cell.id), `${where}: id ${cell.id} stands twice`);
    ids.add(cell.id);
    check(isMultiline(cell.source), `${where}: source is text or lines`);
    check(isObject(cell.metadata), `${where}: metadata is an object`);
    if (cell.cell_type === "markdown") {
      keys(cell, where, ["id", "cell_type", "metadata", "source"], ["attachments"]);
      continue;
    }
    check(cell.cell_type === "code", `${where}: cell_type ${cell.cell_type}`);
    keys(cell, where, ["id", "cell_type", "metadata", "source", "outputs", "execution_count"]);
    check(
      Number.isInteger(cell.execution_count) && Number(cell.execution_count) >= 0,
      `${where}: execution_count`,
    );
    for (const output of cell.outputs as Json[]) {
      keys(output, `${where}, output`, ["output_type", "data", "metadata"]);
      check(output.output_type === "display_data", `${where}: output_type ${output.output_type}`);
      for (const [type, value] of Object.entries(output.data as Json)) {
        check(/^[a-z]+\/[a-z+.-]+$/.test(type), `${where}: media type ${type}`);
        check(isMultiline(value), `${where}: ${type} is text or lines`);
      }
    }
  }
  return found;
}

/** Source or output as one string, whichever of the two ways it is written. */
export function joined(lines: unknown): string {
  return Array.isArray(lines) ? lines.join("") : String(lines);
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isMultiline(value: unknown): boolean {
  return isText(value) || (Array.isArray(value) && value.every(isText));
}
