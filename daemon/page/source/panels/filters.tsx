/** The options of `valenced query`, as a form. */

import { useId } from "preact/hooks";

import { count, visible } from "../core/format";
import { current } from "../core/details";
import {
  filters, folders, isLoading, points, query, setFilter, type FilterName,
} from "../core/state";
import { below } from "../map/folder_groups";
import { clearLasso } from "../map/map_state";

const MOODS = ["calm", "energetic", "tense", "sad"];
const MOST_SUGGESTED = 100;
const KINDS = ["music", "voice", "sound"];

export function FilterPanel() {
  const affect = current.value?.sound;
  return (
    <form class="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
      <Text name="text" label="Text in the path" placeholder="rain night" />
      <Choice name="mood" label="Mood" of={MOODS} />
      {filters.value.mood && <Percentile />}
      <Choice name="kind" label="Kind" of={KINDS} />
      <Range name="arousal" label="Arousal" low="calm" high="energetic" />
      <Range name="valence" label="Valence" low="unpleasant" high="pleasant" />
      <Folder />
      <details open={["duration", "novelty", "interval", "near"].some((each) =>
        filters.value[each as FilterName])}>
        <summary>More filters</summary>
        <Text name="duration" label="Duration" placeholder="90s:5m" />
        <Text name="novelty" label="Novelty (above 1: unfamiliar)" placeholder="0:1" />
        <Text name="interval" label="Only what is sure: interval at most" placeholder="0.6" />
        <Text name="near" label="Nearest first to arousal, valence" placeholder="0.2,-0.4" />
        {affect && (
          <button type="button" class="is-quiet" onClick={() =>
            setFilter("near", `${affect.arousal.toFixed(2)},${affect.valence.toFixed(2)}`)}>
            Near the current sound
          </button>
        )}
      </details>
      <p class="found" role="status">
        {points.value ? `${count(points.value.count)} sounds${isLoading.value ? " …" : ""}` : "Loading …"}
      </p>
      {query.value.size > 0 && (
        <button type="button" onClick={() => {
          filters.value = {};
          clearLasso();
        }}>Clear filters</button>
      )}
    </form>
  );
}

function Text({ name, label, placeholder }: { name: FilterName; label: string; placeholder: string }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input id={id} type="text" name={name} autocomplete="off" spellcheck={false}
        placeholder={placeholder} value={filters.value[name] ?? ""}
        onInput={(event) => setFilter(name, event.currentTarget.value)} />
    </div>
  );
}

function Choice({ name, label, of }: { name: FilterName; label: string; of: string[] }) {
  const chosen = filters.value[name] ?? "";
  return (
    <fieldset class="choice">
      <legend>{label}</legend>
      {["", ...of].map((each) => (
        <label key={each}>
          <input type="radio" name={name} value={each} checked={chosen === each}
            onChange={() => {
              setFilter(name, each);
              if (name === "mood" && !each) setFilter("percentile", "");
            }} />
          <span>{each || "any"}</span>
        </label>
      ))}
    </fieldset>
  );
}

function Percentile() {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>Of this library, the outermost</label>
      <select id={id} value={filters.value.percentile ?? ""}
        onChange={(event) => setFilter("percentile", event.currentTarget.value)}>
        <option value="">fixed thresholds</option>
        {[10, 25, 33, 50].map((each) => <option key={each} value={each}>{each} percent</option>)}
      </select>
    </div>
  );
}

function Range({ name, label, low, high }: {
  name: FilterName; label: string; low: string; high: string;
}) {
  const [from = "", to = ""] = (filters.value[name] ?? "").split(":");
  const set = (lower: string, upper: string) => setFilter(name, lower || upper ? `${lower}:${upper}` : "");
  const bound = (value: string, side: string, onInput: (value: string) => void) => (
    <input type="number" min="-1" max="1" step="0.05" aria-label={`${label} ${side}`} value={value}
      placeholder={side === "from" ? "−1" : "1"}
      onInput={(event) => onInput(event.currentTarget.value)} />
  );
  return (
    <fieldset class="range">
      <legend>{label} <small>{low} to {high}</small></legend>
      {bound(from, "from", (value) => set(value, to))}
      <span aria-hidden="true">to</span>
      {bound(to, "to", (value) => set(from, value))}
    </fieldset>
  );
}

function Folder() {
  const [id, names] = [useId(), useId()];
  return (
    <div class="field">
      <label for={id}>In the folder</label>
      <input id={id} type="text" name="under" list={names} autocomplete="off" spellcheck={false}
        value={filters.value.under ?? ""} placeholder="/music/ambient"
        onInput={(event) => setFilter("under", event.currentTarget.value)} />
      <datalist id={names}>
        {suggested(filters.value.under ?? "").map((each) => <option key={each} value={each}>{visible(each)}</option>)}
      </datalist>
    </div>
  );
}

/** The folders one step further than what is typed. */
function suggested(typed: string): string[] {
  const above = typed.slice(0, typed.lastIndexOf("/") + 1) || "/";
  const found = new Set<string>();
  for (const each of folders.value) {
    if (each.startsWith(typed)) found.add(below(each, above));
    if (found.size >= MOST_SUGGESTED) break;
  }
  return [...found];
}
