/** @file Chat templates: rendered as transformers' apply_chat_template renders them, and what is wrong with one. */

import { ArgumentError, CheckpointError } from "lowrank/core";
import { type PretrainedTokenizer, parseTokenizer } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { refusal, wordLevel } from "./made.ts";

const test = suite("chat templates");

const messages = [
  { role: "system", content: " Be brief. " },
  { role: "user", content: "Hi {{x}}\n" },
  { role: "assistant", content: "Hello" },
  { role: "user", content: "2 < 3 & \"q\" 'é'" },
];
const chatML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}\n";
const tokens = { bos_token: "<s>", eos_token: "</s>" };
const withTemplate = (chat_template: unknown, files: Record<string, string> = {}): PretrainedTokenizer =>
  parseTokenizer(
    {
      "tokenizer.json": wordLevel(["<s>", "</s>", "a"]),
      "tokenizer_config.json": JSON.stringify({ ...tokens, chat_template }),
      ...files,
    },
    "made",
  );

test("ChatML, with and without the beginning of an answer, as transformers 5.18 renders it", () => {
  const tokenizer = withTemplate(chatML);
  assert.ok(tokenizer.hasChatTemplate);
  const text =
    "<|im_start|>system\n Be brief. <|im_end|>\n<|im_start|>user\nHi {{x}}\n<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\n2 < 3 & \"q\" 'é'<|im_end|>\n";
  assert.is(tokenizer.applyChatTemplate(messages), text);
  assert.is(
    tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true }),
    `${text}<|im_start|>assistant\n`,
  );
});

test("blocks are trimmed, special tokens are variables, filters and namespaces work, as in transformers 5.18", () => {
  const template =
    "{{ bos_token }}{% for m in messages %}\n  {% if m.role == 'user' %}\n    [INST] {{ m.content | trim }} [/INST]\n  {% elif m.role == 'system' -%}\n  <<{{ m.content.upper() }}>>\n  {%- else %}\n{{ m['content'] }}{{ eos_token }}\n  {%- endif %}\n{% endfor %}{{ messages|tojson }} {{ messages|length }} {{ messages[0] | tojson(indent=2) }}{% set ns = namespace(n=0) %}{% for m in messages[1:] %}{% set ns.n = ns.n + loop.index0 %}{% if loop.last %}{{ ns.n }}{% endif %}{% endfor %}{% if tools is none %}!{% endif %}{{ undefined_thing }}\n";
  const expected =
    '<s><< BE BRIEF. >>    [INST] Hi {{x}} [/INST]\nHello</s>    [INST] 2 < 3 & "q" \'é\' [/INST]\n[{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "Hi {{x}}\\n"}, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "2 < 3 & \\"q\\" \'é\'"}] 4 {\n  "role": "system",\n  "content": " Be brief. "\n}3!';
  assert.is(withTemplate(template).applyChatTemplate(messages), expected);
});

test("a template with the line ends of Windows is one with those of Unix, as in Python", () => {
  const template = "a\n{% for m in messages %}\n  {{ m.role }}\n{% endfor %}\n";
  const text = withTemplate(template).applyChatTemplate(messages);
  assert.is(text, "a\n  system\n  user\n  assistant\n  user\n");
  assert.is(withTemplate(template.replaceAll("\n", "\r\n")).applyChatTemplate(messages), text);
});

test("one of several templates is taken by its name, and a file comes before the configuration", () => {
  const list = [
    { name: "default", template: "one" },
    { name: "other", template: "two {{ thing }}" },
  ];
  assert.is(withTemplate(list).applyChatTemplate([]), "one");
  assert.is(
    withTemplate(list).applyChatTemplate([], { template: "other", variables: { thing: 2 } }),
    "two 2",
  );
  assert.match(
    refusal(ArgumentError, () => withTemplate(list).applyChatTemplate([], { template: "third" })),
    /template one of default, other; got template "third"/,
  );
  assert.is(withTemplate("no", { "chat_template.jinja": "yes\n" }).applyChatTemplate([]), "yes");
});

test("strftime_now writes the date in English; a code that is unknown is refused", () => {
  assert.match(
    withTemplate("{{ strftime_now('%d %b %Y %A %p %%') }}").applyChatTemplate([]),
    /^\d\d [A-Z][a-z]{2} \d{4} [A-Z][a-z]+day [AP]M %$/,
  );
  assert.match(
    refusal(CheckpointError, () => withTemplate("{{ strftime_now('%Q') }}").applyChatTemplate([])),
    /the chat template fails: strftime_now knows %Y.* not %Q$/,
  );
});

test("a refusal of the template is the caller's mistake, in the template's words", () => {
  const tokenizer = withTemplate(
    "{% if messages[0].role != 'user' %}{{ raise_exception('Roles must alternate') }}{% endif %}",
  );
  assert.match(
    refusal(ArgumentError, () => tokenizer.applyChatTemplate(messages)),
    /made.*its refusal "Roles must alternate"/,
  );
});

test("no template, one that is not Jinja, one that fails, one that is no text: each is named", () => {
  const plain = withTemplate(null);
  assert.not(plain.hasChatTemplate);
  assert.match(
    refusal(CheckpointError, () => plain.applyChatTemplate(messages)),
    /made: the tokenizer has no chat template/,
  );
  assert.match(
    refusal(CheckpointError, () => withTemplate("{% if %}").applyChatTemplate(messages)),
    /made: the chat template cannot be read as Jinja: /,
  );
  assert.match(
    refusal(CheckpointError, () => withTemplate("{{ messages | nothing }}").applyChatTemplate(messages)),
    /made: the chat template fails: /,
  );
  for (const wrong of [5, [{ name: "default" }], ["text"], { default: 1 }])
    assert.match(
      refusal(CheckpointError, () => withTemplate(wrong)),
      /made\/tokenizer_config\.json: expected chat_template a text or a list/,
    );
});

test("messages that are none, and options that are unknown, are refused", () => {
  const tokenizer = withTemplate(chatML);
  for (const wrong of ["hello", null, [{ content: "no role" }], ["text"]])
    assert.match(
      refusal(ArgumentError, () => tokenizer.applyChatTemplate(wrong as never)),
      /a list of messages, each with a role/,
    );
  assert.match(
    refusal(ArgumentError, () =>
      tokenizer.applyChatTemplate(messages, { add_generation_prompt: true } as never),
    ),
    /addGenerationPrompt \(there is no option add_generation_prompt here\)/,
  );
});

test.run();
