/** The selection as a list: sorted, played, exported, and as a command. */

import { useSignal } from "@preact/signals";

import { isLoading, lassoedIds, loadMore, next, ORDERS, rows, rowsProblem } from "./rows";
import { api, MOST_EXPORTED, MOST_ROWS, type ExportFormat, type Wanted } from "../core/api";
import { clock, count, counted, folderOf, nameOf, signed, visible } from "../core/format";
import { complain, tell } from "../core/messages";
import { isPlaying, play, toggle } from "../core/player";
import { currentId, filters, hoveredId, lasso, lassoed, order, query, selectedCount } from "../core/state";
import type { Sound } from "../core/types";
import { clearLasso } from "../map/map_state";
import { Problem, TextDialog } from "../parts/controls";
import { Icon } from "../parts/icons";

export function Selection() {
  const shown = useSignal<{ title: string; text: string } | null>(null);
  const isLasso = lassoed.value !== null;
  const isCut = isLasso && selectedCount.value > MOST_ROWS;
  return (
    <section class="selection" aria-labelledby="selection-heading">
      <header>
        <h2 id="selection-heading">
          {counted(selectedCount.value, "sound")}{isLasso && " in the lasso"}
        </h2>
        <label class="order">
          <span class="for-readers">Order</span>
          <select value={order.value} onChange={(event) => (order.value = event.currentTarget.value)}>
            {Object.entries(ORDERS).map(([key, text]) => (
              <option key={key} value={key}>
                {key === "path" && filters.value.near ? "nearest first" : text}
              </option>
            ))}
          </select>
        </label>
      </header>
      <div class="buttons">
        <button type="button" disabled={!rows.value.length} onClick={playAll}>Play all</button>
        <button type="button" onClick={() => void save("m3u8")}>Save playlist</button>
        <button type="button" onClick={() => void save("csv")}>Save CSV</button>
        <button type="button" onClick={() => void copyPaths((text) => {
          shown.value = { title: "Paths", text };
        })}>Copy paths</button>
        {!isLasso && <button type="button" onClick={() => void command((text) => {
          shown.value = { title: "The command that finds the same", text };
        })}>Command</button>}
        {isLasso && <button type="button" onClick={boxToFilter}>Use its box as a filter</button>}
        {isLasso && <button type="button" onClick={clearLasso}>End lasso</button>}
      </div>
      {rowsProblem.value && <Problem text={rowsProblem.value} />}
      {isCut && <p class="hint">The first {count(MOST_ROWS)} are listed.</p>}
      {selectedCount.value > MOST_EXPORTED && (
        <p class="hint">Exports and copied paths hold the first {count(MOST_EXPORTED)}.
          {!isLasso && " The command finds all."}</p>
      )}
      <ul class="rows" onKeyDown={walk}>
        {rows.value.map((sound) => <Row key={sound.id} sound={sound} />)}
      </ul>
      {!rows.value.length && !rowsProblem.value && (
        <p class="hint">{isLoading.value ? "Loading …" : "No sound matches."}</p>
      )}
      {next.value !== null && <button type="button" class="more" onClick={loadMore}>Show more</button>}
      {shown.value && <TextDialog {...shown.value} onClose={() => (shown.value = null)} />}
    </section>
  );
}

function Row({ sound }: { sound: Sound }) {
  const isCurrent = currentId.value === sound.id;
  const isOn = isCurrent && isPlaying.value;
  const onClick = () => (isCurrent ? toggle() : play(sound.id, rows.peek().map((each) => each.id)));
  const look = () => (hoveredId.value = sound.id);
  const leave = () => (hoveredId.value = null);
  return (
    <li class={isCurrent ? "is-current" : ""} onPointerEnter={look} onPointerLeave={leave}>
      <button type="button" class="row" onClick={onClick} onFocus={look} onBlur={leave}
        aria-pressed={isOn} title={visible(sound.path)}>
        <Icon name={isOn ? "pause" : "play"} />
        <span class="name">{nameOf(sound.path)}</span>
        <span class="folder">{folderOf(sound.path)}</span>
        <span class="values">
          <Value name="arousal">{signed(sound.arousal)}</Value>
          <Value name="valence">{signed(sound.valence)}</Value>
          <Value name="length">{clock(sound.duration_s)}</Value>
        </span>
      </button>
    </li>
  );
}

function Value({ name, children }: { name: string; children: string }) {
  return <span><span class="for-readers">{name} </span>{children}</span>;
}

/** Up and down go from row to row. */
function walk(event: KeyboardEvent): void {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const list = event.currentTarget as HTMLElement;
  const buttons = [...list.querySelectorAll<HTMLElement>("button.row")];
  const at = buttons.indexOf(document.activeElement as HTMLElement);
  if (!by || at < 0) return;
  event.preventDefault();
  buttons[at + by]?.focus();
}

function playAll(): void {
  const ids = rows.peek().map((each) => each.id);
  if (ids.length) play(ids[0]!, ids);
}

function wanted(): Wanted {
  const ids = lassoedIds();
  if (ids) return { ids: ids.slice(0, MOST_EXPORTED) };
  const parameters: Record<string, string | string[]> = {};
  for (const name of new Set(query.peek().keys())) {
    const values = query.peek().getAll(name);
    parameters[name] = name === "text" ? values : values[0]!;
  }
  if (!(filters.peek().near && order.peek() === "path")) parameters["sort"] = order.peek();
  return { filters: parameters };
}

async function save(format: ExportFormat): Promise<void> {
  try {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await api.export(wanted(), format));
    link.download = `${filters.peek().mood ?? "sounds"}.${format}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  } catch (error) {
    complain(error);
  }
}

async function copyPaths(show: (text: string) => void): Promise<void> {
  try {
    const text = await (await api.export(wanted(), "paths")).text();
    try {
      await navigator.clipboard.writeText(text);
      tell(`${counted(Math.min(selectedCount.peek(), MOST_EXPORTED), "path")} copied`);
    } catch {
      show(text);
    }
  } catch (error) {
    complain(error);
  }
}

async function command(show: (text: string) => void): Promise<void> {
  const parameters = new URLSearchParams(query.peek());
  if (order.peek() !== "path") parameters.set("sort", order.peek());
  try {
    show((await api.command(parameters)).command);
  } catch (error) {
    complain(error);
  }
}

/** Ranges of arousal and valence can be bookmarked, and have a command; a lasso has not. */
function boxToFilter(): void {
  const sides = [0, 1].map((side) => {
    const values = (lasso.peek() ?? []).map((corner) => corner[side]!);
    return `${Math.min(...values).toFixed(3)}:${Math.max(...values).toFixed(3)}`;
  });
  filters.value = { ...filters.peek(), arousal: sides[0], valence: sides[1] };
  clearLasso();
}
