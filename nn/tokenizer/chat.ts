/** @file Chats as text: the chat template of a tokenizer, in Jinja, rendered as transformers' apply_chat_template does. */

import { Template } from "@huggingface/jinja";
import {
  ArgumentError,
  CheckpointError,
  checkOptions,
  decodeUtf8,
  isJsonObject,
  type JsonObject,
} from "../../core/index.ts";
import type { TokenizerFiles } from "./definition.ts";
import type { ChatMessage, ChatOptions } from "./types.ts";
import { quote } from "./values.ts";

/** Templates by their names; a single one has the name "default". */
export type Templates = ReadonlyMap<string, string>;

/** @throws CheckpointError when they are not texts */
export function chatTemplates(source: string, files: TokenizerFiles, config: JsonObject): Templates {
  const file = files["chat_template.jinja"];
  if (file !== undefined)
    return new Map([
      ["default", typeof file === "string" ? file : decodeUtf8(`${source}/chat_template.jinja`, file)],
    ]);
  const { chat_template } = config;
  if (chat_template === undefined || chat_template === null) return new Map();
  if (typeof chat_template === "string") return new Map([["default", chat_template]]);
  const entries: readonly unknown[] = Array.isArray(chat_template)
    ? chat_template.map((entry) => (isJsonObject(entry) ? [entry.name, entry.template] : [entry]))
    : isJsonObject(chat_template)
      ? Object.entries(chat_template)
      : [[chat_template]];
  return new Map(
    entries.map((entry) => {
      const [name, template] = entry as unknown[];
      if (typeof name === "string" && typeof template === "string") return [name, template] as const;
      throw new CheckpointError(
        `${source}/tokenizer_config.json: expected chat_template a text or a list of templates with name and template; got ${quote(chat_template)}`,
      );
    }),
  );
}

/** What a template may use of a tokenizer. */
interface Chatting {
  readonly source: string;
  readonly templates: Templates;
  /** The texts of special tokens, by transformers' names: bos_token and so on. */
  readonly tokens: Readonly<Record<string, string>>;
}

export function applyChatTemplate(
  { source, templates, tokens }: Chatting,
  messages: readonly ChatMessage[],
  options: ChatOptions,
): string {
  checkOptions("applyChatTemplate", options, ["addGenerationPrompt", "template", "variables"], {
    add_generation_prompt: "addGenerationPrompt",
    chat_template: "template",
    tools: "variables: { tools }",
  });
  const { addGenerationPrompt = false, template: name = "default", variables = {} } = options;
  if (
    !Array.isArray(messages) ||
    !messages.every((message) => isJsonObject(message) && typeof message.role === "string")
  )
    throw new ArgumentError(
      "applyChatTemplate",
      "a list of messages, each with a role and what it says as content",
      {
        messages: quote(messages),
      },
    );
  if (!isJsonObject(variables))
    throw new ArgumentError("applyChatTemplate", "variables by their names", { variables });
  const template = templates.get(name);
  if (templates.size === 0)
    throw new CheckpointError(
      `${source}: the tokenizer has no chat template (chat_template.jinja, or chat_template of tokenizer_config.json); a model that was not trained on chats takes plain text`,
    );
  if (template === undefined)
    throw new ArgumentError("applyChatTemplate", `template one of ${[...templates.keys()].join(", ")}`, {
      template: name,
    });
  return rendered(source, template, {
    ...tokens,
    messages,
    tools: null,
    documents: null,
    add_generation_prompt: addGenerationPrompt,
    ...variables,
  });
}

function rendered(source: string, text: string, variables: Record<string, unknown>): string {
  let template: Template;
  try {
    template = new Template(text.replace(/\r\n?/g, "\n")); // as in Python, where lines end in one way
  } catch (error) {
    throw new CheckpointError(`${source}: the chat template cannot be read as Jinja: ${oneLine(error)}`, {
      cause: error,
    });
  }
  renameFunctions(template.parsed);
  let refusal: string | null = null;
  const refuse = (message: unknown): never => {
    refusal = String(message);
    throw new Error(refusal);
  };
  try {
    return template.render({
      ...variables,
      [renamed.raise_exception]: refuse,
      [renamed.strftime_now]: strftimeNow,
    });
  } catch (error) {
    if (refusal !== null)
      throw new ArgumentError("applyChatTemplate", `messages that the chat template of ${source} takes`, {
        "its refusal": refusal,
      });
    throw new CheckpointError(`${source}: the chat template fails: ${oneLine(error)}`, { cause: error });
  }
}

/** Functions of transformers that the library has, too, but so that they do not serve; they go by other names. */
const renamed: Readonly<Record<string, string>> = {
  raise_exception: "own raise_exception",
  strftime_now: "own strftime_now",
};

function renameFunctions(node: unknown): void {
  if (typeof node !== "object" || node === null) return;
  const named = node as { type?: unknown; value?: unknown };
  if (named.type === "Identifier" && Object.hasOwn(renamed, named.value as string))
    named.value = renamed[named.value as string];
  for (const child of node instanceof Map ? [...node].flat() : Object.values(node)) renameFunctions(child);
}

/** The time as Python's strftime writes it in English. @throws Error on a code that is not known here */
function strftimeNow(format: unknown): string {
  const now = new Date();
  const two = (value: number): string => String(value).padStart(2, "0");
  const words = (options: Intl.DateTimeFormatOptions): string => now.toLocaleDateString("en-US", options);
  const codes: Readonly<Record<string, () => string>> = {
    Y: () => String(now.getFullYear()),
    y: () => two(now.getFullYear() % 100),
    m: () => two(now.getMonth() + 1),
    d: () => two(now.getDate()),
    e: () => String(now.getDate()).padStart(2),
    b: () => words({ month: "short" }),
    B: () => words({ month: "long" }),
    a: () => words({ weekday: "short" }),
    A: () => words({ weekday: "long" }),
    H: () => two(now.getHours()),
    I: () => two(now.getHours() % 12 || 12),
    p: () => (now.getHours() < 12 ? "AM" : "PM"),
    M: () => two(now.getMinutes()),
    S: () => two(now.getSeconds()),
    "%": () => "%",
  };
  return String(format).replace(/%([\s\S]?)/g, (all, code: string) => {
    if (Object.hasOwn(codes, code)) return codes[code]();
    throw new Error(`strftime_now knows %${Object.keys(codes).join(", %")} here, not ${all}`);
  });
}

const oneLine = (error: unknown): string => (error as Error).message.replace(/\s+/g, " ");
