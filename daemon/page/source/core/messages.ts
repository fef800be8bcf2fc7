/** Short messages at the edge of the page, which screen readers say aloud. */

import { signal } from "@preact/signals";

export interface Message {
  text: string;
  isProblem: boolean;
  undo?: () => void;
}

export const message = signal<Message | null>(null);
let timer = 0;

export function tell(text: string, undo?: () => void): void {
  show({ text, isProblem: false, undo });
}

export function complain(error: unknown): void {
  show({ text: error instanceof Error ? error.message : String(error), isProblem: true });
}

export function dismiss(): void {
  message.value = null;
}

function show(next: Message): void {
  clearTimeout(timer);
  message.value = next;
  timer = setTimeout(dismiss, next.isProblem ? 12_000 : 8_000);
}
