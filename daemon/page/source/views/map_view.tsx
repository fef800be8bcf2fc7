/** Filters, map and selection side by side. */

import { useSignal } from "@preact/signals";

import { Plane } from "../map/plane";
import { FilterPanel } from "../panels/filters";
import { MapTools } from "../panels/map_tools";
import { Selection } from "../panels/selection";
import { SoundCard } from "../panels/sound_card";
import { query } from "../core/state";

export function MapView() {
  // Only narrow screens hide the filters; the style sheet decides which are.
  const isOpen = useSignal(false);
  return (
    <main class="map-view">
      <h1 class="for-readers">Map</h1>
      <aside class={`left ${isOpen.value ? "is-open" : ""}`}>
        <button type="button" class="fold" aria-expanded={isOpen.value}
          onClick={() => (isOpen.value = !isOpen.value)}>
          Filters{query.value.size ? ` (${query.value.size})` : ""}
        </button>
        <FilterPanel />
      </aside>
      <section class="middle" aria-label="Map">
        <MapTools />
        <Plane />
      </section>
      <aside class="right" aria-label="Sounds">
        <SoundCard />
        <Selection />
      </aside>
    </main>
  );
}
