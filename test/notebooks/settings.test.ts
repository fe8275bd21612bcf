import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Session, withSession } from "../../notebooks/support/notebook/session.ts";
import { defineSettings, settingsTable } from "../../notebooks/support/notebook/settings.ts";
import { NotebookError } from "../../notebooks/support/terminal/errors.ts";
import { similarNames } from "../../notebooks/support/terminal/names.ts";
import { silentTerminal } from "../../notebooks/support/terminal/terminal.ts";

const settings = suite("settings");

interface Given {
  readonly set?: Record<string, string>;
  readonly full?: boolean;
  readonly seeds?: string;
}

const define = () =>
  defineSettings({
    rank: { quick: 8, full: 16, about: "r", min: 1 },
    rate: { quick: 1, full: 0.5, about: "η" },
    ranks: { quick: [1, 2], about: "ranks" },
    text: { quick: "far", about: "text", oneOf: ["far", "near"] },
    verbose: { quick: false, about: "say more" },
    seeds: { quick: 1, full: 3, about: "runs" },
  });

async function under({ set = {}, full = false, seeds }: Given) {
  const overrides = new Map(Object.entries(set));
  const session = new Session({ name: "nb", cells: [], full, overrides, seeds, terminal: silentTerminal });
  let result: ReturnType<typeof define> | undefined;
  await withSession(session, async () => {
    result = define();
  });
  return result!;
}

const quick = { rank: 8, rate: 1, ranks: [1, 2], text: "far", verbose: false, seeds: 1 };

settings("a setting has its quick value, its full value, or the given one", async () => {
  assert.equal({ ...define() }, quick);
  assert.equal({ ...(await under({})) }, quick);
  assert.equal({ ...(await under({ full: true })) }, { ...quick, rank: 16, rate: 0.5, seeds: 3 });
  const set = { rank: "4", rate: "1e-3", ranks: "4, 8,16", text: "near", verbose: "true" };
  assert.equal(
    { ...(await under({ set, full: true, seeds: "5" })) },
    { rank: 4, rate: 1e-3, ranks: [4, 8, 16], text: "near", verbose: true, seeds: 5 },
  );
});

settings("the type of a setting is that of its quick value", () => {
  const { rank, ranks, text, verbose } = define();
  const typed: { rank: number; ranks: readonly number[]; text: string; verbose: boolean } = {
    rank,
    ranks,
    text,
    verbose,
  };
  assert.is(typed.rank, 8);
});

const refused: [name: string, value: string, message: RegExp][] = [
  [
    "rnk",
    "4",
    /unknown setting "rnk"; did you mean rank.*available: rank, rate, ranks, text, verbose, seeds/,
  ],
  ["__proto__", "4", /unknown setting/],
  ["rank", "x", /setting rank: expected an integer of at least 1; got "x"/],
  ["rank", "", /expected an integer/],
  ["rank", "2.5", /expected an integer/],
  ["rank", "0", /at least 1/],
  ["rank", "Infinity", /expected an integer/],
  ["rate", "-1", /expected a number of at least 0/],
  ["ranks", "1,,2", /numbers separated by commas/],
  ["text", "up", /expected one of far, near/],
  ["verbose", "yes", /expected true or false/],
];
for (const [name, value, message] of refused) {
  settings(`${name}=${value} is refused`, async () => {
    const error = await under({ set: { [name]: value } }).then(
      () => null,
      (reason: unknown) => reason,
    );
    assert.instance(error, NotebookError);
    assert.match((error as Error).message, message);
  });
}

settings("the table shows the values in force and their meanings", () => {
  assert.equal(settingsTable(define()).grid.rows[2], ["ranks", "1, 2", "ranks"]);
});

settings("the names suggested for a mistyped one are within a third of its length, nearest first", () => {
  assert.equal(similarNames("lore", ["qlora", "dora", "lora", "tour"]), ["lora", "qlora", "dora"]);
  assert.equal(similarNames("nonsense", ["lora", "qlora"]), []);
});

settings.run();
