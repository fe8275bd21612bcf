/**
 * @file Requests to the Hub: with the user's token, to the endpoint that the environment names, never waiting for ever, tried
 * again where that may help, and with errors that say what to do.
 */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LowrankError } from "../../../core/index.ts";
import { type Environment, hubHome, isOn } from "./place.ts";

/** The Hub does not answer: no network, a wrong address, or silence. What the cache holds may do instead. */
export class Unreachable extends LowrankError {}

/** What a request is about, for messages. */
export interface Subject {
  readonly repo: string;
  readonly revision: string;
}

/** The way to the Hub. */
export interface Connection {
  /** The address of the Hub, without a slash at its end. */
  readonly endpoint: string;
  /** How long to wait for one more byte of a file, in milliseconds. */
  readonly patience: number;
  /** How often a request is tried. */
  readonly tries: number;
  /** Is told of what is tried again. */
  readonly note: (text: string) => void;
  /** One request. Throws `Unreachable`, or an error that says why the Hub refuses. */
  request(url: string, about: Subject, options?: RequestOptions): Promise<Response>;
}

/** How a request is made. */
export interface RequestOptions {
  readonly method?: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  /** "manual" hands out answers that point elsewhere. @default "follow" */
  readonly redirect?: "follow" | "manual";
  /** True: the answer is read to its end, which may not take for ever either. @default false */
  readonly whole?: boolean;
  /** Ends the request. */
  readonly signal?: AbortSignal;
  /** How often it is tried. @default as the connection says */
  readonly tries?: number;
}

/**
 * Reads the environment: HF_ENDPOINT, HF_TOKEN (or the file that `hf auth login` writes), HF_HUB_DOWNLOAD_TIMEOUT and
 * HF_HUB_ETAG_TIMEOUT in seconds.
 * @throws LowrankError when HF_ENDPOINT is no address of the web
 */
export function connect(env: Environment, note: (text: string) => void = () => {}): Connection {
  const endpoint = (env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
  if (!/^https?:$/.test(URL.canParse(endpoint) ? new URL(endpoint).protocol : ""))
    throw new LowrankError(
      `HF_ENDPOINT: expected an address such as https://huggingface.co; got ${endpoint}`,
    );
  const token = readToken(env);
  const answerWithin = milliseconds(env.HF_HUB_ETAG_TIMEOUT);
  const tries = 4;
  const request = async (url: string, about: Subject, options: RequestOptions = {}): Promise<Response> => {
    const { headers = {}, signal, method = "GET", redirect = "follow", whole = false } = options;
    const all: Record<string, string> = {
      "accept-encoding": "identity",
      "user-agent": "lowrank",
      ...headers,
    };
    // The token goes to the Hub only: fetch drops it when an answer points to another host.
    if (token && new URL(url).origin === new URL(endpoint).origin) all.authorization = `Bearer ${token}`;
    const ask = async (signal: AbortSignal): Promise<Response> => {
      const response = await fetch(url, { method, redirect, headers: all, signal });
      const { ok, status } = response;
      const isElsewhere = redirect === "manual" && status >= 300 && status < 400;
      if (!ok && !isElsewhere && status !== 416)
        throw await refusal(response, endpoint, about, token !== undefined);
      return whole
        ? new Response(await response.arrayBuffer(), { status, headers: response.headers })
        : response;
    };
    const broken = (error: unknown): LowrankError => networkError(endpoint, error, env);
    return await again(options.tries ?? tries, note, () =>
      within(answerWithin, endpoint, signal, ask, broken),
    );
  };
  return { endpoint, patience: milliseconds(env.HF_HUB_DOWNLOAD_TIMEOUT), tries, note, request };
}

/** Seconds in an environment variable, in milliseconds. huggingface_hub waits 10 seconds, too. */
function milliseconds(text: string | undefined): number {
  const seconds = Number(text);
  return text && seconds > 0 && seconds < 1e6 ? seconds * 1000 : 10_000;
}

/** The user's token: HF_TOKEN, else the file that the Hub's own tools write. */
function readToken(env: Environment): string | undefined {
  const given = (env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN)?.trim();
  if (given || isOn(env.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return given || undefined;
  const file = env.HF_TOKEN_PATH || join(hubHome(env), "token");
  return (existsSync(file) && readFileSync(file, "utf8").trim()) || undefined;
}

/** A failure that may pass: a connection cut, a busy server. */
export class Passing extends LowrankError {
  /** How long the server asks to wait, in milliseconds. */
  readonly wait: number;
  constructor(message: string, wait = 0) {
    super(message);
    this.wait = wait;
  }
}

/** Runs `action` until it succeeds, at most `tries` times; only what may pass is tried again. Of one try the error is kept. */
async function again<T>(tries: number, note: (text: string) => void, action: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof Passing)) throw error;
      if (tries === 1) throw error;
      if (tried >= tries) throw new Unreachable(error.message, { cause: error });
      note(`${error.message}; trying again (${tried + 1} of ${tries})`);
      await pause(tried, error.wait);
    }
  }
}

