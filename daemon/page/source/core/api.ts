/** Requests to the JSON interface of the server that this page came from. */

import type {
  BundleManifest, BundleRow, CurvePoint, Failure, Published, ReviewSound, Sound, SoundDetails, SoundList,
  Status,
} from "./types";

const ROOT = "/api/v1";
const TOKEN = document.querySelector<HTMLMetaElement>('meta[name="valenced-token"]')?.content ?? "";

/** The server refused a request, or could not be reached; the message says so in plain words. */
export class RequestError extends Error {
  constructor(message: string, readonly status: number) {
    super(message);
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

type Query = URLSearchParams | Record<string, string | number>;

interface Options {
  query?: Query;
  body?: unknown;
  signal?: AbortSignal;
}

async function request(method: string, path: string, options: Options = {}): Promise<Response> {
  const { query, body, signal } = options;
  const search = new URLSearchParams(query as Record<string, string>).toString();
  const headers: Record<string, string> = {};
  if (method !== "GET") {
    headers["X-Valenced-Token"] = TOKEN;
    headers["Content-Type"] = "application/json";
  }
  let response: Response;
  try {
    response = await fetch(`${ROOT}${path}${search && `?${search}`}`, {
      method, headers, signal, body: method === "GET" ? undefined : JSON.stringify(body ?? {}),
    });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new RequestError("The service does not answer. Is it still running?", 0);
  }
  if (!response.ok) throw new RequestError(await reasonOf(response), response.status);
  return response;
}

async function reasonOf(response: Response): Promise<string> {
  try {
    const { detail } = (await response.json()) as { detail?: unknown };
    if (typeof detail === "string") return detail;
    if (Array.isArray(detail)) return detail.map((each) => String(each?.msg ?? each)).join("; ");
  } catch {
    // Not a document of ours: the status line has to do.
  }
  return `${response.status} ${response.statusText}`;
}

async function json<T>(method: string, path: string, options?: Options): Promise<T> {
  const response = await request(method, path, options);
  return (await response.json()) as T;
}

export type ExportFormat = "m3u8" | "csv" | "paths";
/** Sounds by number, or all that pass filters. */
export type Wanted = { ids: number[] } | { filters: Record<string, string | string[]> };

/** As many rows as one request may ask for. */
export const MOST_ROWS = 1000;
/** As many sounds as an export holds. */
export const MOST_EXPORTED = 20_000;

export const api = {
  points: async (query: Query, signal: AbortSignal) =>
    (await request("GET", "/points", { query, signal })).arrayBuffer(),
  folders: async () => (await json<{ folders: string[] }>("GET", "/folders")).folders,
  formats: async () => (await json<{ formats: string[] }>("GET", "/formats")).formats,
  sounds: (query: Query, signal?: AbortSignal) =>
    json<SoundList>("GET", "/sounds", { query, signal }),
  rows: async (ids: number[], signal?: AbortSignal) =>
    (await json<{ sounds: Sound[] }>("POST", "/sounds/rows", { body: { ids }, signal })).sounds,
  sound: (id: number) => json<SoundDetails>("GET", `/sounds/${id}`),
  curve: async (id: number) =>
    (await json<{ curve: CurvePoint[] }>("GET", `/sounds/${id}/curve`)).curve,
  audioUrl: (id: number, format?: string) =>
    `${ROOT}/sounds/${id}/audio${format ? `?format=${format}` : ""}`,
  annotate: (id: number, arousal: number, valence: number, annotator: string) =>
    json<SoundDetails>("PUT", `/sounds/${id}/annotation`, {
      body: { arousal, valence, ...(annotator && { annotator }) },
    }),
  withdraw: (id: number, annotator: string) =>
    json<SoundDetails>("DELETE", `/sounds/${id}/annotation`, {
      query: annotator ? { annotator } : {},
    }),
  nextReview: async (after: number | null) =>
    (await json<{ sound: ReviewSound | null }>(
      "GET", "/review/next", { query: after === null ? {} : { after } })).sound,
  export: async (wanted: Wanted, format: ExportFormat) =>
    (await request("POST", "/export", { body: { ...wanted, format } })).blob(),
  command: (query: Query) => json<{ command: string }>("GET", "/command", { query }),
  bundles: async () => (await json<{ bundles: BundleRow[] }>("GET", "/bundles")).bundles,
  bundle: (name: string) => json<BundleManifest>("GET", `/bundles/${encodeURIComponent(name)}`),
  publish: (name: string) =>
    json<Published>("POST", `/bundles/${encodeURIComponent(name)}/publish`),
  rollback: () => json<Published>("POST", "/bundles/rollback"),
  status: () => json<Status>("GET", "/status"),
  failures: async () => (await json<{ failures: Failure[] }>("GET", "/failures")).failures,
  retry: (which: { ids: number[] } | { all: true }) =>
    json<unknown>("POST", "/failures/retry", { body: which }),
  events: () => new EventSource(`${ROOT}/events`),
};
