/** The state of the service, kept up to date by server-sent events. */

import { signal } from "@preact/signals";

import { api } from "./api";
import { revision } from "./state";
import type { Status } from "./types";

export const status = signal<Status | null>(null);
export const isConnected = signal(false);

export function startLive(): void {
  const events = api.events();
  events.addEventListener("open", () => (isConnected.value = true));
  // The browser connects again by itself.
  events.addEventListener("error", () => (isConnected.value = false));
  events.addEventListener("status", (event) => {
    const found = JSON.parse((event as MessageEvent<string>).data) as Status | { detail: string };
    if ("known" in found) status.value = found;
  });
  let last: unknown = null;
  events.addEventListener("changed", (event) => {
    const found = (JSON.parse((event as MessageEvent<string>).data) as { revision: unknown }).revision;
    if (last !== null && found !== last) revision.value += 1;
    last = found;
  });
  api.status().then((found) => (status.value ??= found), () => undefined);
}
