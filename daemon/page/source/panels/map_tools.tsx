/** What the pointer does in the map, and what the colours mean. */

import { count, visible } from "../core/format";
import { lassoed } from "../core/state";
import { WHOLE } from "../map/camera";
import { camera, clearLasso, colourBy, colouring, mode } from "../map/map_state";
import { COLOURINGS, css, type ColourBy } from "../map/palette";

export function MapTools() {
  const isLasso = mode.value === "lasso";
  return (
    <div class="map-tools" role="group" aria-label="Map">
      <button type="button" aria-pressed={isLasso} onClick={() => (mode.value = isLasso ? "move" : "lasso")}>
        Lasso
      </button>
      {lassoed.value && <button type="button" onClick={clearLasso}>End lasso</button>}
      <button type="button" aria-label="Closer" onClick={() => zoom(1.6)}>+</button>
      <button type="button" aria-label="Farther" onClick={() => zoom(1 / 1.6)}>−</button>
      <button type="button" onClick={() => (camera.value = WHOLE)}>Show all</button>
      <label>
        Colour by{" "}
        <select value={colourBy.value} onChange={(event) => {
          colourBy.value = event.currentTarget.value as ColourBy;
          localStorage.setItem("colour", colourBy.value);
        }}>
          {COLOURINGS.map((each) => <option key={each} value={each}>{each}</option>)}
        </select>
      </label>
      <Legend />
    </div>
  );
}

function Legend() {
  const entries = colouring.value?.entries.filter((entry) => entry.count > 0) ?? [];
  return (
    <ul class="legend" aria-label={`Colours by ${colourBy.value}`}>
      {entries.map((entry) => (
        <li key={entry.label}>
          <svg width="10" height="10" aria-hidden="true"><circle cx="5" cy="5" r="5" fill={css(entry.colour)} /></svg>
          <span class="label" title={visible(entry.label)}>{short(entry.label)}</span>
          <small>{count(entry.count)}</small>
        </li>
      ))}
    </ul>
  );
}

function zoom(factor: number): void {
  camera.value = { ...camera.peek(), half: Math.max(0.004, Math.min(1.6, camera.peek().half / factor)) };
}

/** A folder by its last two names. */
function short(label: string): string {
  return visible(label.startsWith("/") ? label.split("/").filter(Boolean).slice(-2).join("/") || "/" : label);
}
