/** Small controls that several views share. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

import { signed } from "../core/format";

/** A slider over one dimension, with the names of its ends. */
export function AffectSlider({ name, low, high, value, onInput }: {
  name: string; low: string; high: string; value: number; onInput: (value: number) => void;
}) {
  const id = useId();
  return (
    <div class="affect-slider">
      <label for={id}>{name}</label>
      <output for={id}>{signed(value)}</output>
      <input id={id} type="range" min="-1" max="1" step="0.01" value={value}
        aria-valuetext={`${signed(value)}, from ${low} to ${high}`}
        onInput={(event) => onInput(event.currentTarget.valueAsNumber)} />
      <span class="ends" aria-hidden="true"><span>{low}</span><span>{high}</span></span>
    </div>
  );
}

/** A question that has to be answered before something is done. */
export function Confirm({ title, action, children, onYes, onNo }: {
  title: string; action: string; children: ComponentChildren; onYes: () => void; onNo: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => dialog.current!.showModal(), []);
  return (
    <dialog ref={dialog} class="confirm" aria-labelledby={heading} onClose={onNo}>
      <h2 id={heading}>{title}</h2>
      {children}
      <div class="buttons">
        <button type="button" onClick={onNo}>Cancel</button>
        <button type="button" class="is-main" onClick={onYes}>{action}</button>
      </div>
    </dialog>
  );
}

/** Text to take along, for browsers that refuse the clipboard, too. */
export function TextDialog({ title, text, onClose }: {
  title: string; text: string; onClose: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => dialog.current!.showModal(), []);
  return (
    <dialog ref={dialog} class="confirm" aria-labelledby={heading} onClose={onClose}>
      <h2 id={heading}>{title}</h2>
      <textarea readOnly rows={4} aria-labelledby={heading} value={text}
        onFocus={(event) => event.currentTarget.select()} />
      <div class="buttons">
        <button type="button" onClick={onClose}>Close</button>
        <button type="button" class="is-main"
          onClick={() => void navigator.clipboard?.writeText(text).then(onClose)}>Copy</button>
      </div>
    </dialog>
  );
}

export function Problem({ text, onAgain }: { text: string; onAgain?: () => void }) {
  return (
    <p class="problem" role="alert">
      {text} {onAgain && <button type="button" onClick={onAgain}>Try again</button>}
    </p>
  );
}