/** Waits before the next try, longer each time, or as long as the server asks. */
export const pause = (tried: number, asked: number): Promise<void> =>
  new Promise((done) => setTimeout(done, asked || Math.min(250 * 2 ** (tried - 1), 4000)));

/** Waits for an answer, not for ever. */
async function within<T>(
  limit: number,
  endpoint: string,
  outer: AbortSignal | undefined,
  action: (signal: AbortSignal) => Promise<T>,
  broken: (error: unknown) => LowrankError,
): Promise<T> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), limit);
  try {
    return await action(outer ? AbortSignal.any([silence.signal, outer]) : silence.signal);
  } catch (error) {
    if (silence.signal.aborted) throw new Passing(`${endpoint} has not answered for ${limit / 1000} s`);
    throw broken(error);
  } finally {
    clearTimeout(timer);
  }
}

/** An error of the network in words: one that may pass, or one that will not without a change. */
export function networkError(endpoint: string, error: unknown, env: Environment = {}): LowrankError {
  if (error instanceof LowrankError) return error;
  let cause = error as Error & { code?: string; errors?: Error[] };
  while (cause.cause instanceof Error) cause = cause.cause as typeof cause;
  const code = cause.code ?? (cause.errors?.[0] as typeof cause | undefined)?.code ?? "";
  const words = networkFaults[code];
  if (words) return new Unreachable(`cannot reach ${endpoint} (${words})${proxyHint(env)}`, { cause: error });
  return new Passing(`the connection to ${endpoint} broke off (${code || cause.message})`);
}

/** Node does not use the proxy of the environment unless it is told to. */
function proxyHint(env: Environment): string {
  const proxy = env.HTTPS_PROXY || env.https_proxy || env.HTTP_PROXY || env.http_proxy;
  return proxy && !env.NODE_USE_ENV_PROXY
    ? `; Node 24 and later goes through the proxy ${proxy} with NODE_USE_ENV_PROXY=1`
    : "";
}

const networkFaults: Readonly<Record<string, string>> = {
  ECONNREFUSED: "it refuses the connection",
  ENOTFOUND: "no such host is known",
  EAI_AGAIN: "no network, or no answer from the name server",
  ENETUNREACH: "no network",
  EHOSTUNREACH: "no way to that host",
  CERT_HAS_EXPIRED: "its certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is not to be trusted",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is not to be trusted",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is not to be trusted",
};

/** Why the Hub refuses, in a sentence that says what to do. */
async function refusal(
  response: Response,
  endpoint: string,
  { repo, revision }: Subject,
  hasToken: boolean,
): Promise<LowrankError> {
  const { status, headers } = response;
  const code = headers.get("x-error-code") ?? "";
  const body = (await response.text().catch(() => "")).slice(0, 4000);
  const said = messageIn(headers, body);
  if (status === 429 || status >= 500) {
    const seconds = Number(headers.get("retry-after"));
    return new Passing(
      `${endpoint} answers ${status}${status === 429 ? " (too many requests)" : ""}`,
      Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 60) * 1000 : 0,
    );
  }
  const access = hasToken
    ? "the token that was given (HF_TOKEN) has no access"
    : "set HF_TOKEN to a token that has access";
  if (code === "GatedRepo" || /gated|restricted|must (be|have) .*access/i.test(said) || status === 403)
    return new LowrankError(
      `${repo}: access to it is restricted (${status}): ask for it at ${endpoint}/${repo}; ${access}`,
    );
  if (status === 401)
    return new LowrankError(
      `${repo}: there is no such model at ${endpoint}, or it is private (401): check the name; ${access}`,
    );
  if (status !== 404) return new LowrankError(`${repo}: ${endpoint} answers ${status}${said && `: ${said}`}`);
  if (code === "RevisionNotFound" || /invalid rev|revision/i.test(said))
    return new LowrankError(
      `${repo}: it has no revision ${revision}: name a branch, a tag or a whole commit`,
    );
  if (code === "EntryNotFound") return new LowrankError(`${repo}: ${said || "a file is not there"}`);
  return new LowrankError(
    `${repo}: there is no such model at ${endpoint}${revision === "main" ? "" : `, or it has no revision ${revision}`}: ` +
      "check the name, ORG/NAME as in the model's address",
  );
}

/** What the Hub says of an error: in a header, or in a field of the body. */
function messageIn(headers: Headers, body: string): string {
  const header = headers.get("x-error-message");
  if (header) return header;
  try {
    const { error } = JSON.parse(body);
    return typeof error === "string" ? error : "";
  } catch {
    return "";
  }
}
